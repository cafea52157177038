"""Song et al.'s network: a mean-scale hyperprior whose every stage is modulated by a condition.

The encoder's conditions start from the quality map; the decoder's from the hyper-latents, so the map is not sent.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.entropy.bottleneck import FactorizedBottleneck
from baselines.entropy.prior import LatentPrior, compress_range
from baselines.learned.model import LatentModel
from baselines.sft.config import SFTConfig
from baselines.sft.layers import (
    GDN1,
    FeatureTransform,
    TransformedBlock,
    conv,
    first_condition,
    next_condition,
    up,
)

CARRIERS = 4
"""So many hyper-latents, the first, tell the level, where training begins as ``baselines.sft.start`` says."""


def _hidden(config: SFTConfig) -> tuple[int, int]:
    return config.prior_hidden or (4 * config.prior, 2 * config.prior)


class Analysis(nn.Module):
    """g_a: image and quality map -> y (B, M, H/16, W/16)."""

    def __init__(self, config: SFTConfig) -> None:
        super().__init__()
        n, m, p, h = config.width, config.latent, config.prior, config.hidden
        widths = (n // 4, n // 2, n, n)
        self.conditions = nn.ModuleList(
            [first_condition(4, p, _hidden(config)), *(next_condition(p) for _ in range(4))]
        )
        self.convs = nn.ModuleList(
            [conv(3, widths[0], stride=1), *(conv(a, b) for a, b in zip(widths, (*widths[1:], m), strict=True))]
        )
        self.gdns = nn.ModuleList(GDN1(c) for c in widths)
        self.transforms = nn.ModuleList(FeatureTransform(c, p, h) for c in widths)
        self.blocks = nn.ModuleList(TransformedBlock(m, p, h) for _ in range(2))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        w = torch.cat((level, x), 1)
        for i, convolve in enumerate(self.convs):
            w, x = self.conditions[i](w), convolve(x)
            if i < len(self.gdns):
                x = self.transforms[i](self.gdns[i](x), w)
        for block in self.blocks:
            x = block(x, w)
        return x


class Synthesis(nn.Module):
    """g_s: quantised y and z -> image, not clamped."""

    def __init__(self, config: SFTConfig) -> None:
        super().__init__()
        n, m, p, h = config.width, config.latent, config.prior, config.hidden
        widths = (n, n, n // 2, n // 4)
        self.hyper_condition = nn.Sequential(
            up(n, n // 2, 3),
            nn.LeakyReLU(0.1),
            up(n // 2, n // 4),
            nn.LeakyReLU(0.1),
            nn.Conv2d(n // 4, n // 4, 3, padding=1),
        )
        self.conditions = nn.ModuleList(
            [first_condition(m + n // 4, p, _hidden(config)), *(next_condition(p, transposed=True) for _ in range(4))]
        )
        self.blocks = nn.ModuleList(TransformedBlock(m, p, h) for _ in range(2))
        self.ups = nn.ModuleList(up(a, b) for a, b in zip((m, *widths[:3]), widths, strict=True))
        self.gdns = nn.ModuleList(GDN1(c, inverse=True) for c in widths)
        self.transforms = nn.ModuleList(FeatureTransform(c, p, h) for c in widths)
        self.last = conv(widths[3], 3, stride=1)

    def forward(self, y: Tensor, z: Tensor) -> Tensor:
        w = self.conditions[0](torch.cat((self.hyper_condition(z), y), 1))
        x = y
        for block in self.blocks:
            x = block(x, w)
        for i, grow in enumerate(self.ups):
            w = self.conditions[i + 1](w)
            x = self.transforms[i](self.gdns[i](grow(x)), w)
        return self.last(x)


class SFTPrior(LatentPrior):
    """h_a, driven by the pooled map and y; h_s, whose output is the scales and means: there is no context model."""

    config: SFTConfig

    def __init__(self, config: SFTConfig) -> None:
        super().__init__()
        self.config = config
        n, m, p, h = config.width, config.latent, config.prior, config.hidden
        self.conditions = nn.ModuleList(
            [first_condition(m + 1, p, _hidden(config)), *(next_condition(p) for _ in range(2))]
        )
        self.convs = nn.ModuleList([conv(m, n, 3, 1), conv(n, n), conv(n, n)])
        self.transforms = nn.ModuleList(FeatureTransform(n, p, h) for _ in range(2))
        self.blocks = nn.ModuleList(TransformedBlock(n, p, h) for _ in range(2))
        self.h_s = nn.Sequential(
            up(n, m),
            nn.LeakyReLU(0.01),
            up(m, 3 * m // 2),
            nn.LeakyReLU(0.01),
            nn.Conv2d(3 * m // 2, 2 * m, 3, padding=1),
        )
        self.entropy_parameters = nn.Sequential()
        self.bottleneck = FactorizedBottleneck(n)

    def hyper_analysis(self, y: Tensor, level: Tensor | float) -> Tensor:
        """y -> z (B, N, H/64, W/64), not quantised."""
        x = compress_range(y) if self.config.domain == "log" else y
        if isinstance(level, Tensor):
            pooled = F.adaptive_avg_pool2d(level, (y.shape[2], y.shape[3]))
        else:
            pooled = torch.full_like(y[:, :1], level)
        w = torch.cat((pooled, x), 1)
        for i, convolve in enumerate(self.convs):
            w, x = self.conditions[i](w), convolve(x)
            if i < len(self.transforms):
                x = F.leaky_relu(self.transforms[i](x, w), 0.01)
        for block in self.blocks:
            x = block(x, w)
        return x


class SFT(LatentModel):
    """Song et al. 2021. Images of at least 128 pixels a side: reflect padding needs three rows at every stage."""

    entropy: SFTPrior
    smallest_side = 128
    # through these pass the local mean, and the level on its way to the gain of all latents and back
    careful_parts = (
        "g_a.convs.",
        "g_a.conditions.",
        "g_s.conditions.",
        "g_s.hyper_condition.",
        "g_s.ups.",
        "g_s.last.",
    )

    def __init__(self, config: SFTConfig) -> None:
        super().__init__()
        self.config = config
        self.g_a = Analysis(config)
        self.g_s = Synthesis(config)
        self.entropy = SFTPrior(config)

    def analysis(self, x: Tensor, prepared: Tensor | float) -> Tensor:
        level = prepared if isinstance(prepared, Tensor) else torch.full_like(x[:, :1], prepared)
        return self.g_a(x.contiguous(memory_format=torch.channels_last), level)

    def hyper_analysis(self, y: Tensor, prepared: Tensor | float) -> Tensor:
        return self.entropy.hyper_analysis(y, prepared)

    def synthesis(self, y_hat: Tensor, z_hat: Tensor, prepared: Tensor | float) -> Tensor:
        return self.g_s(y_hat, z_hat)

    def carries_level(self) -> bool:
        """Whether the first hyper-latents tell the level and nothing else, as ``baselines.sft.start`` makes them."""
        last: Any = self.entropy.convs[2]
        rows = last.weight[:CARRIERS]
        alone = torch.zeros_like(rows)
        alone[range(CARRIERS), range(CARRIERS), 2, 2] = 1
        return torch.allclose(rows, alone, atol=1e-4)

    def hold_gradients(self) -> None:
        """What tells the level is not trained: the synthesis amplifies every error of it."""
        if not self.carries_level():
            return
        prior: Any = self.entropy
        for parameter in (*prior.conditions.parameters(), *prior.transforms.parameters()):
            parameter.grad = None
        for layer in (prior.convs[1], prior.convs[2], *(block.convs[1] for block in prior.blocks)):
            for parameter in (layer.weight, layer.bias):
                _forget(parameter)
        reader: Any = self.g_s.hyper_condition
        for first in (reader[0], prior.h_s[0]):
            _forget(first.weight)


def _forget(parameter: nn.Parameter) -> None:
    """No gradient for what the first channels come from or, of a transposed convolution, go to."""
    if parameter.grad is not None:
        parameter.grad[:CARRIERS] = 0
