"""RGB to Y'CbCr and back, full range, rounded once each way, and the planar files that video codecs read and write.

Computed in float64 without matrix products, whose rounding depends on the library: the same samples everywhere.
Constants: ITU-R BT.601-7 and BT.709-6; full range as in ITU-T T.871 (8 bit) and H.273 (any depth).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.codec import BenchError, Image

Matrix = Literal["bt601", "bt709"]
Chroma = Literal["444", "420"]
Depth = Literal[8, 10]
Plane = NDArray[Any]
"""(H, W) samples, uint8 at 8 bit and little-endian uint16 above."""

_LUMA = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


@dataclass(frozen=True)
class Layout:
    """How an image lies in planes.

    Attributes:
        matrix: Y'CbCr constants.
        chroma: ``"444"``, or ``"420"``: chroma is the mean of 2x2 pixels, and repeated on the way back. Repeating makes
            the pair a projection, so that only rounding and clipping are lost when it is applied again. Interpolation
            gains 2 to 3 dB the first time and loses 10 in 50 times (Kodak, without any coding).
        depth: bits a sample.
    """

    matrix: Matrix = "bt709"
    chroma: Chroma = "444"
    depth: Depth = 8

    def __post_init__(self) -> None:
        for name, kind in (("matrix", Matrix), ("chroma", Chroma), ("depth", Depth)):
            if getattr(self, name) not in get_args(kind):
                allowed = ", ".join(map(str, get_args(kind)))
                raise BenchError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}.")

    @property
    def code(self) -> int:
        """The layout as one byte, for stream headers; never 0."""
        flags = 0x80 | (self.matrix == "bt709") | (self.chroma == "420") << 1 | (self.depth == 10) << 2
        return int(flags)

    @classmethod
    def from_code(cls, code: int) -> Layout:
        """Return the layout of a ``code``; raise ValueError for a byte that is none."""
        if code & ~0x07 != 0x80:
            raise ValueError(f"{code:#04x} is not the code of a layout")
        return cls("bt709" if code & 1 else "bt601", "420" if code & 2 else "444", 10 if code & 4 else 8)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a sample in memory and in files."""
        return np.dtype(np.uint8 if self.depth == 8 else "<u2")

    def shapes(self, height: int, width: int) -> tuple[tuple[int, int], ...]:
        """Return the shapes of the three planes; height and width are even for 4:2:0."""
        step = 2 if self.chroma == "420" else 1
        if height % step or width % step:
            raise ValueError(f"4:2:0 needs even sides, got {height}x{width}")
        chroma = (height // step, width // step)
        return ((height, width), chroma, chroma)


def from_rgb(image: Image, layout: Layout) -> tuple[Plane, Plane, Plane]:
    """Convert (H, W, 3) uint8 RGB to the planes Y', Cb, Cr, each sample rounded to the nearest.

    Raises:
        ValueError: odd height or width with 4:2:0.
    """
    layout.shapes(*image.shape[:2])
    kr, kb = _LUMA[layout.matrix]
    peak = 2**layout.depth - 1
    red, green, blue = (image[..., i] * (peak / 255) for i in range(3))
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    if layout.chroma == "420":
        cb, cr = (_mean_2x2(plane) for plane in (cb, cr))
    middle = 2 ** (layout.depth - 1)
    y, u, v = (np.clip(np.rint(plane), 0, peak).astype(layout.dtype) for plane in (luma, cb + middle, cr + middle))
    return y, u, v


def to_rgb(planes: tuple[Plane, Plane, Plane], layout: Layout) -> Image:
    """Convert planes of ``from_rgb`` back to (H, W, 3) uint8 RGB, each value rounded to the nearest."""
    kr, kb = _LUMA[layout.matrix]
    peak, middle = 2**layout.depth - 1, 2 ** (layout.depth - 1)
    luma = planes[0].astype(np.float64)
    cb, cr = (plane.astype(np.float64) - middle for plane in planes[1:])
    if layout.chroma == "420":
        cb, cr = (plane.repeat(2, axis=0).repeat(2, axis=1) for plane in (cb, cr))
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    image = np.empty((*luma.shape, 3), np.uint8)
    for i, channel in enumerate((red, green, blue)):
        image[..., i] = np.clip(np.rint(channel * (255 / peak)), 0, 255)
    return image


def to_bytes(planes: tuple[Plane, Plane, Plane]) -> bytes:
    """Return one planar picture as it lies in a raw file: Y', Cb, Cr, rows without padding."""
    return b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes)


def from_bytes(data: bytes, height: int, width: int, layout: Layout) -> tuple[Plane, Plane, Plane]:
    """Return the planes of a raw picture; raise ValueError where ``data`` has not exactly its length."""
    shapes = layout.shapes(height, width)
    counts = [h * w for h, w in shapes]
    expected = sum(counts) * layout.dtype.itemsize
    if len(data) != expected:
        raise ValueError(
            f"expected {expected} bytes of {width}x{height} {layout.chroma} {layout.depth} bit, got {len(data)}"
        )
    samples = np.frombuffer(data, layout.dtype)
    first, second = counts[0], counts[0] + counts[1]
    y, u, v = samples[:first], samples[first:second], samples[second:]
    return y.reshape(shapes[0]), u.reshape(shapes[1]), v.reshape(shapes[2])


def pad(image: Image, multiple: int, least: int) -> Image:
    """Extend an image at the bottom and right by its last row and column.

    Args:
        image: (H, W, 3).
        multiple: both sides become multiples of this.
        least: and at least this, itself a multiple.
    """
    height, width = (max(least, -(-side // multiple) * multiple) for side in image.shape[:2])
    return _extend(image, height, width)


def pad_width(image: Image, least: int) -> Image:
    """Extend an image at the right by its last column until it is at least ``least`` wide."""
    return _extend(image, image.shape[0], max(least, image.shape[1]))


def _extend(image: Image, height: int, width: int) -> Image:
    if (height, width) == image.shape[:2]:
        return image
    return np.pad(image, ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0)), mode="edge")


def _mean_2x2(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    return (plane[::2, ::2] + plane[::2, 1::2] + plane[1::2, ::2] + plane[1::2, 1::2]) / 4
