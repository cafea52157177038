"""Whole numbers as LEB128: seven bits a byte, lowest first, in one way only."""

from __future__ import annotations


def varint(value: int) -> bytes:
    """The bytes of a number from 0."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends; raises IndexError where it does not end or is too long."""
    value = 0
    for shift in range(0, 35, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if not byte and shift:  # a second way to write the same number
                raise IndexError
            return value, at
    raise IndexError
