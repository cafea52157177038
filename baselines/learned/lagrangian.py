"""Lambda, the weight of the distortion, as it follows the quality level.

Source: Cai et al. 2022; Song et al. 2021 weight the distortion pixel by pixel in the same way.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

THETA = 0.0012
TAU = 4.382
"""Lambda = theta exp(tau L), as in the IAT paper; L = 0 gives 0.0012, L = 1 gives 0.096."""


def lagrangian(level: Tensor | float) -> Tensor:
    """Lambda = theta exp(tau L) for a quality map or level in [0, 1]."""
    return THETA * torch.exp(TAU * torch.as_tensor(level))


def level_of(multiplier: float) -> float:
    """The L at which Lambda is ``multiplier``: how a model of one rate is trained with the loss of all."""
    return math.log(multiplier / THETA) / TAU
