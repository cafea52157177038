"""Options of ``python -m baselines.train`` that mean nothing are refused in a sentence, others do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_training_systems import TINY as TINY_SYSTEMS
from tiny_training import draw_photographs

import baselines.iat.config
import baselines.xie.config
from baselines.train import main
from bench.codec import BenchError


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(baselines.iat.config.PRESETS, "compact", TINY_SYSTEMS["iat"])
    monkeypatch.setitem(baselines.xie.config.PRESETS, "compact", TINY_SYSTEMS["xie"])
    draw_photographs(tmp_path / "photographs")
    given = ["--data", "photographs", "--batch", "1", "--crop", "64", "--threads", "1", "--iterations", "1"]
    return [*given, "--device", "cpu", "--no-bfloat16"]


@pytest.mark.parametrize("only", ["entropy.,", ",entropy.", "entropy.,,transform.", ","])
def test_an_empty_name_does_not_mean_everything(only: str, arguments: list[str]) -> None:
    with pytest.raises(BenchError, match=f"--only {only}: expected names between the commas, got an empty one"):
        main(["iat", *arguments, "--random-start", "--only", only])
