"""What a card says a checkpoint cost in all is the sum of its trainings, each counted once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from baselines.learned.files import SHIPPED
from baselines.training.effort import total


def part(minutes: float, before: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"minutes": minutes, "iterations": 10 * minutes} | ({"before": before} if before else {}) | more


def test_an_average_counts_both_of_its_own_once() -> None:
    first = part(60, part(20))
    average = part(60 + 30, first, average="0.5 of each")  # of the first and another, from the same beginning
    assert total(average) == {"iterations": 1100, "minutes": 110}
    assert total(part(5, average)) == {"iterations": 1150, "minutes": 115}
    again = part(90 + 15, average, average="0.8 of the last")
    assert total(again) == {"iterations": 1250, "minutes": 125}


def test_a_count_that_one_training_does_not_tell_is_left_out() -> None:
    assert total(part(5, {"minutes": 7})) == {"minutes": 12}
    assert total(part(5, {"start": "the authors' file"})) == {"iterations": 50, "minutes": 5}


@pytest.mark.parametrize("card", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_shipped_cards_tell_it(card: Any) -> None:
    training = json.loads(card.read_text())["training"]
    assert training["total"] == total(training)
    assert training["total"]["minutes"] >= training["minutes"]


def test_that_of_the_default_is_what_its_page_says() -> None:
    long, compact = (json.loads((SHIPPED / f"{name}.json").read_text()) for name in ("iat-long", "iat-compact"))
    assert long["training"]["total"]["minutes"] - compact["training"]["total"]["minutes"] == pytest.approx(314, abs=0.5)
    assert "314 minutes in all" in (SHIPPED / "README.md").read_text()
