"""Tensors in 8 bits a value with a scale for each output channel, as most of the shipped files hold them; read only.

Values far beyond the others of their channel, such as those of a basis that the rest was trained around, are kept
beside them exactly.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

INTEGERS, SCALE, PLACES, VALUES = ".int8", ".int8_scale", ".far_places", ".far_values"
PARTS = (SCALE, PLACES, VALUES)
"""What is added to a name: the integers; their scales; where in the flat tensor values are kept, and which."""


def read(stored: Mapping[str, Tensor], name: str) -> Tensor:
    """The tensor of that name, float32.

    Raises:
        ValueError: scales or kept values are missing or do not fit.
    """
    value, scale = stored[name + INTEGERS], stored.get(name + SCALE)
    if scale is None or value.dtype != torch.int8 or value.dim() < 2 or scale.shape != value.shape[:1]:
        raise ValueError(f"the scales of {name} do not fit")
    whole = value.float() * scale.float().reshape(-1, *[1] * (value.dim() - 1))
    if name + PLACES in stored:
        _keep(whole, stored[name + PLACES], stored.get(name + VALUES))
    return whole


def _keep(whole: Tensor, places: Tensor, values: Tensor | None) -> None:
    """Put the values that were kept where they belong."""
    if values is None or places.dim() != 1 or places.shape != values.shape or places.dtype != torch.int32:
        raise ValueError("the values kept exactly do not fit")
    if len(places) and not 0 <= int(places.min()) <= int(places.max()) < whole.numel():
        raise ValueError("a value kept exactly lies outside its tensor")
    whole.view(-1)[places.long()] = values.float()
