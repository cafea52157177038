"""The real programs, where they are found: equal to the same command by hand, any size, bit-exact, complete streams."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from baselines.classical import ffmpeg
from baselines.classical.bpg import Bpg
from baselines.classical.envelope import unwrap
from baselines.classical.ffmpeg import FfmpegVvenc, FfmpegX265, FfmpegX265In420
from baselines.classical.ffmpeg_aom import FfmpegAom, FfmpegAom444
from baselines.classical.ffmpeg_x264 import FfmpegX264
from baselines.classical.vtm import Vtm
from baselines.classical.vvenc import Vvenc
from bench.codec import CodecError

CODECS = {
    "bpg": Bpg(),
    "bpg-420": Bpg(chroma="420"),
    "vtm": Vtm(),
    "vtm-10": Vtm(depth=10),
    "vvenc": Vvenc(preset="faster"),
    "ffmpeg-vvenc": FfmpegVvenc(preset="faster"),
    "ffmpeg-aom": FfmpegAom(),
    "ffmpeg-aom-444": FfmpegAom444(tune="iq", speed=8),
    "ffmpeg-x264": FfmpegX264(preset="fast"),
    "ffmpeg-x265": FfmpegX265In420(preset="fast"),
    "ffmpeg-x265-444": FfmpegX265(preset="fast"),
    "ffmpeg-x265-444-10": FfmpegX265(preset="fast", depth=10, matrix="bt601"),
}


@pytest.fixture(params=CODECS)
def codec(request):
    codec = CODECS[request.param]
    available, reason = codec.available()
    if not available:
        pytest.skip(reason)
    return codec


def need(codec):
    available, reason = codec.available()
    if not available:
        pytest.skip(reason)
    return codec


def picture(height, width):
    """Smooth greys and colours with some noise: chroma that survives 4:2:0."""
    rng = np.random.default_rng(height * 1000 + width)
    y, x = np.mgrid[:height, :width]
    luma = 128 + 60 * np.sin(x / 5 + y / 7) + rng.normal(0, 4, (height, width))
    tint = 30 * np.sin(x / 40 + np.array([0, 2, 4])[:, None, None])
    return np.moveaxis(luma + tint, 0, -1).clip(0, 255).astype(np.uint8)


def psnr(one, two):
    return 10 * np.log10(255**2 / max(np.mean((one.astype(float) - two) ** 2), 1e-9))


def planes_by_hand(image, depth=8):
    """BT.709 full range, written out once more."""
    peak = 2**depth - 1
    r, g, b = np.moveaxis(image.astype(np.float64) / 255, -1, 0)
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    planes = np.stack([y * peak, (b - y) / 1.8556 * peak + (peak + 1) / 2, (r - y) / 1.5748 * peak + (peak + 1) / 2])
    return np.clip(np.floor(planes + 0.5 + 1e-9), 0, peak).astype(np.uint8 if depth == 8 else "<u2")


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (1, 40), (40, 1), (33, 47)], ids=str)
def test_any_size_comes_back(codec, size):
    image = picture(*size)
    stream = codec.encode(image, 20)
    decoded = codec.decode(stream)
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    assert psnr(decoded, image) > 32
    assert codec.encode(image, 20) == stream
    np.testing.assert_array_equal(codec.decode(stream), decoded)


@pytest.mark.parametrize("name", ["ffmpeg-aom", "ffmpeg-aom-444"])
def test_av1_codes_images_wider_than_one_of_its_tiles(name):
    codec = need(CODECS[name])
    image = np.zeros((16, 4200, 3), np.uint8)
    image[:, 2000:] = 200
    assert psnr(codec.decode(codec.encode(image, 30)), image) > 30


def test_quality_scale(codec):
    image = picture(24, 32)
    points = []
    for qp in (codec.quality.low, 16, 32, codec.quality.high):
        stream = codec.encode(image, qp)
        points.append((len(stream), psnr(codec.decode(stream), image)))
    assert points == sorted(points, reverse=True)


def test_decodes_in_a_fresh_process_with_other_options(codec, tmp_path):
    image = picture(33, 50)
    stream = codec.encode(image, 30)
    (tmp_path / "stream").write_bytes(stream)
    kind = type(codec)
    text = (
        f"import sys; from {kind.__module__} import {kind.__name__} as Kind\n"
        f"open(sys.argv[2], 'wb').write(Kind().decode(open(sys.argv[1], 'rb').read()).tobytes())"
    )
    subprocess.run([sys.executable, "-c", text, tmp_path / "stream", tmp_path / "pixels"], check=True)
    decoded = np.frombuffer((tmp_path / "pixels").read_bytes(), np.uint8).reshape(image.shape)
    np.testing.assert_array_equal(decoded, codec.decode(stream))


def test_input_is_not_changed(codec):
    image = picture(16, 24)
    before = image.copy()
    image.flags.writeable = False
    codec.decode(codec.encode(image[:, ::-1], 40))
    np.testing.assert_array_equal(image, before)


def test_identity_names_programs_and_commands(codec):
    identity = codec.identity()
    assert set(identity["commands"]) == {"encode", "decode"}
    for role, finder in (("encoder", codec.find_encoder), ("decoder", codec.find_decoder)):
        program = identity["programs"][role]
        digest = subprocess.run(["sha256sum", finder()], capture_output=True, text=True, check=True).stdout.split()[0]
        assert program["sha256"] == digest
        assert any(character.isdigit() for character in program["version"])
    assert not any(os.sep in command for command in identity["commands"].values()), "paths of this machine"


def test_bpg_equals_bpgenc_by_hand(tmp_path):
    codec = need(Bpg())
    image = picture(48, 64)
    Image.fromarray(image).save(tmp_path / "in.png")
    line = ["-q", "32", "-f", "444", "-c", "ycbcr", "-b", "8", "-o", "out.bpg", "in.png"]
    subprocess.run([codec.find_encoder(), *line], cwd=tmp_path, check=True)
    subprocess.run([codec.find_decoder(), "-o", "out.png", "out.bpg"], cwd=tmp_path, check=True)
    stream = codec.encode(image, 32)
    assert unwrap(codec.tag, stream, "bpg").payload == (tmp_path / "out.bpg").read_bytes()
    np.testing.assert_array_equal(codec.decode(stream), np.asarray(Image.open(tmp_path / "out.png")))


def test_vtm_equals_encoder_app_by_hand(tmp_path):
    codec = need(Vtm())
    image = picture(32, 40)
    planes_by_hand(image).tofile(tmp_path / "in.yuv")
    line = ["-c", codec.find_cfg(), "-i", "in.yuv", "-wdt", "40", "-hgt", "32", "-fr", "1", "-f", "1", "-q", "27"]
    line += ["--InputChromaFormat=444", "--InputBitDepth=8", "--InternalBitDepth=10", "-b", "out.bin", "-o", "rec.yuv"]
    subprocess.run([codec.find_encoder(), *line], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert unwrap(codec.tag, codec.encode(image, 27), "vtm").payload == (tmp_path / "out.bin").read_bytes()


def test_vvenc_equals_vvencapp_by_hand(tmp_path):
    codec = need(Vvenc(preset="faster"))
    y, cb, cr = planes_by_hand(np.repeat(picture(32, 40)[..., :1], 3, axis=2), 10)
    (tmp_path / "in.yuv").write_bytes(y.tobytes() + cb[::2, ::2].tobytes() + cr[::2, ::2].tobytes())
    line = "-i in.yuv -s 40x32 -c yuv420_10 -f 1 --preset faster -q 27 --qpa 0 --range full --intraperiod 1 -hrd 0"
    line += " --additional intraqpoffset=0 -t 1 -o out.266"
    subprocess.run([codec.find_encoder(), *line.split()], cwd=tmp_path, check=True)
    stream = codec.encode(np.repeat(picture(32, 40)[..., :1], 3, axis=2), 27)
    assert unwrap(codec.tag, stream, "vvenc").payload == (tmp_path / "out.266").read_bytes()


@pytest.mark.parametrize(
    ("make", "form", "pixels"),
    [
        (lambda: FfmpegX265(preset="fast"), "hevc", "yuv444p(pc, bt709"),
        (lambda: FfmpegX265In420(preset="fast", depth=10), "hevc", "yuv420p10le(pc, bt709"),
        (lambda: FfmpegX264(preset="fast"), "h264", "yuvj420p(pc, bt709"),
        (lambda: FfmpegVvenc(preset="fast"), "vvc", "yuv420p10le(pc, bt709"),
        (FfmpegAom, "obu", "yuv420p(pc, smpte170m"),
        (FfmpegAom444, "obu", "yuv444p(pc, smpte170m"),
    ],
    ids=["x265", "x265-420-10", "x264", "vvenc", "aom", "aom-444"],
)
def test_ffmpeg_codes_in_the_form_it_claims(make, form, pixels, tmp_path):
    """What ffmpeg itself says of the stream: chroma format, full range, matrix."""
    codec = need(make())
    (tmp_path / "stream").write_bytes(unwrap(codec.tag, codec.encode(picture(64, 64), 30), codec.name).payload)
    line = [codec.find_decoder(), "-hide_banner", "-f", form, "-i", tmp_path / "stream", "-f", "null", "-"]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stderr
    assert pixels in said


@pytest.mark.parametrize(
    ("make", "form"), [(FfmpegX265, "hevc"), (FfmpegVvenc, "vvc"), (Vvenc, "vvc")], ids=["x265", "vvenc", "vvencapp"]
)
@pytest.mark.parametrize("qp", [0, 32, 51])
def test_the_picture_has_the_qp_that_was_asked_for(make, form, qp, tmp_path):
    """What ffmpeg reads in the stream's headers, where H.265 and H.266 give the QP of a slice in two parts."""
    codec, ffmpeg = need(make(preset="faster")), need(FfmpegX265()).find_decoder()
    (tmp_path / "stream").write_bytes(unwrap(codec.tag, codec.encode(picture(64, 64), qp), codec.name).payload)
    line = [ffmpeg, "-v", "trace", "-f", form, "-i", tmp_path / "stream", "-c", "copy", "-bsf:v", "trace_headers"]
    said = subprocess.run([*line, "-f", "null", "-"], capture_output=True, text=True, check=True).stderr
    initial = re.findall(r"\b(?:pps_)?init_qp_minus26\s.*= (-?\d+)", said)
    change = re.findall(r"\b(?:slice|ph|sh)_qp_delta\s.*= (-?\d+)", said)
    assert 26 + int(initial[-1]) + int(change[-1]) == qp


@pytest.mark.parametrize("qp", [1, 28, 51])
def test_the_picture_of_x264_has_the_qp_that_was_asked_for_and_no_message(qp, tmp_path):
    codec = need(FfmpegX264(preset="faster"))
    (tmp_path / "stream").write_bytes(unwrap(codec.tag, codec.encode(picture(64, 64), qp), codec.name).payload)
    line = [codec.find_decoder(), "-v", "trace", "-f", "h264", "-i", tmp_path / "stream", "-c", "copy"]
    line += ["-bsf:v", "trace_headers", "-f", "null", "-"]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stderr
    (initial,) = {int(value) for value in re.findall(r"\bpic_init_qp_minus26\s.*= (-?\d+)", said)}
    changes = {int(value) for value in re.findall(r"\bslice_qp_delta\s.*= (-?\d+)", said)}
    assert {26 + initial + change for change in changes} == {qp}
    assert b"x264 - core" not in (tmp_path / "stream").read_bytes()


def test_ffmpeg_says_of_vvc_that_it_has_room_for_8_bits_a_pixel():
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    with pytest.raises(CodecError, match=r"ffmpeg-vvenc: libvvenc failed, perhaps .* 8 bits a pixel .* higher QP \("):
        need(FfmpegVvenc(preset="faster")).encode(noise, 0)


def test_ffmpeg_does_not_fall_back_to_420(monkeypatch):
    """libvvenc has no 4:4:4: without the switch in our command line ffmpeg would convert and say nothing."""
    codec = need(FfmpegVvenc(preset="faster"))
    codec.layout = FfmpegX265.layout
    with pytest.raises(CodecError, match=r"ffmpeg-vvenc: ffmpeg.* failed"):
        codec.encode(picture(64, 64), 30)
    monkeypatch.setattr(ffmpeg, "_QUIET", ["-v", "error", "-y"])
    fallen_back = codec.encode(picture(64, 64), 30)
    with pytest.raises(CodecError, match=r"expected W64 H64 C444, got b'YUV4MPEG2 W64 H64 .* C420p10"):
        codec.decode(fallen_back)


@pytest.mark.parametrize("threads", [2, 8, 16])
@pytest.mark.parametrize(
    ("make", "options"),
    [(FfmpegVvenc, {"preset": "faster"}), (FfmpegX265, {"preset": "faster"}), (Vvenc, {"preset": "faster"}),
     (FfmpegAom, {}), (FfmpegX264, {})],
    ids=["ffmpeg-vvenc", "ffmpeg-x265-444", "vvenc", "ffmpeg-aom", "ffmpeg-x264"],
)  # fmt: skip
def test_threads_change_neither_the_stream_nor_the_identity(make, options, threads):
    """VVenC by itself takes other tools from 5, 7 and 9 threads on."""
    image = picture(128, 160)
    one, many = need(make(**options)), make(**options, threads=threads)
    stream = one.encode(image, 30)
    assert many.encode(image, 30) == stream
    np.testing.assert_array_equal(many.decode(stream), one.decode(stream))
    assert many.identity() == one.identity()
    assert many.threads == threads
