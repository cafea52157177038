"""Non-local attention for the hyperprior.

Source: Chen et al. 2021, "End-to-end learnt image compression via non-local attention optimization and improved context
modeling", Figure 3: x + main(x) * sigmoid(mask(x)), both branches of three residual blocks, the mask's behind a
non-local layer. It stands at the end of the hyper-analysis, on the encoder's side only: a softmax over all positions in
the hyper-synthesis could not be repeated bit by bit on another device.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """x + conv 3 (ReLU (conv 3 (x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class NonLocal(nn.Module):
    """x + W(softmax(theta(x)^T phi(x)) g(x)), every position seeing all others; half the channels inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        weights = torch.softmax(torch.einsum("bcp,bcq->bpq", query, key), 2)
        mixed = torch.einsum("bpq,bcq->bcp", weights, value)
        return x + self.out(mixed.reshape(x.shape[0], -1, *x.shape[2:]))


class NonLocalAttention(nn.Module):
    """(B, C, h, w) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(*(ResidualBlock(channels) for _ in range(3)))
        self.mask = nn.Sequential(
            NonLocal(channels), *(ResidualBlock(channels) for _ in range(3)), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.main(x) * torch.sigmoid(self.mask(x))
