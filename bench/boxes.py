"""Boxes of AVIF, HEIF and JPEG 2000 files, and what those of the main picture say that no library hands on."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

Box = tuple[bytes, memoryview]
"""Type and content."""

_PRIMARIES = {5: "BT.601", 6: "BT.601", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_TRANSFERS = {4: "gamma 2.2", 5: "gamma 2.8", 8: "linear", 16: "PQ", 18: "HLG"}
# ITU-T H.273: unspecified ones, BT.709's, sRGB's, and those that differ from BT.709 in nothing that shows in 8 bits.
_PLAIN_PRIMARIES, _PLAIN_TRANSFERS = {1, 2}, {1, 2, 6, 13, 14, 15}


@dataclass(frozen=True, slots=True)
class MainPicture:
    """What the properties of the main picture of an AVIF or HEIF file say.

    Attributes:
        bits: a sample.
        colour: primaries and transfer function as numbers of ITU-T H.273; 2 where the file does not name them.
        turned: whether it is to be rotated or mirrored.
    """

    bits: int = 8
    colour: tuple[int, int] = (2, 2)
    turned: bool = False

    def colour_note(self) -> str:
        """What is lost where code values are taken as sRGB, such as ``PQ, BT.2020 taken as sRGB``; empty: nothing."""
        primaries, transfer = self.colour
        words = []
        if transfer not in _PLAIN_TRANSFERS:
            words.append(_TRANSFERS.get(transfer, f"transfer function {transfer}"))
        if primaries not in _PLAIN_PRIMARIES:
            words.append(_PRIMARIES.get(primaries, f"colour primaries {primaries}"))
        return f"{', '.join(words)} taken as sRGB" if words else ""


def boxes(data: bytes | memoryview) -> Iterator[Box]:
    """Those that follow one another in ``data``, as far as they are whole or the last one is cut short."""
    view, at = memoryview(data), 0
    while at + 8 <= len(view):
        size, kind = struct.unpack_from(">I4s", view, at)
        head = 8
        if size == 1 and at + 16 <= len(view):
            size, head = struct.unpack_from(">Q", view, at + 8)[0], 16
        end = len(view) if size == 0 else at + size
        if end < at + head:
            return
        yield kind, view[at + head : end]
        at = end


def first(data: bytes | memoryview, kind: bytes) -> memoryview:
    """The content of the first box of this type, empty where there is none."""
    return next((content for found, content in boxes(data) if found == kind), memoryview(b""))


def brands(data: bytes) -> set[bytes]:
    """Major and compatible brands of a file that begins with ``ftyp``; none of any other."""
    if data[4:8] != b"ftyp":
        return set()
    content = bytes(first(data[:4096], b"ftyp"))
    return {content[:4], *(content[at : at + 4] for at in range(8, len(content), 4))}


def main_picture(data: bytes) -> MainPicture:
    """What an AVIF or HEIF file says of its main picture; that of a file that is damaged is plain."""
    try:
        meta = first(data, b"meta")[4:]
        properties = first(meta, b"iprp")
        every = list(boxes(first(properties, b"ipco")))
        places = _properties_of(_main_item(first(meta, b"pitm")), first(properties, b"ipma"))
        own = [every[place - 1] for place in places if 0 < place <= len(every)]
        # A picture of tiles has no configuration of its own, but theirs.
        bits = [found for box in own if (found := _bits(*box))] or [found for box in every if (found := _bits(*box))]
        named = [
            struct.unpack_from(">HH", content, 4) for kind, content in own if kind == b"colr" and _is_nclx(content)
        ]
        turned = any(kind == b"imir" or (kind == b"irot" and content[0] & 3) for kind, content in own)
    except (struct.error, IndexError):
        return MainPicture()
    return MainPicture(max(bits, default=8), named[0] if named else (2, 2), bool(turned))


def _main_item(content: memoryview) -> int:
    return int(struct.unpack_from(">H" if content[0] == 0 else ">I", content, 4)[0])


def _properties_of(item: int, content: memoryview) -> list[int]:
    """Places of an item's properties in their list, from 1."""
    wide_item, wide_place = content[0] >= 1, content[3] & 1
    count, at = struct.unpack_from(">I", content, 4)[0], 8
    for _ in range(count):
        (found,) = struct.unpack_from(">I" if wide_item else ">H", content, at)
        at += 4 if wide_item else 2
        number, at = content[at], at + 1
        places = struct.unpack_from(f">{number}{'H' if wide_place else 'B'}", content, at)
        at += number * (2 if wide_place else 1)
        if found == item:
            return [place & (0x7FFF if wide_place else 0x7F) for place in places]
    return []


def _is_nclx(content: memoryview) -> bool:
    return bytes(content[:4]) == b"nclx"


def _bits(kind: bytes, content: memoryview) -> int:
    """Bits a sample where the box configures AV1 or HEVC, 0 where it is another."""
    if kind == b"av1C":
        high, twelve = content[2] >> 6 & 1, content[2] >> 5 & 1
        return 8 + 2 * high + 2 * (high & twelve)
    return 8 + (content[17] & 7) if kind == b"hvcC" else 0
