"""What a step of training changes, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_training_systems import TINY as TINY_SYSTEMS
from tiny_training import OPTIONS, TINY, draw_photographs

from baselines.ainn.model import AINN
from baselines.iat.model import IAT
from baselines.training.data import Photographs, load_photographs
from baselines.training.loop import Trainer


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    return load_photographs(draw_photographs(tmp_path_factory.mktemp("data") / "photographs"))


def test_what_decodes_after_a_step_has_its_weights(photographs: Photographs, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trainer = Trainer(IAT(TINY), photographs, photographs, tmp_path, OPTIONS)
    level: Any = trainer.model.transform.levels[3]  # type: ignore[union-attr,index]
    for _ in range(2):
        with torch.no_grad():
            kept = level.mix._inverse_weight().clone()
        trainer.step()
        with torch.no_grad():
            found = level.mix._inverse_weight()
        fresh = torch.linalg.inv(level.mix.weight.detach().double()).float()
        assert not torch.equal(found, kept)
        assert torch.equal(found, fresh)


@pytest.mark.parametrize(("only", "rate_only"), [("entropy.", False), ("entropy.", True), ("", True)])
def test_normalisations_that_are_not_trained_keep_their_statistics(
    only: str, rate_only: bool, photographs: Photographs, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config: Any = TINY_SYSTEMS["ainn"]
    options = replace(OPTIONS, only=only, again=1.0, pool=4, lagrangian=0.01, balance=0.0)
    trainer = Trainer(AINN(config), photographs, photographs, tmp_path, options)

    def statistics() -> list[torch.Tensor]:
        return [value.clone() for key, value in trainer.model.state_dict().items() if "running" in key]

    before = statistics()
    for _ in range(2):  # the second time the pool gets latents that were coded once
        trainer.step(rate_only)
    assert (trainer.pool.coded_once > 0) == rate_only
    assert before
    assert all(map(torch.equal, before, statistics()))
    if not only:
        trainer.step()
        assert not all(map(torch.equal, before, statistics()))  # of what is trained they move


def test_a_step_that_is_skipped_leaves_the_statistics_of_normalisations(
    photographs: Photographs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    config: Any = TINY_SYSTEMS["ainn"]
    trainer = Trainer(AINN(config), photographs, photographs, tmp_path, replace(OPTIONS, lagrangian=0.01, balance=0.0))
    trainer.step()
    batch = trainer._batch
    monkeypatch.setattr(trainer, "_batch", lambda: (batch()[0] * torch.inf, batch()[1]))
    trainer.step()
    assert trainer.skipped == 1
    monkeypatch.undo()
    trainer.step()
    assert trainer.skipped == 1
    assert all(value.isfinite().all() for value in trainer.averaged().values() if value.is_floating_point())
