"""Weights in a fraction of their space: whole numbers of steps, one step a tensor, compressed without loss (LZMA).

How coarse each step may be is measured (``baselines.steps``). With a base, another checkpoint's tensors, the numbers
tell the difference from it, and what is equal there is not stored at all: weights that were trained on from others
differ from them by little. Tensors of nothing but zeros, such as couplings that were not trained yet, are a shape.
Small ones stay as they are.

Files that were shipped before keep large tensors in other ways, ``baselines.eightbits`` and ``baselines.differences``;
these are still read.
"""

from __future__ import annotations

import lzma
import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from baselines import differences, eightbits

SMALL = 2**12
"""Tensors of fewer values stay as they are."""

MOST = 2**26
"""Values of a tensor in steps: a small file must not expand to more than memory holds."""

LARGEST = 2.0**31
"""Number of steps that four bytes do not hold: tensors with such a value stay as they are."""

STEPPED, STEP, SHAPE = ".stepped", ".step", ".shape"
ZEROS, BASE = ".zeros", ".base"
"""What is added to the names: the whole numbers, the step, the shape; the shape of a tensor of zeros; nothing: see the
base."""


def is_stepped(value: Tensor, base: Tensor | None) -> bool:
    """Whether ``pack`` takes a step for this tensor: it is large, a matrix at least, not zero, and not the base's."""
    large = value.is_floating_point() and value.dim() >= 2 and value.numel() >= SMALL
    return large and bool(value.any()) and not (base is not None and torch.equal(base, value))


def on_steps(value: Tensor, base: Tensor | None, step: float) -> Tensor:
    """What ``unpack`` makes of ``value`` (float32) where it is stored in steps of ``step``."""
    return _sum(_numbers(value, base, step), base, step)


def pack(
    tensors: Mapping[str, Tensor], steps: Mapping[str, float], base: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Float tensors by name -> what is stored of them, beside what a base holds.

    Args:
        tensors: those that are to be kept.
        steps: of the large ones (``is_stepped``); without a step, or in one too fine, a tensor is kept exactly.
        base: of another checkpoint.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        value, near = tensor.detach().cpu(), (base or {}).get(name)
        if near is not None and torch.equal(near, value):
            stored[name + BASE] = torch.zeros(0)
        elif value.is_floating_point() and value.numel() >= SMALL and not bool(value.any()):
            stored[name + ZEROS] = torch.tensor(value.shape)
        elif (
            name in steps
            and is_stepped(value, near)
            and (numbers := _numbers(value, near, steps[name])).abs().max() < LARGEST
        ):
            stored[name + STEPPED] = compressed(numbers)
            stored[name + STEP] = torch.tensor([steps[name]], dtype=torch.float64)
            stored[name + SHAPE] = torch.tensor(value.shape)
        else:
            stored[name] = value.contiguous()
    return stored


def unpack(stored: Mapping[str, Tensor], base: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The inverse of ``pack``; other tensors pass.

    Raises:
        ValueError: a part is missing or does not fit, a shape is none, or the base lacks a tensor.
    """
    tensors: dict[str, Tensor] = {}
    held = base or {}
    for name, value in stored.items():
        plain, _, kind = name.rpartition(".")
        if name.endswith(STEPPED):
            step, shape = stored.get(plain + STEP), stored.get(plain + SHAPE)
            if step is None or shape is None or step.dtype != torch.float64 or step.numel() != 1:
                raise ValueError(f"the step of {plain} is missing")
            tensors[plain] = _sum(expanded(value, _shape(plain, shape)), held.get(plain), step.item())
        elif name.endswith(ZEROS):
            # one zero seen many times: it takes no memory whatever the file says
            tensors[plain] = torch.zeros(()).expand(_shape(plain, value))
        elif name.endswith(BASE):
            if plain not in held:
                raise ValueError(f"{plain} is neither here nor in a base")
            tensors[plain] = held[plain]
        elif f".{kind}" == eightbits.INTEGERS:
            tensors[plain] = eightbits.read(stored, plain)
        elif f".{kind}" in differences.BITS:
            tensors[plain] = differences.read(stored, plain, f".{kind}", held.get(plain))
        elif not name.endswith((STEP, SHAPE, *eightbits.PARTS, *differences.PARTS)):
            tensors[name] = value
    return tensors


def compressed(numbers: Tensor) -> Tensor:
    """Whole numbers of any shape, below ``LARGEST`` in size, as uint8 of one dimension.

    Zigzag (0, -1, 1, -2 ...), the lowest bytes first, LZMA.
    """
    flat = numbers.flatten().to(torch.int64).numpy()
    zigzag = np.where(flat < 0, -2 * flat - 1, 2 * flat)
    width = next(width for width in (1, 2, 4) if int(zigzag.max(initial=0)) < 2 ** (8 * width))
    planes = zigzag.astype(f"<u{width}").view(np.uint8).reshape(-1, width).T
    return torch.frombuffer(bytearray(lzma.compress(planes.tobytes())), dtype=torch.uint8)


def expanded(data: Tensor, shape: list[int]) -> Tensor:
    """The inverse of ``compressed``, float64.

    Raises:
        ValueError: these are not the numbers of a tensor of that shape.
    """
    count = math.prod(shape)
    if count > MOST:
        raise ValueError(f"a tensor of {count} values in steps")
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2**26)
        planes = decoder.decompress(data.numpy().tobytes(), 4 * count + 1)
    except lzma.LZMAError as error:
        raise ValueError(f"numbers that can't be expanded: {error}") from error
    width = len(planes) // count
    if not decoder.eof or width not in (1, 2, 4) or len(planes) != width * count:
        raise ValueError("the numbers do not fit their tensor")
    zigzag = np.frombuffer(planes, np.uint8).reshape(width, count).T.copy().view(f"<u{width}")[:, 0]
    numbers = ((zigzag >> 1) ^ (0 - (zigzag & 1))).view(f"<i{width}")
    return torch.from_numpy(numbers.astype(np.float64)).reshape(shape)


def _numbers(value: Tensor, base: Tensor | None, step: float) -> Tensor:
    """Whole numbers of steps, of the difference where the base has that shape, float64."""
    whole = value.double()
    return torch.round((whole if base is None or base.shape != value.shape else whole - base.double()) / step)


def _sum(numbers: Tensor, base: Tensor | None, step: float) -> Tensor:
    """The inverse of ``_numbers``, float32."""
    whole = numbers.double() * step
    return (whole if base is None or base.shape != numbers.shape else whole + base.double()).float()


def _shape(name: str, value: Tensor) -> list[int]:
    shape = value.tolist()
    if value.dtype != torch.int64 or value.dim() != 1 or min(shape, default=0) < 1 or math.prod(shape) >= 2**40:
        raise ValueError(f"{name} has no shape")
    return shape
