"""JPEG 2000 of more than 8 bits a sample, which Pillow reads wrongly where it has colour: 65535 becomes 0."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import PIL.Image

from bench.boxes import boxes, first
from bench.image_samples import Refused, Samples, by_opencv

_RGB, _GREY, _UNKNOWN = 16, 17, 0


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a file says.

    Attributes:
        bits: a sample, of the deepest component.
        alike: whether all components have that many bits, no sign, and a sample for every pixel.
        colour: enumerated colour space of ISO/IEC 15444-1; 0 where the file has none.
        palette_bits: a value of the palette; 0 where there is none.
        lossy: whether it was coded with the irreversible wavelet.
    """

    bits: int
    alike: bool
    colour: int
    palette_bits: int
    lossy: bool


def header(data: bytes) -> Header:
    """Read it; that of a damaged file is one of 8 bits a sample."""
    try:
        stream, about = (data, b"") if data[:2] == b"\xff\x4f" else (first(data, b"jp2c"), first(data, b"jp2h"))
        (count,) = struct.unpack_from(">H", stream, 40)
        components = list(struct.iter_unpack("BBB", stream[42 : 42 + 3 * count]))
        bits = [(depth & 0x7F) + 1 for depth, _, _ in components]
        alike = len({*components}) == 1 and components[0][0] < 128 and components[0][1:] == (1, 1)
        return Header(max(bits), alike, _colour(about), _palette_bits(about), _lossy(stream))
    except (struct.error, IndexError, ValueError):
        return Header(8, True, _UNKNOWN, 0, False)


def check(found: Header) -> None:
    """Raise Refused where neither library reads such a file in full."""
    if found.palette_bits > 8:
        raise Refused(f"JPEG 2000 with a palette of {found.palette_bits} bits a value cannot be read in full")
    if found.bits <= 8:
        return
    if not found.alike or found.bits > 16:
        raise Refused("JPEG 2000 of more than 8 bits a sample is read where all of its channels have as many, up to 16")
    if found.colour not in (_RGB, _GREY, _UNKNOWN):
        raise Refused("JPEG 2000 of more than 8 bits a sample is read in RGB or grey only")


def deep_samples(file: PIL.Image.Image, data: bytes, found: Header) -> Samples:
    """Samples of a file of more than 8 bits a sample that ``check`` lets pass; raises Refused where that fails."""
    file.load()  # raises where the file is cut short
    values = by_opencv(data)
    if values is None or int(values.max()) >> found.bits:
        raise Refused(f"JPEG 2000 of {found.bits} bits a sample and these channels cannot be read in full")
    return Samples(values, found.bits)


def _colour(about: bytes | memoryview) -> int:
    """Of the first colour specification, if it is an enumerated one."""
    content = first(about, b"colr")
    return int(struct.unpack_from(">I", content, 3)[0]) if len(content) >= 7 and content[0] == 1 else _UNKNOWN


def _palette_bits(about: bytes | memoryview) -> int:
    content = next((content for kind, content in boxes(about) if kind == b"pclr"), b"")
    return max(((depth & 0x7F) + 1 for depth in content[3 : 3 + content[2]]), default=0) if len(content) > 3 else 0


def _lossy(stream: bytes | memoryview) -> bool:
    """Whether the coding style, a marker segment of the main header, names the irreversible wavelet."""
    at = 2
    while at + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, at)
        if marker == 0xFF52:
            return stream[at + 13] == 0
        if marker == 0xFF90:  # the first tile
            return False
        at += 2 + length
    return False
