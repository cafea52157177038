"""AV1 by libaom through ffmpeg: what AVIF codes, without the conversion to Y'CbCr of an AVIF library.

libavif, as Pillow's wheels have it, rounds chroma down: over generations colours drift, and most of what AVIF loses is
that (docs/methodology.md, "Colour"). Here the planes are our own, rounded to nearest, with the same matrix and range,
so that the two can be told apart.
"""

from __future__ import annotations

from typing import Any, Literal

from baselines.classical import yuv
from baselines.classical.ffmpeg import FfmpegCodec
from bench.codec import CodecError, QualityScale

TUNES = ("iq", "psnr", "ssim")


class FfmpegAom(FfmpegCodec):
    """AV1, one intra picture, 4:2:0 at 8 bit, full range, BT.601; libaom's constant quality, decoded by dav1d.

    Args:
        speed: 0 (slow) to 8 (fast); libavif's default is 6.
        tune: what libaom optimises: ``"psnr"``, ``"ssim"``, or ``"iq"``, which is libavif's default for still images.
    """

    name = "ffmpeg-aom"
    quality = QualityScale(0, 63, integer=True, default=28, better="low")
    tag = 0xB9
    layout = yuv.Layout("bt601", "420", 8)
    library, form = "libaom-av1", "obu"
    starts = (b"\x12\0",)

    def __init__(
        self,
        program: str | None = None,
        *,
        speed: int = 6,
        tune: Literal["psnr", "ssim", "iq"] = "psnr",
        matrix: yuv.Matrix = "bt601",
        **options: Any,
    ) -> None:
        super().__init__(program, matrix=matrix, **options)
        if speed not in range(9):
            raise CodecError(f"{self.name}: speed must be a whole number from 0 to 8, got {speed!r}.")
        if tune not in TUNES:
            raise CodecError(f"{self.name}: tune must be one of {', '.join(TUNES)}, got {tune!r}.")
        self.speed, self.tune = speed, tune

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "speed": self.speed, "tune": self.tune}

    def coding(self, quality: str) -> list[str]:
        still = ["-usage", "allintra", "-still-picture", "1", "-row-mt", "0"]
        effort = ["-cpu-used", str(self.speed), "-aom-params", f"tune={self.tune}"]
        return ["-crf", quality, "-b:v", "0", *still, *effort]


class FfmpegAom444(FfmpegAom):
    """The same in 4:4:4."""

    name = "ffmpeg-aom-444"
    tag = 0xBA
    layout = yuv.Layout("bt601", "444", 8)
