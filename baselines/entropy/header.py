"""The header of a learned codec's stream: what the decoder needs beside the latents, and a check of the whole.

Layout (little endian): magic 0xA7, format version, two bytes of the checkpoint's sha256, height and width as varints,
level as float32, bits of the largest symbol (its top bit set where quantisation is centred), CRC-32 of everything else.
15 to 19 bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from baselines.varint import read_varint, varint
from bench.codec import MAX_PIXELS, BitstreamError

MAGIC, VERSION = 0xA7, 1


@dataclass(frozen=True)
class Header:
    """height and width in pixels, quality level, bit length of the largest symbol, checkpoint fingerprint (2 bytes),
    whether the symbols are round(y - mean)."""

    height: int
    width: int
    level: float
    bits: int
    fingerprint: bytes
    centred: bool = False


def pack(header: Header, payload: bytes) -> bytes:
    """The whole stream."""
    size = varint(header.height) + varint(header.width)
    bits = header.bits | header.centred << 7
    front = bytes((MAGIC, VERSION)) + header.fingerprint + size + struct.pack("<fB", header.level, bits)
    return front + struct.pack("<I", zlib.crc32(payload, zlib.crc32(front))) + payload


def unpack(stream: bytes, codec: str, fingerprint: bytes) -> tuple[Header, bytes]:
    """Header and payload; raises BitstreamError where the stream is damaged, cut, foreign or of another checkpoint."""
    if len(stream) < 2 or stream[0] != MAGIC:
        raise BitstreamError(f"{codec}: this is not a stream of a learned codec of this suite.")
    if stream[1] != VERSION:
        raise BitstreamError(f"{codec}: expected stream format {VERSION}, got {stream[1]}.")
    try:
        height, at = read_varint(stream, 4)
        width, at = read_varint(stream, at)
        level, bits = struct.unpack_from("<fB", stream, at)
        (check,) = struct.unpack_from("<I", stream, at + 5)
    except (struct.error, IndexError) as error:
        raise BitstreamError(f"{codec}: the stream is damaged or ends inside its header.") from error
    payload = stream[at + 9 :]
    if zlib.crc32(payload, zlib.crc32(stream[: at + 5])) != check:
        raise BitstreamError(f"{codec}: the stream is damaged or cut (its checksum does not match).")
    if stream[2:4] != fingerprint:
        raise BitstreamError(
            f"{codec}: the stream was made with another checkpoint (fingerprint {stream[2:4].hex()}, loaded "
            f"{fingerprint.hex()}); choose it with --checkpoint."
        )
    if height < 1 or width < 1 or height * width > MAX_PIXELS or not 0 <= level <= 1:
        raise BitstreamError(f"{codec}: the header announces {width} x {height} pixels at level {level:g}.")
    return Header(height, width, level, bits & 127, stream[2:4], bool(bits >> 7)), payload
