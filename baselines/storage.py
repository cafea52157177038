"""Weights in a quarter of their space: large ones in 8 bits a value, with a scale for each output channel.

Values far beyond the others of their channel, such as those of a basis that the rest was trained around, are kept
exactly: they would make the steps of the others coarse.

The invertible 1x1 matrices stay in float16, as 8 bits there cost 0.03 to 0.15 dB; everything else in 8 bits cost the
shipped IAT 0.006 dB and moved its rate by at most 0.2 % (six crops of held-back photographs, L = 0.2 and 0.8).
Tensors of nothing but zeros, such as couplings that were not trained yet, are a shape; those that another file holds
already, as where only the entropy model was trained, are a name; those that are near the other file's, as where all was
trained on, are a difference in 4 to 8 bits (``baselines.differences``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from baselines.differences import BITS, added, difference

LARGE, SMALL = 2**15, 2**12
"""Tensors of at least so many values take 8 bits a value; smaller ones 16 bits, and the smallest stay as they are."""

FAR, FEW = 8.0, 0.05
"""Values beyond so many times the mean magnitude of their channel are kept, where no larger share of all are."""

OFF, OFF_MIX = 0.03, 5e-4
"""Error of a difference that is let pass, of large tensors and of 1x1 matrices, both as shares of the values' root mean
square."""

EIGHT_BITS, SCALE, ZEROS, BASE = ".int8", ".int8_scale", ".zeros", ".base"
PLACES, VALUES = ".far_places", ".far_values"
DIFFERENCE, DIFFERENCE_SCALE = {f".difference{bits}": bits for bits in BITS}, ".difference_scale"
"""What is added to the names: the integers, their scales, the shape of a tensor of zeros, nothing: see the base; where
in the flat tensor values are kept, and which; differences from the base, by their bits, and their scales."""


def pack(tensors: Mapping[str, Tensor], base: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Float tensors by name -> what is stored of them, beside what a base holds."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu()
        if base and name in base and torch.equal(base[name], value):
            stored[name + BASE] = torch.zeros(0)
        elif value.numel() < SMALL or value.dim() < 2 or not value.is_floating_point():
            stored[name] = value.contiguous()
        elif not bool(value.any()):
            stored[name + ZEROS] = torch.tensor(value.shape)
        else:
            parts = _alone(name, value)
            if base and name in base and base[name].shape == value.shape:
                parts = min(parts, _beside(name, value, base[name]) or parts, key=_bytes)
            stored.update({name + suffix: part for suffix, part in parts.items()})
    return stored


def _alone(name: str, value: Tensor) -> dict[str, Tensor]:
    """What is stored of one tensor, by what is added to its name."""
    if ".mix." in name or value.numel() < LARGE:
        return {"": value.half().contiguous()}
    parts, rows = {}, value.flatten(1)
    far = rows.abs() > FAR * rows.abs().mean(1, keepdim=True)
    if 0 < int(far.sum()) <= FEW * far.numel():
        places = far.flatten().nonzero()[:, 0]
        parts = {PLACES: places.int(), VALUES: rows.flatten()[places].float()}
        rows = rows.masked_fill(far, 0)
    scale = rows.abs().amax(1).clamp_min(1e-12).float() / 127
    return parts | {SCALE: scale, EIGHT_BITS: torch.round(rows / scale[:, None]).to(torch.int8).reshape(value.shape)}


def _beside(name: str, value: Tensor, base: Tensor) -> dict[str, Tensor]:
    """The same of what it differs by from a base; nothing where that is too much for few bits."""
    allowed = (OFF_MIX if ".mix." in name else OFF) * float(value.square().mean().sqrt())
    found = difference(value.float(), base.float(), allowed)
    return {} if found is None else {f".difference{found[0]}": found[1], DIFFERENCE_SCALE: found[2]}


def _bytes(parts: Mapping[str, Tensor]) -> int:
    return sum(part.numel() * part.element_size() for part in parts.values())


def unpack(stored: Mapping[str, Tensor], base: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The inverse of ``pack``; other tensors pass.

    Raises:
        ValueError: a scale, a difference or a kept value is missing or does not fit, a shape is none, or the base lacks
            a tensor.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in stored.items():
        if name.endswith(EIGHT_BITS):
            plain = name.removesuffix(EIGHT_BITS)
            scale = stored.get(plain + SCALE)
            if scale is None or value.dtype != torch.int8 or value.dim() < 2 or scale.shape != value.shape[:1]:
                raise ValueError(f"the scales of {plain} do not fit")
            whole = value.float() * scale.float().reshape(-1, *[1] * (value.dim() - 1))
            if plain + PLACES in stored:
                _keep(whole, stored[plain + PLACES], stored.get(plain + VALUES))
            tensors[plain] = whole
        elif name.endswith(ZEROS):
            shape = value.tolist()
            if value.dtype != torch.int64 or value.dim() != 1 or min(shape, default=0) < 1 or math.prod(shape) >= 2**40:
                raise ValueError(f"{name} is no shape")
            # one zero seen many times: it takes no memory whatever the file says
            tensors[name.removesuffix(ZEROS)] = torch.zeros(()).expand(shape)
        elif name.endswith(BASE):
            plain = name.removesuffix(BASE)
            if plain not in (base or {}):
                raise ValueError(f"{plain} is neither here nor in a base")
            tensors[plain] = (base or {})[plain]
        elif (bits := DIFFERENCE.get(name[name.rfind(".") :])) is not None:
            plain = name.rpartition(".")[0]
            held, scale = (base or {}).get(plain), stored.get(plain + DIFFERENCE_SCALE)
            if held is None or scale is None:
                raise ValueError(f"the base or the scales of {plain} are missing")
            tensors[plain] = added(held.float(), bits, value, scale)
        elif not name.endswith((SCALE, PLACES, VALUES, DIFFERENCE_SCALE)):
            tensors[name] = value
    return tensors


def _keep(whole: Tensor, places: Tensor, values: Tensor | None) -> None:
    """Put the values that were kept where they belong."""
    if values is None or places.dim() != 1 or places.shape != values.shape or places.dtype != torch.int32:
        raise ValueError("the values kept exactly do not fit")
    if len(places) and not 0 <= int(places.min()) <= int(places.max()) < whole.numel():
        raise ValueError("a value kept exactly lies outside its tensor")
    whole.view(-1)[places.long()] = values.float()
