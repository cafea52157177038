"""Codecs with a rate to control, small and quick, whose pixels change over generations."""

from __future__ import annotations

import os

import numpy as np

from bench.codec import BitstreamError, Codec, QualityScale

COUNT = "RATE_CODECS_COUNT"
"""Environment variable: a file that grows by one byte at every encode."""


class Quantiser(Codec):
    """Rounds values to multiples of a step that falls with quality; the stream's length follows quality and content.

    ``wobble`` makes the rate go up and down with quality; ``move`` is added to every value, modulo 256.
    """

    name = "quantiser"
    quality = QualityScale(1, 40, integer=True, default=20)

    def __init__(self, wobble: int = 0, move: int = 0) -> None:
        self.wobble, self.move = int(wobble), int(move)

    def identity(self):
        return {"wobble": self.wobble, "move": self.move}

    def encode(self, image, quality):
        if os.environ.get(COUNT):
            with open(os.environ[COUNT], "ab") as file:
                file.write(b".")
        step = self.step(quality)
        values = ((image.astype(np.int64) + self.move) % 256 // step * step).astype(np.uint8)
        # Length from content and quality, so that what was coded shows in the rate.
        size = 40 + 8 * quality + int(values.sum()) % 13 + self.wobble * (int(quality) * 7919 % 5)
        head = bytes([*image.shape[:2]])
        body = values.tobytes()
        return head + body + bytes(round(size))

    def decode(self, stream):
        height, width = stream[0], stream[1]
        if len(stream) < 2 + 3 * height * width:
            raise BitstreamError("quantiser: cut short.")
        return np.frombuffer(stream, np.uint8, 3 * height * width, 2).reshape(height, width, 3)

    def step(self, quality):
        return max(1, round((42 - quality) / 4))


class Continuous(Quantiser):
    name = "continuous"
    quality = QualityScale(0.0, 1.0, integer=False, default=0.5)

    def encode(self, image, quality):
        return super().encode(image, 1 + 39 * quality)


class Fractional(Continuous):
    """Carries floats: every generation adds a third, which rounding would undo."""

    name = "fractional"

    def encode_float(self, image, quality):
        assert image.dtype == np.float32
        return bytes([*image.shape[:2]]) + image.tobytes() + bytes(round(40 * quality))

    def decode_float(self, stream):
        height, width = stream[0], stream[1]
        values = np.frombuffer(stream, np.float32, 3 * height * width, 2).reshape(height, width, 3)
        return values + np.float32(1 / 3)

    def encode(self, image, quality):
        return self.encode_float(image.astype(np.float32), quality)

    def decode(self, stream):
        return np.clip(np.rint(self.decode_float(stream)), 0, 255).astype(np.uint8)


class Unbounded(Fractional):
    name = "unbounded"

    def decode_float(self, stream):
        return super().decode_float(stream) * np.float32(np.nan)
