"""Rate-distortion losses of the papers.

Sources: Song et al. 2021 and Cai et al. 2022 (spatially varying Lambda); Xie et al. 2021 (constant lambda).
"""

from __future__ import annotations

import math

from torch import Tensor

from baselines.learned.lagrangian import TAU, THETA, lagrangian


def rate_distortion(
    x: Tensor,
    x_hat: Tensor,
    bits: Tensor,
    level: Tensor,
    balance: float = 0.0,
    noise_power: Tensor | None = None,
    deviation: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """bpp + 255^2 mean(Lambda (x - x_hat)^2), averaged over the batch.

    Args:
        x, x_hat: (B, 3, H, W), images in [0, 1] and their reconstruction.
        bits: (B,), estimated bits of each image.
        level: (B, 1, H, W), quality maps.
        balance: b; each sample's loss is multiplied by (mean Lambda / geometric mean of its range)^-b, so that high
            levels do not drown low ones. 0 is the papers' loss.
        noise_power: (B,), mean squared error that quantisation adds, where x_hat was made without it: see
            ``learned.jacobian``.
        deviation: (B,), what else is added to the loss, weighted already: see ``learned.identity``.

    Returns:
        loss, mean bpp, mean squared error per sample (B,).
    """
    weight = lagrangian(level)
    error = (x - x_hat) ** 2
    bpp = bits / (x.shape[2] * x.shape[3])
    distortion, total = (weight * error).mean((1, 2, 3)), error.mean((1, 2, 3))
    if noise_power is not None:
        distortion = distortion + weight.mean((1, 2, 3)) * noise_power
        total = total + noise_power
    cost = (bpp + 255**2 * distortion + (0 if deviation is None else deviation)) * _balance(weight, balance)
    return cost.mean(), bpp, total


def rate(bits: Tensor, pixels: int, level: Tensor, balance: float = 0.0) -> tuple[Tensor, Tensor]:
    """The rate alone: loss and bpp (B,) of images of ``pixels`` pixels; bits, level and balance as above."""
    bpp = bits / pixels
    return (bpp * _balance(lagrangian(level), balance)).mean(), bpp


def _balance(weight: Tensor, balance: float) -> Tensor:
    middle = THETA * math.exp(TAU / 2)
    return (weight.mean((1, 2, 3)) / middle) ** -balance
