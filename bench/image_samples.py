"""Samples as a decoder gave them, and their way to 8-bit RGB: rounded once, on white, upright."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.codec import Image


class Refused(Exception):
    """Why a readable image has no one meaning as 8-bit RGB."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of an image.

    Attributes:
        values: (H, W) or (H, W, 1 to 4), uint8 or uint16: grey, grey and alpha, RGB or RGBA.
        bits: a sample; the largest value is ``2 ** bits - 1``.
    """

    values: NDArray[np.generic]
    bits: int

    @property
    def peak(self) -> int:
        """The value that is white, and opaque."""
        return (1 << self.bits) - 1


def to_rgb(samples: Samples, notes: list[str]) -> Image:
    """8 bits a sample, grey to RGB, alpha composited on white; rounded once. What was done is added to ``notes``."""
    planes = samples.values[:, :, None] if samples.values.ndim == 2 else samples.values
    channels, peak = planes.shape[2], samples.peak
    colour = planes[:, :, : 1 if channels < 3 else 3]
    if samples.bits > 8:
        notes.append(f"{samples.bits} bits rounded to 8")
    if channels < 3:
        notes.append("grey")
    transparent = channels in (2, 4) and planes[:, :, -1].min() < peak
    if transparent:
        notes.append("transparency composited on white")
        done = np.dstack([_on_white(colour[:, :, c], planes[:, :, -1], peak) for c in range(colour.shape[2])])
    else:
        done = rescaled(colour, peak)
        if channels in (2, 4):
            notes.append("opaque alpha dropped")
    return np.repeat(done, 3, axis=2) if channels < 3 else done


def rescaled(values: NDArray[np.generic], peak: int) -> Image:
    """Values from 0 to ``peak`` as 0 to 255, rounded."""
    if peak == 255:
        return values.astype(np.uint8)
    return ((values.astype(np.uint32) * 510 + peak) // (2 * peak)).astype(np.uint8)


def _on_white(values: NDArray[np.generic], alpha: NDArray[np.generic], peak: int) -> Image:
    """One channel at its full depth on white, (H, W), in exact integers; no value lies half-way, as peaks are odd."""
    part = alpha.astype(np.int64)
    sums = values.astype(np.int64) * part + peak * (peak - part)  # of 0 to peak ** 2
    return ((sums * 510 + peak**2) // (2 * peak**2)).astype(np.uint8)


def orient(pixels: Image, orientation: int) -> Image:
    """Undo an EXIF orientation (2 to 8): 5 to 8 are transposed, the rest only mirrored."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    flip_rows, flip_columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


def by_opencv(data: bytes) -> NDArray[np.generic] | None:
    """Samples of more than 8 bits as they are in the file: (H, W) or (H, W, 3 or 4) RGB or RGBA uint16, or None."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(0)  # what it can't read it tells on stderr as well
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if found is None or found.dtype != np.uint16:
        return None
    return found if found.ndim == 2 else found[:, :, [2, 1, 0, 3][: found.shape[2]]]
