"""What stands around the streams of codecs that are programs, and the pictures that the programs write."""

from __future__ import annotations

import zlib
from contextlib import suppress

import numpy as np

from baselines.classical import yuv
from baselines.classical.bpg import from_ppm
from baselines.classical.envelope import Envelope, unwrap, wrap
from baselines.classical.ffmpeg import from_y4m
from bench.codec import BitstreamError
from fuzz import Target

TAG = 0xB1
LAYOUTS = [yuv.Layout(matrix, chroma, depth) for matrix in ("bt601", "bt709") for chroma in ("444", "420")
           for depth in (8, 10)]  # fmt: skip


def make(name: str) -> Target:
    """The targets of this module."""
    return {"envelope": envelope, "y4m": y4m, "ppm": ppm}[name]()


def envelope() -> Target:
    """The envelope, as it is and with a right checksum; its layout byte as the codecs read it."""

    def parse(stream: bytes) -> None:
        with suppress(BitstreamError):
            found = unwrap(TAG, stream, "program")
            assert wrap(TAG, found) == stream, "another stream says the same"
            with suppress(ValueError):
                assert yuv.Layout.from_code(found.layout).code == found.layout

    def run(data: bytes) -> None:
        parse(data)
        parse(data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little"))

    shapes = [(0x80, 1, 1), (0x85, 512, 768), (0, 65535, 2)]
    return Target(run, [wrap(TAG, Envelope(*shape, b"payload")) for shape in shapes], 64)


def y4m() -> Target:
    """A YUV4MPEG2 file and the raw picture in it."""

    def run(data: bytes) -> None:
        for layout in LAYOUTS:
            with suppress(ValueError):
                picture = from_y4m(data, 4, 8, layout)
                image = yuv.to_rgb(yuv.from_bytes(picture, 4, 8, layout), layout)
                assert image.shape == (4, 8, 3)
                assert image.dtype == np.uint8

    forms = (("444", 96), ("444p10", 192), ("420jpeg", 48), ("420p10", 96))
    seeds = [f"YUV4MPEG2 W8 H4 F25:1 Ip A0:0 C{form}\nFRAME\n".encode() + bytes(range(n)) for form, n in forms]
    return Target(run, seeds, 512)


def ppm() -> Target:
    """What bpgdec writes."""

    def run(data: bytes) -> None:
        with suppress(ValueError):
            assert from_ppm(data, 2, 3).shape == (2, 3, 3)

    return Target(run, [b"P6\n3 2\n255\n" + bytes(range(18))], 128)
