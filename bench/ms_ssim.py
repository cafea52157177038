"""MS-SSIM against one reference, whose own statistics are computed once.

The definition is that of pytorch-msssim (what the learned-compression papers report): RGB, data range 255, an 11-tap
Gaussian of sigma 1.5 without padding, five scales halved by 2x2 means, channels averaged last. After Wang, Simoncelli,
Bovik: Multiscale structural similarity for image quality assessment, Asilomar 2003.

With x the reference, y the decoded image and d = y - x, the contrast-structure term of SSIM is

    (2 cov(x, y) + C2) / (var x + var y + C2)  =  1 - var d / (2 var x + C2 + 2 cov(x, d) + var d)

and the luminance term is 1 - (mean d)^2 / ((mean x)^2 + (mean y)^2 + C1). Written so, var x and mean x are known before
any image is compared, only d, d^2 and x d remain to be filtered, and nothing cancels when y is close to x: float32
suffices, and identical images give exactly 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.codec import Image

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponent of each scale, finest first (Wang et al. 2003, section 3.2)."""

TAPS = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2

SMALLEST_SIDE = (TAPS - 1) * 2 ** (len(WEIGHTS) - 1) + 1
"""161: with a shorter side the window no longer fits into the coarsest scale."""

STRIP = 1 << 16
"""Pixels filtered at a time. The few arrays of a strip stay in the second-level cache; whole planes would not."""

_MARGIN = TAPS // 2
_CENTRE = np.float32(128)

Plane = NDArray[np.float32]


def _window() -> Plane:
    offsets = np.arange(TAPS, dtype=np.float64) - _MARGIN
    window = np.exp(-(offsets**2) / (2 * SIGMA**2))
    return (window / window.sum()).astype(np.float32)


_WINDOW = _window()


def _filter(plane: Plane) -> Plane:
    """Gaussian means of a strip; only rows and columns at least five from its edge mean anything."""
    return cv2.sepFilter2D(plane, -1, _WINDOW, _WINDOW)  # type: ignore[return-value]


def _halve(plane: Plane) -> Plane:
    """Means of 2x2 blocks. An odd side gets a row or column of zeros in front, as pytorch-msssim pads it."""
    height, width = plane.shape
    if height % 2 or width % 2:
        plane = cv2.copyMakeBorder(plane, height % 2, 0, width % 2, 0, cv2.BORDER_CONSTANT, value=0)  # type: ignore[assignment]
    size = (plane.shape[1] // 2, plane.shape[0] // 2)
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _strips(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Rows to read and the rows of the filtered plane they yield, strip by strip."""
    rows = max(8, STRIP // width)
    for top in range(0, height - 2 * _MARGIN, rows):
        bottom = min(top + rows, height - 2 * _MARGIN)
        yield slice(top, bottom + 2 * _MARGIN), slice(top, bottom)


@dataclass(frozen=True, slots=True)
class _Scale:
    """What one channel of the reference contributes at one scale; x is centred, so that float32 loses nothing."""

    x: Plane  # (h, w), pixel - 128
    mean: Plane  # (h - 10, w), the last and first five columns are not used
    floor: Plane  # (h - 10, w), 2 var x + C2

    @classmethod
    def of(cls, plane: Plane) -> _Scale:
        x = plane - _CENTRE
        inner = slice(_MARGIN, -_MARGIN)
        mean, square = _filter(x)[inner], _filter(x * x)[inner]
        return cls(x, mean.copy(), 2 * (square - mean * mean) + np.float32(C2))

    def compare(self, d: Plane, luminance: bool) -> float:
        """Mean over the pixels of the contrast-structure term, times the luminance term at the last scale."""
        height, width = d.shape
        inner, columns = slice(_MARGIN, -_MARGIN), slice(_MARGIN, width - _MARGIN)
        loss = 0.0
        for read, write in _strips(height, width):
            strip, mean_x = d[read], self.mean[write]
            mean = _filter(strip)[inner]
            variance = _filter(strip * strip)[inner] - mean * mean
            covariance = _filter(strip * self.x[read])[inner] - mean * mean_x
            ratio = variance / (self.floor[write] + 2 * covariance + variance)
            if luminance:
                mean_raw = mean_x + _CENTRE
                shift = mean * mean / (mean_raw * mean_raw + (mean_raw + mean) ** 2 + np.float32(C1))
                ratio = ratio + shift - ratio * shift  # 1 - (1 - ratio) (1 - shift)
            loss += float(ratio[:, columns].sum(dtype=np.float64))
        return 1.0 - loss / ((height - 2 * _MARGIN) * (width - 2 * _MARGIN))


class MsSsimReference:
    """The statistics of a reference image that MS-SSIM needs, ready to be compared with many decoded images.

    Args:
        pixels: (H, W, 3) uint8 RGB, H and W at least ``SMALLEST_SIDE``.
    """

    def __init__(self, pixels: Image) -> None:
        self._planes = cv2.split(pixels)
        self._channels: list[list[_Scale]] = []
        for channel in self._planes:
            plane = channel.astype(np.float32)
            scales = [_Scale.of(plane)]
            for _ in WEIGHTS[1:]:
                plane = _halve(plane)
                scales.append(_Scale.of(plane))
            self._channels.append(scales)

    def compare(self, decoded: Image) -> float:
        """MS-SSIM of ``decoded``, (H, W, 3) uint8 RGB of the reference's size: 1 for equal images, never below 0."""
        pairs = zip(cv2.split(decoded), self._planes, strict=True)
        values = [self._channel(i, cv2.subtract(a, b, dtype=cv2.CV_32F)) for i, (a, b) in enumerate(pairs)]  # type: ignore[arg-type]
        return float(np.mean(values))

    def _channel(self, channel: int, d: Plane) -> float:
        scales = self._channels[channel]
        product = 1.0
        for number, (scale, weight) in enumerate(zip(scales, WEIGHTS, strict=True)):
            if number:
                d = _halve(d)
            last = number == len(scales) - 1
            product *= max(scale.compare(d, luminance=last), 0.0) ** weight
        return product
