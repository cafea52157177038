"""Entropy networks in fixed point: the same numbers on every device, for every batch shape and number of threads.

A decoder must repeat the encoder's probabilities exactly, or everything after the first difference is garbage. Float
convolutions differ in the last bits between CPU and GPU, between one position at a time and all at once, between
thread counts. Here weights and activations are integers, held in float64: every product and every partial sum stays
below 2^53, so each sum is exact in whatever order it is taken. The encoder may then evaluate all positions at once and
the decoder a wavefront at a time.
"""

from __future__ import annotations

import math
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRACTION_BITS = 10
ONE = 1 << FRACTION_BITS
"""Activations are multiples of 1/1024."""

ACTIVATION_LIMIT = float(1 << 24)
"""Activations are clamped to +-2^24 steps of 1/1024, that is +-16384."""

SLOPE_NUMERATOR, SLOPE_BITS = 655, 16
"""LeakyReLU 0.01 as 655 / 65536."""


class FixedConv:
    """A stride-1, zero-padded convolution on integer activations.

    The weights become multiples of 2^-shift, with the largest shift for which no sum can reach 2^52.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight: (O, I, kh, kw) or (O, I); bias: (O,); floating point."""
        weight, bias = weight.detach().double(), bias.detach().double()
        largest = float(weight.abs().max().clamp_min(1e-12))
        mass = float(weight.abs().flatten(1).sum(1).max().clamp_min(1e-12))
        self.shift = max(0, min(20, math.floor(15 - math.log2(largest)), math.floor(27 - math.log2(mass))))
        self.weight = torch.round(weight * 2**self.shift)
        limit = 2.0**51
        self.bias = torch.round(bias * 2 ** (self.shift + FRACTION_BITS)).clamp(-limit, limit)

    def to(self, device: torch.device) -> Self:
        self.weight, self.bias = self.weight.to(device), self.bias.to(device)
        return self

    def matrix(self) -> FixedConv:
        """The same layer for (K, I*kh*kw) rows, inputs in the order (kh, kw, I): see ``rows``."""
        if self.weight.dim() == 4:
            self.weight = self.weight.permute(0, 2, 3, 1).flatten(1)
        self.weight = self.weight.T.contiguous()
        return self

    def rows(self, x: Tensor) -> Tensor:
        """(K, I) -> (K, O) after ``matrix``."""
        return self._rescale(torch.addmm(self.bias, x, self.weight))

    def __call__(self, x: Tensor) -> Tensor:
        """(B, I, H, W) -> (B, O, H, W)."""
        padding = self.weight.shape[-1] // 2
        return self._rescale(F.conv2d(x, self.weight, self.bias, padding=padding))

    def _rescale(self, total: Tensor) -> Tensor:
        total.mul_(2.0**-self.shift).add_(0.5).floor_()
        return total.clamp_(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def leaky_relu(x: Tensor) -> Tensor:
    """LeakyReLU 0.01 on integer activations, rounded."""
    return torch.where(x < 0, torch.floor(x * (SLOPE_NUMERATOR / (1 << SLOPE_BITS)) + 0.5), x)


class FixedTransposedConv(FixedConv):
    """A stride-2 transposed convolution that doubles the size, on integer activations."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight: (I, O, k, k), k odd; bias: (O,)."""
        super().__init__(weight.transpose(0, 1), bias)
        self.weight = self.weight.transpose(0, 1).contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        """(B, I, H, W) -> (B, O, 2H, 2W)."""
        padding = self.weight.shape[-1] // 2
        return self._rescale(F.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=padding, output_padding=1))


class FixedSequence:
    """A Sequential of stride-1 Conv2d, stride-2 ConvTranspose2d, LeakyReLU(0.01), PixelShuffle(2), in fixed point."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.steps: list[FixedConv | str] = []
        for module in network.modules():
            if isinstance(module, nn.ConvTranspose2d):
                assert module.bias is not None
                self.steps.append(FixedTransposedConv(module.weight, module.bias).to(device))
            elif isinstance(module, nn.Conv2d):
                assert module.bias is not None
                self.steps.append(FixedConv(module.weight, module.bias).to(device))
            elif isinstance(module, nn.LeakyReLU):
                self.steps.append("leaky_relu")
            elif isinstance(module, nn.PixelShuffle):
                self.steps.append("pixel_shuffle")

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, H, W) integers of 1/1024 -> the same."""
        for step in self.steps:
            if isinstance(step, FixedConv):
                x = step(x)
            else:
                x = leaky_relu(x) if step == "leaky_relu" else F.pixel_shuffle(x, 2)
        return x
