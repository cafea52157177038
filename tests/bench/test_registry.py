"""Specs and the registry."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from bench import registry
from bench.codec import BenchError, Codec, CodecUnavailable, QualityError, QualityScale
from bench.options import bind, convert
from bench.registry import CodecSpec, Entry, create, parse_spec, parse_specs

HERE = __name__


class Raw(Codec):
    """A third party's codec: the pixels, behind the size."""

    name = "raw"
    quality = QualityScale(0, 1, integer=False, default=0.5)

    def __init__(self, size: int = 4, fast: bool = False, model: str = "", device: str = "cpu") -> None:
        self.size, self.fast, self.model, self.device = size, fast, model, device

    def identity(self) -> dict[str, Any]:
        return {"size": self.size}

    def encode(self, image: np.ndarray, quality: float) -> bytes:
        return np.array(image.shape, "<u4").tobytes() + image.tobytes()

    def decode(self, stream: bytes) -> np.ndarray:
        return np.frombuffer(stream, np.uint8, offset=12).reshape(np.frombuffer(stream, "<u4", 3)).copy()


class Passing(Raw):
    """Its constructor hands options on to the base class."""

    def __init__(self, *, depth: Literal[8, 10] = 8, **options: Any) -> None:
        super().__init__(**options)
        self.depth = depth


class Limited(Raw):
    """A codec with an option that changes no result."""

    without_effect = frozenset({"limit"})

    def __init__(self, limit: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.limit = limit


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    added = {
        "raw": Entry(f"{HERE}:Raw"),
        "raw-8": Entry(f"{HERE}:Raw", {"size": 8}),
        "zoo": Entry(f"{HERE}:Raw", variant="model"),
        "gone": Entry("no_such_package.codec:Gone"),
    }
    monkeypatch.setattr(registry, "BUILTIN", registry.BUILTIN | added)


@pytest.mark.parametrize(
    ("text", "name", "options", "quality"),
    [
        ("jpeg", "jpeg", {}, None),
        (" jpeg ", "jpeg", {}, None),
        ("jpeg:75", "jpeg", {}, 75.0),
        ("iat:0.5", "iat", {}, 0.5),
        ("iat:.5", "iat", {}, 0.5),
        ("jpegxl:9e1", "jpegxl", {}, 90.0),
        ("webp:-1", "webp", {}, -1.0),
        ("webp[method=6]", "webp", {"method": "6"}, None),
        ("jpeg[subsampling=4:4:4; optimize = true]:80", "jpeg", {"subsampling": "4:4:4", "optimize": "true"}, 80.0),
        ("webp[method=a,b]", "webp", {"method": "a,b"}, None),
        ("some.module:Class", "some.module:Class", {}, None),
        ("some.module:Class:0.25", "some.module:Class", {}, 0.25),
        ("some.module:Class[path=/a:b]:3", "some.module:Class", {"path": "/a:b"}, 3.0),
        ("zoo:mbt2018-mean", "zoo:mbt2018-mean", {}, None),
        ("zoo:mbt2018-mean:4", "zoo:mbt2018-mean", {}, 4.0),
    ],
)
@pytest.mark.usefixtures("table")
def test_parse_spec(text: str, name: str, options: dict[str, str], quality: float | None) -> None:
    assert parse_spec(text) == CodecSpec(text.strip(), name, options, quality)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Can't read the codec ''"),
        ("jpeg:", "Quality must be a number, got ''"),
        ("jpeg:high", "Quality must be a number, got 'high'"),
        ("jpeg:75:80", "one quality, got two"),
        ("jpeg:nan", "Quality must be a number, got 'nan'"),
        ("webp[method=6]:best", "Quality must be a number, got 'best'"),
        ("zoo:", "Quality must be a number, got ''"),
        ("jepg", "did you mean jpeg"),
        ("qqqqqq", "Unknown codec 'qqqqqq': python -m bench.codecs lists them all."),
        ("jpeg[", "Can't read the codec"),
        ("jpeg[a=1]b", "Can't read the codec"),
        ("jpeg[]", "Can't read the option"),
        ("jpeg[optimize]", "Can't read the option 'optimize'"),
        ("jpeg[optimize=true;optimize=false]", "Can't read the option 'optimize=false'"),
        ("some.module:2nd", "Unknown codec"),
    ],
)
@pytest.mark.usefixtures("table")
def test_a_malformed_spec_is_refused(text: str, words: str) -> None:
    with pytest.raises(BenchError, match=words.replace("[", r"\[").replace("?", r"\?")):
        parse_spec(text)


def test_parse_specs_splits_outside_brackets() -> None:
    specs = parse_specs("iat, jpeg:75,webp[method=a,b]:80,jpeg:75")
    assert [(spec.name, spec.quality) for spec in specs] == [("iat", None), ("jpeg", 75), ("webp", 80), ("jpeg", 75)]
    with pytest.raises(BenchError, match="Can't read the codec ''"):
        parse_specs("jpeg,,webp")


def test_a_spec_can_be_sent_and_looked_up() -> None:
    spec = parse_spec("webp[method=6]:80")
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert {spec: 1}[parse_spec("webp[method=6]:80")] == 1
    assert spec.label == "webp[method=6]"


@pytest.mark.usefixtures("table")
def test_create_converts_options_and_names_the_codec() -> None:
    codec = create("raw[size=16;fast=yes]:0.5")
    assert (codec.name, codec.size, codec.fast) == ("raw[size=16;fast=yes]", 16, True)  # type: ignore[attr-defined]
    fixed = create("raw-8")
    assert (fixed.name, fixed.size) == ("raw-8", 8)  # type: ignore[attr-defined]
    member = create("zoo:mbt2018-mean:0.1")
    assert (member.name, member.model) == ("zoo:mbt2018-mean", "mbt2018-mean")  # type: ignore[attr-defined]


@pytest.mark.usefixtures("table")
def test_context_reaches_those_who_know_it_and_options_win() -> None:
    context = {"device": "cuda", "timeout": 3}
    assert create("raw", context).device == "cuda"  # type: ignore[attr-defined]
    assert create("raw[device=cpu]", context).device == "cpu"  # type: ignore[attr-defined]
    assert create("jpeg", context).name == "jpeg"


def test_a_class_by_module_keeps_its_own_name() -> None:
    codec = create(f"{HERE}:Raw:0.5")
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert codec.name == "raw"
    assert np.array_equal(codec.decode(codec.encode(image, 0.5)), image)
    assert create(f"{HERE}:Raw[size=2]").name == "raw[size=2]"


def test_options_without_effect_are_no_part_of_the_name() -> None:
    codec = create(f"{HERE}:Limited[size=2;limit=5]")
    assert (codec.name, codec.limit) == ("raw[size=2]", 5)  # type: ignore[attr-defined]
    assert create(f"{HERE}:Limited[limit=5]").name == "raw"
    for text, name in (
        ("vtm[timeout=9;encoder=a;depth=10;decoder=b;cfg=c]", "vtm[depth=10]"),
        ("bpg[encoder=a;timeout=9]", "bpg"),
        ("vvenc[threads=2]", "vvenc"),
        ("ffmpeg-x265-444[program=a;preset=fast]", "ffmpeg-x265-444[preset=fast]"),
        ("avif[speed=4;tune=psnr]", "avif[speed=4;tune=psnr]"),
    ):
        assert create(text).name == name


def test_options_that_a_constructor_passes_on_are_known() -> None:
    codec = create(f"{HERE}:Passing[depth=10;size=3]")
    assert (codec.depth, codec.size) == (10, 3)  # type: ignore[attr-defined]
    with pytest.raises(BenchError, match="depth must be 8 or 10, got '9'"):
        create(f"{HERE}:Passing[depth=9]")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("raw[colour=red]", BenchError, "no option 'colour'; its options are size, fast, model, device"),
        ("raw-8[size=4]", BenchError, "raw-8 fixes size=8"),
        ("raw-8[sise=4]", BenchError, "its options are fast, model, device"),
        ("jpeg2000[a=1]", BenchError, "it has no options"),
        ("raw[size=big]", BenchError, "option size must be a whole number, got 'big'"),
        ("raw[fast=2]", BenchError, "option fast must be true or false, got '2'"),
        ("raw:2", QualityError, "from 0 to 1, got 2"),
        ("jpeg:75.5", QualityError, "whole number"),
        ("gone", CodecUnavailable, "gone can't be imported from no_such_package.codec: No module named"),
        ("no_such_package:Codec", CodecUnavailable, "No module named 'no_such_package'"),
        ("pathlib:Pathway", BenchError, "has no class 'Pathway'"),
        ("collections:OrderedDict", BenchError, "is no codec: it lacks name, quality"),
    ],
)
@pytest.mark.usefixtures("table")
def test_what_cannot_be_created_says_why(text: str, error: type[BenchError], words: str) -> None:
    with pytest.raises(error, match=words):
        create(text)


def test_entry_points_are_codecs_and_cannot_replace_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name, f"{HERE}:Raw", registry.GROUP) for name in ("theirs", "jpeg")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == registry.GROUP else [])
    assert isinstance(create("theirs[size=5]:0.5"), Raw)
    assert not isinstance(create("jpeg"), Raw)
    assert [*registry.entries()][-1] == "theirs"


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("3", int, 3),
        ("3", float, 3.0),
        ("3", int | None, 3),
        ("none", int | None, None),
        ("none", str | None, None),
        ("3", str, "3"),
        ("3", str | int, 3),
        ("False", bool, False),
        ("a/b", Path, Path("a/b")),
        ("slow", Literal["fast", "slow"], "slow"),
        ("x", "Unresolved", "x"),
    ],
)
def test_convert(text: str, annotation: Any, value: Any) -> None:
    found = convert(text, annotation, "option")
    assert found == value
    assert type(found) is type(value)


def test_naming_and_creating_jpeg_does_not_import_torch() -> None:
    code = """
import sys
from bench.registry import create, entries, parse_specs
parse_specs("iat,jpeg:75")
assert "jpeg" in entries()
create("jpeg")
heavy = {"torch", "pillow_heif", "pillow_jxl", "pandas", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("iat-compact", "did you mean the checkpoint iat[checkpoint=iat-compact]? "),
        ("sft-stable", "did you mean the checkpoint sft[checkpoint=sft-stable]? "),
        ("JPEG", "did you mean jpeg or "),
        ("my.codecs.Best", "did you mean my.codecs:Best? "),
    ],
)
def test_what_was_probably_meant(name, hint):
    with pytest.raises(BenchError, match=f"^Unknown codec '{re.escape(name)}': {re.escape(hint)}"):
        parse_spec(name)


class Plain:
    def __init__(self, effort=3, share=0.5, fast=False, label="x", other=None):
        self.given = (effort, share, fast, label, other)


def test_options_without_annotations_get_the_types_of_their_defaults():
    options = {"effort": "2", "share": "1", "fast": "yes", "label": "3", "other": "4"}
    given = Plain(**bind(Plain, "plain", options, {}, {})).given
    assert given == (2, 1.0, True, "3", "4")
    assert bind(Plain, "plain", {"effort": "2.5"}, {}, {}) == {"effort": 2.5}
    with pytest.raises(BenchError, match="plain: option effort must be a whole number or a number, got 'x'"):
        bind(Plain, "plain", {"effort": "x"}, {}, {})


def test_a_codec_that_is_there_needs_no_reason():
    class There(Raw):
        def available(self):
            return True, "install it"

    assert registry.available(There(), "there") == (True, "")
