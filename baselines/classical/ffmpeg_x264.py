"""H.264 by libx264 through ffmpeg: what most video of today is, one intra picture at a constant QP."""

from __future__ import annotations

from typing import Any, Literal, get_args

from baselines.classical import yuv
from baselines.classical.ffmpeg import FfmpegCodec
from bench.codec import CodecError, QualityScale

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"
]
Tune = Literal["psnr", "ssim", "stillimage", "none"]


class FfmpegX264(FfmpegCodec):
    """H.264 by libx264 in 4:2:0 at 8 bit, constant QP, decoded by ffmpeg's own decoder.

    ``ipratio=1`` lets an intra picture have the QP that was asked for (by default x264 lowers it by 3). The message in
    which x264 describes itself, some 700 bytes, is left out. QP 0, which is lossless coding by other tools, is not
    offered.

    Args:
        preset: speed against rate.
        tune: what x264 optimises; ``"psnr"`` switches its psychovisual tools off.
    """

    name = "ffmpeg-x264"
    quality = QualityScale(1, 51, integer=True, default=28, better="low", unit="QP")
    tag = 0xBC
    layout = yuv.Layout("bt709", "420", 8)
    library, form = "libx264", "h264"

    def __init__(
        self, program: str | None = None, *, preset: Preset = "slower", tune: Tune = "psnr", **options: Any
    ) -> None:
        super().__init__(program, **options)
        if preset not in get_args(Preset):
            raise CodecError(f"{self.name}: preset must be one of {', '.join(get_args(Preset))}, got {preset!r}.")
        if tune not in get_args(Tune):
            raise CodecError(f"{self.name}: tune must be psnr, ssim, stillimage or none, got {tune!r}.")
        self.preset, self.tune = preset, tune

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "preset": self.preset, "tune": self.tune}

    def coding(self, quality: str) -> list[str]:
        tune = [] if self.tune == "none" else ["-tune", self.tune]
        without_message = ["-bsf:v", "filter_units=remove_types=6"]
        return ["-preset", self.preset, *tune, "-qp", quality, "-x264-params", "ipratio=1", *without_message]
