"""Hyperprior with an optional spatial context model: what the entropy coder knows of each latent.

Sources: Minnen et al. 2018 (joint hyperprior and context), Cheng et al. 2020 (the 3x3 h_a and h_s), as used by
Xie et al. 2021 and Cai et al. 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.entropy.bottleneck import FactorizedBottleneck
from baselines.entropy.non_local import NonLocalAttention
from baselines.entropy.prior import Domain, LatentPrior, compress_range

CONTEXT_KERNEL = 5


@dataclass(frozen=True)
class EntropyConfig:
    """Shapes of the entropy model; see ``baselines.iat.config`` for what each means."""

    latent: int
    hyper_latent: int
    hyper_width: int
    hyper_middle: int
    hyper_outputs: int
    context: bool
    context_outputs: int
    parameter_widths: tuple[int, int]
    domain: Domain
    non_local: bool = False


class MaskedConv2d(nn.Conv2d):
    """A 5 x 5 convolution that sees only positions decoded before its centre in raster order (mask A)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, CONTEXT_KERNEL, padding=CONTEXT_KERNEL // 2)
        mask = torch.zeros(1, 1, CONTEXT_KERNEL, CONTEXT_KERNEL)
        mask[..., : CONTEXT_KERNEL // 2, :] = 1
        mask[..., CONTEXT_KERNEL // 2, : CONTEXT_KERNEL // 2] = 1
        self.register_buffer("mask", mask, persistent=False)
        self.mask: Tensor

    def forward(self, x: Tensor) -> Tensor:
        # the last two rows of the kernel are masked off whole: do not multiply by them
        rows = CONTEXT_KERNEL // 2 + 1
        weight = (self.weight * self.mask)[:, :, :rows]
        x = F.pad(x, (CONTEXT_KERNEL // 2, CONTEXT_KERNEL // 2, CONTEXT_KERNEL // 2, 0))
        return F.conv2d(x, weight, self.bias)


def subpixel(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution and pixel shuffle: doubles the size."""
    return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2))


class EntropyModel(LatentPrior):
    """h_a, h_s, context and parameter networks of one codec."""

    config: EntropyConfig

    def __init__(self, config: EntropyConfig) -> None:
        super().__init__()
        self.config = config
        m, n, w, out = config.latent, config.hyper_latent, config.hyper_width, config.hyper_outputs
        self.h_a = nn.Sequential(
            nn.Conv2d(m, w, 3, padding=1),
            nn.LeakyReLU(0.01),
            nn.Conv2d(w, w, 3, padding=1),
            nn.LeakyReLU(0.01),
            nn.Conv2d(w, w, 3, padding=1, stride=2),
            nn.LeakyReLU(0.01),
            nn.Conv2d(w, w, 3, padding=1),
            nn.LeakyReLU(0.01),
            nn.Conv2d(w, n, 3, padding=1, stride=2),
        )
        if config.non_local:
            self.attention = NonLocalAttention(n)
        middle = config.hyper_middle
        self.h_s = nn.Sequential(
            nn.Conv2d(n, w, 3, padding=1),
            nn.LeakyReLU(0.01),
            subpixel(w, w),
            nn.LeakyReLU(0.01),
            nn.Conv2d(w, middle, 3, padding=1),
            nn.LeakyReLU(0.01),
            subpixel(middle, middle),
            nn.LeakyReLU(0.01),
            nn.Conv2d(middle, out, 3, padding=1),
        )
        self.bottleneck = FactorizedBottleneck(n)
        ctx = config.context_outputs if config.context else 0
        if config.context:
            self.context_prediction = MaskedConv2d(m, ctx)
        a, b = config.parameter_widths
        self.entropy_parameters = nn.Sequential(
            nn.Conv2d(out + ctx, a, 1),
            nn.LeakyReLU(0.01),
            nn.Conv2d(a, b, 1),
            nn.LeakyReLU(0.01),
            nn.Conv2d(b, 2 * m, 1),
        )

    def hyper_analysis(self, y: Tensor) -> Tensor:
        """y (B, M, h, w) -> z (B, N, h/4, w/4), not quantised."""
        z = self.h_a(compress_range(y) if self.config.domain == "log" else y)
        return self.attention(z) if self.config.non_local else z
