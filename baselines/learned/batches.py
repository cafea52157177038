"""Which images are coded side by side, and which of several streams an error is about."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager

from bench.codec import BitstreamError

IMAGES = 8
"""At most so many; a batch's memory grows with them."""

PIXELS = 1 << 22
"""At most so many pixels together, so that a batch of large images needs little more than one."""


def batches(kinds: Sequence[Hashable], pixels: Sequence[int]) -> list[list[int]]:
    """Indices of images, taken together where their kinds are equal.

    Args:
        kinds: of each image; images of one kind have one size.
        pixels: of each image.
    """
    found: list[list[int]] = []
    filling: dict[Hashable, list[int]] = {}
    for at, kind in enumerate(kinds):
        batch = filling.get(kind)
        if batch is None or len(batch) >= min(IMAGES, max(1, PIXELS // pixels[at])):
            batch = filling[kind] = []
            found.append(batch)
        batch.append(at)
    return found


@contextmanager
def numbered(at: int, total: int) -> Iterator[None]:
    """A BitstreamError in it says that it is about the stream at index ``at``."""
    try:
        yield
    except BitstreamError as error:
        raise BitstreamError(f"Stream {at + 1} of {total}: {error}") from error
