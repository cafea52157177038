"""AVIF: libaom encoder, dav1d decoder, libavif container, all through Pillow."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image as PILImage
from PIL import features

from baselines.classical.boxes import still_image
from baselines.classical.everyday import EverydayCodec, Size, choice, expect, package_version, setting
from bench.codec import Image, QualityScale

SAMPLING = {"4:2:0": 0b011, "4:4:4": 0b000}
"""monochrome, chroma_subsampling_x, chroma_subsampling_y in ``av1C``."""


class AVIFCodec(EverydayCodec):
    """AVIF, 8 bit, full-range BT.601 YCbCr stated in the file, one thread and one tile.

    The number of threads is fixed because libaom's bytes depend on it. The default ``tune`` is libavif's own for
    still images ("iq" since libavif 1.4), which costs 0.7 dB of PSNR at equal rate (astronaut, 4:4:4, 0.5 to 1.2 bpp);
    ``avif[tune=psnr]`` is the fair anchor where PSNR is the measure. ``avif[tune=iq]`` ends at quality 99: libavif
    refuses that tune at 100.
    """

    max_side = 32768  # libavif refuses more when decoding
    quality = QualityScale(low=0, high=100, integer=True, default=75)

    def __init__(self, subsampling: str = "4:2:0", speed: int = 6, tune: str = "default") -> None:
        """Choose the variant.

        Args:
            subsampling: ``"4:2:0"`` or ``"4:4:4"``.
            speed: 0 (slow) to 10 (fast); 6 is Pillow's default.
            tune: ``"default"``, ``"iq"``, ``"psnr"`` or ``"ssim"``.
        """
        self.subsampling = choice("avif", "subsampling", subsampling, SAMPLING)
        self.speed = choice("avif", "speed", speed, range(11))
        self.tune = choice("avif", "tune", tune, ("default", "iq", "psnr", "ssim"))
        if tune == "iq":
            self.quality = replace(self.quality, high=99)
        self.name = "avif" if subsampling == "4:2:0" else "avif-444"

    def settings(self) -> dict[str, Any]:
        advanced = {} if self.tune == "default" else {"tune": self.tune}
        return {
            "subsampling": self.subsampling,
            "speed": self.speed,
            "codec": "aom",
            "range": "full",
            "max_threads": 1,
            "autotiling": False,
            "advanced": advanced,
        }

    def versions(self) -> dict[str, str]:
        from PIL import _avif  # the only place that knows the AV1 codecs

        libraries = {"pillow": package_version("pillow"), "libavif": str(features.version("avif"))}
        return libraries | {"av1": _avif.codec_versions()}

    def available(self) -> tuple[bool, str]:
        if features.check("avif"):
            from PIL import _avif

            if _avif.encoder_codec_available("aom"):
                return True, ""
        return False, f"{self.name} needs a Pillow built with libavif and libaom: pip install --upgrade 'pillow>=11.3'."

    def write(self, image: Image, quality: float) -> bytes:
        file = BytesIO()
        PILImage.fromarray(image).save(file, "AVIF", quality=int(quality), **self.settings())
        return file.getvalue()

    def inspect(self, stream: bytes) -> Size:
        height, width, configuration = still_image(stream, (b"avif",), b"av1C")
        expect(len(configuration) >= 4, "its AV1 configuration was cut.")
        # marker and version; then high_bitdepth, twelve_bit, monochrome, subsampling x and y, sample position
        expect(configuration[0] == 0x81 and configuration[2] >> 5 & 3 == 0, "it is not 8-bit AV1.")
        found = configuration[2] >> 2 & 7
        expect(found == SAMPLING[self.subsampling], f"its chroma sampling is not {self.subsampling}.")
        return height, width

    def read(self, stream: bytes) -> Image:
        from PIL import AvifImagePlugin

        with setting(AvifImagePlugin, "DEFAULT_MAX_THREADS", 1):
            return np.array(AvifImagePlugin.AvifImageFile(BytesIO(stream)))
