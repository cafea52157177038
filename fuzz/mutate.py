"""Damage at random, for where there is no fuzzer: bits, bytes, pieces cut out, put in, and repeated."""

from __future__ import annotations

from random import Random

_BYTES = b'\x00\x01\x7f\x80\xff\n ,.:;=#-09eE[]{}"'


def mutated(data: bytes, random: Random) -> bytes:
    """``data`` after one to eight changes."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        at, length = random.randrange(len(out) + 1), random.choice((1, 1, 2, 4, 30))
        change = random.randrange(5)
        if change == 0 and at < len(out):
            out[at] ^= 1 << random.randrange(8)
        elif change == 1 and at < len(out):
            out[at] = random.choice(_BYTES)
        elif change == 2:
            out[at:at] = bytes((random.choice(_BYTES),)) * random.choice((1, 1, 4, 300))
        elif change == 3:
            del out[at : at + length]
        else:
            out[at:at] = out[max(0, at - length) : at] * random.choice((1, 3))
    return bytes(out)
