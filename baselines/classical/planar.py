"""What the video codecs run as programs share: an image goes in and comes out as one raw Y'CbCr picture."""

from __future__ import annotations

import copy
import shlex
import threading
from abc import abstractmethod
from pathlib import Path
from typing import Any

from baselines.classical import yuv
from baselines.classical.envelope import LARGEST_SIDE, Envelope, unwrap, wrap
from baselines.classical.program import Program, describe, run
from baselines.classical.workspace import Workspace
from bench.codec import MAX_PIXELS, BitstreamError, Codec, CodecError, CodecUnavailable, Image, check_image

TIMEOUT = 3600.0
"""Seconds one run of a program may take by default. The harness has a limit of its own (``--codec-timeout``)."""

MULTIPLE = 8
LEAST = 32
"""Sides are padded to a multiple of the smallest coding unit, and to what every encoder here accepts."""


class ProgramCodec(Codec):
    """Base of the codecs that are an encoder program and a decoder program.

    Attributes:
        encoder, decoder: the programs looked for.
        paths: where the user says they are; None: environment variable, then PATH.
        timeout: seconds one run may take.
        threads: threads one run may use.
    """

    encoder: Program
    decoder: Program
    without_effect = frozenset({"encoder", "decoder", "timeout", "threads"})
    """Options that are no part of a codec's name: what they change of a result, programs, is part of its identity."""

    def __init__(
        self, encoder: str | None = None, decoder: str | None = None, *, timeout: float = TIMEOUT, threads: int = 1
    ) -> None:
        if not 0 < timeout <= threading.TIMEOUT_MAX:
            most = f"{threading.TIMEOUT_MAX:.0f}"
            raise CodecError(f"{self.name}: timeout must be more than 0 and at most {most} seconds, got {timeout:g}.")
        if threads < 1:
            raise CodecError(f"{self.name}: threads must be at least 1, got {threads}.")
        self.paths = (encoder, decoder)
        self.timeout = timeout
        self.threads = threads

    def find_encoder(self) -> Path:
        """Return the encoder's path; raise CodecUnavailable."""
        return self.encoder.find(self.paths[0])

    def find_decoder(self) -> Path:
        """Return the decoder's path; raise CodecUnavailable."""
        return self.decoder.find(self.paths[1])

    @abstractmethod
    def version(self, program: Path) -> str:
        """What a program says its version is."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The options, quality, paths and limits aside."""

    @abstractmethod
    def templates(self) -> dict[str, list[str]]:
        """The command lines with QP, WIDTH, HEIGHT in the place of values, one thread, and programs by file name."""

    def available(self) -> tuple[bool, str]:
        try:
            self.find_encoder()
            self.find_decoder()
        except CodecUnavailable as error:
            return False, str(error)
        return True, ""

    def identity(self) -> dict[str, Any]:
        programs = {"encoder": self.find_encoder(), "decoder": self.find_decoder()}
        return {
            "codec": self.name,
            "settings": self.settings(),
            "programs": {role: describe(path, self.version(path)) for role, path in programs.items()},
            "commands": {role: shlex.join(words) for role, words in self.templates().items()},
        }

    def check(self, image: Image) -> Image:
        """Return the image C-contiguous; raise CodecError where it is none or too large."""
        pixels = check_image(image, self.name)
        if max(pixels.shape[:2]) > LARGEST_SIDE:
            raise CodecError(f"{self.name}: sides may have {LARGEST_SIDE} pixels at most, got {pixels.shape[:2]}.")
        if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
            raise CodecError(f"{self.name}: images may have {MAX_PIXELS} pixels at most, got {pixels.shape[:2]}.")
        return pixels

    def run(self, command: list[str], workspace: Workspace) -> str:
        """Run one command line of this codec."""
        return run(command, workspace, codec=self.name, timeout=self.timeout, threads=self.threads)


class PlanarCodec(ProgramCodec):
    """Base of the codecs whose programs read and write raw planes. Subclasses give the two command lines.

    Attributes:
        tag: first byte of the stream.
        starts: what a coded picture begins with, one of these.
        layout: planes that the encoder is given; the stream says which, so that any instance decodes any stream.
    """

    tag: int
    starts: tuple[bytes, ...] = (b"\0\0\1", b"\0\0\0\1")
    layout: yuv.Layout
    source, coded, decoded = "source.yuv", "coded.bin", "decoded.yuv"

    @abstractmethod
    def encode_command(self, encoder: str, quality: str, height: str, width: str) -> list[str]:
        """Command line that turns the file ``source`` into ``coded``; sizes are those after padding."""

    @abstractmethod
    def decode_command(self, decoder: str, layout: yuv.Layout) -> list[str]:
        """Command line that turns ``coded`` into ``decoded``."""

    def picture(self, written: bytes, height: int, width: int, layout: yuv.Layout) -> bytes:
        """Return the raw picture out of what the decoder wrote; raise ValueError where it is of another form."""
        return written

    def templates(self) -> dict[str, list[str]]:
        alone = copy.copy(self)
        alone.threads = 1  # what comes out does not depend on their number, so a chain's key must not either
        encode = alone.encode_command(self.find_encoder().name, "QP", "HEIGHT", "WIDTH")
        return {"encode": encode, "decode": alone.decode_command(self.find_decoder().name, self.layout)}

    def encode(self, image: Image, quality: float) -> bytes:
        pixels = self.check(image)
        qp = f"{self.quality.check(quality, self.name):g}"
        program = self.find_encoder()
        padded = yuv.pad(pixels, MULTIPLE, LEAST)
        height, width = padded.shape[:2]
        with Workspace(self.name) as workspace:
            workspace.write(self.source, yuv.to_bytes(yuv.from_rgb(padded, self.layout)))
            self.run(self.encode_command(str(program), qp, str(height), str(width)), workspace)
            payload = workspace.read(self.coded, program.name)
        if not payload.startswith(self.starts):
            raise CodecError(f"{self.name}: {program.name} reported success but wrote no video ({payload[:8]!r}...).")
        return wrap(self.tag, Envelope(self.layout.code, pixels.shape[0], pixels.shape[1], payload))

    def decode(self, stream: bytes) -> Image:
        envelope = unwrap(self.tag, stream, self.name)
        try:
            layout = yuv.Layout.from_code(envelope.layout)
        except ValueError as error:
            raise BitstreamError(f"{self.name}: the stream's header is not valid: {error}.") from error
        program = self.find_decoder()
        height, width = (max(LEAST, -(-side // MULTIPLE) * MULTIPLE) for side in (envelope.height, envelope.width))
        with Workspace(self.name) as workspace:
            workspace.write(self.coded, envelope.payload)
            self.run(self.decode_command(str(program), layout), workspace)
            written = workspace.read(self.decoded, program.name)
        try:
            planes = yuv.from_bytes(self.picture(written, height, width, layout), height, width, layout)
        except ValueError as error:
            raise CodecError(f"{self.name}: {program.name} wrote something else than the picture: {error}.") from error
        return yuv.to_rgb(planes, layout)[: envelope.height, : envelope.width].copy()
