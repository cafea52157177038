"""Entropy networks in fixed point: the same numbers on every device, for every batch shape and number of threads.

A decoder must repeat the encoder's probabilities exactly, or everything after the first difference is garbage. Float
convolutions differ in the last bits between CPU and GPU, between one position at a time and all at once, between
thread counts. Here weights and activations are integers, held in float64: every product and every partial sum stays
below 2^53, so each sum is exact in whatever order it is taken. The encoder may then evaluate all positions at once and
the decoder a wavefront at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRACTION_BITS = 10
ONE = 1 << FRACTION_BITS
"""Activations are multiples of 1/1024."""

ACTIVATION_LIMIT = float(1 << 24)
"""Activations are clamped to +-2^24 steps of 1/1024, that is +-16384."""

CHUNK = 256
"""Positions that are evaluated at once: enough for a matrix product, few enough for the processor's caches."""

SLOPE_NUMERATOR, SLOPE_BITS = 655, 16
"""LeakyReLU 0.01 as 655 / 65536."""


class FixedConv:
    """A stride-1, zero-padded convolution on integer activations.

    The weights become multiples of 2^-shift, with the largest shift for which no sum can reach 2^52 steps of 2^-shift.

    Attributes:
        weight: (O, taps * I), multiples of 2^-shift.
        offset: (O, 1), the bias and the half step that makes rounding of ``floor``.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight: (O, I, kh, kw), kh and kw odd; bias: (O,); floating point."""
        weight, bias = weight.detach().double(), bias.detach().double()
        largest = float(weight.abs().max().clamp_min(1e-12))
        mass = float(weight.abs().flatten(1).sum(1).max().clamp_min(1e-12))
        self.shift = max(0, min(20, math.floor(15 - math.log2(largest)), math.floor(27 - math.log2(mass))))
        limit = 2.0**51
        bias = torch.round(bias * 2 ** (self.shift + FRACTION_BITS)).clamp(-limit, limit)
        self.offset = (bias * 2.0**-self.shift + 0.5)[:, None]
        weight = torch.round(weight * 2**self.shift) * 2.0**-self.shift
        kh, kw = weight.shape[2:]
        self.taps = [(y - kh // 2, x - kw // 2) for y in range(kh) for x in range(kw)]
        self.weight = weight.permute(0, 2, 3, 1).flatten(1)

    def to(self, device: torch.device) -> Self:
        self.weight, self.offset = self.weight.to(device), self.offset.to(device)
        return self

    def columns(self, x: Tensor) -> Tensor:
        """(taps * I, K) -> (O, K)."""
        return rounded(torch.addmm(self.offset, self.weight, x))

    def __call__(self, x: Tensor) -> Tensor:
        """(B, I, H, W) -> (B, O, H, W)."""
        height, width = x.shape[2:]
        dy, dx = self.taps[-1]
        padded = F.pad(x, (dx, dx, dy, dy))
        out = x.new_empty(len(x), len(self.weight), height, width)
        rows = max(1, CHUNK // width)
        for plane, result in zip(padded, out, strict=True):
            for top in range(0, height, rows):
                bottom = min(height, top + rows)
                found = self.columns(gathered(plane, self.taps, (dy + top, dy + bottom), (dx, dx + width)))
                result[:, top:bottom] = found.view(-1, bottom - top, width)
        return out


def gathered(plane: Tensor, taps: Sequence[tuple[int, int]], rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """What taps (dy, dx) see from a range of rows and columns of (I, H, W), as (taps * I, positions)."""
    (top, bottom), (left, right) = rows, columns
    return torch.cat([plane[:, top + dy : bottom + dy, left + dx : right + dx] for dy, dx in taps]).flatten(1)


def rounded(total: Tensor) -> Tensor:
    """Sums that have their half step to integer activations, in place."""
    return total.floor_().clamp_(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def leaky_relu_(x: Tensor) -> Tensor:
    """LeakyReLU 0.01 on integer activations, rounded, in place."""
    return F.leaky_relu_(x, SLOPE_NUMERATOR / (1 << SLOPE_BITS)).add_(0.5).floor_()


class FixedTransposedConv(FixedConv):
    """A stride-2 transposed convolution that doubles the size, on integer activations.

    Attributes:
        weight: (I, O, k, k), multiples of 2^-shift.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight: (I, O, k, k), k odd; bias: (O,)."""
        super().__init__(weight.transpose(0, 1), bias)
        outputs, inputs, k = len(self.weight), len(weight), weight.shape[-1]
        self.weight = self.weight.view(outputs, k, k, inputs).permute(3, 0, 1, 2).contiguous()

    def __call__(self, x: Tensor) -> Tensor:
        """(B, I, H, W) -> (B, O, 2H, 2W)."""
        padding = self.weight.shape[-1] // 2
        out = F.conv_transpose2d(x, self.weight, stride=2, padding=padding, output_padding=1)
        return rounded(out.add_(self.offset[:, :, None]))


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
                x = leaky_relu_(x) if step == "leaky_relu" else F.pixel_shuffle(x, 2)
        return x
