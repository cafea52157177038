"""Snapshots: the pixels of chosen generations, without loss, in files named after what is in them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from bench.codec import Image
from bench.files import plain
from bench.images import pixel_sha256

DIGITS = 24
"""Of the pixels' sha256, in a file's name."""


def snapshot_name(image: str, digest: str, pixels: Image) -> str:
    """The file name of a snapshot: image (its name), digest (sha256 of the pixels), and the format."""
    return f"{plain(image)}-{digest[:DIGITS]}.{'webp' if _fits_webp(pixels) else 'png'}"


def encode_snapshot(pixels: Image) -> bytes:
    """An image without loss: WebP, as it is quicker to write and a quarter smaller than PNG, or PNG for long sides."""
    data = io.BytesIO()
    if _fits_webp(pixels):
        Pillow.fromarray(pixels).save(data, "WEBP", lossless=True, quality=0, method=0, exact=True)
    else:
        Pillow.fromarray(pixels).save(data, "PNG", compress_level=1)
    return data.getvalue()


def describe(path: Path) -> dict[str, Any]:
    """What a chain's file says of a snapshot, for ``intact``; raises OSError."""
    data = path.read_bytes()
    return {"name": path.name, "bytes": len(data), "crc32": zlib.crc32(data)}


def intact(folder: Path, described: Mapping[str, Any]) -> bool:
    """Whether a snapshot still is what ``describe`` saw, or another file of the same pixels, as other versions of
    libwebp write; raises FileNotFoundError where there is none."""
    path = folder / described["name"]
    data = path.read_bytes()
    if (len(data), zlib.crc32(data)) == (described["bytes"], described.get("crc32")):
        return True
    pixels = _decoded(data)
    return pixels is not None and path.stem.endswith(f"-{pixel_sha256(pixels)[:DIGITS]}")


def holds(path: Path, pixels: Image) -> bool:
    """Whether a snapshot's file is there and whole."""
    found = _decoded(path.read_bytes()) if path.exists() else None
    return found is not None and np.array_equal(found, pixels)


def _decoded(data: bytes) -> Image | None:
    """(H, W, 3) uint8; None where the file is damaged."""
    try:
        with Pillow.open(io.BytesIO(data), formats=("PNG", "WEBP")) as file:
            return np.asarray(file.convert("RGB"))
    except (OSError, ValueError, SyntaxError, MemoryError, Pillow.DecompressionBombError):
        return None


def _fits_webp(pixels: Image) -> bool:
    return max(pixels.shape) <= 16383
