"""Images as files, for tests of what reads them."""

from __future__ import annotations

from pathlib import Path

import PIL.Image

from bench.codec import Image


def save_png(path: Path, pixels: Image) -> None:
    """Write (H, W, 3) uint8 RGB pixels as PNG."""
    PIL.Image.fromarray(pixels).save(path, "PNG")
