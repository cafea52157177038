"""VVC by its reference software VTM: EncoderApp and DecoderApp, one intra picture."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any, Literal

from baselines.classical import yuv
from baselines.classical.planar import TIMEOUT, PlanarCodec
from baselines.classical.program import Program, sha256_of, version_of
from bench.codec import CodecError, CodecUnavailable, QualityScale

_INSTALL = "VTM, the VVC reference software of JVET (EncoderApp and DecoderApp of the same version)"
_CONFIGURATION = Path("cfg", "encoder_intra_vtm.cfg")


class Vtm(PlanarCodec):
    """VTM in 4:4:4 Y'CbCr with its intra configuration, as in the papers that use it as an anchor.

    A stream is decoded by the version that wrote it. A Kodak image takes minutes to encode.

    Args:
        encoder: path of EncoderApp; otherwise BENCH_VTM_ENCODER, otherwise PATH.
        decoder: path of DecoderApp; otherwise BENCH_VTM_DECODER, otherwise PATH.
        cfg: path of ``encoder_intra_vtm.cfg``; otherwise BENCH_VTM_CFG, otherwise the one in the source tree that the
            encoder was built in.
        depth: bits of the samples that go in and come out.
        internal_depth: bits that VTM computes with.
        matrix: Y'CbCr constants.
        arguments: further arguments for the encoder, after all others, in words as on a shell's command line.
        timeout: seconds one run may take.
    """

    name = "vtm"
    quality = QualityScale(0, 63, integer=True, default=32, better="low", unit="QP")
    tag = 0xB2
    encoder = Program("vtm", "encoder", "BENCH_VTM_ENCODER", ("EncoderApp", "EncoderAppStatic"), _INSTALL)
    decoder = Program("vtm", "decoder", "BENCH_VTM_DECODER", ("DecoderApp", "DecoderAppStatic"), _INSTALL)
    without_effect = PlanarCodec.without_effect | {"cfg"}

    def __init__(
        self,
        encoder: str | None = None,
        decoder: str | None = None,
        cfg: str | None = None,
        *,
        depth: yuv.Depth = 8,
        internal_depth: Literal[8, 10, 12] = 10,
        matrix: yuv.Matrix = "bt709",
        arguments: str = "",
        timeout: float = TIMEOUT,
    ) -> None:
        super().__init__(encoder, decoder, timeout=timeout)
        if internal_depth not in (8, 10, 12) or internal_depth < depth:
            raise CodecError(
                f"vtm: internal_depth must be 8, 10 or 12 and at least depth ({depth}), got {internal_depth}."
            )
        self.cfg = cfg
        self.layout = yuv.Layout(matrix, "444", depth)
        self.internal_depth = internal_depth
        self.arguments = shlex.split(arguments)

    def find_cfg(self) -> Path:
        """Return the path of the intra configuration; raise CodecUnavailable."""
        named = self.cfg or os.environ.get("BENCH_VTM_CFG")
        places = (
            [Path(named).expanduser()]
            if named
            else [parent / _CONFIGURATION for parent in self.find_encoder().resolve().parents]
        )
        for place in places:
            if place.is_file():
                return place.absolute()
        raise CodecUnavailable(
            f"vtm: {named or _CONFIGURATION} was not found; "
            "name VTM's encoder_intra_vtm.cfg by BENCH_VTM_CFG or option cfg."
        )

    def available(self) -> tuple[bool, str]:
        found, reason = super().available()
        if found:
            try:
                self.find_cfg()
            except CodecUnavailable as error:
                return False, str(error)
        return found, reason

    def version(self, program: Path) -> str:
        return version_of(program, (), r"Version (\S+)")

    def settings(self) -> dict[str, Any]:
        return {
            "matrix": self.layout.matrix,
            "chroma": "444",
            "depth": self.layout.depth,
            "internal_depth": self.internal_depth,
            "cfg_sha256": sha256_of(self.find_cfg()),
            "arguments": self.arguments,
        }

    def templates(self) -> dict[str, list[str]]:
        shown = {str(self.find_cfg()): _CONFIGURATION.name}
        return {role: [shown.get(word, word) for word in words] for role, words in super().templates().items()}

    def encode_command(self, encoder: str, quality: str, height: str, width: str) -> list[str]:
        files = ["-i", self.source, "-b", self.coded, "-o", ""]
        depths = [f"--InputBitDepth={self.layout.depth}", f"--InternalBitDepth={self.internal_depth}"]
        picture = ["-wdt", width, "-hgt", height, "-fr", "1", "-f", "1", "--InputChromaFormat=444", *depths]
        return [encoder, "-c", str(self.find_cfg()), *files, *picture, "-q", quality, *self.arguments]

    def decode_command(self, decoder: str, layout: yuv.Layout) -> list[str]:
        return [decoder, "-b", self.coded, "-o", self.decoded, "-d", str(layout.depth)]
