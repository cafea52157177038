"""VVC (libvvenc) and HEVC (libx265) through ffmpeg, such as the one inside PyPI's imageio-ffmpeg.

ffmpeg gets raw planes of our own conversion and gives raw planes back. Its own conversions, which change colours and
fall back to 4:2:0 without a word, are switched off, and the form of what it decodes is checked.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from pathlib import Path
from typing import Any, Literal

from baselines.classical import yuv
from baselines.classical.planar import TIMEOUT, PlanarCodec
from baselines.classical.program import Program, version_of
from baselines.classical.vvenc import Preset, check_preset
from baselines.classical.workspace import Workspace
from baselines.classical.x265 import PRESETS
from bench.codec import CodecError, CodecUnavailable, QualityScale

_INSTALL = "imageio-ffmpeg (pip install 'reencode-bench[ffmpeg]'), or an ffmpeg with libvvenc and libx265"


def _bundled() -> str | None:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # not installed, or a wheel without a program
        return None


class FfmpegCodec(PlanarCodec):
    """Base of the codecs inside ffmpeg. Subclasses name the library and its options.

    Args:
        program: path of ffmpeg; otherwise BENCH_FFMPEG, otherwise the one of imageio-ffmpeg, otherwise PATH.
        matrix: Y'CbCr constants.
        timeout: seconds one run may take.
        threads: threads one run may use.
    """

    library: str
    form: str
    decoded = "decoded.y4m"
    without_effect = PlanarCodec.without_effect | {"program"}

    def __init__(
        self, program: str | None = None, *, matrix: yuv.Matrix = "bt709", timeout: float = TIMEOUT, threads: int = 1
    ) -> None:
        super().__init__(program, program, timeout=timeout, threads=threads)
        self.layout = yuv.Layout(matrix, self.layout.chroma, self.layout.depth)

    def __init_subclass__(cls) -> None:
        cls.encoder = cls.decoder = Program(cls.name, "program", "BENCH_FFMPEG", ("ffmpeg",), _INSTALL, _bundled)

    @abstractmethod
    def coding(self, quality: str) -> list[str]:
        """Return the encoder's own options."""

    def find_encoder(self) -> Path:
        path = super().find_encoder()
        if not _has_encoder(path, self.library):
            raise CodecUnavailable(f"{self.name}: {path} was built without {self.library}; install {_INSTALL}.")
        return path

    def version(self, program: Path) -> str:
        return version_of(program, ("-version",), r"ffmpeg version (\S+)")

    def settings(self) -> dict[str, Any]:
        layout = self.layout
        return {"library": self.library, "matrix": layout.matrix, "chroma": layout.chroma, "depth": layout.depth}

    def encode_command(self, encoder: str, quality: str, height: str, width: str) -> list[str]:
        matrix = "bt709" if self.layout.matrix == "bt709" else "smpte170m"
        samples = ["-f", "rawvideo", "-pix_fmt", _PIXEL_FORMATS[self.layout.chroma, self.layout.depth]]
        colour = [
            "-color_range",
            "pc",
            "-colorspace",
            matrix,
            "-color_primaries",
            "bt709",
            "-color_trc",
            "iec61966-2-1",
        ]
        picture = [*samples, "-s", f"{width}x{height}", *colour, "-i", self.source, "-frames:v", "1"]
        threads = ["-threads", str(self.threads)]
        return [
            encoder,
            *_QUIET,
            *picture,
            "-c:v",
            self.library,
            *threads,
            *self.coding(quality),
            "-f",
            self.form,
            self.coded,
        ]

    def decode_command(self, decoder: str, layout: yuv.Layout) -> list[str]:
        given = ["-threads", str(self.threads), "-f", self.form, "-i", self.coded, "-frames:v", "1"]
        return [decoder, *_QUIET, *given, "-strict", "-1", "-f", "yuv4mpegpipe", self.decoded]

    def picture(self, written: bytes, height: int, width: int, layout: yuv.Layout) -> bytes:
        return from_y4m(written, height, width, layout)


_QUIET = ["-v", "error", "-nostdin", "-y", "-noauto_conversion_filters", "-filter_threads", "1"]
_PIXEL_FORMATS = {("444", 8): "yuv444p", ("444", 10): "yuv444p10le", ("420", 10): "yuv420p10le", ("420", 8): "yuv420p"}
_Y4M_FORMS = {("444", 8): "444", ("444", 10): "444p10", ("420", 10): "420p10", ("420", 8): "420jpeg"}


class FfmpegVvenc(FfmpegCodec):
    """VVC by libvvenc, decoded by ffmpeg's own decoder: 4:2:0 at 10 bit, constant QP, no perceptual adaptation.

    ``intraqpoffset=0`` lets an intra picture have the QP that was asked for (by default libvvenc lowers it by 3), and
    ``mtprofile=0`` leaves out the tools for more than four threads, with which the bytes depend on their number.
    ffmpeg has room for 8 bits a pixel of what libvvenc writes, which noise takes at low QPs: these fail.
    """

    name = "ffmpeg-vvenc"
    quality = QualityScale(0, 63, integer=True, default=32, better="low", unit="QP")
    tag = 0xB4
    layout = yuv.Layout("bt709", "420", 10)
    library, form = "libvvenc", "vvc"

    def __init__(self, program: str | None = None, *, preset: Preset = "medium", **options: Any) -> None:
        super().__init__(program, **options)
        self.preset = check_preset(self.name, preset)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "preset": self.preset}

    def coding(self, quality: str) -> list[str]:
        headers = "range=full:intraperiod=1:hrdparameterspresent=0"  # see baselines/classical/vvenc.py
        vvenc = f"{headers}:intraqpoffset=0:mtprofile=0"
        return ["-preset", self.preset, "-qp", quality, "-qpa", "0", "-vvenc-params", vvenc]

    def run(self, command: list[str], workspace: Workspace) -> str:
        try:
            return super().run(command, workspace)
        except CodecError as error:
            if "submitting video frame to the encoder" not in str(error):
                raise
            raise CodecError(
                f"{self.name}: libvvenc failed, perhaps as the image takes more than 8 bits a pixel at this QP, for "
                f"which ffmpeg has no room: use a higher QP ({error})"
            ) from error


class FfmpegX265(FfmpegCodec):
    """HEVC by libx265 in 4:4:4, constant QP; ``FfmpegX265In420`` is the same in 4:2:0.

    ``ipratio=1`` lets an intra picture have the QP that was asked for (by default x265 lowers it by 3), and ``info=0``
    leaves out the text of some hundred bytes in which x265 describes itself.

    Args:
        tune: what x265 optimises; ``"psnr"`` switches its psychovisual tools off.
        depth: bits of the samples that go in and come out; x265 computes with the same.
    """

    name = "ffmpeg-x265-444"
    quality = QualityScale(0, 51, integer=True, default=28, better="low", unit="QP")
    tag = 0xB5
    layout = yuv.Layout("bt709", "444", 8)
    library, form = "libx265", "hevc"

    def __init__(
        self,
        program: str | None = None,
        *,
        preset: str = "slower",
        tune: Literal["psnr", "ssim", "none"] = "psnr",
        depth: yuv.Depth = 8,
        **options: Any,
    ) -> None:
        super().__init__(program, **options)
        if preset not in PRESETS:
            raise CodecError(f"{self.name}: preset must be one of {', '.join(PRESETS)}, got {preset!r}.")
        if tune not in ("psnr", "ssim", "none"):
            raise CodecError(f"{self.name}: tune must be psnr, ssim or none, got {tune!r}.")
        self.preset, self.tune = preset, tune
        self.layout = yuv.Layout(self.layout.matrix, self.layout.chroma, depth)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "preset": self.preset, "tune": self.tune}

    def coding(self, quality: str) -> list[str]:
        tune = [] if self.tune == "none" else ["-tune", self.tune]
        x265 = "info=0:log-level=error:pools=none:frame-threads=1:wpp=0:ipratio=1"
        return ["-preset", self.preset, *tune, "-qp", quality, "-x265-params", x265]


class FfmpegX265In420(FfmpegX265):
    """The same in 4:2:0, as most pipelines have it."""

    name = "ffmpeg-x265"
    tag = 0xBB
    layout = yuv.Layout("bt709", "420", 8)


def from_y4m(data: bytes, height: int, width: int, layout: yuv.Layout) -> bytes:
    """Return the raw picture of a YUV4MPEG2 file of one frame; raise ValueError where size or form differ."""
    header, _, rest = data.partition(b"\n")
    words = header.decode("ascii", "replace").split(" ")
    found = {word[:1]: word[1:] for word in reversed(words[1:]) if word}
    expected = {"W": str(width), "H": str(height), "C": _Y4M_FORMS[layout.chroma, layout.depth]}
    if words[0] != "YUV4MPEG2" or any(found.get(key) != value for key, value in expected.items()):
        raise ValueError(f"expected {' '.join(k + v for k, v in expected.items())}, got {header[:80]!r}")
    frame, _, picture = rest.partition(b"\n")
    if not frame.startswith(b"FRAME"):
        raise ValueError("there is no frame")
    return picture


@functools.lru_cache(maxsize=16)
def _has_encoder(path: Path, library: str) -> bool:
    return version_of(path, ("-hide_banner", "-h", f"encoder={library}"), r"Encoder (\S+) \[") == library
