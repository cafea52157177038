"""Files of the everyday codecs: their own inspection of every file, and the library behind it for those that pass."""

from __future__ import annotations

import zlib
from contextlib import suppress

import numpy as np

from bench.codec import BitstreamError
from bench.registry import create
from fuzz import Target

MOST = 1 << 22
"""Larger pictures are inspected and not decoded: their memory is measured by the tests, here it is time."""


def make(name: str) -> Target:
    """The target of a codec; without seeds where it is not installed here."""
    codec = create(name)
    if not codec.available()[0]:
        return Target(lambda data: None, ())
    guard, inspect = codec._guard, codec.inspect  # type: ignore[attr-defined]

    def decode(stream: bytes) -> None:
        with suppress(BitstreamError):
            height, width = guard(inspect, stream)
            if height * width <= MOST:
                image = codec.decode(stream)
                assert image.shape == (height, width, 3)
                assert image.dtype == np.uint8

    def run(data: bytes) -> None:
        decode(data)
        if name == "null":
            decode(data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "big"))

    ramp = np.add.outer(np.arange(24), np.arange(19)).astype(np.uint8)
    images = [np.dstack([ramp * 3, ramp * 5, 255 - ramp]).astype(np.uint8), np.zeros((1, 1, 3), np.uint8)]
    return Target(run, [codec.encode(image, codec.quality.default) for image in images])
