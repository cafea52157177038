"""Gaussian likelihood of integer latents, and the range of its scales.

Source: Minnen et al. 2018, "Joint autoregressive and hierarchical priors".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SCALE_MIN, SCALE_MAX = 0.11, 256.0
"""The ends of the field's table of scales; here scales are not rounded to 64 entries of a table."""


def gaussian_likelihood(y: Tensor, scale: Tensor, mean: Tensor) -> Tensor:
    """P(y) = Phi((y - mean + 1/2) / scale) - Phi((y - mean - 1/2) / scale), floored at 1e-9; all tensors alike."""
    distance = torch.abs(y - mean)
    inverse = math.sqrt(0.5) / scale
    upper = torch.erfc((distance - 0.5) * inverse)
    lower = torch.erfc((distance + 0.5) * inverse)
    return (0.5 * (upper - lower)).clamp_min(1e-9)
