"""What a CompressAI model's ``compress`` returns, as bytes.

Its "strings" are lists of byte strings, nested as the model likes, its "shape" is numbers in tuples, lists or
dictionaries. A value is written as varint(8 n + kind), where n is the length of a byte string, list, tuple or
dictionary, or the number itself, and then its content. A hyperprior model of one image costs 10 to 12 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any

from baselines.varint import read_varint, varint
from bench.codec import BitstreamError, CodecError

BYTES, NUMBER, LIST, TUPLE, MAPPING = range(5)
DEEPEST = 8


def pack_value(value: Any) -> bytes:
    """Bytes of nested byte strings, whole numbers from 0, lists, tuples, and dictionaries with text for keys.

    Raises:
        CodecError: something else is in there.
    """
    if isinstance(value, bytes):
        return _head(len(value), BYTES) + value
    if isinstance(value, Mapping):
        items = [part for key, each in value.items() for part in (str(key).encode(), each)]
        return _head(len(value), MAPPING) + b"".join(map(pack_value, items))
    if isinstance(value, list | tuple):
        return _head(len(value), LIST if isinstance(value, list) else TUPLE) + b"".join(map(pack_value, value))
    try:
        number = index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise CodecError(
            f"compress returned a {type(value).__name__} where only bytes, whole numbers, lists and dictionaries "
            f"can go into a stream."
        )
    return _head(number, NUMBER)


def unpack_value(data: bytes) -> Any:
    """What ``pack_value`` was given, tuples as tuples; raises BitstreamError where it can't be read."""
    try:
        value, at = _read(data, 0, 0)
    except (IndexError, UnicodeDecodeError) as error:
        raise BitstreamError("the stream ends too early.") from error
    if at != len(data):
        raise BitstreamError(f"the stream has {len(data) - at} bytes too many.")
    return value


def _head(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    head, at = read_varint(data, at)
    number, kind = head >> 3, head & 7
    if kind == NUMBER:
        return number, at
    if number > len(data) - at or kind > MAPPING or depth == DEEPEST:
        raise IndexError
    if kind == BYTES:
        return data[at : at + number], at + number
    parts = []
    for _ in range(number * (2 if kind == MAPPING else 1)):
        part, at = _read(data, at, depth + 1)
        parts.append(part)
    if kind == MAPPING:
        if not all(isinstance(key, bytes) for key in parts[::2]):
            raise IndexError
        return {key.decode(): value for key, value in zip(parts[::2], parts[1::2], strict=True)}, at
    return (parts if kind == LIST else tuple(parts)), at
