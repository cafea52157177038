"""WebP, lossy (VP8), by libwebp through Pillow. The format has 4:2:0 only: there is no WebP 4:4:4."""

from __future__ import annotations

from io import BytesIO
from struct import unpack_from
from typing import Any

import numpy as np
from PIL import Image as PILImage
from PIL import features
from PIL.WebPImagePlugin import WebPImageFile

from baselines.classical.everyday import EverydayCodec, Size, choice, expect, package_version
from bench.codec import Image, QualityScale


class WebPCodec(EverydayCodec):
    """Lossy WebP; fractional qualities are real ones (libwebp takes a float). BT.601 studio range, 4:2:0."""

    name = "webp"
    max_side = 16383  # 14 bits in the frame header
    quality = QualityScale(low=0, high=100, integer=False, default=80)

    def __init__(self, method: int = 4) -> None:
        """Choose the effort: ``method`` from 0 (fast) to 6 (small); 4 is the default of libwebp and Pillow."""
        self.method = choice("webp", "method", method, range(7))

    def settings(self) -> dict[str, Any]:
        return {"subsampling": "4:2:0", "lossless": False, "method": self.method}

    def versions(self) -> dict[str, str]:
        return {"pillow": package_version("pillow"), "libwebp": str(features.version("webp"))}

    def available(self) -> tuple[bool, str]:
        if features.check("webp"):
            return True, ""
        return False, f"{self.name} needs a Pillow built with libwebp: pip install --upgrade pillow."

    def write(self, image: Image, quality: float) -> bytes:
        file = BytesIO()
        # No alpha, so that "exact" has no meaning; "lossless" stated because other bindings guess it from the quality.
        PILImage.fromarray(image).save(file, "WEBP", quality=quality, lossless=False, method=self.method)
        return file.getvalue()

    def inspect(self, stream: bytes) -> Size:
        """Check the RIFF lengths and the VP8 frame header (RFC 6386 section 9.1, RFC 9649)."""
        expect(stream[:4] == b"RIFF" and stream[8:12] == b"WEBP", "it is no WebP file.")
        expect(stream[12:16] == b"VP8 ", "it is not a plain lossy WebP file.")
        riff, chunk = unpack_from("<I", stream, 4)[0], unpack_from("<I", stream, 16)[0]
        expect(riff == len(stream) - 8, f"it should have {riff + 8} bytes and has {len(stream)}.")
        expect(20 + chunk + chunk % 2 == len(stream), "the length of its VP8 chunk is wrong.")
        tag = int.from_bytes(stream[20:23], "little")
        expect(tag & 1 == 0 and tag >> 1 & 7 <= 3 and tag >> 4 & 1 == 1, "its VP8 frame is not a shown key frame.")
        expect(stream[23:26] == b"\x9d\x01\x2a", "its VP8 start code is wrong.")
        expect(tag >> 5 <= chunk - 10, "its first VP8 partition is longer than the file.")
        width, height = unpack_from("<HH", stream, 26)
        expect(max(width, height) <= self.max_side, "it asks for scaling, which this codec never writes.")
        return height, width

    def read(self, stream: bytes) -> Image:
        return np.array(WebPImageFile(BytesIO(stream)))
