"""Averages of two checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.average import main
from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.iat.config import COMPACT
from bench.codec import BenchError

TRAINING = {"iterations": 10, "images_seen": 80, "minutes": 1.5}


def saved(path: Path, value: float, config: object = None) -> str:
    card = {"system": "iat", "config": config or COMPACT.to_dict(), "training": TRAINING}
    save_checkpoint(path, {"a": torch.full((3,), value), "n": torch.tensor(4)}, card)
    return str(path)


def test_the_average_and_its_card(tmp_path: Path) -> None:
    one, other = saved(tmp_path / "one.safetensors", 1.0), saved(tmp_path / "other.safetensors", 5.0)
    assert main([one, other, "--share", "0.25", "--out", str(tmp_path / "both.safetensors")]) == 0
    tensors, card, _ = load_checkpoint(tmp_path / "both.safetensors")
    assert tensors["a"].tolist() == [2.0] * 3
    assert int(tensors["n"]) == 4
    assert card["training"]["images_seen"] == 160
    assert card["training"]["before"] == TRAINING
    assert card["training"]["average"].startswith("0.75 of the weights of one.safetensors (sha256 ")
    assert "trained on from these" not in card["training"]["average"]
    assert json.loads((tmp_path / "both.json").read_text()) == card


@pytest.mark.parametrize("name", ["both.json", "both", "iat-0.5"])
def test_the_file_it_writes_is_called_as_one_is(name: str, tmp_path: Path) -> None:
    one = saved(tmp_path / "one.safetensors", 1.0)
    with pytest.raises(BenchError, match=rf"^--out names a \.safetensors file, got .*{name}\.$"):
        main([one, one, "--share", "0.5", "--out", str(tmp_path / name)])
    assert not (tmp_path / name).exists()


def test_the_card_says_where_the_second_was_trained_on_from_the_first(tmp_path: Path) -> None:
    one = saved(tmp_path / "one.safetensors", 1.0)
    start = f"the weights of one.safetensors (sha256 {load_checkpoint(Path(one))[2][:16]}), with a fresh optimiser"
    card = {"system": "iat", "config": COMPACT.to_dict(), "training": TRAINING | {"start": start}}
    save_checkpoint(tmp_path / "more.safetensors", {"a": torch.ones(3), "n": torch.tensor(4)}, card)
    more = str(tmp_path / "more.safetensors")
    assert main([one, more, "--share", "0.5", "--out", str(tmp_path / "both.safetensors")]) == 0
    assert load_checkpoint(tmp_path / "both.safetensors")[1]["training"]["average"].endswith("trained on from these")


def test_an_average_of_a_part_leaves_the_rest_as_in_the_first(tmp_path: Path) -> None:
    for name, value in (("one", 1.0), ("other", 5.0)):
        tensors = {"transform.a": torch.full((3,), value), "entropy.b": torch.full((2,), value)}
        card = {"system": "iat", "config": COMPACT.to_dict(), "training": TRAINING}
        save_checkpoint(tmp_path / f"{name}.safetensors", tensors, card)
    argv = [str(tmp_path / f"{name}.safetensors") for name in ("one", "other")]
    argv += ["--share", "1", "--out", str(tmp_path / "both.safetensors"), "--only"]
    assert main([*argv, "transform."]) == 0
    tensors, card, _ = load_checkpoint(tmp_path / "both.safetensors")
    assert tensors["transform.a"].tolist() == [5.0] * 3
    assert tensors["entropy.b"].tolist() == [1.0] * 2
    assert card["training"]["average"].endswith(" in transform.")
    with pytest.raises(BenchError, match="--only decoder: nothing in this model is called so"):
        main([*argv, "decoder"])
    with pytest.raises(BenchError, match=r"--only transform\.,: expected names between the commas, got an empty one"):
        main([*argv, "transform.,"])


def test_what_can_not_be_averaged(tmp_path: Path) -> None:
    one = saved(tmp_path / "one.safetensors", 1.0)
    other = saved(tmp_path / "other.safetensors", 5.0, replace(COMPACT, context=False).to_dict())
    with pytest.raises(BenchError, match="not of one configuration"):
        main([one, other, "--share", "0.25", "--out", str(tmp_path / "both.safetensors")])
    with pytest.raises(BenchError, match="between 0 and 1"):
        main([one, one, "--share", "2", "--out", str(tmp_path / "both.safetensors")])


def test_a_card_without_a_system_or_a_training(tmp_path: Path) -> None:
    path, out = Path(saved(tmp_path / "one.safetensors", 1.0)), str(tmp_path / "both.safetensors")
    tensors, card, _ = load_checkpoint(path)
    save_checkpoint(path, tensors, {key: value for key, value in card.items() if key != "training"})
    assert main([str(path), str(path), "--share", "0.25", "--out", out]) == 0
    training = load_checkpoint(Path(out))[1]["training"]
    assert training.keys() == {"average", "before", "in_all"}
    save_checkpoint(path, tensors, {key: value for key, value in card.items() if key != "system"})
    with pytest.raises(BenchError, match=r"The card in .*one\.safetensors does not say which system it is of"):
        main([str(path), str(path), "--share", "0.25", "--out", out])
