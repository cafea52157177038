"""Codecs that are not built in: their source is part of what identifies them, and edited code is coded anew."""

from __future__ import annotations

import functools
import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pngs import save_png

from bench import reencode, run
from bench.chain_state import codec_id, identity_id
from bench.cli import call
from bench.own_code import CLASS, SOURCES, is_built_in, source_hashes, whole_identity
from bench.registry import BUILTIN, create
from bench.runner import run_tasks
from bench.task import forget_codecs

BASE = """
import numpy
from bench.codec import Codec, QualityScale

class Base(Codec):
    name = "mine"
    quality = QualityScale(low=1, high=9, integer=True, default=5)
    lost = 1
    def identity(self):
        return {"version": "1"}
    def encode(self, image, quality):
        return bytes(image.shape[:2]) + (image | self.lost).tobytes()
    def decode(self, stream):
        return numpy.frombuffer(stream, "u1", offset=2).reshape(stream[0], stream[1], 3)
"""
CODEC = """
from mybase import Base

class Mine(Base):
    pass
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a codec in two modules, and an image."""
    save_png(tmp_path / "one.png", np.arange(300, dtype=np.uint8).reshape(10, 10, 3) & 0xF0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    save(monkeypatch, BASE, CODEC)
    return tmp_path


def save(monkeypatch: pytest.MonkeyPatch, base: str, codec: str) -> None:
    """Write the modules, as for a process that has not imported them yet."""
    for name, text in (("mybase", base), ("mycodec", codec)):
        Path(f"{name}.py").write_text(text, encoding="utf-8")
        for cached in Path("__pycache__").glob(f"{name}.*"):
            cached.unlink()
        monkeypatch.delitem(sys.modules, name, raising=False)
    forget_codecs()


def coded(*more: str) -> float:
    arguments = ["--codec", "mycodec:Mine", "--dataset", "one.png", "--generations", "1", "--out", "run", *more]
    assert call(reencode.main, arguments) == 0
    return pd.read_parquet(Path("run", "generations.parquet"))["mse"].iloc[0]


@pytest.mark.parametrize("edited", ["the class", "its base class"])
def test_edited_code_is_coded_again(
    edited: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert coded() == 1
    assert "1 to code" in capsys.readouterr().out
    save(monkeypatch, BASE, CODEC)
    assert coded() == 1
    assert "0 to code" in capsys.readouterr().out
    if edited == "the class":
        save(monkeypatch, BASE, CODEC.replace("pass", "lost = 3"))
    else:
        save(monkeypatch, BASE.replace("lost = 1", "lost = 3"), CODEC)
    assert coded() == 9
    assert "1 to code" in capsys.readouterr().out


def test_a_table_of_the_codec_before_it_was_edited_is_not_replaced_silently(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether the version is raised or not, and whatever options that change no table."""
    second = BASE.replace('"version": "1"', '"version": "2"')
    new = "since the table in run was made; its old chains are kept but are not in the new table."
    for base, more, said in (
        (BASE, [], None),
        (second, [], f"mine has changed (version: 1 → 2) {new}\n"),
        (second, ["--jobs=1"], None),
        (second + "# a word more", ["--jobs", "1"], f"mine has changed (source of mybase) {new}\n"),
        (BASE, ["--codec-timeout", "9"], f"mine has changed (version: 2 → 1) {new}\n"),
    ):
        save(monkeypatch, base, CODEC)
        coded(*more)
        printed = capsys.readouterr().out
        assert said is None or said in printed
        assert ("has changed" in printed) == (said is not None)
        assert "was that of another command" not in printed


def test_of_an_edited_codec_another_command_is_not_said_to_make_the_table_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    coded("--quality", "3")
    save(monkeypatch, BASE, CODEC.replace("pass", "lost = 3"))
    Path("run", "run.json").write_text("no JSON")  # and who the codec was is not known any more
    capsys.readouterr()
    coded("--quality", "4")
    printed = capsys.readouterr().out
    assert "mine has changed since the table in run was made; its old chains are kept but are not in the" in printed
    assert "was that of another command" not in printed  # which is not known either
    save(monkeypatch, BASE, CODEC)
    coded("--quality", "3")
    printed = capsys.readouterr().out
    assert "mine has changed (source of mycodec) since" in printed
    assert "was that of another command and is replaced; its chains are kept: python -m bench.reencode" in printed


def test_classes_of_one_file_that_say_the_same_of_themselves_are_two_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    save(monkeypatch, BASE, CODEC + "class Other(Mine):\n    lost = 3\n")
    arguments = ["--codec", "mycodec:Mine,mycodec:Other", "--dataset", "one.png", "--generations", "1", "--out", "run"]
    assert call(reencode.main, arguments) == 0
    assert sorted(pd.read_parquet(Path("run", "generations.parquet"))["mse"]) == [1, 9]


def test_whose_source_counts() -> None:
    """The class's and that of a base class beside it; bench.codec's and the library's do not."""
    codec = create("mycodec:Mine")
    hashes = {name: hashlib.sha256(Path(f"{name}.py").read_bytes()).hexdigest() for name in ("mybase", "mycodec")}
    assert whole_identity(codec) == {"version": "1", SOURCES: hashes, CLASS: "mycodec:Mine"}
    assert not is_built_in(codec)
    Path("mycodec.py").write_text("changed while it runs")
    assert dict(source_hashes(type(codec))) == hashes


def test_an_installed_class_counts_its_installed_bases_do_not(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = desk / "site-packages"
    packages.mkdir()
    for name in ("mybase", "mycodec"):
        Path(f"{name}.py").rename(packages / f"{name}.py")
    monkeypatch.syspath_prepend(str(packages))
    assert [name for name, _ in source_hashes(type(create("mycodec:Mine")))] == ["mycodec"]


def test_a_class_without_a_file_has_no_source() -> None:
    made: dict[str, object] = {"__name__": "typed"}
    exec(BASE, made)
    codec = made["Base"]()  # type: ignore[operator]
    assert whole_identity(codec) == {"version": "1"}


@pytest.mark.parametrize("name", ["jpeg", "jpeg-444", "null", "iat", "sft", "baselines.classical.jpeg:JPEGCodec"])
def test_built_in_codecs_keep_their_identity(name: str) -> None:
    codec = create(name)
    assert is_built_in(codec)
    assert whole_identity(codec) == codec.identity()
    assert codec_id(codec) == identity_id(codec.name, codec.identity())


def test_every_registered_codec_is_built_in() -> None:
    assert {entry.target.partition(".")[0] for entry in BUILTIN.values()} == {"baselines"}


HIDDEN = """
import numpy
from bench.codec import Codec, QualityScale

class Keeps(Codec):
    '''Keeps the image to itself.'''
    name = "keeps"
    quality = QualityScale(low=1, high=9, integer=True, default=5)
    made = 0
    def __init__(self):
        type(self).made += 1
    def identity(self):
        return {}
    def encode(self, image, quality):
        self.image = image
        return b"x"
    def decode(self, stream):
        return self.image

class Sums(Keeps):
    '''Adds what was encoded before.'''
    name = "sums"
    before = numpy.zeros((10, 10, 3), "u1")
    def encode(self, image, quality):
        self.before = image
        return image.tobytes()
    def decode(self, stream):
        return numpy.frombuffer(stream, "u1").reshape(10, 10, 3) | self.before[::-1]

class Once(Keeps):
    '''There can be only one.'''
    name = "once"
    def __init__(self):
        super().__init__()
        if self.made > 1:
            raise OSError("the device is taken")

class Chance(Sums):
    name = "chance"
    deterministic = False

class Empty(Keeps):
    name = "empty"
    def encode(self, image, quality):
        self.image = image
        return b""

class Honest(Sums):
    name = "honest"
    def decode(self, stream):
        return numpy.frombuffer(stream, "u1").reshape(10, 10, 3)

class Dithers(Honest):
    '''Noise without a seed, nothing of which is said.'''
    name = "dithers"
    def encode(self, image, quality):
        return numpy.random.default_rng().integers(0, 256, image.shape, "u1").tobytes()

class SaysSo(Dithers):
    name = "says so"
    deterministic = False

class First(Honest):
    '''Only the first instance can encode.'''
    name = "first"
    calls = 0
    def encode(self, image, quality):
        if type(self).calls:
            raise OSError("the device is taken")
        type(self).calls += 1
        return super().encode(image, quality)
"""
ONLY = "decode may use nothing but the bytes."
REASONS = {
    "Keeps": f"keeps: another instance can't decode this stream (decode raised AttributeError: 'Keeps' object has no "
    f"attribute 'image' (hidden.py:18)): {ONLY}",
    "Sums": f"sums: another instance decodes this stream to other pixels: {ONLY}",
    "Once": "once: another instance can't decode this stream (hidden:Once: its constructor raised OSError",
    "Empty": "empty: encode returned an empty stream.",
    "Dithers": "dithers: encode gave another stream the second time: set deterministic = False in the class if that is "
    "meant.",
    "First": "first: another instance can't encode this image "
    "(encode raised OSError: the device is taken (hidden.py:69)): "
    "encode may use nothing but its arguments.",
}


def hidden(monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[int, pd.DataFrame]:
    Path("hidden.py").write_text(HIDDEN, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "hidden", raising=False)
    save(monkeypatch, BASE, CODEC)
    chains = ["--chain" if len(names) > 1 else "--codec", ",".join(f"hidden:{name}" for name in names)]
    code = call(reencode.main, [*chains, "--dataset", "one.png", "--generations", "3", "--out", "run"])
    return code, pd.read_parquet(Path("run", "generations.parquet")).sort_values("generation", ignore_index=True)


@pytest.mark.parametrize("name", REASONS)
def test_a_codec_that_needs_more_than_its_arguments_fails(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, table = hidden(monkeypatch, name)
    assert code == 1
    assert list(table["status"]) == ["failed", "not_reached", "not_reached"]
    assert table["reason"][0].startswith(REASONS[name])


def test_one_more_instance_codes_and_no_third(monkeypatch: pytest.MonkeyPatch) -> None:
    code, table = hidden(monkeypatch, "Honest")
    assert code == 0
    assert list(table["mse"]) == [0] * 3
    assert sys.modules["hidden"].Honest.made == 2


@pytest.mark.parametrize("name", ["Chance", "SaysSo"])
def test_chance_is_not_asked_twice(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hidden(monkeypatch, name)[0] == 0
    assert getattr(sys.modules["hidden"], name).made == 1


def test_each_codec_of_a_hand_over_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    code, table = hidden(monkeypatch, "Honest", "Sums")
    assert code == 1
    assert list(table["status"]) == ["ok", "failed", "not_reached"]
    assert table["reason"][1] == REASONS["Sums"]
