"""What is left of an image: every figure of a record that compares a decoded image with its source.

``Reference`` computes once what depends on the source alone, and a chain then compares each generation with it.
``mse`` compares two images where there is nothing to keep (a generation with the one before it).

Sums are stored and decibels derived: ``psnr`` takes a mean squared error, ``ms_ssim_db`` an MS-SSIM, and
``psnr_of`` and ``ms_ssim_db_of`` whole columns of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.ciede2000 import CieDe2000Reference
from bench.codec import BenchError, Image
from bench.columns import PEAK
from bench.ms_ssim import SMALLEST_SIDE, MsSsimReference

METRICS = {
    "mse": "mean squared error over pixels and channels, squared 8-bit code values",
    "psnr": "dB, peak 255; infinite for equal images",
    "ms_ssim": "0 to 1, mean of the three channels; not a number where the image is too small",
    "ms_ssim_db": "dB, -10 log10(1 - MS-SSIM); infinite for equal images",
    "delta_e": "mean CIEDE2000 over the pixels, sRGB, D65",
    "shift_r": "mean of decoded minus source, 8-bit code values of the red channel",
    "shift_g": "mean of decoded minus source, 8-bit code values of the green channel",
    "shift_b": "mean of decoded minus source, 8-bit code values of the blue channel",
}
"""The columns that ``Reference.compare`` fills, in table order, with what they measure and in which unit."""


def mse(first: Image, second: Image) -> float:
    """Mean squared error of two (H, W, 3) uint8 images, from an exact integer sum.

    Raises:
        BenchError: the images are not (H, W, 3) uint8 of one size.
    """
    _check(first, second)
    return _mse(first, second)


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error at peak 255; ``inf`` for 0."""
    return math.inf if mse == 0 else 10 * math.log10(255**2 / mse)


def ms_ssim_db(ms_ssim: float) -> float:
    """MS-SSIM in dB, -10 log10(1 - MS-SSIM): ``inf`` for 1, not a number for not a number."""
    return math.inf if ms_ssim >= 1 else -10 * math.log10(1 - ms_ssim)


def psnr_of(mse: ArrayLike) -> NDArray[np.float64]:
    """``psnr`` of every mean squared error of an array, of its shape; not a number for not a number."""
    with np.errstate(divide="ignore"):
        return 10 * np.log10(PEAK**2 / np.asarray(mse, np.float64))


def ms_ssim_db_of(ms_ssim: ArrayLike) -> NDArray[np.float64]:
    """``ms_ssim_db`` of every MS-SSIM of an array, of its shape."""
    with np.errstate(divide="ignore"):
        return -10 * np.log10(np.maximum(1 - np.asarray(ms_ssim, np.float64), 0))


def why_no_ms_ssim(height: int, width: int) -> str:
    """One sentence saying why an image of this size has no MS-SSIM; empty where it has one."""
    if min(height, width) >= SMALLEST_SIDE:
        return ""
    return (
        f"MS-SSIM needs at least {SMALLEST_SIDE} pixels a side for its five scales, and the image has "
        f"{width}x{height}; PSNR and colour difference are reported without it."
    )


class Reference:
    """A source image and its statistics, to be compared with many decoded images.

    The statistics are computed when they are first needed: a codec that refuses a large image has not waited for them.
    They take about 70 bytes a pixel. ``compare`` is a pure function: equal inputs give equal figures, bit for bit.

    Args:
        pixels: (H, W, 3) uint8 sRGB, any H, W >= 1. Copied unless read-only.

    Raises:
        BenchError: the pixels are anything else.
    """

    def __init__(self, pixels: Image) -> None:
        _check(pixels, pixels)
        self.pixels: Image = pixels.copy() if pixels.flags.writeable else np.ascontiguousarray(pixels)
        height, width = pixels.shape[:2]
        self.why_no_ms_ssim = why_no_ms_ssim(height, width)

    @cached_property
    def _sums(self) -> NDArray[np.float64]:
        return np.array(cv2.sumElems(self.pixels)[:3])

    @cached_property
    def _colour(self) -> CieDe2000Reference:
        return CieDe2000Reference(self.pixels)

    @cached_property
    def _structure(self) -> MsSsimReference | None:
        return None if self.why_no_ms_ssim else MsSsimReference(self.pixels)

    def compare(self, decoded: Image) -> dict[str, float]:
        """Measure a decoded image: one number for each key of ``METRICS``.

        Args:
            decoded: (H, W, 3) uint8 sRGB, of the reference's size.

        Raises:
            BenchError: another size or type.
        """
        _check(self.pixels, decoded)
        decoded = np.ascontiguousarray(decoded)
        with _one_thread():
            error = _mse(self.pixels, decoded)
            shift = (np.array(cv2.sumElems(decoded)[:3]) - self._sums) / (decoded.size // 3)
            structure = math.nan if self._structure is None else self._structure.compare(decoded)
            colour = self._colour.compare(decoded)
        values = (error, psnr(error), structure, ms_ssim_db(structure), colour, *map(float, shift))
        return dict(zip(METRICS, values, strict=True))


def _mse(first: Image, second: Image) -> float:
    # OpenCV sums integers but returns the square of a rounded root; rounding gives the integer back (below 1e15).
    total = round(cv2.norm(np.ascontiguousarray(first), np.ascontiguousarray(second), cv2.NORM_L2SQR))
    return total / first.size


def _check(reference: Image, image: Image) -> None:
    for candidate in (reference, image):
        if candidate.dtype != np.uint8 or candidate.ndim != 3 or candidate.shape[2] != 3 or 0 in candidate.shape:
            raise BenchError(f"Metrics need (H, W, 3) uint8 images, got {candidate.shape} {candidate.dtype}.")
    if reference.shape != image.shape:
        height, width = reference.shape[:2]
        raise BenchError(
            f"An image of {image.shape[1]}x{image.shape[0]} pixels cannot be compared with one of {width}x{height}."
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep OpenCV on the calling thread: chains run one to a core, and these images are too small to share out."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
