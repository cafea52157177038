"""HEIC: x265 encoder, libde265 decoder, libheif container, through pillow-heif."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np

from baselines.classical.boxes import still_image
from baselines.classical.everyday import EverydayCodec, Size, choice, expect, missing, package_version
from baselines.classical.x265 import PRESETS
from bench.codec import Image, QualityScale

SAMPLING = {"4:2:0": 1, "4:4:4": 3}
"""chroma_format_idc in ``hvcC``."""


class HEICCodec(EverydayCodec):
    """HEVC intra, 8 bit, full-range BT.601 YCbCr stated in the file.

    x265 runs without wavefronts and pools, because its bytes depend on them. libheif maps quality to x265's CRF as
    (100 - quality) / 2; quality 100 is not lossless. ``tune=ssim`` is libheif's default;
    ``heic[tune=psnr]`` gains 0.3 dB of PSNR at equal rate (astronaut, 4:4:4, 0.8 bpp).
    """

    max_side = 8192  # x265 opens no larger picture
    quality = QualityScale(low=0, high=100, integer=True, default=60)

    def __init__(self, subsampling: str = "4:2:0", preset: str = "slow", tune: str = "ssim") -> None:
        """Choose the variant.

        Args:
            subsampling: ``"4:2:0"`` or ``"4:4:4"``.
            preset: x265's preset; ``"slow"`` is libheif's default.
            tune: ``"ssim"`` or ``"psnr"``.
        """
        self.subsampling = choice("heic", "subsampling", subsampling, SAMPLING)
        self.preset = choice("heic", "preset", preset, PRESETS)
        self.tune = choice("heic", "tune", tune, ("ssim", "psnr"))
        self.name = "heic" if subsampling == "4:2:0" else "heic-444"

    def settings(self) -> dict[str, Any]:
        single = {"x265:pools": "none", "x265:frame-threads": "1", "x265:wpp": "0"}
        return {
            "chroma": self.subsampling.replace(":", ""),
            "color_primaries": 1,
            "transfer_characteristics": 13,
            "matrix_coefficients": 6,
            "full_range_flag": 1,
            "save_nclx_profile": True,
            "enc_params": {"preset": self.preset, "tune": self.tune, **single},
        }

    def versions(self) -> dict[str, str]:
        import pillow_heif

        info = pillow_heif.libheif_info()
        found = {"pillow-heif": package_version("pillow-heif"), "libheif": info["libheif"], "encoder": info["HEIF"]}
        return found | {"decoder": ", ".join(info["decoders"].values())}

    def available(self) -> tuple[bool, str]:
        reason = missing("pillow-heif", "pillow_heif", "heic")
        if reason:
            return False, f"{self.name} {reason}"
        import pillow_heif

        if "x265" in pillow_heif.libheif_info()["encoders"]:
            return True, ""
        return False, f"{self.name} needs a pillow-heif built with x265: pip install --upgrade pillow-heif."

    def write(self, image: Image, quality: float) -> bytes:
        import pillow_heif

        height, width = image.shape[:2]
        file = BytesIO()
        pillow_heif.encode("RGB", (width, height), image.tobytes(), file, quality=int(quality), **self.settings())
        return file.getvalue()

    def inspect(self, stream: bytes) -> Size:
        height, width, configuration = still_image(stream, (b"heic", b"heix"), b"hvcC")
        expect(len(configuration) > 18, "its HEVC configuration was cut.")
        expect(configuration[17] & 7 == 0 and configuration[18] & 7 == 0, "it is not 8-bit HEVC.")
        found = configuration[16] & 3
        expect(found == SAMPLING[self.subsampling], f"its chroma sampling is not {self.subsampling}.")
        return height, width

    def read(self, stream: bytes) -> Image:
        import pillow_heif

        return np.array(pillow_heif.open_heif(BytesIO(stream)))
