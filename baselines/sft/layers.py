"""The layers of Song et al.: generalised divisive normalisation, spatial feature transforms, conditions.

Sources: Song et al., ICCV 2021; GDN1 is the simplified normalisation of Johnston et al. 2019 ("Computationally
efficient neural image compression"); its parameters are stored as CompressAI stores them.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.inn.pointwise import Conv1x1

PEDESTAL = 2.0**-36
BETA_MINIMUM = 1e-6
DENOMINATOR = 1e-4
"""Added to the norm by the authors."""


def conv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2) -> nn.Conv2d:
    """Convolution with reflect padding."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, padding_mode="reflect")


def up(inputs: int, outputs: int, kernel: int = 5) -> nn.ConvTranspose2d:
    """Transposed convolution that doubles the size."""
    return nn.ConvTranspose2d(inputs, outputs, kernel, 2, kernel // 2, output_padding=1)


class _LowerBound(torch.autograd.Function):
    """max(x, bound), whose gradient also passes where it would lift x back over the bound."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp_min(bound)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        (gradient,) = gradients
        return gradient * ((x >= ctx.bound) | (gradient < 0)), None


class GDN1(nn.Module):
    """x / (beta + gamma |x|), or x (beta + gamma |x|) as the inverse; beta and gamma are stored as square roots."""

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.beta = nn.Parameter(torch.sqrt(torch.ones(channels) + PEDESTAL))
        self.gamma = nn.Parameter(torch.sqrt(0.1 * torch.eye(channels) + PEDESTAL))

    def forward(self, x: Tensor) -> Tensor:
        beta = _LowerBound.apply(self.beta, (BETA_MINIMUM + PEDESTAL) ** 0.5) ** 2 - PEDESTAL
        gamma = _LowerBound.apply(self.gamma, PEDESTAL**0.5) ** 2 - PEDESTAL
        norm = F.conv2d(x.abs(), gamma[:, :, None, None], beta)
        return x * norm if self.inverse else x / (norm + DENOMINATOR)


class FeatureTransform(nn.Module):
    """x (1 + scale(w)) + shift(w), with w the condition at the features' size.

    Args:
        channels: of the features.
        prior: channels of the condition.
        hidden: width between.
    """

    def __init__(self, channels: int, prior: int, hidden: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(prior, hidden, 3, padding=1)
        self.scale = nn.Conv2d(hidden, channels, 3, padding=1)
        self.shift = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        shared = torch.relu(self.shared(w))
        return torch.addcmul(x + self.shift(shared), x, self.scale(shared))


class TransformedBlock(nn.Module):
    """x + conv 3 (lrelu (SFT (conv 3 (lrelu (SFT (x))))))."""

    def __init__(self, channels: int, prior: int, hidden: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(FeatureTransform(channels, prior, hidden) for _ in range(2))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        inner = x
        for normalise, convolve in zip(self.norms, self.convs, strict=True):
            inner = convolve(F.leaky_relu(normalise(inner, w), 0.2))
        return x + inner


def first_condition(inputs: int, prior: int, hidden: tuple[int, int]) -> nn.Sequential:
    """Three 3x3 convolutions on the map and what it is seen with."""
    return nn.Sequential(
        nn.Conv2d(inputs, hidden[0], 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(hidden[0], hidden[1], 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(hidden[1], prior, 3, padding=1),
    )


def next_condition(prior: int, transposed: bool = False) -> nn.Sequential:
    """The condition at half the size, or at twice the size."""
    resize: nn.Module = up(prior, prior, 3) if transposed else nn.Conv2d(prior, prior, 3, 2, 1)
    return nn.Sequential(resize, nn.LeakyReLU(0.1), Conv1x1(prior, prior))
