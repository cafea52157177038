"""Images and tables made to take memory or to run something: refused in a sentence."""

from __future__ import annotations

import io
import os
import pickle
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import ImageCms

from bench import tables
from bench.codec import BenchError
from bench.images import load_image

RGB = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def saved(image_format: str) -> bytearray:
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, image_format)
    return bytearray(file.getvalue())


def bombs() -> dict[str, bytes]:
    """Small files that announce 30000 x 30000 pixels."""
    side = 30000
    jpeg = saved("JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", side, side)
    jp2 = saved("JPEG2000")
    at = jp2.index(b"\xff\x4f\xff\x51") + 8
    jp2[at : at + 8] = jp2[at + 16 : at + 24] = struct.pack(">II", side, side)
    jp2[jp2.index(b"ihdr") + 4 : jp2.index(b"ihdr") + 12] = struct.pack(">II", side, side)
    webp = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (side - 1).to_bytes(3, "little") * 2 + bytes(saved("WEBP")[12:])
    return {
        "png": png(side, side, chunk(b"IDAT", zlib.compress(bytes(1000)))),
        "jpeg": bytes(jpeg),
        "jp2": bytes(jp2),
        "webp": b"RIFF" + struct.pack("<I", 4 + len(webp)) + b"WEBP" + webp,
        "gif": b"GIF89a" + struct.pack("<HHBBBcHHHHBBBBB", side, side, 0, 0, 0, b",", 0, 0, side, side, 0, 8, 1, 0, 0),
        "bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 1000, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0),
        "tga": struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, side, side, 24, 0) + bytes(20),
    }


@pytest.mark.parametrize("kind", ["png", "jpeg", "jp2", "webp", "gif", "bmp", "tga"])
def test_thirty_thousand_a_side_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"bomb.{kind}"
    path.write_bytes(bombs()[kind])
    with pytest.raises(BenchError, match=rf"bomb\.{kind}: ") as caught:
        load_image(path)
    assert "more pixels than is safe" in str(caught.value) or kind == "webp"  # libwebp looks at the frame itself


def test_text_and_profiles_that_inflate_are_refused(tmp_path: Path) -> None:
    large = zlib.compress(bytes(80 << 20), 1)
    assert len(large) < 500_000
    rows = chunk(b"IDAT", zlib.compress(bytes(4)))
    for kind, data in ((b"zTXt", b"key\0\0" + large), (b"iCCP", b"profile\0\0" + large)):
        (tmp_path / "bomb.png").write_bytes(png(1, 1, chunk(kind, data), rows))
        try:
            assert load_image(tmp_path / "bomb.png").pixels.shape == (1, 1, 3)
        except BenchError as error:
            assert "bomb.png: " in str(error)  # noqa: PT017


def test_a_png_without_its_pixels_is_cut(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(png(500, 500, chunk(b"IDAT", zlib.compress(bytes(1000)))))
    with pytest.raises(BenchError, match=r"cut\.png: the image file is damaged or cut short"):
        load_image(tmp_path / "cut.png")


def test_no_program_is_started_for_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostScript is drawn by Ghostscript where Pillow is allowed to: a file's name must not decide that."""
    mark, program = tmp_path / "executed", tmp_path / "gs"
    program.write_text(f"#!/bin/sh\n: > {mark}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "photo.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(BenchError, match=r"photo\.png: not an image"):
        load_image(tmp_path / "photo.png")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["sRGB", "wide"])
def test_profiles_change_no_pixel_and_are_named(name: str, tmp_path: Path) -> None:
    profile = ImageCms.createProfile("sRGB") if name == "sRGB" else ImageCms.createProfile("LAB", 5000)
    data = ImageCms.ImageCmsProfile(profile).tobytes()
    PIL.Image.fromarray(RGB).save(tmp_path / "photo.png", icc_profile=data)
    image = load_image(tmp_path / "photo.png")
    np.testing.assert_array_equal(image.pixels, RGB)
    assert image.note == "ICC profile ignored"


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_nothing_in_a_table_is_executed(tmp_path: Path) -> None:
    mark, path = tmp_path / "executed", tmp_path / "table.parquet"
    bomb = pickle.dumps(Bomb(mark))
    storage = pa.array([b"x", b"y"], pa.binary())
    extension = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": bomb}
    schema = pa.schema(
        [
            pa.field("codec", pa.string()),
            pa.field("bpp", pa.float64()),
            pa.field("psnr", pa.float64()),
            pa.field("extra", pa.binary(), metadata=extension),
        ],
        metadata={b"pandas": b'{"index_columns": [], "columns": [], "column_indexes": []}', b"pickle": bomb},
    )
    pq.write_table(pa.table([["a", "b"], [1.0, 2.0], [30.0, 31.0], storage], schema=schema), path)
    assert list(tables.read([path])["codec"]) == ["a", "b"]
    path.write_bytes(bomb)
    with pytest.raises(BenchError, match=r"table\.parquet can't be read as a table"):
        tables.read([path])
    (tmp_path / "table.csv").write_bytes(bomb)
    with pytest.raises(BenchError, match=r"table\.csv"):
        tables.read([tmp_path / "table.csv"])
    assert not mark.exists()


def test_a_table_that_announces_a_billion_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.parquet"
    count = 200_000
    pq.write_table(pa.table({"codec": ["a"] * count, "bpp": [1.0] * count, "psnr": [1.0] * count}), path)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(tables, "MAX_ROWS", 100_000)
    with pytest.raises(BenchError, match="announces 200000 rows, the limit is 100000"):
        tables.read([path])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("codec,bpp,psnr,generation\na,1,30,inf\n", "whole numbers"),
        ("codec,bpp,psnr,generation\na,1,30,1.5\n", "whole numbers"),
        ("codec,bpp,psnr,generation\na,1,30,-1\n", "whole numbers"),
        ("codec,bpp,psnr\na,1,30,4\n", "can't be read as a table"),
        ("codec,bpp,psnr\na,1,thirty\n", "must hold numbers"),
        ("", "can't be read as a table"),
    ],
)
def test_odd_tables_are_refused_by_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(BenchError, match=said) as caught:
        tables.read([path])
    assert "\n" not in str(caught.value)


def test_a_frame_written_by_pandas_is_still_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"codec": ["a", "a"], "bpp": [1.0, 2.0], "psnr": [30.0, 33.0]}, index=[7, 9])
    frame.to_parquet(tmp_path / "table.parquet")
    frame.to_csv(tmp_path / "table.csv", index=False)
    for name in ("table.parquet", "table.csv"):
        assert list(tables.read([tmp_path / name])["psnr"]) == [30.0, 33.0]
