"""Distortion through the Jacobian of the inverse transform, as in the theory of A-INN.

With y_hat = y + q and g the synthesis, x_hat - x = [g(y) - x] + [g(y + q) - g(y)]. Rounding noise q is uniform, without
mean and independent in each latent, so to first order the expected distortion is

    |g(y) - x|^2 + E |J q|^2  =  |g(y) - x|^2 + |J|_F^2 / 12,    J = dg/dy at y,

which is exact for a linear g; twice that bounds it whatever the correlation (|a + b|^2 <= 2 |a|^2 + 2 |b|^2). No
latent is rounded, so no gradient has to pass a rounding. Source of the formulation: Gao et al., IEEE TIP 2025 (rate
plus lambda times a distortion bounded through the Jacobian of the inverse transform; the released loss has none).
The estimate of the Frobenius norm is Hutchinson's: |J|_F^2 = E |J^T v|^2 for v with unit covariance.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDING_VARIANCE = 1 / 12
"""Of uniform noise one step wide."""


def quantisation_noise(x: Tensor, y: Tensor, probes: int = 1) -> Tensor:
    """Mean squared error that rounding y adds to each sample of x = g(y), (B,); differentiable.

    Args:
        x: (B, ...), the synthesis of y without rounding, samples independent of each other.
        y: (B, ...), requires a gradient, x depends on it.
        probes: random vectors of +-1 that the estimate averages; its expectation does not depend on their number.
    """
    total = torch.zeros(len(x), device=x.device, dtype=x.dtype)
    for _ in range(probes):
        probe = torch.randint(0, 2, x.shape, device=x.device, dtype=torch.int8).to(x.dtype) * 2 - 1
        (product,) = torch.autograd.grad(x, y, probe, create_graph=True)
        total = total + product.square().flatten(1).sum(1)
    return total * (ROUNDING_VARIANCE / probes / x[0].numel())
