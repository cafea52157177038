"""What the codecs of everyday image formats share: checks around one library call in each direction.

The stream is the standard file, byte for byte what the library writes, so its length is what a user finds on disk.
These formats carry no checksum. What can be told from the file itself is told: signature, structure, lengths, end
marker, sampling, tables, and the settings this codec writes. A flipped bit inside the entropy-coded data that leaves
a valid file decodes to what it says, as in any other reader.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from struct import error as StructError
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from bench.codec import MAX_PIXELS, BitstreamError, Codec, CodecError, CodecUnavailable, Image, check_image

T = TypeVar("T")

Size = tuple[int, int]
"""(height, width)."""


class EverydayCodec(Codec):
    """Base of the codecs of this folder that call a library: subclasses say how to write, inspect and read one file."""

    max_side: int
    """Longest side the format can carry, in pixels."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that is passed to the encoder, quality aside."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of the libraries that code and decode."""

    @abstractmethod
    def write(self, image: Image, quality: float) -> bytes:
        """Encode an image that was checked at a quality that was checked."""

    @abstractmethod
    def inspect(self, stream: bytes) -> Size:
        """Check the structure of a file without decoding it, and return its size; raise BitstreamError."""

    @abstractmethod
    def read(self, stream: bytes) -> Image:
        """Decode a file that was inspected; may raise anything."""

    def identity(self) -> dict[str, Any]:
        return {"codec": self.name, "settings": self.settings(), "versions": self.versions()}

    def encode(self, image: Image, quality: float) -> bytes:
        self.require()
        value = self.quality.check(quality, self.name)
        pixels = check_image(image, self.name)
        height, width = pixels.shape[:2]
        if max(height, width) > self.max_side or height * width > MAX_PIXELS:
            raise CodecError(
                f"{self.name}: {width}x{height} is too large; the limits are {self.max_side} pixels a side "
                f"and {MAX_PIXELS} in all."
            )
        try:
            return self.write(pixels, value)
        except (OSError, RuntimeError, ValueError) as error:
            raise CodecError(f"{self.name}: the library could not encode {width}x{height}: {error}") from error

    def decode(self, stream: bytes) -> Image:
        self.require()
        height, width = self._guard(self.inspect, stream)
        if not 0 < height * width <= MAX_PIXELS:
            raise BitstreamError(f"{self.name}: the stream claims {width}x{height} pixels, the limit is {MAX_PIXELS}.")
        image = self._guard(self.read, stream)
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise BitstreamError(f"{self.name}: the stream claims {width}x{height} RGB and decodes to {image.shape}.")
        return np.ascontiguousarray(image)

    def require(self) -> None:
        """Raise CodecUnavailable where the codec can't run here."""
        available, reason = self.available()
        if not available:
            raise CodecUnavailable(reason)

    def _guard(self, step: Callable[[bytes], T], stream: bytes) -> T:
        try:
            return step(stream)
        except (MemoryError, KeyboardInterrupt, SystemExit):
            raise
        except (IndexError, StructError) as error:
            raise BitstreamError(f"{self.name}: the stream is damaged or foreign: it was cut in a header.") from error
        except BaseException as error:  # a panic inside a Rust binding is no Exception
            if isinstance(error, CodecError) and not isinstance(error, BitstreamError):
                raise  # such as of a decode that took too long: nothing is wrong with the stream
            what = " ".join(str(error).split()) or type(error).__name__
            raise BitstreamError(f"{self.name}: the stream is damaged or foreign: {what}") from error


def choice(codec: str, option: str, value: Any, known: Collection[Any]) -> Any:
    """Return ``value``; raise CodecError where it is not one of ``known``."""
    if value not in known:
        raise CodecError(f"{codec}: {option} must be one of {', '.join(map(str, known))}, got {value!r}.")
    return value


def expect(condition: bool, message: str) -> None:
    """Raise BitstreamError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise BitstreamError(message)


@contextmanager
def setting(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """Give a variable of a library another value inside the block: some options are taken in no other way."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def missing(package: str, module: str, extra: str) -> str:
    """The sentence that says how to install ``package``, or "" where ``module`` can be imported."""
    try:
        import_module(module)
    except ImportError as error:
        return f"needs the package {package} ({error}): pip install 'reencode-bench[{extra}]' or pip install {package}."
    return ""


def package_version(package: str) -> str:
    """Version of an installed distribution."""
    return version(package)
