"""The 3x3 convolution of a concatenation that is never made, for coding on a CPU.

A dense block concatenates 3, 35, 67, 99, 131 channels. In channels-last memory that is slow to do, up to a third of the
block's time, and slow to convolve, as such numbers are no whole vectors. A convolution of a concatenation is the sum of
convolutions of its parts, which oneDNN adds up where they are made.

A convolution to three channels uses three lanes of a vector of sixteen. It is a 1x1 convolution to the 27 products that
the nine taps need, and a sum of these, each shifted by its tap.

The same sums are made in the same order whatever the size, the batch and the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LANES = 16
"""float32 values in a vector: a part that is no multiple of it wastes some, many such parts more than is gained."""

FEW = 3
"""Outputs that are made tap by tap."""

FUSED = hasattr(torch.ops.mkldnn, "_convolution_pointwise_")
"""Whether PyTorch has the operator that its compiler uses for a convolution that is added to something."""


def convolved(parts: Sequence[Tensor], convolution: nn.Conv2d, rows: int = 1) -> Tensor:
    """The convolution of parts (N, Ci, H, W), channels-last, side by side: (N, O, H + 2 rows - 2, W).

    Args:
        parts: whose channels are those of the convolution's input, in this order; ``pointwise.coding`` holds for them.
        convolution: 3x3.
        rows: of zeros above and below, 0 or 1; there is always a column of zeros on either side.
    """
    weight, bias = convolution.weight, convolution.bias
    if any(part.shape[1] % LANES for part in parts[1:]):
        return _convolution(torch.cat(list(parts), 1) if parts[1:] else parts[0], weight, bias, (rows, 1))
    if weight.shape[0] > FEW:
        return _sum(parts, weight, bias, (rows, 1))
    return _convolution(_sum(parts, _taps(weight), None, (0, 0)), _shifts(weight.shape[0]), bias, (rows, 1))


def _sum(parts: Sequence[Tensor], weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
    """Of the convolutions of the parts, each by its share of the weight."""
    shares = weight.split([part.shape[1] for part in parts], 1)
    total = _convolution(parts[0], shares[0], bias, padding)
    for part, share in zip(parts[1:], shares[1:], strict=True):
        _add_convolution(total, part, share, padding)
    return total


def _taps(weight: Tensor) -> Tensor:
    """(O, I, 3, 3) -> (9 O and some zeros, I, 1, 1): what each tap makes of a position, tap by tap."""
    outputs, inputs = weight.shape[:2]
    taps = weight.permute(2, 3, 0, 1).reshape(9 * outputs, inputs, 1, 1)
    return F.pad(taps, (0, 0, 0, 0, 0, 0, 0, -9 * outputs % LANES))


@cache
def _shifts(outputs: int) -> Tensor:
    """(O, 9 O and some zeros, 3, 3): sums what ``_taps`` gives, each from where its tap looks."""
    shifts = torch.zeros(outputs, 9 * outputs + -9 * outputs % LANES, 3, 3)
    for tap in range(9):
        for output in range(outputs):
            shifts[output, tap * outputs + output, tap // 3, tap % 3] = 1
    return shifts


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
    return torch.ops.aten.mkldnn_convolution(x, weight, bias, padding, (1, 1), (1, 1), 1)


def _add_convolution(total: Tensor, x: Tensor, weight: Tensor, padding: tuple[int, int]) -> None:
    """total += the convolution, in one pass where PyTorch can."""
    if FUSED:
        add = torch.ops.mkldnn._convolution_pointwise_.binary
        add(total, x, weight, None, padding, (1, 1), (1, 1), 1, "add", 1.0, None, [], None)
    else:
        total += _convolution(x, weight, None, padding)
