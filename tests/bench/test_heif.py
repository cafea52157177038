"""HEIC files as sources, against what pillow-heif was given to write."""

import io
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from bench import heif
from bench.codec import BenchError
from bench.images import load_image

pillow_heif = pytest.importorskip("pillow_heif")

SMOOTH = np.dstack([*np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 40)), np.full((40, 64), 90)])
RGB = SMOOTH.round().astype(np.uint8)


def write(path, samples, mode, **options):
    """Lossless in RGB, so that what is read is known."""
    file, size = io.BytesIO(), samples.shape[1::-1]
    lossless = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    pillow_heif.encode(mode, size, np.ascontiguousarray(samples).tobytes(), file, **(lossless | options))
    path.write_bytes(file.getvalue())
    return path


@pytest.mark.parametrize("name", ["phone.heic", "PHONE.HEIC", "phone.jpg"])
def test_a_heic_is_read_whatever_its_name(tmp_path, name):
    image = load_image(write(tmp_path / name, RGB, "RGB"))
    np.testing.assert_array_equal(image.pixels, RGB)
    assert (image.note, image.format, image.lossy) == ("", "HEIC", True)
    assert image.pixels.flags.c_contiguous


def test_ten_bits_are_rounded_from_their_own_scale(tmp_path):
    deep = (SMOOTH * (1023 / 255)).round().astype(np.uint16)
    image = load_image(write(tmp_path / "ten.heic", deep << 6, "RGB;16"))
    np.testing.assert_array_equal(image.pixels, np.floor(deep * 255.0 / 1023 + 0.5).astype(np.uint8))
    assert image.note == "10 bits rounded to 8"


def test_alpha_is_composited_on_white(tmp_path):
    alpha = RGB[:, :, 0]
    image = load_image(write(tmp_path / "alpha.heic", np.dstack([RGB, alpha]), "RGBA"))
    part = alpha[..., None] / 255
    np.testing.assert_array_equal(image.pixels, np.floor(RGB * part + 255 * (1 - part) + 0.5).astype(np.uint8))
    assert image.note == "transparency composited on white"


def test_grey(tmp_path):
    grey = RGB[:, :, 0]
    image = load_image(write(tmp_path / "grey.heic", grey, "L"))
    assert (image.pixels == image.pixels[:, :, :1]).all()
    assert np.abs(image.pixels[:, :, 0].astype(int) - grey).max() <= 1
    assert image.note == "grey"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_once(tmp_path, orientation):
    """pillow-heif writes the boxes and leaves the orientation in EXIF as well."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    still = pillow_heif.from_pillow(PIL.Image.fromarray(RGB))
    still.info["exif"] = exif.tobytes()
    still.save(tmp_path / "turned.heic", quality=95, chroma=444)
    PIL.Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    found, upright = load_image(tmp_path / "turned.heic"), load_image(tmp_path / "turned.png")
    assert found.pixels.shape == upright.pixels.shape
    assert np.abs(found.pixels.astype(int) - upright.pixels).mean() < 3
    assert found.note == ("" if orientation == 1 else "orientation applied")


def test_the_main_picture_and_the_profile_are_told(tmp_path):
    file = pillow_heif.from_pillow(PIL.Image.fromarray(RGB))
    file.add_from_pillow(PIL.Image.fromarray(255 - RGB))
    file.save(tmp_path / "two.heic", quality=95, primary_index=1)
    image = load_image(tmp_path / "two.heic")
    assert np.abs(image.pixels.astype(int) - (255 - RGB)).mean() < 3
    assert image.note == "main one of 2 pictures"


def test_colours_taken_as_srgb_are_told(tmp_path):
    wide = {"color_primaries": 9, "transfer_characteristics": 16}
    image = load_image(write(tmp_path / "pq.heic", RGB, "RGB", **wide))
    np.testing.assert_array_equal(image.pixels, RGB)
    assert image.note == "PQ, BT.2020 taken as sRGB"


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_cut_files(tmp_path, share):
    path = write(tmp_path / "cut.heic", RGB, "RGB")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BenchError, match=r"cut\.heic: ") as caught:
        load_image(path)
    assert "\n" not in str(caught.value)


def test_a_large_one_is_not_decoded(tmp_path, monkeypatch):
    path = write(tmp_path / "bomb.heic", RGB, "RGB")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(BenchError, match=r"bomb\.heic: the image has more pixels than is safe"):
        load_image(path)


def test_where_pillow_heif_is_missing_it_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "phone.heic", RGB, "RGB")
    monkeypatch.setattr(heif, "available", lambda: False)
    with pytest.raises(
        BenchError, match=r"phone\.heic: HEIC is read by pillow-heif.*pip install 'reencode-bench\[heic"
    ):
        load_image(path)


def test_pillow_itself_opens_no_heic_after_that(tmp_path):
    """In a process of its own: other tests may have used a library that registers it."""
    path = write(tmp_path / "phone.heic", RGB, "RGB")
    code = "import sys, PIL.Image\nfrom bench.images import load_image\n"
    code += "load_image(sys.argv[1])\nPIL.Image.open(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert "UnidentifiedImageError" in done.stderr.splitlines()[-1]


def test_an_avif_is_none():
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, "AVIF")
    assert not heif.is_heif(file.getvalue())
    assert not heif.is_heif(b"")
