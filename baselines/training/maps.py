"""Quality maps for training: uniform, linear ramps, sums of Gaussian bumps.

Source: Cai et al. 2022, section 4.1: with p = 0.3 uniform (1 % of these exactly 0), with p = 0.3 a ramp between two
random levels, otherwise 1 to 20 Gaussian bumps normalised to a peak in [0.5, 1]. The authors' sampler reuses one
buffer, so that 71 % of its maps come out flat in effect; here the share of uniform maps is an option and the bumps
are bumps.
"""

from __future__ import annotations

import torch
from torch import Tensor


def quality_maps(batch: int, size: int, generator: torch.Generator, uniform: float = 0.7, ramp: float = 0.15) -> Tensor:
    """Random maps (batch, 1, size, size) in [0, 1], on the CPU.

    Args:
        uniform: share of uniform maps (0.3 in the paper, 0.71 in effect in the authors' code).
        ramp: share of ramps; the rest are sums of Gaussian bumps.
    """
    kinds = torch.rand(batch, generator=generator)
    maps = [
        _uniform(size, generator)
        if k < uniform
        else _ramp(size, generator)
        if k < uniform + ramp
        else _bumps(size, generator)
        for k in kinds.tolist()
    ]
    return torch.stack(maps)[:, None]


def _uniform(size: int, generator: torch.Generator) -> Tensor:
    level, zero = torch.rand(2, generator=generator).tolist()
    return torch.full((size, size), 0.0 if zero < 0.01 else level)


def _ramp(size: int, generator: torch.Generator) -> Tensor:
    start, end, direction = torch.rand(3, generator=generator).tolist()
    line = torch.linspace(start, end, size)
    return line.expand(size, size) if direction < 0.5 else line[:, None].expand(size, size)


def _bumps(size: int, generator: torch.Generator) -> Tensor:
    count = int(torch.randint(1, 21, (1,), generator=generator))
    centre = torch.rand(count, 2, generator=generator) * size
    spread = (0.05 + 0.45 * torch.rand(count, 2, generator=generator)) * size
    at = torch.arange(size) + 0.5
    shape = torch.exp(-0.5 * ((at - centre[..., None]) / spread[..., None]) ** 2)
    total = torch.einsum("ny,nx->yx", shape[:, 0], shape[:, 1])
    peak = 0.5 + 0.5 * float(torch.rand(1, generator=generator))
    return total / total.max() * peak


def narrowed(levels: Tensor, width: float, middle: float) -> Tensor:
    """Levels (any shape) in [0, 1] drawn together around ``middle``, to a range ``width`` as wide: a curriculum."""
    return middle + width * (levels - middle)
