"""What a tensor differs by from one that is near: 4, 6 or 8 bits a value, and a scale for each 32 values.

Weights that were trained on from others differ from them by little, and evenly so: steps that are coarse beside such a
difference are fine beside the weight.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BITS = (4, 6, 8)
GROUP = 32
"""Values, neighbours in the flat tensor, that share a scale."""


def difference(value: Tensor, base: Tensor, allowed: float) -> tuple[int, Tensor, Tensor] | None:
    """The difference in as few bits as keep its error within ``allowed``.

    Args:
        value, base: float32, of one shape.
        allowed: root mean squared error that may remain.

    Returns:
        bits a value, the packed integers (uint8, one dimension) and the scales (float16, one a group); None where 8
        bits do not suffice.
    """
    groups = F.pad((value - base).flatten(), (0, -value.numel() % GROUP)).view(-1, GROUP)
    for bits in BITS:
        top = 2 ** (bits - 1) - 1
        scale = (groups.abs().amax(1) / top).half()
        steps = torch.round(groups / scale.float().clamp_min(1e-12)[:, None]).clamp(-top, top)
        error = (steps * scale.float()[:, None] - groups).square().sum().div(value.numel()).sqrt()
        if float(error) <= allowed:
            return bits, _packed(steps.flatten()[: value.numel()] + top, bits), scale
    return None


def added(base: Tensor, bits: int, packed: Tensor, scale: Tensor) -> Tensor:
    """``base`` and a difference as ``difference`` returned it.

    Raises:
        ValueError: the parts are not those of a tensor of this size.
    """
    count = base.numel()
    sizes = [-(-count * bits // 8)], [-(-count // GROUP)]
    if (packed.dtype, scale.dtype) != (torch.uint8, torch.float16) or ([*packed.shape], [*scale.shape]) != sizes:
        raise ValueError(f"a difference in {bits} bits does not fit its base")
    steps = _unpacked(packed, bits, count) - (2 ** (bits - 1) - 1)
    groups = F.pad(steps, (0, -count % GROUP)).view(-1, GROUP) * scale.float()[:, None]
    return base + groups.flatten()[:count].view_as(base)


def _packed(numbers: Tensor, bits: int) -> Tensor:
    """Whole numbers below 2^bits -> their bits in uint8, the highest first."""
    planes = np.unpackbits(numbers.to(torch.uint8).numpy()[:, None], axis=1)[:, 8 - bits :]
    return torch.from_numpy(np.packbits(planes))


def _unpacked(packed: Tensor, bits: int, count: int) -> Tensor:
    """The inverse of ``_packed``, float32."""
    planes = np.unpackbits(packed.numpy(), count=count * bits).reshape(count, bits)
    return torch.from_numpy(np.packbits(np.pad(planes, ((0, 0), (8 - bits, 0))), axis=1)[:, 0]).float()
