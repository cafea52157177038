"""Feature enhancement of Xie et al. 2021: x + 0.2 F(x) on full-resolution RGB, before and after the INN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.inn.bands import BAND, Stack, in_bands
from baselines.inn.dense import convolved
from baselines.inn.pointwise import Conv1x1, coding


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
        if coding(x):
            parts = [x.contiguous(memory_format=torch.channels_last)]
            for conv in self.convolutions()[:4]:
                parts.append(F.leaky_relu(convolved(parts, conv), 0.2, inplace=True))
            return convolved(parts, self.conv5)
        features = x
        for conv in self.convolutions()[:4]:
            features = torch.cat((features, F.leaky_relu(conv(features), 0.2, inplace=True)), 1)
        return self.conv5(features)

    def convolutions(self) -> list[nn.Conv2d]:
        """All five."""
        return [self.get_submodule(f"conv{i}") for i in range(1, 6)]  # type: ignore[misc]


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
        return x + 0.2 * (self._in_bands(x) if in_bands(x) else self.layers(x))

    def _in_bands(self, x: Tensor) -> Tensor:
        first, one, middle, other, last = self.layers
        stages: list[tuple[list[nn.Conv2d], nn.Module]] = [
            (first.convolutions(), one),  # type: ignore[operator]
            ([middle], other),  # type: ignore[list-item]
            (last.convolutions(), nn.Identity()),  # type: ignore[operator]
        ]
        stacks = [(Stack(convolutions, x.shape[2]), then) for convolutions, then in stages]
        done = []
        for band in x.contiguous(memory_format=torch.channels_last).split(BAND, 2):
            rows: Tensor | None = band
            for stack, then in stacks:
                if rows is not None:
                    rows = stack(rows)
                    rows = None if rows is None else then(rows)
            if rows is not None:
                done.append(rows)
        return torch.cat(done, 2)
