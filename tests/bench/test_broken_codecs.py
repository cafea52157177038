"""Codecs of one's own that are broken: one sentence that says what they did, in a run and in the list of codecs."""

from __future__ import annotations

import functools
import json
import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pngs import save_png

from bench import reencode, registry, run
from bench.cli import call
from bench.codecs import main as list_codecs
from bench.runner import run_tasks

MODULE = """
import sys
from bench.codec import Codec, QualityScale

class Whole(Codec):
    name = "whole"
    quality = QualityScale(low=1, high=9, integer=True, default=5)
    def identity(self):
        return {"versions": "1.0", "programs": ["mine"]}
    def encode(self, image, quality):
        return bytes(image.shape[:2]) + image.tobytes()
    def decode(self, stream):
        import numpy
        return numpy.frombuffer(stream, "u1", offset=2).reshape(stream[0], stream[1], 3)

class Constructor(Whole):
    def __init__(self, effort: "sys.no_such_thing" = 1):
        raise ValueError("effort is\\nwhat?")

class Leaves(Whole):
    def __init__(self):
        sys.exit("I leave.")

class Needs(Whole):
    def __init__(self, weights):
        pass

class Name(Whole):
    name = None

class Quality(Whole):
    quality = 50

class Words(Whole):
    quality = QualityScale(low="1", high="9", integer=True, default="5")

class Property(Whole):
    @property
    def quality(self):
        raise KeyError("scale")

class Available(Whole):
    def available(self):
        return True

class Identity(Whole):
    def identity(self):
        raise OSError("no weights")

class NotJson(Whole):
    def identity(self):
        return {"options": {1, 2}}

class NotANumber(Whole):
    def identity(self):
        return {"loss": float("nan")}

class NoDict(Whole):
    def identity(self):
        return "1.0"

class Exits(Whole):
    name = "exits"
    def encode(self, image, quality):
        sys.exit(5)

class Memory(Whole):
    name = "hungry"
    def memory_needed(self, height, width):
        raise KeyError("size")

class Far(Whole):
    quality = QualityScale(1, 9, integer=True, default=50)

class Taken(Whole):
    name = "jpeg"

class Silent(Whole):
    def available(self):
        return False, None

class Hint(Whole):
    name = "hinting"
    def rate_hint_id(self):
        sys.exit("no card")
"""

BROKEN = {
    "synt:X": "synt:X: the module synt raised SyntaxError: invalid syntax (synt.py, line 1).",
    "gone:X": "gone:X: the module gone raised SystemExit: 3 (gone.py:1).",
    "lacks:X": "lacks:X can't be imported: cannot import name 'nothing' from 'json'",
    "mine:Constructor": "mine:Constructor: its constructor raised ValueError: effort is what? (mine.py:",
    "mine:Leaves": "mine:Leaves: its constructor raised SystemExit: I leave (mine.py:",
    "mine:Needs": "mine:Needs: its constructor raised TypeError: Needs.__init__() missing 1 required positional",
    "math:hypot": "math:hypot: its constructor raised ValueError: no signature found for builtin",
    "mine:Name": "mine:Name: its name must be text, got None.",
    "mine:Quality": "mine:Quality: its quality must be a bench.codec.QualityScale of numbers, got 50.",
    "mine:Words": "mine:Words: its quality must be a bench.codec.QualityScale of numbers, got QualityScale(low='1'",
    "mine:Property": "mine:Property: looking at its attributes raised KeyError: 'scale' (mine.py:",
    "mine:Available": "mine:Available: available() raised TypeError: cannot unpack non-iterable bool object.",
    "mine:Identity": "mine:Identity: identity() raised OSError: no weights (mine.py:",
    "mine:NotJson": "mine:NotJson: identity() must return a dict of JSON values: Object of type set is not JSON",
    "mine:NotANumber": "mine:NotANumber: identity() must return a dict of JSON values: Out of range float values",
    "mine:Far": "mine:Far: its default quality must be from 1 to 9, got 50.",
    "mine:Silent": "available() does not say why",
    "mine:NoDict": "mine:NoDict: identity() must return a dict of JSON values: got str.",
}


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with these modules and an image."""
    modules = {"mine": MODULE, "synt": "def :", "gone": "raise SystemExit(3)", "lacks": "from json import nothing"}
    for name, source in modules.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    save_png(tmp_path / "one.png", np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    return tmp_path


def code(codec: str, *more: str) -> int:
    argv = ["--codec", codec, "--dataset", "one.png", "--generations", "2", "--out", "run", *more]
    return call(reencode.main, argv)


@pytest.mark.parametrize("name", BROKEN)
def test_a_run_says_what_is_broken_and_leaves_with_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(name) == 2
    said = capsys.readouterr().err
    assert BROKEN[name] in said
    assert said.count("\n") == 1
    assert not Path("run").exists()


def test_a_broken_entry_point_is_a_row_among_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [EntryPoint(f"their-{target.replace(':', '-')}", target, registry.GROUP) for target in BROKEN]
    points += [EntryPoint("a[b", "mine:Whole", registry.GROUP), EntryPoint("noclass", "", registry.GROUP)]
    points += [EntryPoint("whole", "mine:Whole", registry.GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    monkeypatch.setattr(registry, "BUILTIN", {"jpeg": registry.BUILTIN["jpeg"]})
    assert call(list_codecs, ["--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == {"jpeg", *(point.name for point in points)}
    assert {name for name, row in rows.items() if row["available"]} == {"jpeg", "whole"}
    for target, sentence in BROKEN.items():
        if not target.startswith("lacks"):
            assert sentence.partition(": ")[2] in rows[f"their-{target.replace(':', '-')}"]["reason"]
    assert call(list_codecs, []) == 0
    said = capsys.readouterr().out
    assert "why not: their-mine-Constructor: its constructor raised ValueError: effort is what? (mine.py:" in said
    assert "whole " in said


def test_one_that_exits_is_a_failed_generation_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("mine:Exits,mine:Whole") == 1
    said = capsys.readouterr()
    line = 1 + MODULE.splitlines().index("        sys.exit(5)")
    assert f"Failed: exits, quality 5, on one: encode raised SystemExit: 5 (mine.py:{line}).\n" in said.err
    assert "Left out on every image of one: exits, quality 5, which failed." in said.out
    assert "encode raised" not in said.out
    table = pd.read_parquet(Path("run") / "generations.parquet")
    assert set(table[table["codec"] == "whole"]["status"]) == {"ok"}
    assert "failed" in set(table[table["codec"] == "exits"]["status"])


def test_a_dry_run_says_that_one_exits_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("mine:Exits,mine:Whole", "--dry-run") == 1
    said = capsys.readouterr().out
    line = 1 + MODULE.splitlines().index("        sys.exit(5)")
    assert f"exits, quality:5: the probe failed: exits: encode raised SystemExit: 5 (mine.py:{line})." in said
    assert "To do: 2 chains" in said


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Memory", "hungry: memory_needed() raised KeyError: 'size'"),
        ("Hint", "hinting: rate_hint_id() raised SystemExit: no card"),
    ],
)
def test_what_is_asked_before_coding_fails_in_a_sentence(
    name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code(f"mine:{name}") == 2
    assert re.fullmatch(rf"{re.escape(sentence)} \(mine\.py:\d+\)\.\n", capsys.readouterr().err)
    assert Path("run").exists() == (name == "Memory")


def test_a_class_can_not_take_the_name_of_a_codec_of_the_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("mine:Taken") == 2
    said = "mine:Taken: 'jpeg' is a codec of the suite; give the class a name of its own.\n"
    assert capsys.readouterr().err == said


def test_what_is_not_there_is_not_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("mine:Exits", "--snapshots", "none") == 1
    said = capsys.readouterr().out
    assert said.endswith("Everything is in run: run.json, generations.parquet, generations.csv, chains/.\n")
