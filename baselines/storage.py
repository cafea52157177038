"""Weights in a quarter of their space: large ones in 8 bits a value, with a scale for each output channel.

The invertible 1x1 matrices stay in float16, as 8 bits there cost 0.03 to 0.15 dB; everything else in 8 bits cost the
shipped IAT 0.006 dB and moved its rate by at most 0.2 % (six crops of held-back photographs, L = 0.2 and 0.8).
Tensors of nothing but zeros, such as couplings that were not trained yet, are a shape; those that another file holds
already, as where only the entropy model was trained, are a name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

LARGE = 4096
"""Tensors of fewer values stay as they are."""

EIGHT_BITS, SCALE, ZEROS, BASE = ".int8", ".int8_scale", ".zeros", ".base"
"""What is added to the names: the integers, their scales, the shape of a tensor of zeros, nothing: see the base."""


def pack(tensors: Mapping[str, Tensor], base: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Float tensors by name -> what is stored of them, beside what a base holds."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu()
        if base and name in base and torch.equal(base[name], value):
            stored[name + BASE] = torch.zeros(0)
        elif value.numel() < LARGE or value.dim() < 2 or not value.is_floating_point():
            stored[name] = value.contiguous()
        elif not bool(value.any()):
            stored[name + ZEROS] = torch.tensor(value.shape)
        elif ".mix." in name:
            stored[name] = value.half().contiguous()
        else:
            rows = value.flatten(1)
            scale = rows.abs().amax(1).clamp_min(1e-12).float() / 127
            stored[name + SCALE] = scale
            stored[name + EIGHT_BITS] = torch.round(rows / scale[:, None]).to(torch.int8).reshape(value.shape)
    return stored


def unpack(stored: Mapping[str, Tensor], base: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The inverse of ``pack``; other tensors pass.

    Raises:
        ValueError: a scale is missing or does not fit, a shape is none, or the base lacks a tensor.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in stored.items():
        if name.endswith(EIGHT_BITS):
            plain = name.removesuffix(EIGHT_BITS)
            scale = stored.get(plain + SCALE)
            if scale is None or value.dtype != torch.int8 or value.dim() < 2 or scale.shape != value.shape[:1]:
                raise ValueError(f"the scales of {plain} do not fit")
            tensors[plain] = value.float() * scale.float().reshape(-1, *[1] * (value.dim() - 1))
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
        elif not name.endswith(SCALE):
            tensors[name] = value
    return tensors
