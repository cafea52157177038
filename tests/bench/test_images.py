"""Every kind of image file, against numpy arithmetic on what was written."""

import hashlib
import io
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from PIL import ImageOps
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from bench.codec import BenchError
from bench.images import load_image, pixel_sha256

RNG = np.random.default_rng(11)
RGB = RNG.integers(0, 256, (9, 14, 3), dtype=np.uint8)
GREY = RGB[:, :, 0].copy()
ALPHA = RNG.integers(0, 256, (9, 14), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (9, 14, 4), dtype=np.uint16)
DEEP[0, :5, 0] = [0, 128, 129, 65406, 65407]  # both sides of where x / 257 rounds up


@pytest.fixture
def write(tmp_path):
    """Write an array or a Pillow image with Pillow and return the path."""

    def save(image, name="photo.png", **options):
        image = PIL.Image.fromarray(image) if isinstance(image, np.ndarray) else image
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def on_white(colour, alpha, peak=255):
    """Composited in float64, rounded once."""
    part = alpha[..., None] / peak
    return np.floor((colour * part + peak * (1 - part)) * (255 / peak) + 0.5).astype(np.uint8)


def tiff(samples, photometric, *, orientation=1, planar=1, extra=(), bits=None, prefix=b"II"):
    """(H, W, C) uint8 or uint16 samples as TIFF without compression, with any tags."""
    height, width, channels = samples.shape
    data = samples.astype(samples.dtype.newbyteorder(">" if prefix == b"MM" else "<"))
    strips = [data[:, :, c].tobytes() for c in range(channels)] if planar == 2 else [data.tobytes()]
    tags = ImageFileDirectory_v2(prefix=prefix)
    values = {256: width, 257: height, 258: (bits or 8 * samples.itemsize,) * channels, 259: 1, 262: photometric}
    values |= {274: orientation, 277: channels, 278: height, 279: tuple(map(len, strips)), 284: planar, 338: extra}
    for tag, value in values.items():
        if value != ():
            tags[tag] = value
    tags[273] = tuple(sum(map(len, strips[:place])) for place in range(len(strips)))  # Pillow adds where they begin
    head = prefix + (b"\0*\0\0\0\x08" if prefix == b"MM" else b"*\0\x08\0\0\0")
    return head + tags.tobytes(8) + b"".join(strips)


def test_rgb_is_taken_as_it_is(write):
    image = load_image(write(RGB))
    np.testing.assert_array_equal(image.pixels, RGB)
    assert (image.name, image.note, image.width, image.height) == ("photo", "", 14, 9)
    assert image.sha256 == pixel_sha256(RGB)
    assert image.pixels.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0, 0] = 1


def test_identity_is_that_of_the_pixels_and_their_shape(write):
    same = [load_image(write(RGB, name)).sha256 for name in ("a.png", "b.bmp", "c.tif", "d.ppm")]
    assert len(set(same)) == 1
    assert pixel_sha256(RGB.reshape(14, 9, 3)) != pixel_sha256(RGB)
    assert pixel_sha256(RGB[:, ::-1]) == pixel_sha256(RGB[:, ::-1].copy()) != pixel_sha256(RGB)
    assert pixel_sha256(np.zeros((1, 2, 3), np.uint8)) == hashlib.sha256(b"(1, 2, 3)" + bytes(6)).hexdigest()


def test_grey(write):
    image = load_image(write(GREY))
    np.testing.assert_array_equal(image.pixels, np.stack([GREY] * 3, axis=2))
    assert image.note == "grey"


def test_bilevel(write):
    bits = GREY > 128
    image = load_image(write(PIL.Image.fromarray(bits)))
    np.testing.assert_array_equal(image.pixels, np.stack([bits * np.uint8(255)] * 3, axis=2))


def test_palette(write):
    indices = (GREY % 5).astype(np.uint8)
    palette = RNG.integers(0, 256, (5, 3), dtype=np.uint8)
    file = PIL.Image.fromarray(indices)
    file.putpalette(palette.tobytes())
    image = load_image(write(file))
    np.testing.assert_array_equal(image.pixels, palette[indices])
    assert image.note == "palette"
    image = load_image(write(file, transparency=2))
    np.testing.assert_array_equal(image.pixels, np.where((indices == 2)[..., None], 255, palette[indices]))
    assert "white" in image.note


@pytest.mark.parametrize("colour", [RGB, GREY], ids=["rgb", "grey"])
def test_alpha_is_composited_on_white(write, colour):
    three = colour if colour.ndim == 3 else np.stack([colour] * 3, axis=2)
    image = load_image(write(np.dstack([colour, ALPHA])))
    np.testing.assert_array_equal(image.pixels, on_white(three, ALPHA))
    assert "composited on white" in image.note
    image = load_image(write(np.dstack([colour, np.full_like(ALPHA, 255)])))
    np.testing.assert_array_equal(image.pixels, three)
    assert "opaque alpha dropped" in image.note


def test_transparent_colour_of_an_rgb_png(write):
    file = PIL.Image.fromarray(RGB)
    image = load_image(write(file, transparency=tuple(map(int, RGB[3, 4]))))
    hidden = (RGB[3, 4] == RGB).all(axis=2)
    np.testing.assert_array_equal(image.pixels, np.where(hidden[..., None], 255, RGB))


@pytest.mark.parametrize("ending", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_rounded(tmp_path, ending, channels):
    path = tmp_path / f"deep.{ending}"
    samples = DEEP[:, :, 0] if channels == 1 else DEEP[:, :, :channels].copy()
    if channels == 4:
        samples[:, :, 3] = 65535
    order = samples if channels == 1 else samples[:, :, [2, 1, 0, 3][:channels]]
    assert cv2.imwrite(str(path), order)
    image = load_image(path)
    expected = np.floor(samples / 257 + 0.5).astype(np.uint8)
    expected = np.stack([expected] * 3, axis=2) if channels == 1 else expected[:, :, :3]
    np.testing.assert_array_equal(image.pixels, expected)
    assert "16 bits rounded to 8" in image.note


def test_16_bit_grey_pgm(tmp_path):
    (tmp_path / "deep.pgm").write_bytes(b"P5 14 9 65535\n" + DEEP[:, :, 0].astype(">u2").tobytes())
    expected = np.floor(DEEP[:, :, :1] / 257 + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(load_image(tmp_path / "deep.pgm").pixels, np.repeat(expected, 3, axis=2))


def png(rows, size, bits, colour_type, transparent=()):
    """Packed rows as PNG of a kind that neither library here writes, as that with a transparent value."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = size
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    hidden = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)) if transparent else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + hidden
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )


def png_16_bit(samples, colour_type, transparent=()):
    """(H, W, C) uint16 samples."""
    return png([row.astype(">u2").tobytes() for row in samples], samples.shape[:2], 16, colour_type, transparent)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_transparent_value_of_a_grey_png_of_few_bits(tmp_path, bits):
    samples = np.arange(64).reshape(8, 8) * 5 % 2**bits
    rows = [int("".join(f"{value:0{bits}b}" for value in row), 2).to_bytes(bits, "big") for row in samples]
    (tmp_path / "grey.png").write_bytes(png(rows, samples.shape, bits, 0, (int(samples[2, 3]),)))
    expected = np.where(samples == samples[2, 3], 255, samples * (255 // (2**bits - 1)))
    image = load_image(tmp_path / "grey.png")
    np.testing.assert_array_equal(image.pixels, np.repeat(expected[..., None], 3, axis=2))
    assert "composited on white" in image.note


def rounded(samples):
    return np.floor(samples / 257 + 0.5).astype(np.uint8)


def test_16_bit_grey_and_alpha(tmp_path):
    (tmp_path / "la.png").write_bytes(png_16_bit(DEEP[:, :, :2], 4))
    expected = np.repeat(on_white(DEEP[:, :, :1], DEEP[:, :, 1], 65535), 3, axis=2)
    np.testing.assert_array_equal(load_image(tmp_path / "la.png").pixels, expected)


def test_16_bit_colour_is_composited_before_it_is_rounded(tmp_path):
    """30712 at an alpha of 30712 is 191.501 of 255 on white; rounded to 120 at 120 before, it would be 191."""
    samples = np.full((4, 4, 4), 30712, np.uint16)
    assert cv2.imwrite(str(tmp_path / "deep.png"), samples)
    image = load_image(tmp_path / "deep.png")
    assert set(image.pixels.ravel()) == {192}
    assert image.note == "16 bits rounded to 8; transparency composited on white"


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_value_of_a_16_bit_png(tmp_path, channels):
    """It counts in all of its bits: what is another value of equal high bytes stays."""
    samples = DEEP[:, :, :channels].copy()
    samples[0, 0], samples[0, 1] = samples[3, 4], samples[3, 4] ^ 1
    path = tmp_path / "deep.png"
    path.write_bytes(png_16_bit(samples, channels - 1, tuple(map(int, samples[3, 4]))))
    expected = rounded(samples) * np.ones((1, 1, 3), np.uint8)
    expected[0, 0] = expected[3, 4] = 255
    image = load_image(path)
    np.testing.assert_array_equal(image.pixels, expected)
    assert "composited on white" in image.note


def test_16_bit_grey_tiff_in_which_0_is_white(tmp_path):
    (tmp_path / "deep.tif").write_bytes(tiff(DEEP[:, :, :1], 0))
    expected = np.repeat(rounded(65535 - DEEP[:, :, :1]), 3, axis=2)
    np.testing.assert_array_equal(load_image(tmp_path / "deep.tif").pixels, expected)


@pytest.mark.parametrize("prefix", [b"II", b"MM"])
def test_a_channel_of_a_16_bit_tiff_that_is_no_alpha_is_left_out(tmp_path, prefix):
    for extra, expected in (
        ((0,), rounded(DEEP[:, :, :3])),
        ((2,), on_white(DEEP[:, :, :3], DEEP[:, :, 3], 65535)),
    ):
        (tmp_path / "deep.tif").write_bytes(tiff(DEEP, 2, extra=extra, prefix=prefix))
        np.testing.assert_array_equal(load_image(tmp_path / "deep.tif").pixels, expected)


@pytest.mark.parametrize(
    ("samples", "options", "words"),
    [
        (DEEP[:, :, :3], {"planar": 2}, "16-bit TIFF with a plane for each channel"),
        (DEEP, {"planar": 2, "extra": (2,)}, "16-bit TIFF with a plane for each channel"),
        (DEEP, {"extra": (1,)}, "16-bit TIFF with premultiplied alpha"),
        (DEEP[:, :, :1], {"bits": 12}, "TIFF with 12 bits a sample"),
    ],
)
def test_tiffs_that_cannot_be_read_in_full_are_refused(tmp_path, samples, options, words):
    (tmp_path / "deep.tif").write_bytes(tiff(samples, 1 if samples.shape[2] == 1 else 2, **options))
    with pytest.raises(BenchError, match=rf"deep\.tif: {words} cannot be read in full; convert it to an 8-bit RGB PNG"):
        load_image(tmp_path / "deep.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(write, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    path = write(RGB, exif=exif)
    image = load_image(path)
    with PIL.Image.open(path) as file:
        np.testing.assert_array_equal(image.pixels, np.asarray(ImageOps.exif_transpose(file)))
    assert image.pixels.flags.c_contiguous
    assert image.note == ("" if orientation == 1 else "EXIF orientation applied")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "rgb"])
def test_a_tiff_is_turned_as_a_png_is(write, tmp_path, orientation, deep, colour):
    samples = (DEEP if deep else DEEP.astype(np.uint8))[:, :, : 3 if colour else 1]
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "photo.tif").write_bytes(tiff(samples, 2 if colour else 1, orientation=orientation))
    image = load_image(tmp_path / "photo.tif")
    rounded = np.floor(samples / (257 if deep else 1) + 0.5).astype(np.uint8)
    upright = load_image(write(rounded[:, :, 0] if not colour else rounded, "upright.png", exif=exif))
    np.testing.assert_array_equal(image.pixels, upright.pixels)
    assert ("EXIF orientation applied" in image.note) == (orientation > 1)


def test_icc_profile_changes_no_pixel(write):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = load_image(write(RGB, icc_profile=profile))
    np.testing.assert_array_equal(image.pixels, RGB)
    assert image.note == "ICC profile ignored"


@pytest.mark.parametrize("name", ["film.gif", "film.png", "film.tif", "film.webp"])
def test_first_frame_of_several(write, name):
    frames = [PIL.Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if name.endswith("webp") else {}
    image = load_image(write(frames[0], name, save_all=True, append_images=frames[1:], **options))
    np.testing.assert_array_equal(image.pixels, np.broadcast_to(np.array([255, 0, 0], np.uint8), (10, 20, 3)))
    assert "first of 3 frames" in image.note


@pytest.mark.parametrize(
    ("mode", "name", "word"),
    [
        ("CMYK", "print.jpg", "CMYK"),
        ("CMYK", "print.tif", "CMYK"),
        ("LAB", "lab.tif", "L*a*b*"),
        ("F", "float.tif", "floating-point"),
        ("I", "int.tif", "32-bit"),
    ],
)
def test_refused_kinds_name_the_file_and_the_way_out(write, mode, name, word):
    path = write(PIL.Image.new(mode, (8, 8)), name)
    with pytest.raises(BenchError) as caught:
        load_image(path)
    sentence = str(caught.value)
    assert name in sentence
    assert word in sentence
    assert "8-bit RGB PNG" in sentence
    assert "\n" not in sentence


def encoded(image_format, size=(64, 48)):
    buffer = io.BytesIO()
    PIL.Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(buffer, image_format)
    return buffer.getvalue()


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_cut_files(tmp_path, image_format, share):
    data = encoded(image_format)
    path = tmp_path / "cut.png"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BenchError, match=r"cut\.png: ") as caught:
        load_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_cut_16_bit_files(tmp_path, ending):
    path = tmp_path / f"cut.{ending}"
    assert cv2.imwrite(str(path), RNG.integers(0, 65536, (64, 48, 3), dtype=np.uint16))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(BenchError, match=r"cut\."):
        load_image(path)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\x00" * 1000], ids=["empty", "text", "png", "zeros"]
)
def test_what_is_no_image(tmp_path, data):
    (tmp_path / "no.png").write_bytes(data)
    with pytest.raises(BenchError, match=r"no\.png: "):
        load_image(tmp_path / "no.png")


def test_missing_and_unreadable(tmp_path):
    with pytest.raises(BenchError, match="no such image file"):
        load_image(tmp_path / "nowhere.png")
    with pytest.raises(BenchError, match="cannot be read"):
        load_image(tmp_path)


def test_a_bomb_is_not_decoded(tmp_path):
    header = b"P6 65000 65000 255\n"
    (tmp_path / "bomb.ppm").write_bytes(header + b"\x00" * 100)
    with pytest.raises(BenchError, match=r"bomb\.ppm: the image has more pixels"):
        load_image(tmp_path / "bomb.ppm")


def test_a_large_image_below_the_limit_is_read_without_a_warning(write, monkeypatch, recwarn):
    path = write(RGB)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)  # 126 pixels: between the warning and the error
    np.testing.assert_array_equal(load_image(path).pixels, RGB)
    assert not recwarn.list
