"""More than 8 bits a sample in JPEG 2000, PPM and AVIF, against arithmetic on what ffmpeg was given to write."""

import io
import subprocess

import cv2
import numpy as np
import PIL.Image
import pytest

from bench.boxes import MainPicture, main_picture
from bench.codec import BenchError
from bench.images import load_image

H, W = 40, 64


@pytest.fixture
def ffmpeg(tmp_path):
    """Write raw samples with ffmpeg and return the path."""
    program = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()

    def write(samples, pixels, name, *options):
        raw = ["-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{W}x{H}", "-i", "-"]
        command = [program, "-v", "error", *raw, "-frames:v", "1", *options, str(tmp_path / name)]
        subprocess.run(command, input=samples.astype("<u2").tobytes(), check=True, capture_output=True)
        return tmp_path / name

    return write


def deep(bits, channels):
    """Random (H, W, channels) samples, with rows of the largest value and of 0."""
    samples = np.random.default_rng(bits).integers(0, 1 << bits, (H, W, channels))
    samples[0], samples[1] = (1 << bits) - 1, 0
    return samples


def rounded(samples, bits):
    return np.floor(samples.astype(float) * 255 / ((1 << bits) - 1) + 0.5).astype(np.uint8)


def on_white(samples, bits):
    peak = (1 << bits) - 1
    alpha = samples[:, :, 3:] / peak
    return rounded(samples[:, :, :3] * alpha + peak * (1 - alpha), bits)


def planes(samples):
    """Green, blue and red, one after the other, as ffmpeg's gbrp takes them."""
    return samples[:, :, [1, 2, 0]].transpose(2, 0, 1)


@pytest.mark.parametrize("name", ["deep.jp2", "deep.j2k"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_jpeg_2000_colour_is_read_in_all_of_its_bits(ffmpeg, bits, name):
    samples = deep(bits, 3)
    raw, pixels = (samples, "rgb48le") if bits == 16 else (planes(samples), f"gbrp{bits}le")
    kind = ["-c:v", "libopenjpeg", *(["-format", "j2k"] if name.endswith("j2k") else [])]
    image = load_image(ffmpeg(raw, pixels, name, *kind))
    np.testing.assert_array_equal(image.pixels, rounded(samples, bits))
    assert image.note == f"{bits} bits rounded to 8"


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_jpeg_2000_grey_is_read_in_all_of_its_bits(ffmpeg, bits):
    samples = deep(bits, 1)
    image = load_image(ffmpeg(samples, f"gray{bits}le", "deep.jp2", "-c:v", "libopenjpeg"))
    np.testing.assert_array_equal(image.pixels, np.repeat(rounded(samples, bits), 3, axis=2))
    assert image.note == f"{bits} bits rounded to 8; grey"


def test_jpeg_2000_with_alpha_is_composited_at_its_depth(ffmpeg):
    samples = deep(16, 4)
    image = load_image(ffmpeg(samples, "rgba64le", "deep.jp2", "-c:v", "libopenjpeg"))
    np.testing.assert_array_equal(image.pixels, on_white(samples, 16))
    samples[:, :, 3] = 65535
    image = load_image(ffmpeg(samples, "rgba64le", "opaque.jp2", "-c:v", "libopenjpeg"))
    np.testing.assert_array_equal(image.pixels, rounded(samples[:, :, :3], 16))
    assert image.note == "16 bits rounded to 8; opaque alpha dropped"


def test_jpeg_2000_of_opencv(tmp_path):
    """No ffmpeg needed: a white of 16 bits is white."""
    samples = deep(16, 3).astype(np.uint16)
    assert cv2.imwrite(str(tmp_path / "deep.jp2"), samples[:, :, ::-1], [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    image = load_image(tmp_path / "deep.jp2")
    assert np.abs(image.pixels.astype(int) - rounded(samples, 16)).max() <= 1
    assert (image.pixels[0] == 255).all()


@pytest.mark.parametrize(
    ("pixels", "channels", "words"),
    [
        ("yuv444p10le", 3, "read in RGB or grey only"),
        ("ya16le", 2, "16 bits a sample and these channels cannot be read in full"),
    ],
)
def test_deep_jpeg_2000_that_cannot_be_read_is_refused_by_one_sentence(ffmpeg, capfd, pixels, channels, words):
    path = ffmpeg(deep(10, channels), pixels, "deep.jp2", "-c:v", "libopenjpeg")
    with pytest.raises(BenchError, match=rf"deep\.jp2: JPEG 2000 of .*{words}; convert it to an 8-bit RGB PNG"):
        load_image(path)
    assert capfd.readouterr().err == ""  # of OpenCV


def test_deep_jpeg_2000_with_channels_that_differ_is_refused(ffmpeg):
    path = ffmpeg(deep(12, 3), "gbrp12le", "deep.jp2", "-c:v", "libopenjpeg")
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\x4f\xff\x51") + 45] = 7  # the second component has 8 bits
    path.write_bytes(data)
    with pytest.raises(BenchError, match="all of its channels have as many"):
        load_image(path)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_cut_deep_jpeg_2000(ffmpeg, share):
    path = ffmpeg(deep(16, 3), "rgb48le", "cut.jp2", "-c:v", "libopenjpeg")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BenchError, match=r"cut\.jp2: "):
        load_image(path)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_ppm_tells_its_bits(tmp_path, bits, channels):
    samples = deep(bits, channels)
    head = f"P{5 if channels == 1 else 6} {W} {H} {(1 << bits) - 1}\n".encode()
    (tmp_path / "deep.ppm").write_bytes(head + samples.astype(">u2").tobytes())
    image = load_image(tmp_path / "deep.ppm")
    np.testing.assert_array_equal(image.pixels, rounded(samples, bits) * np.ones((1, 1, 3), np.uint8))
    assert image.note == f"{bits} bits rounded to 8" + ("; grey" if channels == 1 else "")


def test_avif_tells_its_bits_and_its_colour(ffmpeg):
    still = ["-c:v", "libaom-av1", "-still-picture", "1", "-cpu-used", "8"]
    samples = planes(deep(10, 3))
    plain = ["-vf", "setparams=colorspace=bt709:color_primaries=bt709:color_trc=iec61966-2-1"]
    assert load_image(ffmpeg(samples, "yuv444p10le", "ten.avif", *still, *plain)).note == "10 bits reduced to 8"
    wide = ["-vf", "setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084"]
    image = load_image(ffmpeg(samples, "yuv444p10le", "pq.avif", *still, *wide))
    assert image.note == "10 bits reduced to 8; PQ, BT.2020 taken as sRGB"


def test_avif_of_8_bits_has_no_note():
    file = io.BytesIO()
    PIL.Image.new("RGB", (16, 16), "red").save(file, "AVIF")
    found = main_picture(file.getvalue())
    assert (found.bits, found.turned, found.colour_note()) == (8, False, "")
    for end in range(0, len(file.getvalue()), 3):
        assert isinstance(main_picture(file.getvalue()[:end]), MainPicture)
