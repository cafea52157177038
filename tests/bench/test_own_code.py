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
from bench.own_code import SOURCES, is_built_in, source_hashes, whole_identity
from bench.registry import BUILTIN, create
from bench.runner import run_tasks

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
    from bench.task import make_codec

    make_codec.cache_clear()


def coded() -> float:
    arguments = ["--codec", "mycodec:Mine", "--dataset", "one.png", "--generations", "1", "--out", "run"]
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


def test_whose_source_counts() -> None:
    """The class's and that of a base class beside it; bench.codec's and the library's do not."""
    codec = create("mycodec:Mine")
    hashes = {name: hashlib.sha256(Path(f"{name}.py").read_bytes()).hexdigest() for name in ("mybase", "mycodec")}
    assert whole_identity(codec) == {"version": "1", SOURCES: hashes}
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
