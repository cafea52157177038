"""BPG, an HEVC intra picture in a small container, through bpgenc and bpgdec of libbpg."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image as PillowImage

from baselines.classical import yuv
from baselines.classical.envelope import Envelope, unwrap, wrap
from baselines.classical.planar import TIMEOUT, ProgramCodec
from baselines.classical.program import Program, version_of
from baselines.classical.workspace import Workspace
from bench.codec import CodecError, Image, QualityScale

LEAST_WIDTH = 32
"""bpgenc's x265 crashes on pictures up to 24 pixels wide."""


class Bpg(ProgramCodec):
    """BPG in 4:4:4 Y'CbCr (BT.601, full range, bpgenc's own conversion, which rounds) at 8 bit.

    ``-q`` is a whole number: bpgenc accepts a fraction and drops it. bpgenc has no option for threads; neither its
    stream nor the CPU time it takes depends on how many cores it sees.

    Args:
        encoder: path of bpgenc; otherwise BENCH_BPGENC, otherwise PATH.
        decoder: path of bpgdec; otherwise BENCH_BPGDEC, otherwise PATH.
        chroma: ``"444"`` or ``"420"``.
        backend: HEVC encoder; ``"jctvc"`` needs a bpgenc built with it.
        level: 1 (fast) to 9 (slow).
        timeout: seconds one run may take.
    """

    name = "bpg"
    quality = QualityScale(0, 51, integer=True, default=29, better="low", unit="QP")
    tag = 0xB1
    encoder = Program("bpg", "encoder", "BENCH_BPGENC", ("bpgenc",), "libbpg (bpgenc)")
    decoder = Program("bpg", "decoder", "BENCH_BPGDEC", ("bpgdec",), "libbpg (bpgdec)")

    def __init__(
        self,
        encoder: str | None = None,
        decoder: str | None = None,
        *,
        chroma: Literal["444", "420"] = "444",
        backend: Literal["x265", "jctvc"] = "x265",
        level: int = 8,
        timeout: float = TIMEOUT,
    ) -> None:
        super().__init__(encoder, decoder, timeout=timeout)
        for option, value, known in (
            ("chroma", chroma, ("444", "420")),
            ("backend", backend, ("x265", "jctvc")),
            ("level", level, range(1, 10)),
        ):
            if value not in known:
                raise CodecError(f"bpg: {option} must be one of {', '.join(map(str, known))}, got {value!r}.")
        self.chroma, self.backend, self.level = chroma, backend, level

    def version(self, program: Path) -> str:
        return version_of(program, ("-h",), r"version (\S+)")

    def settings(self) -> dict[str, Any]:
        return {"chroma": self.chroma, "matrix": "bt601", "depth": 8, "backend": self.backend, "level": self.level}

    def templates(self) -> dict[str, list[str]]:
        encode = self._encode_command(self.find_encoder().name, "QP")
        return {"encode": encode, "decode": self._decode_command(self.find_decoder().name)}

    def _encode_command(self, encoder: str, quality: str) -> list[str]:
        coding = ["-q", quality, "-f", self.chroma, "-c", "ycbcr", "-b", "8", "-e", self.backend, "-m", str(self.level)]
        return [encoder, *coding, "-o", "coded.bpg", "source.png"]

    def _decode_command(self, decoder: str) -> list[str]:
        return [decoder, "-o", "decoded.ppm", "coded.bpg"]

    def encode(self, image: Image, quality: float) -> bytes:
        pixels = self.check(image)
        qp = f"{self.quality.check(quality, self.name):g}"
        program = self.find_encoder()
        padded = yuv.pad_width(pixels, LEAST_WIDTH)
        with Workspace(self.name) as workspace:
            workspace.write("source.png", _png(padded))
            self.run(self._encode_command(str(program), qp), workspace)
            payload = workspace.read("coded.bpg", program.name)
        if not payload.startswith(b"BPG\xfb"):
            raise CodecError(f"bpg: {program.name} reported success but wrote no BPG file ({payload[:8]!r}...).")
        return wrap(self.tag, Envelope(0, pixels.shape[0], pixels.shape[1], payload))

    def decode(self, stream: bytes) -> Image:
        envelope = unwrap(self.tag, stream, self.name)
        program = self.find_decoder()
        with Workspace(self.name) as workspace:
            workspace.write("coded.bpg", envelope.payload)
            self.run(self._decode_command(str(program)), workspace)
            written = workspace.read("decoded.ppm", program.name)
        try:
            decoded = from_ppm(written, envelope.height, max(LEAST_WIDTH, envelope.width))
        except ValueError as error:
            raise CodecError(f"bpg: {program.name} wrote something else than {error}.") from error
        return decoded[:, : envelope.width].copy()


def from_ppm(data: bytes, height: int, width: int) -> Image:
    """Return the (height, width, 3) pixels of a PPM file as bpgdec writes it; raise ValueError where it is another."""
    head = f"P6\n{width} {height}\n255\n".encode()
    if not data.startswith(head) or len(data) != len(head) + 3 * height * width:
        raise ValueError(f"a PPM of {width}x{height} ({data[:20]!r}...)")
    return np.frombuffer(data, np.uint8, offset=len(head)).reshape(height, width, 3)


def _png(image: Image) -> bytes:
    """A PNG with pixels and nothing else: chunks such as gAMA change what some programs read."""
    file = io.BytesIO()
    PillowImage.fromarray(image).save(file, "PNG", compress_level=1)
    return file.getvalue()
