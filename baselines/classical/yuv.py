"""RGB to Y'CbCr and back, full range, rounded once each way, and the planar files that video codecs read and write.

Every sample is the exact rational result rounded to the nearest integer, halves up. Halves are not
rare (the chroma of many greyish colours), and a video encoder turns one such sample into another stream.
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
"""(H, W) samples; in files uint8 at 8 bit and little-endian uint16 above."""

# Weights of R, G and B in luma over their sum.
_LUMA = {"bt601": (299, 587, 114), "bt709": (2126, 7152, 722)}


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
    kr, kg, kb = _LUMA[layout.matrix]
    one = kr + kg + kb
    peak, middle = 2**layout.depth - 1, 2 ** (layout.depth - 1)
    red, green, blue = (image[..., i].astype(np.int64) for i in range(3))
    luma = kr * red + kg * green + kb * blue
    cb, cr = one * blue - luma, one * red - luma
    share = 1
    if layout.chroma == "420":
        cb, cr, share = _sum_2x2(cb), _sum_2x2(cr), 4
    return (
        _sample(peak * luma, 255 * one, 0, layout),
        _sample(peak * cb, 255 * share * 2 * (one - kb), middle, layout),
        _sample(peak * cr, 255 * share * 2 * (one - kr), middle, layout),
    )


def to_rgb(planes: tuple[Plane, Plane, Plane], layout: Layout) -> Image:
    """Convert planes of ``from_rgb`` back to (H, W, 3) uint8 RGB, each value rounded to the nearest."""
    kr, kg, kb = _LUMA[layout.matrix]
    one = kr + kg + kb
    peak, middle = 2**layout.depth - 1, 2 ** (layout.depth - 1)
    luma = planes[0].astype(np.int64)
    cb, cr = (plane.astype(np.int64) - middle for plane in planes[1:])
    if layout.chroma == "420":
        cb, cr = (plane.repeat(2, axis=0).repeat(2, axis=1) for plane in (cb, cr))
    from_cr, from_cb = 2 * (one - kr) * cr, 2 * (one - kb) * cb  # over "one"; added to luma: R and B
    image = np.empty((*luma.shape, 3), np.uint8)
    image[..., 0] = np.clip(_divide(255 * (one * luma + from_cr), peak * one), 0, 255)
    image[..., 1] = np.clip(_divide(255 * (one * kg * luma - kr * from_cr - kb * from_cb), peak * one * kg), 0, 255)
    image[..., 2] = np.clip(_divide(255 * (one * luma + from_cb), peak * one), 0, 255)
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


def _sum_2x2(plane: Plane) -> Plane:
    total: Plane = plane[::2, ::2] + plane[::2, 1::2] + plane[1::2, ::2] + plane[1::2, 1::2]
    return total


def _divide(numerator: Plane, denominator: int) -> Plane:
    """Exact division, rounded to the nearest integer, halves up."""
    quotient: Plane = (2 * numerator + denominator) // (2 * denominator)
    return quotient


def _sample(numerator: Plane, denominator: int, middle: int, layout: Layout) -> Plane:
    return np.clip(_divide(numerator, denominator) + middle, 0, 2**layout.depth - 1).astype(layout.dtype)
