"""Bases that a file can't lean on are refused before anything is measured or written."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
import torch

from baselines import ship
from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.iat.config import COMPACT
from bench.codec import BenchError

CARD = {"system": "iat", "config": COMPACT.to_dict()}


def never(*_: object) -> NoReturn:
    raise AssertionError("measured, for a file that can't be loaded")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["trained/whole.safetensors", "--base", "whole.safetensors", "--into", "."], "written over its own --base"),
        (
            ["trained/whole.safetensors", "--base", "part.safetensors", "--into", ".", "--name", "new"],
            "name that or another whole one",
        ),
        (
            ["trained/whole.safetensors", "--base", "whole.safetensors", "--into", "other"],
            "must lie in the folder",
        ),
    ],
    ids=["itself", "leans on another", "elsewhere"],
)
def test_a_base_that_can_not_be_leaned_on(
    argv: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ship, "load_model", never)
    tensors = {"a": torch.ones(3)}
    save_checkpoint(Path("whole.safetensors"), tensors, CARD)
    save_checkpoint(Path("part.safetensors"), tensors, CARD, {}, Path("whole.safetensors"))
    save_checkpoint(Path("trained/whole.safetensors"), tensors, CARD)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    with pytest.raises(BenchError, match=said):
        ship.main(argv)
    target = Path(argv[4]) / f"{argv[6] if '--name' in argv else 'whole'}.safetensors"
    with pytest.raises(BenchError, match=said):
        save_checkpoint(target, tensors, CARD, {}, Path(argv[2]))
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
    assert load_checkpoint(Path("part.safetensors"))[0].keys() == tensors.keys()
