"""Codecs whose programs are missing, crash, hang, or write something else: one sentence each, and no wrong picture."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from baselines.classical.bpg import Bpg
from baselines.classical.envelope import Envelope, wrap
from baselines.classical.ffmpeg import FfmpegVvenc, FfmpegX265, from_y4m
from baselines.classical.ffmpeg_aom import FfmpegAom, FfmpegAom444
from baselines.classical.ffmpeg_x264 import FfmpegX264
from baselines.classical.vtm import Vtm
from baselines.classical.vvenc import Vvenc
from baselines.classical.yuv import Layout
from bench.codec import BitstreamError, CodecError, CodecUnavailable, QualityError

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8)
CODECS = [Bpg, Vtm, Vvenc, FfmpegVvenc, FfmpegX265]
VARIABLES = [
    "BENCH_BPGENC",
    "BENCH_BPGDEC",
    "BENCH_VTM_ENCODER",
    "BENCH_VTM_DECODER",
    "BENCH_VTM_CFG",
    "BENCH_VVENCAPP",
    "BENCH_VVDECAPP",
    "BENCH_FFMPEG",
]


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def program(tmp_path):
    """Make a fake program; ``{OUT}`` in its text is the file after -b or -o that it is to write."""

    def make(text, name="coder"):
        path = tmp_path / name
        path.write_text('#!/bin/sh\nfor OUT in "$@"; do :; done\n' + text)
        path.chmod(0o755)
        return str(path)

    return make


def fake_vtm(program, tmp_path, encoder="exit 0", decoder="exit 0", **options):
    """VTM with programs of our own; they find their files by the names that the codec gives them."""
    cfg = tmp_path / "encoder_intra_vtm.cfg"
    cfg.write_text("# nothing\n")
    return Vtm(program(encoder, "enc"), program(decoder, "dec"), str(cfg), **options)


@pytest.mark.parametrize("make", CODECS, ids=lambda make: make.name)
def test_missing_program(make, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    codec = make("/nowhere/program")
    available, reason = codec.available()
    assert not available
    assert "BENCH_" in reason
    assert "install" in reason
    assert "\n" not in reason
    for use in (lambda: codec.encode(IMAGE, 30), codec.identity):
        with pytest.raises(CodecUnavailable, match=r"/nowhere/program \(option \w+\) is not an executable file"):
            use()


def test_missing_configuration_of_vtm(program):
    codec = Vtm(program(""), program(""))
    available, reason = codec.available()
    assert not available
    assert "BENCH_VTM_CFG" in reason
    with pytest.raises(CodecUnavailable, match="option cfg"):
        codec.encode(IMAGE, 30)


def test_configuration_is_found_beside_the_encoder(program, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "cfg").mkdir()
    (tmp_path / "cfg" / "encoder_intra_vtm.cfg").write_text("# nothing\n")
    codec = Vtm(program("", "bin/EncoderApp"), program("", "bin/DecoderApp"))
    assert codec.available() == (True, "")
    assert codec.find_cfg() == tmp_path / "cfg" / "encoder_intra_vtm.cfg"


def test_ffmpeg_without_the_library(program):
    codec = FfmpegVvenc(program("echo 'Codec libvvenc is not recognized by FFmpeg.'; exit 0"))
    available, reason = codec.available()
    assert not available
    assert "built without libvvenc" in reason
    with pytest.raises(CodecUnavailable, match="built without libvvenc"):
        codec.encode(IMAGE, 30)


def test_an_ffmpeg_that_is_slow_at_first_does_not_lack_the_library(program, tmp_path, monkeypatch):
    """As from a cold network file system; what it waits for goes with it, and it is asked again."""
    monkeypatch.setattr("baselines.classical.program.PATIENCE", 1.0)
    warm, pid = tmp_path / "warm", tmp_path / "pid"
    first = f"[ -e {warm} ] || {{ touch {warm}; sleep 300 & echo $! > {pid}; wait; }}\n"
    codec = FfmpegVvenc(program(first + "echo 'Encoder libvvenc [h266]:'"))
    available, reason = codec.available()
    assert not available
    assert "did not answer within 1 s" in reason
    assert "built without" not in reason
    assert codec.available() == (True, "")
    with suppress(FileNotFoundError):  # gone, or a zombie, which has no command line
        assert not Path(f"/proc/{pid.read_text().strip()}/cmdline").read_bytes()


def test_crash(program, tmp_path):
    codec = fake_vtm(program, tmp_path, encoder="kill -SEGV $$")
    with pytest.raises(CodecError, match=r"vtm: enc was ended by signal 11 \(SIGSEGV\)"):
        codec.encode(IMAGE, 30)
    with pytest.raises(CodecError, match=r"bpg: enc was ended by signal 11"):
        Bpg(program("kill -SEGV $$", "enc")).encode(IMAGE, 30)


def test_hang(program, tmp_path):
    codec = fake_vtm(program, tmp_path, encoder="sleep 300", timeout=0.3)
    with pytest.raises(CodecError, match=r"vtm: enc did not finish within 0\.3 s and was stopped"):
        codec.encode(IMAGE, 30)


def test_full_disk(program, tmp_path):
    codec = fake_vtm(program, tmp_path, encoder="cat source.yuv > /dev/full")
    with pytest.raises(CodecError, match=r"vtm: enc failed with exit status 1: .*No space left on device"):
        codec.encode(IMAGE, 30)


@pytest.mark.parametrize("written", ["", "echo garbage > coded.bin", ": > coded.bin"])
def test_encoder_writes_something_else(program, tmp_path, written):
    codec = fake_vtm(program, tmp_path, encoder=written or "exit 0")
    with pytest.raises(CodecError, match="vtm: enc reported success but wrote no"):
        codec.encode(IMAGE, 30)


def test_bpgenc_writes_something_else(program):
    with pytest.raises(CodecError, match="bpg: enc reported success but wrote no BPG file"):
        Bpg(program("echo garbage > coded.bpg", "enc")).encode(IMAGE, 30)


@pytest.mark.parametrize("written", ["head -c 100 /dev/zero", "head -c 3841 /dev/zero"])
def test_decoder_writes_something_else(program, tmp_path, written):
    codec = fake_vtm(program, tmp_path, decoder=f"{written} > decoded.yuv")
    stream = wrap(Vtm.tag, Envelope(Layout().code, 20, 40, b"\0\0\1"))
    with pytest.raises(
        CodecError, match=r"vtm: dec wrote something else than the picture: expected 3840 bytes"
    ) as raised:
        codec.decode(stream)
    assert not isinstance(raised.value, BitstreamError)


@pytest.mark.parametrize(
    "head", ["P6\\n40 21\\n255\\n", "P6\\n40 20\\n65535\\n", "P5\\n40 20\\n255\\n", "P6\\n40 20\\n255\\nx"]
)
def test_bpgdec_writes_something_else(program, head):
    codec = Bpg(None, program(f"(printf '{head}'; head -c 2400 /dev/zero) > decoded.ppm", "dec"))
    with pytest.raises(CodecError, match="bpg: dec wrote something else than a PPM of 40x20"):
        codec.decode(wrap(Bpg.tag, Envelope(0, 20, 40, b"BPG\xfb")))


def test_bpgdec_that_does_its_work(program):
    codec = Bpg(None, program("(printf 'P6\\n32 2\\n255\\n'; head -c 192 /dev/zero) > decoded.ppm", "dec"))
    decoded = codec.decode(wrap(Bpg.tag, Envelope(0, 2, 5, b"BPG\xfb")))
    assert decoded.shape == (2, 5, 3)
    assert not decoded.any()


@pytest.mark.parametrize("make", CODECS, ids=lambda make: make.name)
def test_damaged_and_foreign_streams_reach_no_program(make, monkeypatch):
    monkeypatch.setattr("baselines.classical.planar.run", None)
    layout = 0 if make is Bpg else Layout("bt709", "420", 10).code
    stream = wrap(make.tag, Envelope(layout, 5, 5, b"payload"))
    damaged = stream[:8] + b"!" + stream[9:]
    for bad in (b"", b"\xff\xd8\xff\xe0 a JPEG file", stream[:-1], stream + b"\0", damaged):
        with pytest.raises(BitstreamError, match=make.name):
            make().decode(bad)


def test_unknown_layout_is_a_damaged_stream():
    with pytest.raises(BitstreamError, match="layout"):
        Vtm().decode(wrap(Vtm.tag, Envelope(0x7F, 5, 5, b"payload")))


@pytest.mark.parametrize("make", CODECS, ids=lambda make: make.name)
@pytest.mark.parametrize("quality", [-1, 64, 30.5, float("nan")])
def test_quality_off_the_scale(make, quality):
    with pytest.raises(QualityError, match=make.name):
        make().encode(IMAGE, quality)


def test_options_are_checked():
    for call, message in (
        (lambda: Bpg(chroma="422"), "bpg: chroma must be one of 444, 420"),
        (lambda: Bpg(level=10), "bpg: level must be"),
        (lambda: Vtm(internal_depth=9), "vtm: internal_depth"),
        (lambda: Vtm(depth=10, internal_depth=8), "vtm: internal_depth"),
        (lambda: Vvenc(preset="placebo"), "vvenc: preset must be one of faster"),
        (lambda: FfmpegX265(preset="quick"), "ffmpeg-x265-444: preset must be one of"),
        (lambda: FfmpegAom(speed=9), "ffmpeg-aom: speed must be a whole number from 0 to 8, got 9"),
        (lambda: FfmpegAom444(tune="best"), "ffmpeg-aom-444: tune must be one of iq, psnr, ssim, got 'best'"),
        (lambda: FfmpegX265(tune="grain"), "ffmpeg-x265-444: tune must be"),
        (lambda: FfmpegX264(preset="quick"), "ffmpeg-x264: preset must be one of ultrafast"),
        (lambda: FfmpegX264(tune="grain"), "ffmpeg-x264: tune must be psnr, ssim, stillimage or none, got 'grain'"),
        (lambda: Bpg(timeout=0), "bpg: timeout must be more than 0"),
        (lambda: Bpg(timeout=float("inf")), r"bpg: timeout must be .* at most \d+ seconds, got inf"),
        (lambda: Bpg(timeout=float("nan")), "bpg: timeout must be more than 0"),
        (lambda: Vvenc(threads=0), "vvenc: threads must be at least 1"),
    ):
        with pytest.raises(CodecError, match=message):
            call()


@pytest.mark.parametrize("form", ["C420p10 XYSCSS=420P10", "C422", "Cmono", ""])
def test_another_chroma_format_is_refused(form):
    data = f"YUV4MPEG2 W8 H4 F25:1 Ip A1:1 {form} XCOLORRANGE=FULL\nFRAME\n".encode() + bytes(96)
    with pytest.raises(ValueError, match="C444"):
        from_y4m(data, 4, 8, Layout("bt709", "444", 8))


def test_y4m_is_read():
    data = b"YUV4MPEG2 W8 H4 F25:1 Ip A1:1 C444 XYSCSS=444 XCOLORRANGE=FULL\nFRAME\n" + bytes(range(96))
    assert from_y4m(data, 4, 8, Layout("bt709", "444", 8)) == bytes(range(96))
    with pytest.raises(ValueError, match="frame"):
        from_y4m(data[: data.index(b"FRAME")], 4, 8, Layout("bt709", "444", 8))
