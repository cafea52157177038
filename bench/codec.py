"""What the harness knows of a codec: the protocol, its quality scale, and the errors.

Of ``bench`` the codecs in ``baselines`` import this module and ``bench.memory``, the command lines there a few more.
"""

from __future__ import annotations

import math
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""An image everywhere in this project: (H, W, 3), uint8, RGB, H and W at least 1."""

MAX_PIXELS = 178_956_970
"""Larger images are refused wherever they come from, a file or a stream: a few bytes that announce a size must not make
a decoder allocate without bound. It is the size from which Pillow takes an image for a decompression bomb."""


class BenchError(Exception):
    """A problem the user can act on. Its text is one sentence; command lines print it and exit with code 2."""


class CodecError(BenchError):
    """A codec could not do what it was asked to."""


class CodecUnavailable(CodecError):
    """A program or package is missing; the text says what to install or which option names its path."""


class BitstreamError(CodecError):
    """A stream is damaged, cut short, or was not made by this codec."""


class QualityError(CodecError):
    """A quality lies outside the codec's scale, or is not a whole number where one is needed."""


@dataclass(frozen=True, slots=True)
class QualityScale:
    """The qualities a codec accepts.

    Attributes:
        low: smallest accepted value.
        high: largest accepted value.
        integer: whether only whole numbers are accepted.
        default: what is used where the user names no quality.
        better: the end of the scale that gives the better image, ``"high"`` or ``"low"`` (as for a QP).
        unit: what the field calls the number: ``"quality"``, ``"QP"``, ``"distance"``, ``"level"`` ...
    """

    low: float
    high: float
    integer: bool
    default: float
    better: Literal["high", "low"] = "high"
    unit: str = "quality"

    def check(self, quality: float, codec: str, option: str = "") -> float:
        """Return ``quality`` as a float; raise QualityError where it is off the scale of ``codec``.

        ``option`` is what the user named it by, for the sentence; "" stands for --quality or the codec's spec.
        """
        value = float(quality)
        kind = "a whole number" if self.integer else "a number"
        whole = value.is_integer() or not self.integer
        if not math.isfinite(value) or not self.low <= value <= self.high or not whole:
            raise QualityError(
                f"{codec}: {self.unit} must be {kind} from {self.low:g} to {self.high:g}, got {quality:g}; "
                f"change it with {option or f'--quality or {codec}:{self.unit.upper()}'}."
            )
        return value


@runtime_checkable
class Codec(Protocol):
    """A codec: pixels to a complete stream, and back. Subclass it to inherit the defaults.

    ``encode`` and ``decode`` are pure functions of their arguments and of ``identity()``; the decoder
    needs nothing but the stream and works in a fresh process. The harness does the timing, counting and checking.
    """

    name: str
    quality: QualityScale
    deterministic: bool = True
    """Whether equal pixels at equal quality always give equal streams and pixels. Chains of a codec that is
    not deterministic are never completed early at a fixed point."""

    def identity(self) -> dict[str, Any]:
        """What makes a result reproducible: version, binary or checkpoint sha256, options. JSON values only."""
        ...

    def encode(self, image: Image, quality: float) -> bytes:
        """Compress an image into a complete stream.

        Args:
            image: (H, W, 3) uint8 RGB, any H, W >= 1. Not changed.
            quality: on the codec's scale.

        Returns:
            The whole stream: size, quality and data. Its length is what counts as rate.

        Raises:
            QualityError: quality off the scale.
            CodecUnavailable: something needed is missing.
            CodecError: the codec failed.
        """
        ...

    def decode(self, stream: bytes) -> Image:
        """Decompress a stream made by ``encode``.

        Returns:
            (H, W, 3) uint8 RGB, C-contiguous, of the size that was encoded.

        Raises:
            BitstreamError: the stream is damaged, cut or foreign.
        """
        ...

    def available(self) -> tuple[bool, str]:
        """Whether the codec can run here and, where not, one sentence that says what to install."""
        return True, ""

    def encode_many(self, images: Sequence[Image], quality: float) -> list[bytes]:
        """``encode`` for several images; learned codecs override it to work in batches."""
        return [self.encode(image, quality) for image in images]

    def decode_many(self, streams: Sequence[bytes]) -> list[Image]:
        """``decode`` for several streams."""
        return [self.decode(stream) for stream in streams]


@runtime_checkable
class HintsRate(Protocol):
    """An optional ability of a codec: where rate control may begin, so that it needs fewer encodings.

    Which of several qualities that hit a rate is found depends on it. A codec whose guesses can change has a method
    ``rate_hint_id() -> str`` as well, by which chains under rate control are told apart.
    """

    def rate_hint(self, image: Image, bpp: float) -> float | None:
        """A quality whose rate is about ``bpp``, found more quickly than by encoding; None where there is no guess."""
        ...


@runtime_checkable
class EstimatesMemory(Protocol):
    """An optional ability of a codec: to say what it needs, so that an image too large for the machine is refused."""

    def memory_needed(self, height: int, width: int) -> int:
        """Bytes that a process which codes an image of this size holds at most, about; 0 where it is not known."""
        ...


@runtime_checkable
class WarmsUp(Protocol):
    """An optional ability of a codec: to load libraries and weights before its calls are timed."""

    def warm_up(self, quality: float) -> None:
        """Load what ``encode`` at this quality needs, unless it is there; ``encode`` does without this call too."""
        ...


FloatImage = NDArray[np.float32]
"""An image between generations of ``--carrier float``: (H, W, 3), float32, RGB on the scale 0 to 255, neither rounded
nor clipped."""


@runtime_checkable
class FloatCodec(Protocol):
    """An optional ability of a learned codec: to take and give pixels that were never rounded to 8 bits."""

    def encode_float(self, image: FloatImage, quality: float) -> bytes:
        """``encode`` without 8-bit rounding before it."""
        ...

    def decode_float(self, stream: bytes) -> FloatImage:
        """``decode`` without rounding and clipping after it; of a stream made by either kind of encode."""
        ...


def check_image(image: Image, codec: str) -> Image:
    """Return ``image`` C-contiguous; raise CodecError where it is not (H, W, 3) uint8 with H, W >= 1."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise CodecError(f"{codec}: expected a (H, W, 3) uint8 image, got {image.shape} {image.dtype}.")
    return np.ascontiguousarray(image)


def load(target: str, name: str) -> Any:
    """Import ``"package.module:Class"``; raise CodecUnavailable or BenchError with the reason, whatever happens."""
    module, _, attribute = target.partition(":")
    with one_sentence(f"{name}: the module {module}"):
        try:
            found: Any = import_module(module)
        except ImportError as error:
            whence = "" if name == target else f" from {module}"
            raise CodecUnavailable(one_line(f"{name} can't be imported{whence}: {error}")) from error
        for part in attribute.split("."):
            found = getattr(found, part, None)
    if not callable(found):
        raise BenchError(f"{name}: the module {module} has no class {attribute!r}.")
    return found


@contextmanager
def one_sentence(what: str) -> Iterator[None]:
    """Turn whatever a codec raises in the block into a BenchError, "``what`` raised ValueError: ..."; not Ctrl-C."""
    try:
        yield
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        said = one_line(f"{what} raised {type(error).__name__}: {error}").removesuffix(".")
        raise BenchError(f"{said}{_place(error)}.") from error


def _place(error: BaseException) -> str:
    """Where in a user's own file an exception came from: " (file.py:17)", or "" where in none."""
    lines = [
        f" ({Path(frame.f_code.co_filename).name}:{line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] not in ("bench", "baselines")
        and is_own(Path(frame.f_code.co_filename))
    ]
    return lines[-1] if lines else ""


def is_own(file: Path) -> bool:
    """Whether a file is neither of Python's library nor of an installed package."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    known = {"site-packages", "dist-packages"} & set(file.parts) or any(file.is_relative_to(each) for each in installed)
    return file.is_file() and not known


def one_line(text: str, limit: int = 400) -> str:
    """``text`` as one line of at most ``limit`` characters that ends in a full stop."""
    line = " ".join(text.split()).rstrip(".:")
    return (line if len(line) < limit else line[: limit - 4].rstrip() + "...").rstrip(".") + "."
