"""JPEG by libjpeg-turbo through Pillow, in 4:2:0 (Pillow's default) or 4:4:4."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from re import compile as regex
from struct import unpack_from
from typing import Any

import numpy as np
from PIL import Image as PILImage
from PIL import ImageFile, features
from PIL.JpegImagePlugin import JpegImageFile

from baselines.classical.everyday import EverydayCodec, Size, choice, expect, package_version, setting
from bench.codec import Image, QualityScale

SAMPLING = {"4:2:0": 0x22, "4:2:2": 0x21, "4:4:4": 0x11}
"""Luma sampling factors in the frame header, horizontal in the high half; chroma is 1x1."""

_UNITS = {"4:2:0": (16, 16, 32), "4:2:2": (16, 8, 20), "4:4:4": (8, 8, 14)}
"""Width, height and least bits of a coded unit. With the standard tables a block takes at least 6 bits in luma and 4 in
chroma: no difference of its mean, no other coefficient. So few bytes can't announce many pixels."""

_SOF0, _SOF2, _DHT, _EOI, _SOS, _DQT, _APP0 = 0xC0, 0xC2, 0xC4, 0xD9, 0xDA, 0xDB, 0xE0
_NEXT_MARKER = regex(rb"\xff[^\x00]")  # in entropy-coded data a 0xFF byte is stuffed with a 0x00


class JPEGCodec(EverydayCodec):
    """Baseline JPEG. The stream equals ``PIL.Image.save(..., "JPEG", quality=q)`` byte for byte."""

    max_side = 65500  # libjpeg's JPEG_MAX_DIMENSION
    quality = QualityScale(low=1, high=100, integer=True, default=75)

    def __init__(self, subsampling: str = "4:2:0", optimize: bool = False, progressive: bool = False) -> None:
        """Choose the variant.

        Args:
            subsampling: ``"4:2:0"``, ``"4:2:2"`` or ``"4:4:4"``.
            optimize: Huffman tables made for each image: 2 to 6 % smaller.
            progressive: progressive scans, which implies optimised tables.
        """
        self.subsampling = choice("jpeg", "subsampling", subsampling, SAMPLING)
        self.optimize, self.progressive = optimize, progressive
        self.name = "jpeg" if subsampling == "4:2:0" else "jpeg-" + subsampling.replace(":", "")

    def settings(self) -> dict[str, Any]:
        return {"subsampling": self.subsampling, "optimize": self.optimize, "progressive": self.progressive}

    def versions(self) -> dict[str, str]:
        return {"pillow": package_version("pillow"), "libjpeg-turbo": str(features.version("libjpeg_turbo"))}

    def write(self, image: Image, quality: float) -> bytes:
        # With tables of its own a file is written in one piece, for which Pillow's buffer has 1 or 2 bytes a pixel: too
        # few for noise. At 4:4:4 it takes 3 to 4: three samples of variance 128² at most, each in some nine bits.
        room = 4 * image.shape[0] * image.shape[1] if self.optimize or self.progressive else 0
        with setting(ImageFile, "MAXBLOCK", max(ImageFile.MAXBLOCK, room)):
            return _save(image, quality=int(quality), **self.settings())

    def inspect(self, stream: bytes) -> Size:
        """Walk all markers. Tables must be those of the JPEG standard, scaled to one of the qualities 1 to 100."""
        expect(stream[:3] == b"\xff\xd8\xff", "it is no JPEG file.")
        seen: dict[int, list[bytes]] = {}
        end, marker, scan = 2, 0, 0
        while marker != _EOI:
            expect(stream[end : end + 1] == b"\xff", f"there is no marker at byte {end}.")
            marker, start = stream[end + 1], end + 2
            if marker == _EOI:
                end = start
                break
            expect(
                marker in (_APP0, _DQT, _SOF0, _SOF2, _DHT, _SOS),
                f"it has a marker FF{marker:02X}, which this codec never writes.",
            )
            end = start + unpack_from(">H", stream, start)[0]
            expect(end <= len(stream), "it was cut in a header.")
            seen.setdefault(marker, []).append(stream[start + 2 : end])
            if marker == _SOS:
                found = _NEXT_MARKER.search(stream, end)
                expect(found is not None, "it was cut in the image data.")
                scan, end = (found.start() - end, found.start()) if found else (0, 0)
        expect(end == len(stream), f"{len(stream) - end} bytes follow its end.")
        return self._frame(seen, scan)

    def _frame(self, seen: dict[int, list[bytes]], scan: int) -> Size:
        frames = seen.get(_SOF2 if self.progressive else _SOF0, [])
        expect(len(frames) == 1 and _SOS in seen, "it has no frame of the expected kind.")
        expect(self.progressive or len(seen[_SOS]) == 1, "it has more than one scan.")
        expect(seen.get(_APP0, [b""])[0][:5] == b"JFIF\0", "it has no JFIF header.")
        tables, codes = _standard_tables()
        expect(b"".join(seen.get(_DQT, [])) in tables, "its quantisation tables are no scaled standard tables.")
        if not self.optimize and not self.progressive:
            expect(b"".join(seen.get(_DHT, [])) == codes, "its Huffman tables are not the standard tables.")
        precision, height, width, components = unpack_from(">BHHB", frames[0])
        layout = bytes([1, SAMPLING[self.subsampling], 0, 2, 0x11, 1, 3, 0x11, 1])
        expect(precision == 8 and components == 3, "it is not 8-bit YCbCr.")
        expect(frames[0][6:] == layout, f"its chroma sampling is not {self.subsampling}.")
        if not self.optimize and not self.progressive:
            width_of_unit, height_of_unit, bits = _UNITS[self.subsampling]
            units = -(-width // width_of_unit) * -(-height // height_of_unit)
            expect(units * bits <= 8 * scan, f"its image data are too few for {width}x{height} pixels.")
        return height, width

    def read(self, stream: bytes) -> Image:
        # The plugin's class itself: PIL.Image.open would try other formats as well.
        return np.array(JpegImageFile(BytesIO(stream)))


def _save(image: Image, **options: Any) -> bytes:
    file = BytesIO()
    PILImage.fromarray(image).save(file, "JPEG", **options)
    return file.getvalue()


@cache
def _standard_tables() -> tuple[frozenset[bytes], bytes]:
    """The contents of the DQT segments at the qualities 1 to 100, and those of the DHT segments."""
    quantisation, codes = set(), b""
    for quality in range(1, 101):
        header, position = _save(np.zeros((1, 1, 3), np.uint8), quality=quality), 2
        segments: dict[int, bytes] = {}
        while header[position + 1] != _SOS:
            marker, length = header[position + 1], unpack_from(">H", header, position + 2)[0]
            segments[marker] = segments.get(marker, b"") + header[position + 4 : position + 2 + length]
            position += 2 + length
        quantisation.add(segments[_DQT])
        codes = segments[_DHT]
    return frozenset(quantisation), codes
