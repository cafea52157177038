"""The box structure of ISO base media files (ISO/IEC 14496-12), which AVIF, HEIC and JP2 are made of."""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack, unpack_from

from baselines.classical.everyday import expect


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its four-character type and where its contents lie in the file."""

    kind: bytes
    start: int
    end: int


def parse(data: bytes, start: int = 0, end: int | None = None) -> list[Box]:
    """List the boxes that fill ``data[start:end]`` exactly; raise BitstreamError where they don't.

    Boxes without a length ("until the end of the file") are refused: they would hide that a file was cut.
    """
    stop = len(data) if end is None else end
    found = []
    while start < stop:
        expect(stop - start >= 8, "it was cut in a box header.")
        size, kind = unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            expect(stop - start >= 16, "it was cut in a box header.")
            size, header = unpack_from(">Q", data, start + 8)[0], 16
        expect(header <= size <= stop - start, f"its box {kind!r} has a wrong length or was cut.")
        found.append(Box(kind, start + header, start + size))
        start += size
    return found


def only(boxes: list[Box], kind: bytes) -> Box:
    """The one box of this kind; raise BitstreamError where there is none or are several."""
    matching = [box for box in boxes if box.kind == kind]
    expect(len(matching) == 1, f"it has {len(matching)} boxes {kind!r}, expected one.")
    return matching[0]


SRGB = b"nclx" + pack(">HHHB", 1, 13, 6, 0x80)
"""Contents of ``colr``: BT.709 primaries, sRGB curve, BT.601 matrix, full range."""


def still_image(data: bytes, brands: tuple[bytes, ...], configuration: bytes) -> tuple[int, int, bytes]:
    """Check an AVIF or HEIC file (ISO/IEC 23008-12) that holds one 8-bit sRGB image and nothing else.

    Args:
        data: the whole file.
        brands: accepted major brands.
        configuration: type of the decoder configuration box, ``b"av1C"`` or ``b"hvcC"``.

    Returns:
        Height and width in pixels, and the contents of the decoder configuration box.

    Raises:
        BitstreamError: cut, of another kind, in another colour space, or with alpha, thumbnails or metadata.
    """
    expect(data[4:8] == b"ftyp" and data[8:12] in brands, f"it is no {brands[0].decode().upper()} file.")
    top = parse(data)
    expect(sorted(box.kind for box in top) == [b"ftyp", b"mdat", b"meta"], "it has unexpected boxes.")
    meta = only(top, b"meta")
    inside = parse(data, meta.start + 4, meta.end)  # meta is a full box: version and flags come first
    properties = only(inside, b"iprp")
    container = only(parse(data, properties.start, properties.end), b"ipco")
    items = parse(data, container.start, container.end)
    known = {configuration, b"colr", b"ispe", b"pixi", b"clap"}
    expect({box.kind for box in items} <= known, "it has properties that this codec never writes.")
    setup, colour, extent, depth = (only(items, kind) for kind in (configuration, b"colr", b"ispe", b"pixi"))
    expect(data[colour.start : colour.end] == SRGB, "its colour space is not the one that this codec writes.")
    expect(data[depth.start + 4 : depth.end] == b"\3\10\10\10", "it is not 8-bit with three channels.")
    width, height = unpack_from(">II", data, extent.start + 4)
    if any(box.kind == b"clap" for box in items):  # HEVC codes even sizes; the clean aperture says what is shown
        coded = width, height
        width, w_scale, height, h_scale = unpack_from(">IIII", data, only(items, b"clap").start)
        expect(w_scale == h_scale == 1, "its clean aperture is not in whole pixels.")
        expect(coded[0] - width in range(64) and coded[1] - height in range(64), "its clean aperture is wrong.")
    return height, width, data[setup.start : setup.end]
