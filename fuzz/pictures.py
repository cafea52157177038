"""Image files of a dataset: PNG with its checksums put right, and all formats that are read."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from bench.codec import BenchError
from bench.images import load_image
from fuzz import Target

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def make(name: str) -> Target:
    """The targets of this module."""
    PIL.Image.MAX_IMAGE_PIXELS = 1 << 21  # what is larger is refused all the same, and sooner
    return {"png": png, "image": image}[name]()


def png() -> Target:
    """A PNG of 8 or 16 bits, with palette, transparency, orientation, profile, animation."""
    rng = np.random.default_rng(0)
    colours = PIL.Image.fromarray(rng.integers(0, 256, (6, 5, 4), dtype=np.uint8))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    deep = cv2.imencode(".png", rng.integers(0, 65536, (4, 3, 3), dtype=np.uint16))[1].tobytes()
    quantised = colours.convert("RGB").quantize(4)
    seeds = [
        deep,
        *(_saved(picture, "PNG") for picture in (colours, colours.convert("L"), quantised)),
        _saved(quantised, "PNG", transparency=1),
        _saved(colours.convert("RGB"), "PNG", exif=exif, icc_profile=b"profile"),
        _saved(colours, "PNG", save_all=True, append_images=[colours.rotate(90, expand=False)]),
    ]
    return _target(seeds, repair=True)


def image() -> Target:
    """Any other format."""
    rng = np.random.default_rng(1)
    picture = PIL.Image.fromarray(rng.integers(0, 256, (9, 8, 3), dtype=np.uint8))
    formats = ("JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000", "AVIF")
    seeds = [_saved(picture, each) for each in formats]
    seeds.append(_saved(picture.convert("P"), "GIF", save_all=True, append_images=[picture.rotate(90).convert("P")]))
    seeds.append(cv2.imencode(".tiff", rng.integers(0, 65536, (4, 3, 3), dtype=np.uint16))[1].tobytes())
    return _target(seeds, repair=False)


def _target(seeds: list[bytes], repair: bool) -> Target:
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "image.png")

    def load(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(BenchError):
            pixels = load_image(path).pixels
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3

    def run(data: bytes, keep: object = folder) -> None:
        load(data)
        if repair:
            load(repaired(data))

    return Target(run, seeds)


def repaired(data: bytes) -> bytes:
    """A PNG with the checksum of every chunk put right, as far as chunks can be told."""
    out, at = bytearray(_SIGNATURE), len(_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        body = data[at + 4 : at + 8 + length]
        out += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out)


def _saved(picture: PIL.Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, image_format, **options)
    return file.getvalue()
