"""PDM: what takes the quantisation's noise out of a stream between two inverse levels.

Source: Gao et al., IEEE TIP 2025. The released code has the U-Net; the residual and dense structures are those that the
paper's figure offers beside it, in our own shapes.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.ainn.config import Denoising
from baselines.inn.enhancement import DenseBlock
from baselines.inn.pointwise import Conv1x1

STRENGTH = 0.2
"""f becomes f + 0.2 U(f)."""

UNET_GAIN = 1 + STRENGTH
"""The U-Net returns its input as well, so a module that has learnt nothing multiplies by 1.2."""


def double_conv(inputs: int, middle: int, outputs: int) -> nn.Sequential:
    """Twice convolution 3 without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, middle, 3, padding=1, bias=False),
        nn.BatchNorm2d(middle),
        nn.ReLU(),
        nn.Conv2d(middle, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """(B, C, H, W) -> the same, its input added; H and W are multiples of 2 to the number of scales less one.

    Args:
        channels: C.
        widths: of the scales, the last of which is as wide as the one before.
    """

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.first = double_conv(channels, widths[0], widths[0])
        self.downs = nn.ModuleList(double_conv(a, b, b) for a, b in pairwise(widths))
        ups, here = [], widths[-1]
        for i in range(len(widths) - 2, -1, -1):
            out = widths[i - 1] if i else widths[0] // 2
            ups.append(double_conv(here + widths[i], (here + widths[i]) // 2, out))
            here = out
        self.ups = nn.ModuleList(ups)
        self.last = Conv1x1(here, channels)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.first(x)]
        for down in self.downs:
            features.append(down(F.max_pool2d(features[-1], 2)))
        out = features.pop()
        for up in self.ups:
            grown = F.interpolate(out, scale_factor=2, mode="bilinear", align_corners=True)
            out = up(torch.cat((features.pop(), grown), 1))
        return x + self.last(out)

    @torch.no_grad()
    def close(self) -> None:
        """Start as the identity."""
        self.last.weight.zero_()
        assert self.last.bias is not None
        self.last.bias.zero_()


class Residual(nn.Module):
    """Two residual blocks at full resolution between convolutions; the last starts at zero."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
            for _ in range(2)
        )
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(x)


class Denoiser(nn.Module):
    """f + 0.2 U(f).

    Args:
        kind: structure of U; ``none`` leaves f as it is.
        channels: of f.
        widths: see ``UNet``; ``residual`` takes the first as its width, ``dense`` an eighth of it as its growth.
    """

    def __init__(self, kind: Denoising, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.kind = kind
        if kind == "unet":
            self.body: nn.Module = UNet(channels, widths)
        elif kind == "residual":
            self.body = Residual(channels, widths[0])
        elif kind == "dense":
            self.body = DenseBlock(channels, channels, max(1, widths[0] // 8), zero=True)

    def forward(self, x: Tensor) -> Tensor:
        return x if self.kind == "none" else x + STRENGTH * self.body(x)
