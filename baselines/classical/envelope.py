"""The few bytes around a program's stream: what its decoder needs to know, and a checksum.

None of the wrapped formats notices every damaged bit, and some don't carry the size before padding. The envelope is
part of the stream and counted as rate:

    1 byte   tag of the codec
    1 byte   layout of the planes (0 where the program takes RGB)
    varint   height before padding
    varint   width before padding
    rest     what the program wrote, unchanged
    4 bytes  CRC-32 of everything before it, little endian

10 bytes for an image of 768x512.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from baselines.varint import read_varint, varint
from bench.codec import MAX_PIXELS, BitstreamError

LARGEST_SIDE = 65535


@dataclass(frozen=True)
class Envelope:
    """What is written around a program's stream.

    Attributes:
        layout: code of the planes' layout, 0 to 255.
        height: rows before padding, 1 to 65535.
        width: columns before padding, 1 to 65535.
        payload: what the program wrote.
    """

    layout: int
    height: int
    width: int
    payload: bytes


def wrap(tag: int, envelope: Envelope) -> bytes:
    """Return the complete stream."""
    head = bytes([tag, envelope.layout]) + varint(envelope.height) + varint(envelope.width)
    body = head + envelope.payload
    return body + zlib.crc32(body).to_bytes(4, "little")


def unwrap(tag: int, stream: bytes, codec: str) -> Envelope:
    """Return what ``wrap`` was given; raise BitstreamError for a stream that is damaged, cut or foreign."""
    if len(stream) < 9:
        raise BitstreamError(f"{codec}: the stream has {len(stream)} bytes, too few for any image.")
    if stream[0] != tag:
        raise BitstreamError(f"{codec}: the stream begins with byte {stream[0]:#04x}, not {tag:#04x}: another codec's.")
    if zlib.crc32(stream[:-4]) != int.from_bytes(stream[-4:], "little"):
        raise BitstreamError(f"{codec}: the stream's checksum does not match: it is damaged or cut.")
    try:
        height, position = read_varint(stream, 2)
        width, position = read_varint(stream, position)
    except IndexError:
        height = width = position = 0
    sides = 1 <= height <= LARGEST_SIDE and 1 <= width <= LARGEST_SIDE and height * width <= MAX_PIXELS
    if not (sides and position < len(stream) - 4):
        raise BitstreamError(f"{codec}: the stream's header is not valid (height {height}, width {width}).")
    return Envelope(stream[1], height, width, bytes(stream[position:-4]))
