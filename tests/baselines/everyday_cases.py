"""What the tests of the everyday codecs share: their names, a codec or a skip, crops of a photograph."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import skimage.data

from bench.codec import Codec, Image
from bench.registry import create

NAMES = ["jpeg", "jpeg-444", "jpeg2000", "webp", "avif", "avif-444", "jpegxl", "heic", "heic-444", "null"]
SIZES = [(1, 1), (7, 5), (64, 64), (255, 257), (512, 768)]


def codec_or_skip(name: str) -> Codec:
    codec = create(name)
    available, reason = codec.available()
    if not available:
        pytest.skip(reason)
    return codec


@cache
def _source() -> Image:
    return np.ascontiguousarray(np.tile(skimage.data.coffee(), (2, 2, 1)))  # 800 x 1200


def photo(height: int, width: int) -> Image:
    """A crop of a photograph, (height, width, 3)."""
    return np.ascontiguousarray(_source()[120 : 120 + height, 150 : 150 + width])


def psnr(a: Image, b: Image) -> float:
    """In dB, from float64; inf for equal images."""
    mse = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(255**2 / mse)) if mse else float("inf")
