"""What each generation of a chain is asked for: a schedule gives one step a generation.

A new schedule is one small class with a canonical ``text``: it stands in the ``schedule`` column and in the key of
a finished chain, so two schedules with equal text must give equal steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.codec import BenchError


@dataclass(frozen=True, slots=True)
class Step:
    """What one generation is asked for. Equal steps on equal pixels give equal results.

    Attributes:
        quality: on the scale of the step's codec.
        codec: which of the chain's codecs codes it, counted from 0.
    """

    quality: float
    codec: int = 0


class Schedule(Protocol):
    """The steps of a chain."""

    @property
    def text(self) -> str:
        """Canonical form: equal text, equal steps."""
        ...

    def steps(self, generations: int) -> Sequence[Step]:
        """The steps of generations 1 to ``generations``."""
        ...


@dataclass(frozen=True, slots=True)
class FixedQuality:
    """The same quality at every generation."""

    quality: float

    @property
    def text(self) -> str:
        return f"quality:{number(self.quality)}"

    def steps(self, generations: int) -> Sequence[Step]:
        return [Step(quality=float(self.quality))] * _at_least_one(generations)


def number(value: float) -> str:
    """The shortest text that reads back as exactly this number: 75, 0.5, 1e-05."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _at_least_one(generations: int) -> int:
    if generations < 1:
        raise BenchError(f"A chain needs at least one generation, got {generations}; change it with --generations.")
    return generations
