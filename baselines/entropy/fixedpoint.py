"""Entropy networks in fixed point: the same numbers on every device, for every batch shape and number of threads.

A decoder must repeat the encoder's probabilities exactly, or everything after the first difference is garbage. Float
convolutions differ in the last bits between CPU and GPU, between one position at a time and all at once, between
thread counts. Here weights and activations are integers, and every sum is exact in whatever order it is taken, see
``integers``. The encoder may then evaluate all positions at once and the decoder a wavefront at a time.

Activations are float64, the channels last.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.entropy.integers import IntegerMatrix, operand

FRACTION_BITS = 10
ONE = 1 << FRACTION_BITS
"""Activations are multiples of 1/1024."""

ACTIVATION_LIMIT = float(1 << 24)
"""Activations are clamped to +-2^24 steps of 1/1024, that is +-16384."""

CHUNK = 256
"""Positions that are evaluated at once: enough for a matrix product, few enough for the processor's caches."""

SLOPE_NUMERATOR, SLOPE_BITS = 655, 16
"""LeakyReLU 0.01 as 655 / 65536."""


class Phase(NamedTuple):
    """Output positions that are ``at`` (y, x) modulo the stride: which inputs (dy, dx) they see, by what weights."""

    at: tuple[int, int]
    taps: list[tuple[int, int]]
    matrix: IntegerMatrix


class FixedConv:
    """A stride-1, zero-padded convolution on integer activations.

    The weights become multiples of 2^-shift, with the largest shift for which no sum can reach 2^52 steps of 2^-shift.

    Attributes:
        weight: (O, taps * I) integers, times 2^shift.
        offset: (O,), the bias and the half step that makes rounding of ``floor``.
        step: 2^-shift.
        phases: one for every output position modulo ``stride``.
    """

    stride = 1

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight: (O, I, kh, kw), kh and kw odd; bias: (O,); floating point, on the device where this is to work."""
        weight, bias = weight.detach().double(), bias.detach().double()
        largest = float(weight.abs().max().clamp_min(1e-12))
        mass = float(weight.abs().flatten(1).sum(1).max().clamp_min(1e-12))
        shift = max(0, min(20, math.floor(15 - math.log2(largest)), math.floor(27 - math.log2(mass))))
        limit = 2.0**51
        self.step = 2.0**-shift
        self.offset = torch.round(bias * 2 ** (shift + FRACTION_BITS)).clamp(-limit, limit) * self.step + 0.5
        self.weight = torch.round(weight * 2**shift).permute(0, 2, 3, 1).flatten(1)
        self.phases = self._phases(*weight.shape[2:])

    def _phases(self, kh: int, kw: int) -> list[Phase]:
        taps = [(y - kh // 2, x - kw // 2) for y in range(kh) for x in range(kw)]
        return [Phase((0, 0), taps, IntegerMatrix(self.weight))]

    def rows(self, x: Tensor) -> Tensor:
        """(N, taps * I) -> (N, O)."""
        return rounded(self.sums(operand(x)))

    def sums(self, x: Tensor) -> Tensor:
        """(D, N, taps * I) of ``operand`` -> (N, O), not rounded."""
        return self.phases[0].matrix.add_products(self.offset, x, self.step)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, H, W, I) -> (B, stride * H, stride * W, O)."""
        return torch.stack([self._plane(plane) for plane in x])

    def _plane(self, x: Tensor) -> Tensor:
        height, width = x.shape[:2]
        dy, dx = (max(abs(tap[axis]) for phase in self.phases for tap in phase.taps) for axis in (0, 1))
        padded = operand(F.pad(x, (0, 0, dx, dx, dy, dy)))
        out = x.new_empty(self.stride * height, self.stride * width, len(self.offset))
        rows = max(1, CHUNK // width)
        for (py, px), taps, matrix in self.phases:
            part = out[py :: self.stride, px :: self.stride]
            for top in range(0, height, rows):
                bottom = min(height, top + rows)
                seen = gathered(padded, taps, (dy + top, dy + bottom), (dx, dx + width))
                total = matrix.add_products(self.offset, seen, self.step)
                part[top:bottom] = rounded(total).view(bottom - top, width, -1)
        return out


def gathered(plane: Tensor, taps: Sequence[tuple[int, int]], rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """What taps (dy, dx) see from a range of rows and columns of (D, H, W, I), as (D, positions, taps * I)."""
    (top, bottom), (left, right) = rows, columns
    return torch.cat([plane[:, top + dy : bottom + dy, left + dx : right + dx] for dy, dx in taps], 3).flatten(1, 2)


def rounded(total: Tensor) -> Tensor:
    """Sums that have their half step to integer activations, in place."""
    return total.floor_().clamp_(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def leaky_relu_(x: Tensor) -> Tensor:
    """LeakyReLU 0.01 on integer activations, rounded, in place."""
    return F.leaky_relu_(x, SLOPE_NUMERATOR / (1 << SLOPE_BITS)).add_(0.5).floor_()


class FixedTransposedConv(FixedConv):
    """A stride-2 transposed convolution that doubles the size, on integer activations."""

    stride = 2

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """weight: (I, O, k, k), k odd; bias: (O,)."""
        super().__init__(weight.transpose(0, 1), bias)

    def _phases(self, kh: int, kw: int) -> list[Phase]:
        weight = self.weight.unflatten(1, (kh, kw, -1))
        found = []
        for py, px in itertools.product((0, 1), repeat=2):
            seen = list(itertools.product(_doubling(kh, py), _doubling(kw, px)))
            matrix = IntegerMatrix(torch.cat([weight[:, y, x] for (y, _), (x, _) in seen], 1))
            found.append(Phase((py, px), [(dy, dx) for (_, dy), (_, dx) in seen], matrix))
        return found


def _doubling(k: int, phase: int) -> list[tuple[int, int]]:
    """Elements of a kernel of size k by which output 2 i + phase sees an input, and d where that is input i + d."""
    return [(at, (k // 2 + phase - at) // 2) for at in range(k) if (k // 2 + phase - at) % 2 == 0]


class FixedSequence:
    """A Sequential of stride-1 Conv2d, stride-2 ConvTranspose2d, LeakyReLU(0.01), PixelShuffle(2), in fixed point."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.steps: list[Callable[[Tensor], Tensor]] = []
        for module in network.modules():
            if isinstance(module, nn.ConvTranspose2d):
                assert module.bias is not None
                self.steps.append(FixedTransposedConv(module.weight.to(device), module.bias.to(device)))
            elif isinstance(module, nn.Conv2d):
                assert module.bias is not None
                self.steps.append(FixedConv(module.weight.to(device), module.bias.to(device)))
            elif isinstance(module, nn.LeakyReLU):
                self.steps.append(leaky_relu_)
            elif isinstance(module, nn.PixelShuffle):
                self.steps.append(pixel_shuffle)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, H, W, C) integers of 1/1024 -> the same."""
        for step in self.steps:
            x = step(x)
        return x


def pixel_shuffle(x: Tensor) -> Tensor:
    """(B, H, W, 4C) -> (B, 2H, 2W, C); as ``torch.nn.PixelShuffle(2)`` with the channels last."""
    return x.unflatten(3, (-1, 2, 2)).permute(0, 1, 4, 2, 5, 3).flatten(3, 4).flatten(1, 2)
