"""Look-up tables between whole numbers and what the entropy networks work on: see ``Domain`` in ``prior``."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from baselines.entropy.fixedpoint import ACTIVATION_LIMIT, ONE
from baselines.entropy.gaussian import SCALE_MAX, SCALE_MIN
from baselines.entropy.prior import LOG_MEAN_LIMIT, LOG_SCALE_MAX, LOG_SCALE_MIN, Domain

LATENT_BITS = 12
"""Latents are clamped to +-(2^12 - 1)."""

LOWEST, HIGHEST = round(LOG_SCALE_MIN * ONE), round(LOG_SCALE_MAX * ONE)
"""Limits of the logarithm of a scale, in steps of 1/1024."""

MEAN_LIMIT = round(LOG_MEAN_LIMIT * ONE)
"""Limit of a mean in the log domain, in steps of 1/1024."""

SEEN_STEPS = 64
"""In the log domain, the context model sees centred latents rounded to 1/64: a table keeps the logarithm exact."""


class Tables:
    """Of one domain, in float64 on one device; the linear domain needs none."""

    def __init__(self, domain: Domain, device: torch.device) -> None:
        self.log, self.device = domain == "log", device
        self.fine: Tensor | None = None
        if self.log:
            self.latents = _logarithms((1 << LATENT_BITS) - 1, 1).to(device)
            raw = torch.arange(LOWEST, HIGHEST + 1, dtype=torch.float64) / ONE
            # rounded to float32: no difference in the last bit of exp between two machines survives
            self.scales = torch.exp(raw).clamp(SCALE_MIN, SCALE_MAX).float().double().to(device)
            raw = torch.arange(-MEAN_LIMIT, MEAN_LIMIT + 1, dtype=torch.float64) / ONE
            self.means = (torch.round(torch.sign(raw) * torch.expm1(raw.abs()) * ONE) / ONE).to(device)

    def seen(self, y_hat: Tensor, centred: bool) -> Tensor:
        """Context inputs (steps of 1/1024) of quantised latents."""
        if not self.log:
            return (y_hat.double() * ONE).clamp_(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
        if not centred:
            return self.latents[y_hat.long() + ((1 << LATENT_BITS) - 1)]
        bound = SEEN_STEPS * ((1 << LATENT_BITS) + int(math.expm1(MEAN_LIMIT / ONE)) + 1)
        if self.fine is None:
            self.fine = _logarithms(bound, SEEN_STEPS).to(self.device)
        return self.fine[torch.floor(y_hat * SEEN_STEPS + 0.5).clamp_(-bound, bound).long() + bound]

    def scale_and_mean(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """(K, 2M) of the networks, in steps of 1/1024 -> scales and means, each (K, M)."""
        scale, mean = raw.chunk(2, 1)
        if not self.log:
            return (scale / ONE).clamp_(SCALE_MIN, SCALE_MAX), mean / ONE
        # contiguous before the look-up, whose result then is
        scale = scale.clamp(LOWEST, HIGHEST).sub_(LOWEST).long().contiguous()
        return self.scales[scale], self.means[mean.clamp(-MEAN_LIMIT, MEAN_LIMIT).add_(MEAN_LIMIT).long().contiguous()]


def _logarithms(bound: int, steps: int) -> Tensor:
    """sign(y) log(1 + |y|) in steps of 1/1024, for y = -bound / steps, ..., bound / steps."""
    y = torch.arange(-bound, bound + 1, dtype=torch.float64) / steps
    return torch.round(torch.sign(y) * torch.log1p(y.abs()) * ONE)
