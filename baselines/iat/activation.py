"""The invertible activation transform (IAT) module: features scaled and shifted by networks of the quality map.

Source: Cai et al., ACM MM 2022. The paper writes e = s * beta + gamma; the authors' code, which trained the released
checkpoints, computes e = s (1 + gamma) + beta. The second form is used here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.inn.pointwise import Conv1x1
from baselines.inn.precision import exact

SMALLEST_SCALE = 0.05
"""|1 + gamma| is kept at least this far from zero, where the inverse would blow up."""


def guard_scale(scale: Tensor) -> Tensor:
    """Push values inside (-SMALLEST_SCALE, SMALLEST_SCALE) out to its nearest end; zero goes to the positive one."""
    floor = torch.where(scale < 0, -SMALLEST_SCALE, SMALLEST_SCALE).to(scale.dtype)
    return torch.where(scale.abs() < SMALLEST_SCALE, floor, scale)


class ActivationTransform(nn.Module):
    """e = s (1 + gamma(L)) + beta(L), with L the quality map pooled to the features' size.

    Args:
        channels: c of the features.
        shared: width of the two shared convolutions (2c as published).
        branch: hidden width of the two branches (c as published).
        scalar: the ablation of the paper: one L an image (the mean of a map) and channel-wise weights, the same at all
            positions; the 3x3 convolutions become 1x1.
    """

    def __init__(
        self, channels: int, shared: int | None = None, branch: int | None = None, scalar: bool = False
    ) -> None:
        super().__init__()
        shared, branch = shared or 2 * channels, branch or channels
        self.scalar = scalar
        k = 1 if scalar else 3
        self.mlp_shared = nn.Sequential(
            nn.Conv2d(1, shared, k, padding=k // 2), nn.LeakyReLU(0.2), Conv1x1(shared, shared), nn.LeakyReLU(0.2)
        )
        self.mlp_gamma = self._branch(shared, branch, channels, k)
        self.mlp_beta = self._branch(shared, branch, channels, k)

    @staticmethod
    def _branch(shared: int, branch: int, channels: int, k: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(shared, branch, k, padding=k // 2), nn.LeakyReLU(0.2), Conv1x1(branch, channels))

    def modulation(self, level: Tensor | float, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """(scale, shift) for features of ``size``.

        Args:
            level: quality map (N, 1, H, W) in [0, 1], or one number for a uniform map.
            size: (h, w) of the features.

        Returns:
            scale and shift, (N or 1, c, h, w), or (N or 1, c, 1, 1) where the level is a scalar. A uniform map is
            evaluated on at most 7 x 7 positions: away from the zero-padded border the networks' output does not change.
        """
        if self.scalar:
            size = (1, 1)
        if isinstance(level, Tensor):
            return self._networks(F.adaptive_avg_pool2d(level, size))
        weight = next(self.parameters())
        h, w = min(size[0], 7), min(size[1], 7)
        scale, shift = self._networks(torch.full((1, 1, h, w), level, dtype=weight.dtype, device=weight.device))
        return _spread(scale, size), _spread(shift, size)

    def _networks(self, level: Tensor) -> tuple[Tensor, Tensor]:
        with exact(level.device):
            shared = self.mlp_shared(level)
            return guard_scale(1 + self.mlp_gamma(shared)), self.mlp_beta(shared)


def _spread(small: Tensor, size: tuple[int, int]) -> Tensor:
    """Grow (1, c, h, w) to ``size`` by repeating the middle row and column."""
    for dim, length in ((2, size[0]), (3, size[1])):
        have = small.shape[dim]
        if have < length:
            index = torch.arange(length, device=small.device)
            middle = have // 2
            index = torch.where(index < middle, index, torch.clamp(index - (length - have), min=middle))
            small = small.index_select(dim, index)
    return small.contiguous(memory_format=torch.channels_last)
