"""The simplified attention block of Cheng et al. 2020, as Xie et al. 2021 put it around the INN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.inn.pointwise import Conv1x1


class ResidualUnit(nn.Module):
    """ReLU(x + conv 1 (ReLU (conv 3 (ReLU (conv 1 (x))))))."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            Conv1x1(channels, hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
            Conv1x1(hidden, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.conv(x))


class Attention(nn.Module):
    """(N, C, H, W) -> the same: x + trunk(x) sigmoid(mask(x)), three residual units each, the mask with a conv 1.

    Args:
        channels: C.
        hidden: width inside the units; None takes C/2, as published.
    """

    def __init__(self, channels: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = hidden or max(1, channels // 2)
        self.conv_a = nn.Sequential(*(ResidualUnit(channels, hidden) for _ in range(3)))
        self.conv_b = nn.Sequential(*(ResidualUnit(channels, hidden) for _ in range(3)), Conv1x1(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(x, self.conv_a(x), torch.sigmoid(self.conv_b(x)))

    @torch.no_grad()
    def close(self) -> None:
        """Start near the identity: a mask of sigmoid(-5), under 1 %, everywhere."""
        last = self.conv_b[3]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.weight.mul_(0.1)
        last.bias.fill_(-5.0)
