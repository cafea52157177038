"""One call of a codec: an image to a stream and back, timed and checked. Nothing a codec does gets past this unseen."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import memory
from bench.codec import BenchError, Codec, FloatCodec, FloatImage, Image, WarmsUp, one_line
from bench.limits import time_limit
from bench.ratecontrol import Found, Start, hint_of, search
from bench.schedule import Step

CARRIERS = ("uint8", "float")
"""What may pass between generations: 8-bit RGB as on disk, or what a learned codec's decoder gives before rounding."""

Carried = Image | FloatImage


class GenerationFailed(Exception):
    """A codec could not code a generation; the text is the reason, one sentence. Holds the stream if there is one."""

    def __init__(self, reason: str, sent: Sent | None = None) -> None:
        super().__init__(reason)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Sent:
    """An encoded image: the whole stream, its quality, seconds of wall time, and what rate control says of it."""

    stream: bytes
    quality: float
    encode_s: float
    found: Found | None = None


@dataclass(frozen=True, slots=True)
class Coded:
    """What one generation gave: what was sent, what was carried on, that as (H, W, 3) uint8, and seconds of decode."""

    sent: Sent
    carried: Carried
    pixels: Image
    decode_s: float


@dataclass(frozen=True, slots=True)
class Calls:
    """How codecs are called.

    Attributes:
        timeout: seconds that one encode, and one decode, may take; None for ever.
        may_exit: see ``bench.limits.time_limit``.
    """

    timeout: float | None = None
    may_exit: bool = False

    def code(self, codec: Codec, image: Carried, step: Step, start: Start | None = None) -> Coded:
        """Encode and decode an image. Raises GenerationFailed, whatever an unwell codec does.

        Args:
            codec: that of the step.
            image: (H, W, 3) RGB, uint8, or float32 for a codec that takes it; the codec works on a copy.
            step: its quality, or the rate that is looked for.
            start: what rate control found in this chain for this codec before.
        """
        sent = self.send(codec, image, step, start)
        carried, decode_s = self.decode(codec, sent, image)
        return Coded(sent, carried, rounded(carried), decode_s)

    def send(self, codec: Codec, image: Carried, step: Step, start: Start | None = None) -> Sent:
        """The encoding half of ``code``."""
        if step.reason:
            raise GenerationFailed(step.reason)
        if step.quality is not None:
            stream, seconds = self.encode(codec, image, step.quality)
            return Sent(stream, step.quality, seconds)
        assert step.target is not None
        target, times = step.target, {}

        def encode(quality: float) -> bytes:
            stream, times[quality] = self.encode(codec, image, quality)
            return stream

        def hint() -> float | None:
            with time_limit(self.timeout, f"{codec.name}: rate_hint", may_exit=self.may_exit):
                return hint_of(codec, rounded(image), target)

        hit = self._guarded(
            codec,
            "rate control",
            None,
            lambda: search(
                encode,
                image.shape[0] * image.shape[1],
                codec,
                target,
                hint=hint,
                start=start,
                side=step.side,
                hold=step.hold,
            ),
        )
        return Sent(hit.stream, hit.found.quality, times[hit.found.quality], hit.found)

    def encode(self, codec: Codec, image: Carried, quality: float) -> tuple[bytes, float]:
        """The stream and the seconds it took; raises GenerationFailed."""
        self._guarded(codec, "encode", None, lambda: memory.check(codec, *image.shape[:2]))
        if isinstance(codec, WarmsUp):
            self._timed(codec, "warm_up", None, lambda: codec.warm_up(quality))
        given = image.copy()
        call: Callable[[Any, float], bytes] = codec.encode
        if given.dtype != np.uint8 and isinstance(codec, FloatCodec):
            call = codec.encode_float
        stream, seconds = self._timed(codec, "encode", None, lambda: call(given, quality))
        if not isinstance(stream, bytes):
            raise GenerationFailed(f"{codec.name}: encode returned {type(stream).__name__} instead of bytes.")
        if not stream:
            raise GenerationFailed(f"{codec.name}: encode returned an empty stream.")
        return stream, seconds

    def decode(self, codec: Codec, sent: Sent, image: Carried) -> tuple[Carried, float]:
        """Pixels of the size and type of ``image``, and the seconds it took; raises GenerationFailed."""
        call: Callable[[bytes], Any] = codec.decode
        if image.dtype != np.uint8 and isinstance(codec, FloatCodec):
            call = codec.decode_float
        decoded, seconds = self._timed(codec, "decode", sent, lambda: call(sent.stream))
        if not isinstance(decoded, np.ndarray) or decoded.dtype != image.dtype or decoded.shape != image.shape:
            came = (
                f"{decoded.shape} {decoded.dtype}" if isinstance(decoded, np.ndarray) else f"a {type(decoded).__name__}"
            )
            wanted = f"{image.shape} {image.dtype}"
            raise GenerationFailed(f"{codec.name}: decode returned {came} instead of {wanted}.", sent)
        if decoded.dtype != np.uint8 and not np.isfinite(decoded).all():
            raise GenerationFailed(f"{codec.name}: decode returned values that are not finite.", sent)
        # A copy: the array may be a buffer that the codec uses again.
        return decoded.copy(order="C"), seconds

    def code_again(self, codec: Codec, make: Callable[[], Codec], coded: Coded, image: Carried) -> None:
        """Raise GenerationFailed where another instance does not decode a stream to the same pixels, or encodes the
        image to another stream.

        It decodes first: what it has encoded must be of no use to it.

        Args:
            codec: that coded it.
            make: gives the other instance.
            coded: what ``codec`` gave.
            image: what it was given.
        """
        bytes_alone, arguments_alone = (
            "decode may use nothing but the bytes",
            "encode may use nothing but its arguments",
        )

        def failed(reason: str) -> GenerationFailed:
            return GenerationFailed(f"{codec.name}: {reason}.", coded.sent)

        def why(failure: GenerationFailed) -> str:
            return str(failure).removeprefix(f"{codec.name}: ").rstrip(".")

        try:
            other = self._guarded(codec, "making another instance", coded.sent, make)
            found, _ = self.decode(other, coded.sent, image)
        except GenerationFailed as failure:
            raise failed(f"another instance can't decode this stream ({why(failure)}): {bytes_alone}") from None
        if not np.array_equal(found, coded.carried):
            raise failed(f"another instance decodes this stream to other pixels: {bytes_alone}")
        try:
            stream, _ = self.encode(other, image, coded.sent.quality)
        except GenerationFailed as failure:
            raise failed(f"another instance can't encode this image ({why(failure)}): {arguments_alone}") from None
        if stream != coded.sent.stream:
            raise failed(
                "encode gave another stream the second time: set deterministic = False in the class if that is meant"
            )

    def _timed(self, codec: Codec, call: str, sent: Sent | None, work: Callable[[], Any]) -> tuple[Any, float]:
        def timed() -> tuple[Any, float]:
            with time_limit(self.timeout, f"{codec.name}: {call}", may_exit=self.may_exit):
                start = time.perf_counter()
                result = work()
                return result, time.perf_counter() - start

        return self._guarded(codec, call, sent, timed)

    def _guarded(self, codec: Codec, call: str, sent: Sent | None, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except GenerationFailed:
            raise
        except BenchError as error:
            reason = one_line(str(error))
        except MemoryError:
            reason = f"{codec.name}: {call} ran out of memory."
        except (Exception, SystemExit) as error:
            reason = one_line(f"{codec.name}: {call} raised {type(error).__name__}: {error}")
            reason = f"{reason.removesuffix('.')}{_place(error, codec)}."
        raise GenerationFailed(reason, sent)


def _place(error: BaseException, codec: Codec) -> str:
    """Where in the codec's own modules an exception came from: " (file.py:17)", or "" where it came from elsewhere."""
    modules = {cls.__module__ for cls in type(codec).__mro__} - {Codec.__module__, "builtins"}
    lines = [
        f" ({Path(frame.f_code.co_filename).name}:{line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") in modules
    ]
    return lines[-1] if lines else ""


def start_of(image: Image, carrier: str) -> Carried:
    """What is carried into generation 1."""
    return image if carrier == "uint8" else image.astype(np.float32)


def rounded(image: Carried) -> Image:
    """A carried image as (H, W, 3) uint8: rounded, then clipped."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8) if image.dtype != np.uint8 else image.view(np.uint8)


def check_carrier(codec: Codec, carrier: str) -> None:
    """Raise BenchError where a codec can't take part in a chain with this carrier."""
    if carrier == "float" and not isinstance(codec, FloatCodec):
        raise BenchError(
            f"{codec.name} takes and gives 8-bit images; --carrier float needs codecs that can do without rounding, "
            f"such as iat: leave it out."
        )
