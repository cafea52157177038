"""A training that goes on: with other options, from a damaged state, and within its schedule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import OPTIONS, TINY, draw_photographs

from baselines.iat.model import IAT
from baselines.training.data import Photographs, load_photographs
from baselines.training.loop import Trainer
from baselines.training.state import restore, save
from bench.codec import BenchError


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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"only": "entropy."}, "was trained with no --only and can't go on with --only entropy.: repeat"),
        ({"lagrangian": 0.01}, "was trained with no --lambda and can't go on with --lambda 0.01: repeat"),
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
