"""VVC by VVenC and VVdeC, the encoder and decoder of Fraunhofer HHI, through their applications."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from baselines.classical import yuv
from baselines.classical.planar import TIMEOUT, PlanarCodec
from baselines.classical.program import Program, version_of
from bench.codec import CodecError, QualityScale

Preset = Literal["faster", "fast", "medium", "slow", "slower"]


def check_preset(codec: str, preset: Preset) -> Preset:
    """Return ``preset``; raise CodecError where VVenC has none of this name."""
    if preset not in get_args(Preset):
        raise CodecError(f"{codec}: preset must be one of {', '.join(get_args(Preset))}, got {preset!r}.")
    return preset


class Vvenc(PlanarCodec):
    """VVenC in 4:2:0 at 10 bit, the one format it takes, at a constant QP without perceptual adaptation.

    ``intraqpoffset=0``, which vvencapp knows only among its additional options, lets an intra picture have the QP that
    was asked for (by default VVenC lowers it by 3). That was measured with libvvenc inside ffmpeg; vvencapp's option is
    as its sources have it.

    Args:
        encoder: path of vvencapp; otherwise BENCH_VVENCAPP, otherwise PATH.
        decoder: path of vvdecapp; otherwise BENCH_VVDECAPP, otherwise PATH.
        preset: speed against rate.
        matrix: Y'CbCr constants.
        timeout: seconds one run may take.
        threads: threads one run may use.
    """

    name = "vvenc"
    quality = QualityScale(0, 63, integer=True, default=32, better="low", unit="QP")
    tag = 0xB3
    encoder = Program("vvenc", "encoder", "BENCH_VVENCAPP", ("vvencapp",), "VVenC (vvencapp)")
    decoder = Program("vvenc", "decoder", "BENCH_VVDECAPP", ("vvdecapp",), "VVdeC (vvdecapp)")

    def __init__(
        self,
        encoder: str | None = None,
        decoder: str | None = None,
        *,
        preset: Preset = "medium",
        matrix: yuv.Matrix = "bt709",
        timeout: float = TIMEOUT,
        threads: int = 1,
    ) -> None:
        super().__init__(encoder, decoder, timeout=timeout, threads=threads)
        self.preset = check_preset(self.name, preset)
        self.layout = yuv.Layout(matrix, "420", 10)

    def version(self, program: Path) -> str:
        return version_of(program, ("--version",), r"version (\S+)")

    def settings(self) -> dict[str, Any]:
        return {"matrix": self.layout.matrix, "chroma": "420", "depth": 10, "preset": self.preset}

    def encode_command(self, encoder: str, quality: str, height: str, width: str) -> list[str]:
        picture = ["-i", self.source, "-s", f"{width}x{height}", "-c", "yuv420_10", "--range", "full", "-f", "1"]
        coding = ["--preset", self.preset, "-q", quality, "--qpa", "0", "-t", str(self.threads), "--mtprofile", "0"]
        coding += ["--additional", "intraqpoffset=0"]
        # Without an intra period of 1 the headers describe the prediction structure of a video, 200 bytes for nothing.
        headers = ["--intraperiod", "1", "-hrd", "0"]
        return [encoder, *picture, *coding, *headers, "-v", "2", "-o", self.coded]

    def decode_command(self, decoder: str, layout: yuv.Layout) -> list[str]:
        return [decoder, "-b", self.coded, "-o", self.decoded, "-t", str(self.threads), "-v", "2"]
