"""JPEG XL by libjxl through pillow-jxl-plugin (GPL-3, hence optional). Always lossy VarDCT in XYB colour."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image as PILImage

from baselines.classical.everyday import EverydayCodec, Size, choice, expect, missing, package_version
from bench.codec import BitstreamError, Image, QualityScale


class JPEGXLCodec(EverydayCodec):
    """JPEG XL as a bare codestream, on libjxl's quality scale.

    Butteraugli distance = 0.1 + 0.09 (100 - quality) from quality 30 on, so quality 90 is distance 1. The scale ends
    below 100, where libjxl would switch to lossless. Chroma is not subsampled.
    A cut is found at any byte; bytes after the end of the codestream are not, for it states no length.
    """

    name = "jpegxl"
    max_side = 262144  # level 10 allows more than any image here
    quality = QualityScale(low=0, high=99.9, integer=False, default=75)

    def __init__(self, effort: int = 7) -> None:
        """Choose the effort, 1 (fast) to 9 (small); 7 is libjxl's default."""
        self.effort = choice("jpegxl", "effort", effort, range(1, 10))

    def settings(self) -> dict[str, Any]:
        fixed = {"lossless": False, "use_container": False, "use_original_profile": False, "decoding_speed": 0}
        return {"effort": self.effort, "num_threads": 0, **fixed}

    def versions(self) -> dict[str, str]:
        return {"pillow-jxl-plugin": package_version("pillow-jxl-plugin")}

    def available(self) -> tuple[bool, str]:
        reason = missing("pillow-jxl-plugin", "pillow_jxl", "jxl")
        return (not reason, reason and f"{self.name} {reason}")

    def write(self, image: Image, quality: float) -> bytes:
        file = BytesIO()
        PILImage.fromarray(image).save(file, "JXL", quality=quality, **self.settings())
        return file.getvalue()

    def inspect(self, stream: bytes) -> Size:
        """Read the headers (ISO/IEC 18181-1 annexes D and F): size, default metadata, the kind of the first frame."""
        expect(stream[:2] == b"\xff\x0a", "it is no JPEG XL codestream.")
        bits = _Bits(stream[2:18])
        height, width = bits.size()
        expect(bits.take(1) == 1, "it is not plain 8-bit XYB.")  # ImageMetadata.all_default
        expect(bits.take(1) == 1, "it has custom transforms.")  # CustomTransformData.all_default
        bits.align()
        if not bits.take(1):  # FrameHeader.all_default means a regular VarDCT frame
            kind, modular = bits.take(2), bits.take(1)
            # Frames that later ones refer to (kinds 1 and 2: low frequencies, patches) may be modular and come first.
            expect(kind in (1, 2) or (kind, modular) == (0, 0), "its frame is not a lossy VarDCT frame.")
        return height, width

    def read(self, stream: bytes) -> Image:
        from pillow_jxl import Decoder

        # The decoder itself: the Pillow plugin starts a thread for every core.
        try:
            transcoded, info, pixels = Decoder(num_threads=0)(stream)[:3]
        except RuntimeError as error:  # the plugin's own text advises to build libjxl from source
            raise BitstreamError("libjxl can't decode it, or it was cut.") from error
        expect(not transcoded and info.mode == "RGB", "it is not a plain RGB image.")
        return np.frombuffer(pixels, np.uint8).reshape(info.height, info.width, 3).copy()


class _Bits:
    """A bit reader, least significant bit first."""

    _RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))

    def __init__(self, data: bytes) -> None:
        self.value, self.left, self.used = int.from_bytes(data, "little"), 8 * len(data), 0

    def take(self, count: int) -> int:
        expect(self.left >= count, "it was cut in its header.")
        taken = self.value & (1 << count) - 1
        self.value, self.left, self.used = self.value >> count, self.left - count, self.used + count
        return taken

    def align(self) -> None:
        expect(self.take(-self.used % 8) == 0, "its header padding is not zero.")

    def side(self, small: int) -> int:
        return 8 * (self.take(5) + 1) if small else 1 + self.take((9, 13, 18, 30)[self.take(2)])

    def size(self) -> Size:
        """SizeHeader: the height, then the width or its ratio to the height."""
        small = self.take(1)
        height = self.side(small)
        ratio = self._RATIOS[self.take(3)]
        return height, height * ratio[0] // ratio[1] if ratio else self.side(small)
