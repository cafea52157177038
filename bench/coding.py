"""One call of a codec: an image to a stream and back, timed and checked. Nothing a codec does gets past this unseen."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from bench.codec import BenchError, Codec, Image
from bench.limits import time_limit


class GenerationFailed(Exception):
    """A codec could not code a generation; the text is the reason, one sentence. Holds the stream if there is one."""

    def __init__(self, reason: str, stream: bytes | None = None, encode_s: float | None = None) -> None:
        super().__init__(reason)
        self.stream = stream
        self.encode_s = encode_s


@dataclass(frozen=True, slots=True)
class Coded:
    """What one generation gave: the whole stream, (H, W, 3) uint8 pixels, and seconds of wall time."""

    stream: bytes
    pixels: Image
    encode_s: float
    decode_s: float


def code(codec: Codec, image: Image, quality: float, *, timeout: float | None = None, may_exit: bool = False) -> Coded:
    """Encode and decode an image. Raises GenerationFailed, whatever an unwell codec does.

    Args:
        image: (H, W, 3) uint8 RGB; the codec works on a copy.
        quality: on the codec's scale.
        timeout: seconds that encode, and then decode, may take.
        may_exit: see ``bench.limits.time_limit``.
    """
    stream = None
    encode_s = None
    call = "encode"
    given = image.copy()
    try:
        with time_limit(timeout, f"{codec.name}: encode", may_exit=may_exit):
            start = time.perf_counter()
            stream = codec.encode(given, quality)
            encode_s = time.perf_counter() - start
        if not isinstance(stream, bytes):
            kind, stream = type(stream).__name__, None
            raise GenerationFailed(f"{codec.name}: encode returned {kind} instead of bytes.")
        call = "decode"
        with time_limit(timeout, f"{codec.name}: decode", may_exit=may_exit):
            start = time.perf_counter()
            decoded = codec.decode(stream)
            decode_s = time.perf_counter() - start
        if not isinstance(decoded, np.ndarray) or decoded.dtype != np.uint8 or decoded.shape != image.shape:
            came = (
                f"{decoded.shape} {decoded.dtype}" if isinstance(decoded, np.ndarray) else f"a {type(decoded).__name__}"
            )
            raise GenerationFailed(f"{codec.name}: decode returned {came} instead of {image.shape} uint8.")
        # A copy: the array may be a buffer that the codec uses again.
        return Coded(stream, decoded.copy(order="C"), encode_s, decode_s)
    except GenerationFailed as failure:
        failure.stream, failure.encode_s = stream, encode_s
        raise
    except BenchError as error:
        reason = one_line(str(error))
    except MemoryError:
        reason = f"{codec.name}: {call} ran out of memory."
    except Exception as error:
        reason = one_line(f"{codec.name}: {call} raised {type(error).__name__}: {error}")
    raise GenerationFailed(reason, stream, encode_s)


def one_line(text: str, limit: int = 400) -> str:
    """``text`` as one line of at most ``limit`` characters that ends in a full stop."""
    line = " ".join(text.split()).rstrip(".:")
    return (line if len(line) < limit else line[: limit - 4].rstrip() + "...").rstrip(".") + "."
