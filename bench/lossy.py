"""Whether an image file was coded with losses, as far as the file tells."""

from __future__ import annotations

import struct

import PIL.Image

from bench import jpeg2000

NAMES = {"MPO": "JPEG", "JPEG2000": "JPEG 2000", "WEBP": "WebP"}
"""What formats are called, where Pillow calls them something else; an MPO is a JPEG that others follow."""

HEIC = "HEIC"

_LOSSY = {"JPEG", "AVIF", HEIC}  # AVIF and HEIC can be lossless, which is rare and does not show in their headers


def is_lossy(file: PIL.Image.Image, data: bytes) -> bool:
    """Whether an open file that holds ``data`` was coded with losses: the pixels are then not those of a camera."""
    name = NAMES.get(str(file.format), str(file.format))
    if name == "WebP":
        return not _is_lossless_webp(data)
    if name == "JPEG 2000":
        return jpeg2000.header(data).lossy
    if name == "TIFF":
        return file.info.get("compression") in {"jpeg", "tiff_jpeg", "webp"}
    return name in _LOSSY


def _is_lossless_webp(data: bytes, at: int = 12) -> bool:
    """Whether the first image of the chunks from ``at`` on is coded without losses."""
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8L"
        at += 8 + (16 if kind == b"ANMF" else size + size % 2)  # a frame of an animation has chunks of its own
    return False
