"""`python -m bench.codecs`."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from bench import registry
from bench.cli import call
from bench.codecs import as_text, main


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: registry.BUILTIN[name] for name in ("jpeg", "jpeg-444", "jpeg2000", "heic", "null")}
    monkeypatch.setattr(registry, "BUILTIN", few | {"gone": registry.Entry("no_such_package.codec:Gone")})
    monkeypatch.setattr(registry, "entry_points", lambda group: [])


def rows(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, dict]:
    assert call(main, ["--json", *argv]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_json_holds_everything(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys)
    assert [*found] == ["jpeg", "jpeg-444", "jpeg2000", "heic", "null", "gone"]
    jpeg = found["jpeg"]
    assert jpeg["available"]
    assert jpeg["reason"] == ""
    scale = {"low": 1, "high": 100, "integer": True, "default": 75, "better": "high", "unit": "quality"}
    assert jpeg["quality"] == scale
    assert jpeg["options"] == {"subsampling": "4:2:0", "optimize": False, "progressive": False}
    assert jpeg["identity"]["versions"]["libjpeg-turbo"]
    assert found["jpeg-444"]["options"] == {"optimize": False, "progressive": False}  # what the name fixes is no option


def test_a_codec_that_is_missing_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    found = rows(capsys)
    assert call(main, ["heic", "null"]) == 1
    assert "pip install" in capsys.readouterr().out
    assert not found["heic"]["available"]
    assert "pip install" in found["heic"]["reason"]
    assert found["heic"]["quality"]["high"] == 100
    assert not found["gone"]["available"]
    assert "no_such_package" in found["gone"]["reason"]
    assert found["gone"]["quality"] is None


def test_the_table_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(main, []) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.split()[:2] == ["jpeg", "yes"] and "quality 1 to 100, default 75, high is better" in line for line in lines
    )
    assert any(line.split()[:2] == ["jpeg2000", "yes"] and "bpp 0.01 to 24, continuous" in line for line in lines)
    assert any(line.split()[:2] == ["gone", "NO"] for line in lines)
    assert any("options: subsampling=4:2:0; optimize=false" in line for line in lines)
    assert max(map(len, lines)) < 250


def test_the_table_tells_how_long_weights_were_trained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    assert call(main, ["iat", "xie", "jpeg"]) == 0
    told = [line.strip() for line in capsys.readouterr().out.splitlines() if "training:" in line]
    assert told == [
        "training: 442 minutes in all, last on AMD EPYC",
        "training: 136 to 144 minutes in all, last on x86_64",
    ]


@pytest.mark.parametrize("training", ["long", 3, {"in_all": "long"}, {"in_all": {"minutes": None}}, [None]])
def test_a_codec_of_ones_own_may_tell_of_its_training_in_other_words(training: Any) -> None:
    row = {"name": "mine", "available": True, "reason": "", "quality": None, "options": {}}
    assert "training" not in as_text([row | {"identity": {"training": training}}])


def test_specs_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "jpeg[optimize=true]", "null")
    assert [*found] == ["jpeg[optimize=true]", "null"]
    assert found["jpeg[optimize=true]"]["identity"]["settings"]["optimize"] is True
    assert found["jpeg[optimize=true]"]["options"]["optimize"] is True
    assert found["jpeg[optimize=true]"]["options"]["subsampling"] == "4:2:0"


def test_an_unknown_name_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(main, ["jpgg"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "did you mean jpeg" in error
