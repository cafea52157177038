"""JPEG 2000 by OpenJPEG through Pillow: irreversible 9/7 wavelet, irreversible colour transform, no chroma subsampling.

Why the quality is a rate. OpenJPEG can stop a quality layer at a rate or at a PSNR. A PSNR is measured against the
encoder's input, so every generation throws away again what the number allows: astronaut (512x512) at a target
of 37.7 dB falls to 26.5 dB in 30 generations, whereas at the rate that gives 37.75 dB once it is at 37.64 dB after 30.
A benchmark of generations must not measure that artefact of the control. A rate is also what the bitstream is cut by.
"""

from __future__ import annotations

from io import BytesIO
from struct import unpack_from
from typing import Any

import numpy as np
from PIL import Image as PILImage
from PIL import features
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from baselines.classical.boxes import only, parse
from baselines.classical.everyday import EverydayCodec, Size, expect, package_version
from bench.codec import Image, QualityScale

_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"


class JPEG2000Codec(EverydayCodec):
    """JPEG 2000 part 1 in a .jp2 file with one quality layer at a target rate in bits per pixel.

    The file meets the target within two per cent, except where headers alone cost more (about 280 bytes) or where
    the finest quantisation needs less (about 7 bpp on photographs).
    """

    name = "jpeg2000"
    max_side = 65535
    quality = QualityScale(low=0.01, high=24, integer=False, default=1.0, unit="bpp")

    def settings(self) -> dict[str, Any]:
        return {"mct": 1, "irreversible": True, "quality_mode": "rates"}

    def versions(self) -> dict[str, str]:
        return {"pillow": package_version("pillow"), "openjpeg": str(features.version("jpg_2000"))}

    def available(self) -> tuple[bool, str]:
        if features.check("jpg_2000"):
            return True, ""
        return False, f"{self.name} needs a Pillow built with OpenJPEG: pip install --upgrade pillow."

    def write(self, image: Image, quality: float) -> bytes:
        file = BytesIO()
        ratio = 24 / quality  # OpenJPEG wants a compression ratio
        PILImage.fromarray(image).save(file, "JPEG2000", quality_layers=[ratio], **self.settings())
        return file.getvalue()

    def inspect(self, stream: bytes) -> Size:
        """Check the boxes (ISO/IEC 15444-1 annex I), the main header and the tile-part lengths (annex A)."""
        expect(stream[:12] == _SIGNATURE and stream[16:24] == b"ftypjp2 ", "it is no JP2 file.")
        top = parse(stream)
        expect([box.kind for box in top] == [b"jP  ", b"ftyp", b"jp2h", b"jp2c"], "it has unexpected boxes.")
        header, code = top[2], top[3]
        extent = only(parse(stream, header.start, header.end), b"ihdr")
        size: Size = unpack_from(">II", stream, extent.start)
        expect(_codestream(stream[code.start : code.end]) == size, "its two headers state different sizes.")
        return size

    def read(self, stream: bytes) -> Image:
        return np.array(Jpeg2KImageFile(BytesIO(stream)))


def _codestream(code: bytes) -> Size:
    """Check a codestream of the kind that this codec writes, and return its size."""
    expect(code[:4] == b"\xff\x4f\xff\x51", "its codestream has no header.")
    position, segments = 2, {}
    while True:
        marker, length = unpack_from(">HH", code, position)
        if marker == 0xFF90:  # SOT: the first tile part
            break
        expect(
            marker in (0xFF51, 0xFF52, 0xFF5C, 0xFF64), f"it has a marker {marker:04X}, which this codec never writes."
        )
        segments[marker] = code[position + 4 : position + 2 + length]
        position += 2 + length
    expect({0xFF51, 0xFF52, 0xFF5C} <= segments.keys(), "its codestream header is incomplete.")
    _, *grid, channels = unpack_from(">H8IH", segments[0xFF51])
    width, height = grid[:2]
    expect(grid == [width, height, 0, 0, width, height, 0, 0], "it is not a single tile.")
    expect(channels == 3 and segments[0xFF51][36:] == b"\7\1\1" * 3, "it is not 8-bit 4:4:4 with three channels.")
    _, _, layers, mct, _, _, _, _, wavelet = unpack_from(">BBHBBBBBB", segments[0xFF52])
    expect((layers, mct, wavelet) == (1, 1, 0), "its layers, colour transform or wavelet are not those of this codec.")
    parts = 0
    while code[position : position + 2] == b"\xff\x90":
        length = unpack_from(">I", code, position + 6)[0]
        expect(14 <= length <= len(code) - position, "a tile part is longer than the file.")
        position, parts = position + length, parts + 1
    expect(parts > 0 and code[position:] == b"\xff\xd9", "it does not stop at its end marker.")
    return height, width
