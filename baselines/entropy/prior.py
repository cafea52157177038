"""What every entropy model of latents shares: the density of y given z, and its rate."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from baselines.entropy.bottleneck import FactorizedBottleneck
from baselines.entropy.gaussian import SCALE_MAX, SCALE_MIN, gaussian_likelihood

Domain = Literal["linear", "log"]
"""Whether the entropy networks work on y itself or on sign(y) log(1 + |y|), and return the scale or its logarithm."""

LOG_SCALE_MIN, LOG_SCALE_MAX = -2.2073, 5.5452
"""Limits of the logarithm of a scale, those of ``gaussian.SCALE_MIN`` and ``gaussian.SCALE_MAX`` as the shipped models
were trained with them."""

LOG_MEAN_LIMIT = 7.6
"""Limit of a mean in the log domain: +-1997 steps."""


class PriorConfig(Protocol):
    """The part of an entropy model's configuration that the coder looks at."""

    @property
    def latent(self) -> int: ...

    @property
    def context(self) -> bool: ...

    @property
    def domain(self) -> Domain: ...


def compress_range(y: Tensor) -> Tensor:
    """sign(y) log(1 + |y|)."""
    return torch.sign(y) * torch.log1p(torch.abs(y))


def expand_range(u: Tensor) -> Tensor:
    """The inverse of ``compress_range``."""
    return torch.sign(u) * torch.expm1(torch.abs(u))


class LatentPrior(nn.Module):
    """Base of the entropy models. A subclass sets these and computes z.

    Attributes:
        config: see ``PriorConfig``.
        h_s: Sequential, z (B, N, h/4, w/4) -> features (B, C, h, w).
        context_prediction: masked convolution over quantised y, only where ``config.context``.
        entropy_parameters: Sequential of 1x1 convolutions, features -> (B, 2M, h, w), scales first; may be empty.
        bottleneck: density of z.
    """

    config: PriorConfig
    h_s: nn.Sequential
    context_prediction: nn.Conv2d
    entropy_parameters: nn.Sequential
    bottleneck: FactorizedBottleneck

    def parameters_of(self, y_hat: Tensor, z_hat: Tensor) -> tuple[Tensor, Tensor]:
        """(scale, mean) of every latent from quantised y and z, in floating point: for training and estimates."""
        features = self.h_s(z_hat)
        if self.config.context:
            seen = compress_range(y_hat) if self.config.domain == "log" else y_hat
            features = torch.cat((features, self.context_prediction(seen)), 1)
        scale, mean = self.entropy_parameters(features).chunk(2, 1)
        if self.config.domain == "log":
            scale = torch.exp(scale.float().clamp(LOG_SCALE_MIN, LOG_SCALE_MAX))
            return scale, expand_range(mean.float().clamp(-LOG_MEAN_LIMIT, LOG_MEAN_LIMIT))
        return scale.float().clamp(SCALE_MIN, SCALE_MAX), mean.float()

    def quantise_hyper(self, z: Tensor) -> Tensor:
        """z rounded to whole steps from its medians, with straight-through gradients."""
        medians = self.bottleneck.medians[None, :, None, None]
        return z + (torch.round(z - medians) + medians - z).detach()

    def bits_given(self, z: Tensor, y: Tensor, y_hat: Tensor, noise: bool) -> tuple[Tensor, Tensor]:
        """Estimated bits of y and z, each (B,).

        Args:
            z, y: hyper-latents and latents, not quantised.
            y_hat: round(y); gradients pass straight through it where the caller made it so.
            noise: True takes the likelihood of y and z under uniform noise (training), False of the rounded values.
        """
        z = z.float()
        z_round = self.quantise_hyper(z)
        scale, mean = self.parameters_of(y_hat, z_round)
        if noise:
            z_likelihood = self.bottleneck.likelihood(z + torch.rand_like(z) - 0.5)
            y_likelihood = gaussian_likelihood(y + torch.rand_like(y) - 0.5, scale, mean)
        else:
            z_likelihood = self.bottleneck.likelihood(z_round)
            y_likelihood = gaussian_likelihood(y_hat, scale, mean)
        return -torch.log2(y_likelihood).sum((1, 2, 3)), -torch.log2(z_likelihood).sum((1, 2, 3))
