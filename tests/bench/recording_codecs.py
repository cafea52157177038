"""A codec around another one that notes the sha256 of every stream and of what it decodes to."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bench.codec import Codec
from bench.registry import create

NOTES = "RECORDING_CODECS_NOTES"
"""Environment variable: the file the notes go to."""


class Recording(Codec):
    """``recording_codecs:Recording[codec=iat]:0.5`` is ``iat:0.5``, noted."""

    name = "recording"

    def __init__(self, codec: str = "jpeg", threads: int | None = None) -> None:
        self.codec = create(codec, {"threads": threads})
        self.quality = self.codec.quality

    def identity(self):
        return self.codec.identity()

    def encode(self, image, quality):
        stream = self.codec.encode(image, quality)
        self.note("stream", stream)
        return stream

    def decode(self, stream):
        image = self.codec.decode(stream)
        self.note("pixels", image.tobytes())
        return image

    def note(self, what: str, data: bytes) -> None:
        with Path(os.environ[NOTES]).open("a") as file:
            file.write(f"{self.codec.name} {what} {hashlib.sha256(data).hexdigest()}\n")
