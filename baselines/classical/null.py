"""No compression at all: RGB to 8-bit YCbCr and back, as every codec does around its core.

What is lost over generations here is lost by colour conversion alone. It stays in the suite as the control.
"""

from __future__ import annotations

from struct import Struct
from typing import Any
from zlib import crc32

from baselines.classical import yuv
from baselines.classical.everyday import EverydayCodec, Size, choice, expect
from bench.codec import Image, QualityScale

_HEADER = Struct(">4sBII")  # magic, matrix, height, width
_MAGIC = b"YCC8"
_CRC = Struct(">I")
_MATRICES = ("bt601", "bt709")


class NullCodec(EverydayCodec):
    """YCbCr samples, rounded to 8 bit, 4:4:4, at 24 bpp. The quality is accepted and has no effect.

    Stream: ``YCC8``, matrix (0 BT.601, 1 BT.709), height, width, the planes Y, Cb, Cr, CRC-32 of all before it.
    """

    name = "null"
    max_side = 65535
    quality = QualityScale(low=0, high=100, integer=False, default=100)

    def __init__(self, matrix: str = "bt601") -> None:
        """Choose the YCbCr matrix, ``"bt601"`` (as JPEG) or ``"bt709"``."""
        self.matrix = choice("null", "matrix", matrix, _MATRICES)
        self._layout = yuv.Layout(self.matrix)

    def settings(self) -> dict[str, Any]:
        return {"matrix": self.matrix, "range": "full", "subsampling": "4:4:4"}

    def versions(self) -> dict[str, str]:
        return {}

    def write(self, image: Image, quality: float) -> bytes:
        height, width = image.shape[:2]
        planes = yuv.to_bytes(yuv.from_rgb(image, self._layout))
        body = _HEADER.pack(_MAGIC, _MATRICES.index(self.matrix), height, width) + planes
        return body + _CRC.pack(crc32(body))

    def inspect(self, stream: bytes) -> Size:
        expect(stream[:4] == _MAGIC, "it is no null stream.")
        expect(len(stream) >= _HEADER.size + _CRC.size, "it was cut.")
        expect(_CRC.unpack(stream[-_CRC.size :])[0] == crc32(stream[: -_CRC.size]), "its checksum is wrong.")
        _, matrix, height, width = _HEADER.unpack_from(stream)
        expect(matrix == _MATRICES.index(self.matrix), f"its matrix is not {self.matrix}.")
        expect(len(stream) == _HEADER.size + 3 * height * width + _CRC.size, "its length does not fit its size.")
        return height, width

    def read(self, stream: bytes) -> Image:
        _, _, height, width = _HEADER.unpack_from(stream)
        planes = yuv.from_bytes(stream[_HEADER.size : -_CRC.size], height, width, self._layout)
        return yuv.to_rgb(planes, self._layout)
