"""Codecs whose behaviour over generations is known: every one maps pixel values through a table, or misbehaves."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import time
from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from bench import limits
from bench.codec import BitstreamError, Codec, CodecError, QualityScale

COUNT = "SYNTHETIC_CODECS_COUNT"
"""Environment variable: a file that grows by one byte at every encode."""


MARKER = "SYNTHETIC_CODECS_MARKER"
"""Environment variable: a file that says that a process has died."""


HINT = "SYNTHETIC_CODECS_HINT"
"""Environment variable: a quality, the rate hint of Hinting."""


VERSION = "SYNTHETIC_CODECS_VERSION"
"""Environment variable: the version of Versioned."""


GRACE = "SYNTHETIC_CODECS_GRACE"
"""Environment variable: ``bench.limits.GRACE`` wherever a Hangs is made."""


class Table(Codec):
    """Decoding replaces each value v by ``table[quality][v]``: any path into any cycle can be laid out."""

    name = "table"
    quality = QualityScale(low=0, high=3, integer=True, default=0)

    def __init__(self, *tables: Any) -> None:
        self.tables = [np.asarray(table, np.uint8) for table in tables] or [np.arange(256, dtype=np.uint8)]

    def identity(self) -> dict[str, Any]:
        return {"tables": [table.tolist() for table in self.tables]}

    def encode(self, image, quality):
        if os.environ.get(COUNT):
            with open(os.environ[COUNT], "ab") as file:
                file.write(b".")
        height, width, _ = image.shape
        # Length depends on content, so that a wrong record shows in the rate as well.
        tail = bytes(int(image.sum()) % 97)
        stream = height.to_bytes(4, "big") + width.to_bytes(4, "big") + bytes([int(quality)]) + image.tobytes() + tail
        image[:] = 0  # a rude codec: what it was given is its own
        return stream

    def decode(self, stream):
        height, width = int.from_bytes(stream[:4], "big"), int.from_bytes(stream[4:8], "big")
        table = self.tables[stream[8]]
        return table[np.frombuffer(stream, np.uint8, height * width * 3, offset=9).reshape(height, width, 3)]


def plus_one() -> np.ndarray:
    return ((np.arange(256) + 1) % 256).astype(np.uint8)


class Coarse(Table):
    """Fixed point from generation 1: drops low bits, more of them at lower quality."""

    name = "coarse"

    def __init__(self) -> None:
        super().__init__(*[np.arange(256) >> shift << shift for shift in (5, 4, 3, 2)])


class Cycle3(Table):
    """A cycle of three: 0 to 1 to 2 to 0 in the two lowest bits, after one generation in which 3 becomes 0."""

    name = "cycle3"

    def __init__(self) -> None:
        values = np.arange(256)
        super().__init__(values & ~3 | np.array([1, 2, 0, 0])[values & 3])


class Drift(Table):
    """Adds one to every value, for ever."""

    name = "drift"

    def __init__(self) -> None:
        super().__init__(plus_one())


class Slow(Drift):
    """Drift, a few milliseconds a generation: time to be killed in."""

    name = "slow"

    def encode(self, image, quality):
        time.sleep(0.01)
        return super().encode(image, quality)


class Slower(Drift):
    """Drift, a twentieth of a second a generation."""

    name = "slower"

    def encode(self, image, quality):
        time.sleep(0.05)
        return super().encode(image, quality)


class Roomy(Drift):
    """Says that it needs a GiB a pixel."""

    name = "roomy"

    def memory_needed(self, height, width):
        return height * width * 2**30


class Versioned(Drift):
    """Its version is what the environment says."""

    name = "versioned"

    def identity(self):
        return {"version": os.environ.get(VERSION, "1")}


class Noisy(Table):
    """Not deterministic, and says so. Its noise is often nothing, so that equal pixels come by chance."""

    name = "noisy"
    deterministic = False

    def __init__(self) -> None:
        super().__init__()
        self.random = np.random.default_rng(1)

    def decode(self, stream):
        image = super().decode(stream)
        return image ^ np.uint8(self.random.integers(0, 2))


class Liar(Noisy):
    """Not deterministic and says it is: three quiet generations of a cycle of two, then something else."""

    name = "liar"
    deterministic = True

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def decode(self, stream):
        self.calls += 1
        return Table.decode(self, stream) ^ np.uint8(1 if self.calls <= 2 else 7)


class At(Drift):
    """Drift that goes wrong in decode when the first value reaches ``value``."""

    value = 5

    def decode(self, stream):
        image = super().decode(stream)
        return self.wrong(image) if image[0, 0, 0] == self.value else image

    @abstractmethod
    def wrong(self, image):
        """What is returned instead of ``image``."""


class Fails(At):
    name = "fails"

    def wrong(self, image):
        raise BitstreamError("fails: the stream is cut short.")


class Raises(At):
    name = "raises"

    def wrong(self, image):
        raise ZeroDivisionError("division\nby zero")


class Memory(At):
    name = "memory"

    def wrong(self, image):
        raise MemoryError


class Hungry(At):
    """Takes memory until there is no more; 300 MB beyond what the process has are all there is."""

    name = "hungry"

    def wrong(self, image):
        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (has + 300_000_000, before[1]))
        try:
            taken = []
            while True:
                taken.append(np.ones(20_000_000, np.uint8))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


class Shape(At):
    name = "shape"

    def wrong(self, image):
        return image[:-1]


class NaN(At):
    name = "nan"

    def wrong(self, image):
        return np.full(image.shape, np.nan)


class Nothing(At):
    name = "nothing"

    def wrong(self, image):
        return None


class Interrupted(At):
    name = "interrupted"

    def wrong(self, image):
        raise KeyboardInterrupt


class Dies(At):
    """Takes its process with it."""

    name = "dies"

    def wrong(self, image):
        os.kill(os.getpid(), signal.SIGKILL)


class DiesOnce(At):
    """Takes its process with it the first time only."""

    name = "dies-once"

    def wrong(self, image):
        marker = os.environ[MARKER]
        if not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return image


class Sleeps(At):
    name = "sleeps"

    def wrong(self, image):
        time.sleep(3600)


class Text(Drift):
    name = "text"

    def encode(self, image, quality):
        return "not bytes"


class Refuses(Drift):
    name = "refuses"

    def encode(self, image, quality):
        raise CodecError("refuses: never today.")


class Crashes(Drift):
    """Takes its process with it at the first call."""

    name = "crashes"

    def encode(self, image, quality):
        os._exit(3)


class Hangs(Drift):
    """Never comes back to the interpreter."""

    name = "hangs"

    def __init__(self) -> None:
        super().__init__()
        limits.GRACE = float(os.environ.get(GRACE, limits.GRACE))

    def encode(self, image, quality):
        sum(itertools.repeat(0))


class Hinting(Drift):
    """Lets rate control begin where the environment says."""

    name = "hinting"
    quality = QualityScale(low=0, high=40, integer=True, default=0)

    def encode(self, image, quality):
        return super().encode(image, 0) + bytes(int(quality))

    def rate_hint(self, image, bpp):
        return float(os.environ.get(HINT, "0"))

    def rate_hint_id(self):
        return os.environ.get(HINT, "")
