"""What is told of a run's images before they are coded."""

import json

import numpy as np
import PIL.Image
import pytest

from bench import reencode, too_small
from bench.codec import BenchError
from bench.edits import parse_edits
from bench.images import load_image
from bench.sources import remarks

RGB = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "options", "kind", "lossy"),
    [
        ("a.png", {}, "PNG", False),
        ("a.jpg", {}, "JPEG", True),
        ("a.mpo", {"format": "MPO", "save_all": True}, "JPEG", True),
        ("a.webp", {}, "WebP", True),
        ("a.webp", {"lossless": True}, "WebP", False),
        ("a.webp", {"lossless": True, "exif": b"Exif\0\0"}, "WebP", False),
        ("a.avif", {}, "AVIF", True),
        ("a.jp2", {"irreversible": True}, "JPEG 2000", True),
        ("a.jp2", {"irreversible": False}, "JPEG 2000", False),
        ("a.j2k", {"irreversible": True}, "JPEG 2000", True),
        ("a.tif", {"compression": "jpeg"}, "TIFF", True),
        ("a.tif", {"compression": "tiff_lzw"}, "TIFF", False),
        ("a.gif", {}, "GIF", False),
    ],
)
def test_the_format_is_told_and_whether_it_has_lost_something(tmp_path, name, options, kind, lossy):
    PIL.Image.fromarray(RGB).save(tmp_path / name, **options)
    image = load_image(tmp_path / name)
    assert (image.format, image.lossy) == (kind, lossy)


@pytest.mark.parametrize("lossless", [True, False])
def test_an_animated_webp_tells_it_of_its_first_frame(tmp_path, lossless):
    frames = [PIL.Image.fromarray(RGB), PIL.Image.fromarray(RGB[::-1].copy())]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=lossless)
    assert load_image(tmp_path / "a.webp").lossy is not lossless


def entries(*formats, pixels=()):
    return [
        {"image": f"i{n}", "sha256": (pixels or range(99))[n], "format": kind, "lossy": kind not in ("PNG", "BMP")}
        for n, kind in enumerate(formats)
    ]


@pytest.mark.parametrize(
    ("formats", "sentence"),
    [
        (["PNG", "BMP"], None),
        (["PNG", "JPEG", "JPEG"], "2 of 3 images are JPEG files already: a codec that coded them before has an"),
        (["PNG", "AVIF"], "1 of 2 images is an AVIF file already: a codec that coded it before has an"),
        (["JPEG"], "The image is a JPEG file already: a codec that coded it before has an"),
        (
            ["WebP", "JPEG", "PNG", "JPEG"],
            "3 of 4 images are lossy files already (2 JPEG, 1 WebP): a codec that coded them before has an",
        ),
    ],
)
def test_files_that_were_coded_before_are_told(formats, sentence):
    told = remarks(entries(*formats))
    assert told == ([f"{sentence} advantage (docs/datasets.md)."] if sentence else [])


def test_the_same_pixels_are_told():
    said = "the pixels of another one, which count more than once in every mean:"
    assert remarks(entries(*["PNG"] * 3, pixels="aba")) == [f"1 image has {said} i2 those of i0."]
    assert remarks(entries(*["PNG"] * 6, pixels="aaaaab")) == [
        f"4 images have {said} i1 those of i0, i2 those of i0, i3 those of i0, and 1 more."
    ]


def sized(*sizes):
    return [{"image": f"i{n}", "width": width, "height": height} for n, (width, height) in enumerate(sizes)]


def test_all_images_that_a_crop_leaves_nothing_of_are_told_at_once():
    done = parse_edits("crop:8,shift:1")
    too_small.check(sized((100, 17), (17, 100)), done, 3)
    too_small.check(sized((1, 1)), parse_edits("shift:1"), 3)
    with pytest.raises(BenchError) as caught:
        too_small.check(sized((99, 99), (1, 1), (3, 200), (16, 90), (90, 9)), done, 3)
    assert str(caught.value) == (
        "--edit crop:8 leaves nothing of i1 (1x1 pixels) at generation 2 of 3, i2 (3x200 pixels) at generation 2 of 3, "
        "i3 (16x90 pixels) at generation 3 of 3 and 1 more, 4 of 5 images: leave them out of --dataset, crop less, or "
        "ask for fewer --generations."
    )
    with pytest.raises(BenchError, match=r"i1 \(1x1 pixels\) at generation 2 of 3, 1 of 2 images: leave it out"):
        too_small.check(sized((99, 99), (1, 1)), done, 3)
    with pytest.raises(
        BenchError, match=r"^--edit crop:8 leaves nothing of i0 \(1x1 pixels\) at .*: crop less, or ask"
    ):
        too_small.check(sized((1, 1)), done, 3)


def test_a_run_tells_it_and_keeps_it_in_its_book(tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    PIL.Image.fromarray(RGB).save(folder / "a.png")
    PIL.Image.fromarray(RGB).save(folder / "b.bmp")
    PIL.Image.fromarray(RGB).save(folder / "c.jpg")
    command = ["--codec", "synthetic_codecs:Coarse", "--dataset", str(folder), "--generations", "1", "--jobs", "1"]
    assert reencode.main([*command, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().err
    assert "1 of 3 images is a JPEG file already: a codec that coded it before" in said
    assert "1 image has the pixels of another one, which count more than once in every mean: b those of a." in said
    book = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [(image["format"], image["lossy"]) for image in book["images"]] == [
        ("PNG", False),
        ("BMP", False),
        ("JPEG", True),
    ]
