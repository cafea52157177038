"""Factorised density of the hyper-latents, learned per channel.

Source: Ballé et al. 2018, "Variational image compression with a scale hyperprior", appendix 6.1. The parameters have
the names and shapes of CompressAI's ``EntropyBottleneck``.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

FILTERS = (1, 3, 3, 3, 3, 1)


def _first(layer: int, scale: float) -> float:
    """What all of a layer's matrices begin with, so that the distribution is ``scale`` wide."""
    return float(np.log(np.expm1(scale ** (-1 / (len(FILTERS) - 1)) / FILTERS[layer + 1])))


class FactorizedBottleneck(nn.Module):
    """Cumulative distribution of each channel as a monotone network.

    Args:
        channels: N.
        init_scale: the distribution's width at the start.
    """

    def __init__(self, channels: int, init_scale: float = 10.0) -> None:
        super().__init__()
        self.channels = channels
        self.matrices, self.biases, self.factors = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for i in range(len(FILTERS) - 1):
            self.matrices.append(
                nn.Parameter(torch.full((channels, FILTERS[i + 1], FILTERS[i]), _first(i, init_scale)))
            )
            self.biases.append(nn.Parameter(torch.rand(channels, FILTERS[i + 1], 1) - 0.5))
            if i < len(FILTERS) - 2:
                self.factors.append(nn.Parameter(torch.zeros(channels, FILTERS[i + 1], 1)))
        self.register_buffer("medians", torch.zeros(channels))
        self.medians: Tensor

    @torch.no_grad()
    def widen(self, channels: slice, scale: float) -> None:
        """Begin anew with another width in some channels."""
        for i, matrix in enumerate(self.matrices):
            matrix[channels] = _first(i, scale)

    def logits(self, x: Tensor) -> Tensor:
        """Logit of the cumulative distribution at x, (N, 1, K) -> (N, 1, K)."""
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = torch.matmul(F.softplus(matrix.to(x.dtype)), x) + bias.to(x.dtype)
            if i < len(self.factors):
                x = x + torch.tanh(self.factors[i].to(x.dtype)) * torch.tanh(x)
        return x

    def likelihood(self, z: Tensor) -> Tensor:
        """Probability mass of [z - 1/2, z + 1/2], for z of shape (B, N, H, W)."""
        values = z.permute(1, 0, 2, 3).reshape(self.channels, 1, -1)
        lower, upper = self.logits(values - 0.5), self.logits(values + 0.5)
        sign = -torch.sign(lower + upper).detach()
        mass = torch.abs(torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).clamp_min(1e-9)
        return mass.reshape(z.shape[1], z.shape[0], *z.shape[2:]).permute(1, 0, 2, 3)

    @torch.no_grad()
    def tables(self, bound: int) -> NDArray[np.float64]:
        """Probabilities of the symbols -bound..bound around the median, (N, 2 bound + 1), float64, on the CPU.

        The mass outside is given to the two ends, so that each row sums to one.
        """
        edges = torch.arange(-bound, bound, dtype=torch.float64) + 0.5
        at = self.medians.detach().cpu().double()[:, None, None] + edges
        copy = FactorizedBottleneck(self.channels).double()
        copy.load_state_dict({k: v.detach().cpu().double() for k, v in self.state_dict().items()})
        cumulative = torch.sigmoid(copy.logits(at))[:, 0]
        ones = torch.ones(self.channels, 1, dtype=torch.float64)
        return torch.diff(torch.cat((0 * ones, cumulative, ones), 1), dim=1).clamp_min(1e-9).numpy()
