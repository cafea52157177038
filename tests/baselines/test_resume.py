"""A training that goes on: with other options, from a damaged state, and within its schedule."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import OPTIONS, TINY, draw_photographs, train_tiny

from baselines import train
from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.iat.model import IAT
from baselines.train import main
from baselines.training.data import Photographs, load_photographs
from baselines.training.loop import Trainer
from baselines.training.options import Budget
from baselines.training.state import alone_in, restore, save
from bench.codec import BenchError


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    train_tiny(monkeypatch)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    return load_photographs(draw_photographs(tmp_path_factory.mktemp("data") / "photographs"))


@pytest.fixture
def stopped(photographs: Photographs, tmp_path: Path) -> Trainer:
    """A training of two steps whose state is saved, with latents in its pool."""
    trainer = trainer_of(photographs, tmp_path)
    for rate_only in (False, True):
        trainer.step(rate_only)
    save(trainer)
    return trainer


def trainer_of(photographs: Photographs, folder: Path, **changes: Any) -> Trainer:
    torch.manual_seed(0)
    return Trainer(IAT(TINY), photographs, photographs, folder, replace(OPTIONS, pool=4, **changes))


@pytest.mark.parametrize(("changes", "kept"), [({}, 4), ({"crop": 128}, 0), ({"pool": 8}, 0)], ids=str)
def test_a_pool_of_another_size_begins_empty(
    changes: dict[str, int], kept: int, stopped: Trainer, photographs: Photographs
) -> None:
    assert len(stopped.pool) == 4
    trainer = trainer_of(photographs, stopped.folder)
    trainer = Trainer(trainer.model, photographs, photographs, stopped.folder, replace(trainer.options, **changes))
    restore(trainer)
    assert (trainer.iteration, len(trainer.pool)) == (2, kept)
    for rate_only in (False, True):
        trainer.step(rate_only)
    assert len(trainer.pool) >= trainer.options.batch


def test_another_share_of_own_output_is_that_of_the_pool_soon(photographs: Photographs, tmp_path: Path) -> None:
    trainer = trainer_of(photographs, tmp_path, again=0.0, reuse=1)
    for _ in range(20):
        trainer.step(rate_only=True)
    assert trainer.pool.coded_once == 0
    save(trainer)
    resumed = trainer_of(photographs, tmp_path, again=0.5, reuse=1)
    restore(resumed)
    shares = []
    for _ in range(12):
        resumed.step(rate_only=True)
        shares.append(resumed.pool.coded_once)
    assert shares[-8:] == [0.5] * 8


def test_latents_that_are_not_finite_are_not_learned_from(photographs: Photographs, tmp_path: Path) -> None:
    trainer = trainer_of(photographs, tmp_path)
    trainer.step(rate_only=True)
    kept = trainer.pool.y.clone()
    trainer.pool.add(torch.full_like(kept[:2], float("nan")), torch.zeros(2, 1, 64, 64))
    assert torch.equal(trainer.pool.y, kept)
    broken = trainer_of(photographs, tmp_path)
    with torch.no_grad():
        next(broken.model.parameters()).fill_(float("nan"))
    with pytest.raises(BenchError, match=r"^The latents of these weights are not finite: begin with others"):
        broken.step(rate_only=True)


def test_it_goes_on_with_the_photographs_of_before_alone(
    stopped: Trainer, photographs: Photographs, tmp_path: Path
) -> None:
    other = replace(photographs, digest="0" * 64)
    with pytest.raises(BenchError, match=r"was trained on other photographs than those of --data"):
        restore(Trainer(IAT(TINY), other, other, stopped.folder, replace(OPTIONS, pool=4)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"only": "entropy."}, "was trained with no --only and can't go on with --only entropy.: repeat"),
        ({"lagrangian": 0.01}, "was trained with no --lambda and can't go on with --lambda 0.01: repeat"),
        ({"identity": 100.0}, "was trained with no --identity and can't go on with --identity 100.0: repeat"),
        ({"distortion": "jacobian"}, "was trained with --distortion mse and can't go on with --distortion jacobian"),
    ],
    ids=str,
)
def test_what_a_training_keeps_to_the_end(
    changes: dict[str, Any], said: str, stopped: Trainer, photographs: Photographs
) -> None:
    with pytest.raises(BenchError, match=said):
        restore(trainer_of(photographs, stopped.folder, **changes))


def test_a_damaged_state_is_one_sentence(stopped: Trainer, photographs: Photographs) -> None:
    file = stopped.folder / "state.pt"
    whole = file.read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"no state"):
        file.write_bytes(data)
        with pytest.raises(BenchError, match=r"state\.pt is damaged .* --weights and another --out, or delete"):
            restore(trainer_of(photographs, stopped.folder))


def test_a_damaged_byte_is_noticed(stopped: Trainer, photographs: Photographs) -> None:
    file = stopped.folder / "state.pt"
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 16
    file.write_bytes(whole)
    with pytest.raises(BenchError, match=r"state\.pt is damaged"):
        restore(trainer_of(photographs, stopped.folder))


@pytest.mark.parametrize(
    "changes", [{"weights": 1}, {"optimizer": {}}, {"options": "[]"}, {"history": 3}, None], ids=str
)
def test_what_is_no_state_is_one_sentence(
    changes: dict[str, Any] | None, stopped: Trainer, photographs: Photographs
) -> None:
    file = stopped.folder / "state.pt"
    state = torch.load(file, weights_only=True) | changes if changes and "weights" not in changes else changes
    torch.save([1, 2] if state is None else state, file)
    with pytest.raises(BenchError, match=r"state\.pt is not what a training writes there: delete the file, or choose"):
        restore(trainer_of(photographs, stopped.folder))


def test_the_transform_is_held_back_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Trainer, "evaluate", lambda self: {})
    draw_photographs(tmp_path / "photographs")
    given = ["iat", "--data", "photographs", "--batch", "1", "--crop", "64", "--threads", "1", "--device", "cpu"]
    given += ["--no-bfloat16", "--random-start", "--entropy-extra", "0", "--pool", "1", "--out", "run"]

    def joint(*more: str) -> tuple[int, float]:
        """Steps so far that trained all of the model, and the share of the budget that the card says had none."""
        assert main([*given, *more]) == 0
        state = torch.load("run/state.pt", weights_only=True)
        card = load_checkpoint(Path("run/iat-compact.safetensors"))[1]
        return state["joint"], card["training"]["options"]["entropy_first"]

    assert joint("--iterations", "1") == (0, 0.3)
    assert joint("--iterations", "2", "--resume") == (1, 0.3)  # the transform was not trained yet
    assert joint("--iterations", "2", "--resume") == (3, 0.0)
    assert joint("--iterations", "2", "--resume", "--entropy-first", "0.5") == (4, 0.5)
    assert joint("--iterations", "8", "--finish") == (5, 0.3)  # of which seven were done
    assert joint("--iterations", "8", "--finish") == (5, 0.3)
    with pytest.raises(BenchError, match="not allowed with argument"):
        main([*given, "--iterations", "1", "--resume", "--finish"])


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a training of one step in the folder ``run``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Trainer, "evaluate", lambda self: {})
    draw_photographs(tmp_path / "photographs")
    words = ["iat", "--data", "photographs", "--batch", "1", "--crop", "64", "--threads", "1", "--device", "cpu"]
    return [*words, "--no-bfloat16", "--pool", "1", "--iterations", "1", "--out", "run"]


def test_a_state_is_not_read_while_another_training_may_write_it(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(given) == 0
    monkeypatch.setattr(train, "restore", lambda trainer: pytest.fail("read"))
    for option in ("--resume", "--finish"):
        with alone_in(Path("run")), pytest.raises(BenchError, match="Another training is at work in run: wait"):
            main([*given, option])


def test_a_lock_that_was_taken_away_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that ends takes its lock away, maybe when another one has just opened it."""
    flock = fcntl.flock

    def late(file: Any, how: int) -> None:
        (tmp_path / "run" / "lock").unlink()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(BenchError, match="Another training is at work"), alone_in(tmp_path / "run"):
        pytest.fail("entered")


@pytest.mark.parametrize("options", [[], ["--random-start"], ["--weights", "first.safetensors"]], ids=str)
def test_what_a_training_began_with_outlasts_a_checkpoint_that_was_not_written(
    options: list[str], given: list[str], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    card = {"system": "iat", "config": TINY.to_dict(), "training": {"iterations": 5}}
    save_checkpoint(Path("first.safetensors"), IAT(TINY).state_dict(), card)
    assert main([*given, *options]) == 0
    before = load_checkpoint(Path("run/iat-compact.safetensors"))[1]["training"]
    for file in Path("run").glob("iat-compact.*"):
        file.unlink()
    assert main([*given, *options, "--finish"]) == 0
    after = load_checkpoint(Path("run/iat-compact.safetensors"))[1]["training"]
    assert after["start"] == before["start"] != "not recorded"
    assert after.get("before") == before.get("before")


def test_two_trainings_do_not_share_a_folder(photographs: Photographs, tmp_path: Path) -> None:
    with (
        alone_in(tmp_path / "run"),
        pytest.raises(BenchError, match=r"Another training is at work in .*run: .* by --out\.$"),
        alone_in(tmp_path / "run"),
    ):
        pass
    with alone_in(tmp_path / "run"):
        pass


def test_a_full_disk_ends_nothing_before_the_end(
    photographs: Photographs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0\nmore")

    monkeypatch.setattr(torch, "save", full)
    trainer = Trainer(IAT(TINY), photographs, photographs, tmp_path / "run", OPTIONS)
    written = []
    with pytest.raises(
        BenchError, match=r"state\.pt can't be written: .*unexpected pos 64 vs 0; make room for about 0\.0 GB"
    ):
        trainer.run(Budget(iterations=4), evaluate_every=1e-9, on_evaluation=lambda: written.append(trainer.iteration))
    assert written == [1, 2, 3, 4, 4]
    assert list((tmp_path / "run").glob("state*")) == []
    assert "state.pt can't be written" in capsys.readouterr().out


def test_with_nothing_left_to_do_nothing_is_written(photographs: Photographs, tmp_path: Path) -> None:
    trainer = Trainer(IAT(TINY), photographs, photographs, tmp_path / "run", OPTIONS)
    trainer.run(Budget(iterations=2))
    history = list(trainer.history)
    trainer.run(Budget(iterations=2, iterations_before=2), on_evaluation=lambda: pytest.fail("written"))
    assert trainer.history == history
