"""What a checkpoint cost in all: its last training and those it goes on from, as its card tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTS = ("iterations", "images_seen", "minutes")
"""Of the cards; minutes are of wall time, those of trainings side by side added up."""


def total(training: Mapping[str, Any]) -> dict[str, float]:
    """Iterations, images seen and minutes of a training and of all before it that its weights, or parts of them, had.

    Args:
        training: of a card. ``before`` is the training that it began with; in an average it is the first of the two,
            whose own counts are in those of the average.

    Returns:
        What is told of ``COUNTS``; a count that one of the trainings does not tell is left out.
    """
    parts: list[Mapping[str, Any]] = []
    part: Mapping[str, Any] | None = training
    while part:
        parts.append(part)
        while part and "average" in part:
            part = part.get("before")
        part = part.get("before") if part else None
    own = [part for part in parts if part.keys() & set(COUNTS)]
    return {key: round(sum(part[key] for part in own), 1) for key in COUNTS if all(key in part for part in own)}
