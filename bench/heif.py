"""HEIC and other HEIF files, through pillow-heif where that is installed; nothing is registered with Pillow."""

from __future__ import annotations

import importlib.util
import io

import numpy as np
import PIL.Image

from bench.boxes import brands, main_picture
from bench.image_samples import Refused, Samples

SUFFIXES = frozenset({".heic", ".heif", ".hif"})
"""File name endings, in lower case."""

INSTALL = "pip install 'reencode-bench[heic]'"

_HEVC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}


def available() -> bool:
    """Whether pillow-heif is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def is_heif(data: bytes) -> bool:
    """Whether a file is HEIF, whatever its name, and not AVIF, which Pillow reads itself."""
    found = brands(data)
    return bool(found & _HEVC) or (b"mif1" in found and not found & {b"avif", b"avis"})


def read(data: bytes, notes: list[str]) -> Samples:
    """The main picture, upright: libheif turns it as the file's boxes say, so that an EXIF orientation counts no more.

    Raises:
        Refused: pillow-heif is not installed, or alpha is premultiplied.
        PIL.Image.DecompressionBombError: more pixels than Pillow would decode.
        Exception: nearly any, where the file is damaged.
    """
    if not available():
        raise Refused(f"HEIC is read by pillow-heif, which is not installed: {INSTALL}")
    import pillow_heif

    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    width, height = file.size
    if PIL.Image.MAX_IMAGE_PIXELS and width * height > 2 * PIL.Image.MAX_IMAGE_PIXELS:
        raise PIL.Image.DecompressionBombError
    if len(file) > 1:
        notes.append(f"main one of {len(file)} pictures")
    if "icc_profile" in file.info:
        notes.append("ICC profile ignored")
    about = main_picture(data)
    if note := about.colour_note():
        notes.append(note)
    if about.turned:
        notes.append("orientation applied")
    mode, _, bits = file.mode.partition(";")
    if mode.endswith("a"):
        raise Refused("HEIC with premultiplied alpha cannot be read in full")
    return Samples(np.array(file), int(bits or 8))
