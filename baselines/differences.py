"""What a tensor differs by from one that is near, in 4, 6 or 8 bits a value; read only, ``iat-long`` is stored so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BITS = {f".difference{bits}": bits for bits in (4, 6, 8)}
SCALE = ".difference_scale"
PARTS = (SCALE,)
"""What is added to a name: the integers, by their bits; the scales, one for each ``GROUP`` values."""

GROUP = 32
"""Values, neighbours in the flat tensor, that share a scale."""


def read(stored: Mapping[str, Tensor], name: str, kind: str, base: Tensor | None) -> Tensor:
    """The tensor of that name, float32: the base's and the difference.

    Raises:
        ValueError: the base or the scales are missing, or the parts are not those of a tensor of this size.
    """
    scale = stored.get(name + SCALE)
    if base is None or scale is None:
        raise ValueError(f"the base or the scales of {name} are missing")
    bits, packed, count = BITS[kind], stored[name + kind], base.numel()
    sizes = [-(-count * bits // 8)], [-(-count // GROUP)]
    if (packed.dtype, scale.dtype) != (torch.uint8, torch.float16) or ([*packed.shape], [*scale.shape]) != sizes:
        raise ValueError(f"a difference in {bits} bits does not fit its base")
    steps = _unpacked(packed, bits, count) - (2 ** (bits - 1) - 1)
    groups = F.pad(steps, (0, -count % GROUP)).view(-1, GROUP) * scale.float()[:, None]
    return base.float() + groups.flatten()[:count].view_as(base)


def _unpacked(packed: Tensor, bits: int, count: int) -> Tensor:
    """``bits`` bits a number, the highest first -> whole numbers, float32."""
    planes = np.unpackbits(packed.numpy(), count=count * bits).reshape(count, bits)
    return torch.from_numpy(np.packbits(np.pad(planes, ((0, 0), (8 - bits, 0))), axis=1)[:, 0]).float()
