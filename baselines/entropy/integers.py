"""Products of integer matrices, exact on every device.

Two ways that give the same numbers. In float64 every partial sum stays below 2^53. In bytes, both matrices are cut into
digits of base 256 between -128 and 127, whose products are summed in 32 bits: on processors with instructions for that
(VNNI and the like) several times faster, and a quarter of the weights' bytes pass through it. Which of them a process
takes is tried out once, by ``bytes_pay``.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MOST_DIGITS = 4
ONES = [(256**count - 1) // 255 for count in range(MOST_DIGITS)]
"""1 + 256 + ...: the numbers of so many digits 1."""

BIAS = 0x80808080 - (1 << 32)
"""Added to a 32-bit integer, modulo 2^32, it makes of its bytes its digits, each 128 too large."""

LONGEST = 1 << 17
"""Sums of fewer products of two digits fit into 32 bits."""

LARGEST = 1 << 30
"""What has four digits at most."""


class IntegerMatrix:
    """A matrix that rows of integers are multiplied by, on the device of its values.

    Args:
        values: (O, K) whole numbers in float64.

    Attributes:
        outputs: O.
        bytes: (K, E * O) int8, its digits side by side, or None.
        columns: (K, O) float64 where ``bytes`` is None.
    """

    def __init__(self, values: Tensor) -> None:
        self.outputs = len(values)
        self.bytes: Tensor | None = None
        self.columns = values.T.contiguous()
        if _in_bytes(values) and len(self.columns) < LONGEST and bool((values.abs() <= LARGEST).all()):
            self.bytes = torch.cat(split(self.columns).unbind(0), 1)
            self.columns = values.new_empty(0)

    def add_products(self, base: Tensor, x: Tensor, factor: float = 1.0) -> Tensor:
        """base + factor * x W^T.

        Args:
            base: float64, of a shape that broadcasts to (N, O).
            x: (D, N, K) of ``operand``.
            factor: a power of two, so that nothing is rounded.

        Returns:
            (N, O) float64.
        """
        if self.bytes is None:
            return torch.addmm(base, joined(x) if x.dtype == torch.int8 else x[0], self.columns, alpha=factor)
        found = torch._int_mm(x.flatten(0, 1), self.bytes).double().view(*x.shape[:2], -1, self.outputs)
        return torch.add(base, _joined(_joined(found.unbind(0)).unbind(1)), alpha=factor)


def operand(x: Tensor, least: int = 1) -> Tensor:
    """Whole numbers (...) of +-2^30 in float64 -> what ``IntegerMatrix`` takes: digits (D, ...) int8, or x (1, ...)."""
    return split(x, least) if _in_bytes(x) else x[None]


def split(x: Tensor, least: int = 1) -> Tensor:
    """Whole numbers (...) of +-2^30 -> (D, ...) int8: digits of base 256 in -128..127, the lowest first.

    D is the smallest number that holds all of them, but not below ``least``.
    """
    low, high = (bound.item() for bound in torch.aminmax(x))
    count = least
    while count < MOST_DIGITS and not (-128 * ONES[count] <= low and high <= 127 * ONES[count]):
        count += 1
    biased = x.to(torch.int32).add_(BIAS)
    digits = torch.empty((count, *x.shape), dtype=torch.int8)
    for place, digit in enumerate(digits.unbind(0)):
        digit.copy_(biased >> 8 * place if place else biased)  # its lowest byte
    return digits.bitwise_xor_(-128)


def joined(digits: Tensor) -> Tensor:
    """The inverse of ``split``, (...) float64."""
    return _joined(digits.double().unbind(0))


@functools.cache
def bytes_pay() -> bool:
    """Whether products in bytes are exact here and much faster than in float64: tried once, in some 0.03 s."""
    x, weights = _extremes(32, 1024, 256)
    floats = x.double(), weights.double()
    return bytes_are_exact() and 4 * _seconds(lambda: torch._int_mm(x, weights)) < _seconds(lambda: torch.mm(*floats))


def bytes_are_exact() -> bool:
    """Whether this processor and this PyTorch sum products of bytes in 32 bits; some cut sums of two off at 16."""
    if not hasattr(torch, "_int_mm"):
        return False
    try:
        for x, weights in (_extremes(1, 108, 16), _extremes(7, 300, 33), _extremes(32, 1024, 256)):
            if not torch.equal(torch._int_mm(x, weights).double(), x.double() @ weights.double()):
                return False
    except RuntimeError:  # not built for this processor
        return False
    return True


def _extremes(rows: int, inner: int, columns: int) -> tuple[Tensor, Tensor]:
    """Matrices of -128 and 127."""
    generator = torch.Generator().manual_seed(0)
    sizes = (rows, inner), (inner, columns)
    x, weights = (torch.where(torch.rand(size, generator=generator) < 0.5, -128, 127).to(torch.int8) for size in sizes)
    return x, weights


def _in_bytes(x: Tensor) -> bool:
    return x.device.type == "cpu" and bytes_pay()


def _joined(digits: Sequence[Tensor]) -> Tensor:
    """The lowest first."""
    return functools.reduce(lambda higher, digit: torch.add(digit, higher, alpha=256.0), reversed(digits))


def _seconds(work: Callable[[], Tensor]) -> float:
    """The least that one call takes."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
