"""Feature enhancement of Xie et al. 2021: x + 0.2 F(x) on full-resolution RGB, before and after the INN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.inn.pointwise import Conv1x1


class DenseBlock(nn.Module):
    """Four 3x3 convolutions, each fed the concatenation so far, and a last one to the output width.

    ``zero`` starts the last convolution at zero. The authors do so in both blocks of the enhancement; two zero layers
    in series pass no gradient to each other, so here only the one that ends the enhancement starts at zero.
    """

    def __init__(self, inputs: int, outputs: int, growth: int, zero: bool = False) -> None:
        super().__init__()
        for i in range(4):
            conv = nn.Conv2d(inputs + i * growth, growth, 3, padding=1)
            nn.init.xavier_normal_(conv.weight)
            conv.weight.data.mul_(0.1)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            self.add_module(f"conv{i + 1}", conv)
        self.conv5 = nn.Conv2d(inputs + 4 * growth, outputs, 3, padding=1)
        if zero:
            nn.init.zeros_(self.conv5.weight)
            nn.init.zeros_(self.conv5.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        features = x
        for i in range(4):
            conv = self.get_submodule(f"conv{i + 1}")
            features = torch.cat((features, F.leaky_relu(conv(features), 0.2, inplace=True)), 1)
        return self.conv5(features)


class Enhancement(nn.Module):
    """(N, 3, H, W) -> (N, 3, H, W): x + 0.2 F(x); F = dense, conv 1, conv 3, conv 1, dense.

    Args:
        width: of the middle (64 as published).
        growth: of the dense blocks (32 as published).
    """

    def __init__(self, width: int = 64, growth: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            DenseBlock(3, width, growth),
            Conv1x1(width, width),
            nn.Conv2d(width, width, 3, padding=1),
            Conv1x1(width, width),
            DenseBlock(width, 3, growth, zero=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.layers(x)
