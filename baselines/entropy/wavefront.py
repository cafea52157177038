"""The order in which a context model's positions can be coded: wavefronts instead of one position at a time.

A 5x5 mask of type A lets position (i, j) see rows i-2 and i-1 up to column j+2 and row i up to column j-1. With
t = j + 3 i every position it sees has a smaller t, so all positions with the same t are coded at once: w + 3 (h - 1)
steps instead of h w.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRIDE = 3
"""Steps between one row and the next: half the kernel, rounded up."""


def steps(height: int, width: int) -> int:
    """How many steps there are."""
    return width + STRIDE * (height - 1)


def rows_of(step: int, height: int, width: int) -> tuple[int, int]:
    """First row of a step's positions, and the one after the last; row i has its position in column step - 3 i."""
    return max(0, -((width - 1 - step) // STRIDE)), min(height, step // STRIDE + 1)


def wavefronts(height: int, width: int, context: bool) -> list[NDArray[np.int64]]:
    """Flat indices (row * width + column) of the positions of every step, in coding order.

    Without a context model all positions are one step.
    """
    flat = np.arange(height * width)
    if not context:
        return [flat]
    step = flat % width + STRIDE * (flat // width)
    order = np.argsort(step, kind="stable")
    cuts = np.flatnonzero(np.diff(step[order])) + 1
    return np.split(order, cuts)
