"""What a checkpoint's training took, as its card tells: the last step, and all that came before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTS = ("iterations", "images_seen", "minutes")
"""What adds up over the steps of a training."""

LAST = (*COUNTS, "device", "commit")
"""What is told of the last step."""


def budget(card: Mapping[str, Any]) -> dict[str, Any]:
    """The last step of a training, and ``in_all``: COUNTS summed over every step that went into the weights.

    A step is a run of ``baselines.train``; ``in_all`` also counts those of the checkpoints it began with, or borrowed
    a transform or an entropy model from. None stands for what a card does not tell.
    """
    found = card.get("training")
    training = found if isinstance(found, dict) else {}
    return {key: training.get(key) for key in LAST} | {"in_all": {key: _in_all(training, key) for key in COUNTS}}


def _in_all(training: Mapping[str, Any], key: str) -> float | None:
    """The sum of ``key`` over a training and those before it; None where one of them does not tell it."""
    total: float = 0
    part: Mapping[str, Any] | None = training
    while part is not None:
        count = part.get(key)
        if not isinstance(count, (int, float)):
            return None
        total += count
        part = _past(part)
    return round(total, 1)


def _past(training: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The training that came before; of an average, before both of those it was made of, whose counts it sums."""
    before = training.get("before")
    if not isinstance(before, dict):
        return None
    return _past(before) if "average" in training else before
