"""Round trips: a decoder in a fresh process, library calls by hand, quality scales."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from everyday_cases import NAMES, SIZES, codec_or_skip, photo, psnr
from PIL import Image as PILImage

from bench.codec import Codec, CodecError, QualityError
from bench.registry import create

DECODE_ALL = """
import hashlib, json, pathlib, sys
from bench.registry import create
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    image = create(path.name.split("_")[0]).decode(path.read_bytes())
    found[path.name] = [list(image.shape), hashlib.sha256(image.tobytes()).hexdigest()]
print(json.dumps(found))
"""


def test_decoders_need_only_the_bytes(tmp_path: Path) -> None:
    """What another process decodes from files on disk equals what this one decodes, for every codec and size."""
    expected = {}
    for name in NAMES:
        codec = create(name)
        if not codec.available()[0]:
            continue
        for height, width in SIZES:
            stream = codec.encode(photo(height, width), codec.quality.default)
            file = tmp_path / f"{name}_{height}_{width}"
            file.write_bytes(stream)
            image = codec.decode(stream)
            assert image.dtype == np.uint8
            assert image.flags.c_contiguous
            expected[file.name] = [[height, width, 3], hashlib.sha256(image.tobytes()).hexdigest()]
    assert len(expected) >= 5 * 5  # Pillow's own formats are always there
    done = subprocess.run([sys.executable, "-c", DECODE_ALL, tmp_path], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == expected


@pytest.mark.parametrize("name", NAMES)
def test_streams_are_reproducible_and_close_to_the_image(name: str) -> None:
    codec, image = codec_or_skip(name), photo(96, 130)
    before = image.copy()
    stream = codec.encode(image, codec.quality.default)
    assert stream == create(name).encode(image, codec.quality.default)
    assert np.array_equal(image, before)
    assert psnr(codec.decode(stream), image) > 28


def by_hand(format: str, **options: object) -> bytes:
    file = BytesIO()
    PILImage.fromarray(photo(200, 301)).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "quality", "format", "options"),
    [
        ("jpeg", 75, "JPEG", {"quality": 75}),
        ("jpeg", 75, "JPEG", {}),
        ("jpeg", 1, "JPEG", {"quality": 1}),
        ("jpeg", 100, "JPEG", {"quality": 100}),
        ("jpeg-444", 90, "JPEG", {"quality": 90, "subsampling": 0}),
        ("jpeg[optimize=true]", 50, "JPEG", {"quality": 50, "optimize": True}),
        ("webp", 80, "WEBP", {"quality": 80}),
        ("webp", 33.3, "WEBP", {"quality": 33.3}),
        ("avif", 60, "AVIF", {"quality": 60, "max_threads": 1, "autotiling": False}),
        (
            "jpeg2000",
            2,
            "JPEG2000",
            {"quality_mode": "rates", "quality_layers": [12], "irreversible": True, "mct": 1},
        ),
    ],
)
def test_streams_equal_the_file_that_pillow_saves(name: str, quality: float, format: str, options: dict) -> None:
    codec = codec_or_skip(name)
    stream = codec.encode(photo(200, 301), quality)
    assert stream == by_hand(format, **options)
    with PILImage.open(BytesIO(stream)) as opened:
        assert np.array_equal(codec.decode(stream), np.asarray(opened.convert("RGB")))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "null"])
def test_better_quality_costs_bytes_and_gains_psnr(name: str) -> None:
    codec, image = codec_or_skip(name), photo(256, 256)
    points = {"jpeg2000": [0.1, 0.5, 2, 5]}.get(name, [5, 40, 70, 95])
    assert codec.quality.better == "high"
    streams = [codec.encode(image, point) for point in points]
    values = [psnr(codec.decode(stream), image) for stream in streams]
    assert [*map(len, streams)] == sorted({*map(len, streams)})
    assert values == sorted(set(values))


@pytest.mark.parametrize("name", NAMES)
def test_ends_of_the_scale_work_and_what_lies_beyond_is_refused(name: str) -> None:
    codec, image = codec_or_skip(name), photo(33, 47)
    for quality in (codec.quality.low, codec.quality.high):
        assert codec.decode(codec.encode(image, quality)).shape == image.shape
    for quality in (codec.quality.low - 1, codec.quality.high + 1, float("nan")):
        with pytest.raises(QualityError, match=name):
            codec.encode(image, quality)
    if codec.quality.integer:
        with pytest.raises(QualityError, match="whole number"):
            codec.encode(image, 50.5)


def test_jpeg2000_meets_its_rate() -> None:
    codec, image = codec_or_skip("jpeg2000"), photo(512, 512)
    for bpp in (0.25, 1.0, 3.0):
        assert len(codec.encode(image, bpp)) * 8 / 512**2 == pytest.approx(bpp, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("picture", ["page", "checkerboard", "black", "noise"])
def test_pictures_that_are_no_photographs(name: str, picture: str) -> None:
    """Text makes JPEG XL write patches, flat and random pictures reach both ends of every entropy coder."""
    codec = codec_or_skip(name)
    grey = {
        "page": lambda: skimage.data.page(),
        "checkerboard": lambda: skimage.data.checkerboard(),
        "black": lambda: np.zeros((31, 130), np.uint8),
        "noise": lambda: np.random.default_rng(4).integers(0, 256, (90, 61), dtype=np.uint8),
    }[picture]()
    image = np.repeat(grey[..., None], 3, axis=2)
    for quality in (codec.quality.low, codec.quality.default, codec.quality.high):
        decoded = codec.decode(codec.encode(image, quality))
        assert decoded.shape == image.shape
    assert psnr(decoded, image) > 25


def test_jpegxl_is_lossy_up_to_the_end_of_its_scale() -> None:
    codec, image = codec_or_skip("jpegxl"), photo(128, 128)
    stream = codec.encode(image, codec.quality.high)
    assert 40 < psnr(codec.decode(stream), image) < 50
    assert len(stream) < 0.6 * image.nbytes


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_image_is_refused(name: str) -> None:
    codec: Codec = codec_or_skip(name)
    for shape in ((8, 8), (8, 8, 4), (0, 8, 3)):
        with pytest.raises(CodecError, match="expected a"):
            codec.encode(np.zeros(shape, np.uint8), codec.quality.default)
    with pytest.raises(CodecError, match="expected a"):
        codec.encode(np.zeros((8, 8, 3), np.float32), codec.quality.default)


def test_too_large_an_image_is_refused_with_the_limit() -> None:
    with pytest.raises(CodecError, match="16383 pixels a side"):
        codec_or_skip("webp").encode(np.zeros((1, 16384, 3), np.uint8), 80)
