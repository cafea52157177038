"""What each generation of a chain is asked for: a schedule gives one step a generation.

A new schedule is one small class with a canonical ``text``: it stands in the ``schedule`` column and in the key of
a finished chain, so two schedules with equal text must give equal steps.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from bench.codec import BenchError, Codec
from bench.edits import Edit
from bench.ratecontrol import TOLERANCE, Side

Kind = Literal["bpp", "quality"]
"""What the numbers of a schedule are: rates, hit by rate control, or qualities."""

MOST = 10**6
"""Generations of a chain; the steps of all of them are in memory."""

RateBy = Literal["image", "dataset", "originals"]
"""Whose rate is hit: that of each image, or the mean over the set, at every generation or before the first."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one generation is asked for. Equal steps on equal states give equal results.

    Attributes:
        quality: on the scale of the step's codec; None: whatever hits ``target``.
        codec: which of the chain's codecs codes it, counted from 0.
        target: bpp, None where the schedule names qualities.
        side, hold: rules of rate control, see ``bench.ratecontrol``.
        rounded: on a scale of whole numbers the one nearest to ``quality`` is meant.
        edits: done to the image before it is coded.
        found: how many encodings it took to find ``quality`` beforehand, and by how much it misses ``target``; where
            one quality was chosen for a whole set.
        reason: why it can't be coded, where that was found beforehand: no quality could be chosen for the set.
    """

    quality: float | None = None
    codec: int = 0
    target: float | None = None
    side: Side = "nearest"
    hold: float = TOLERANCE
    rounded: bool = False
    edits: tuple[Edit, ...] = ()
    found: tuple[int, float] | None = None
    reason: str = ""


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


@dataclass(frozen=True, slots=True)
class FixedRate:
    """The same rate at every generation, by rate control."""

    bpp: float
    side: Side = "nearest"

    @property
    def text(self) -> str:
        return f"bpp:{number(self.bpp)}{_side(self.side)}"

    def steps(self, generations: int) -> Sequence[Step]:
        return [Step(target=float(self.bpp), side=self.side)] * _at_least_one(generations)


@dataclass(frozen=True, slots=True)
class Drift:
    """From one rate or quality at generation 1 to another at the last, linearly."""

    first: float
    last: float
    kind: Kind = "bpp"
    side: Side = "nearest"

    @property
    def text(self) -> str:
        return f"drift:{_kind(self.kind)}{number(self.first)}:{number(self.last)}{_side(self.side)}"

    def steps(self, generations: int) -> Sequence[Step]:
        last = max(1, _at_least_one(generations) - 1)
        values = [self.first + n / last * (self.last - self.first) for n in range(generations)]
        if generations > 1:
            values[-1] = self.last  # exactly
        return [_step(value, self.kind, self.side, rounded=True) for value in values]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of rates or qualities, one a generation, from the start again where the chain is longer."""

    values: tuple[float, ...]
    kind: Kind = "bpp"
    name: str = ""
    side: Side = "nearest"

    @property
    def text(self) -> str:
        digits = ",".join(number(value) for value in self.values)
        if self.name or len(self.values) > 6:
            # A hash, since a file can change and keep its name.
            digits = f"{self.name or len(self.values)}@{hashlib.sha256(digits.encode()).hexdigest()[:8]}"
        return f"list:{_kind(self.kind)}{digits}{_side(self.side)}"

    def steps(self, generations: int) -> Sequence[Step]:
        values = [self.values[n % len(self.values)] for n in range(_at_least_one(generations))]
        return [_step(value, self.kind, self.side) for value in values]


@dataclass(frozen=True, slots=True)
class Walk:
    """A random walk between two rates or qualities.

    It begins anywhere between them and moves by at most a quarter of the way between them at each generation, reflected
    at the ends; all uniformly distributed. The beginning of a walk does not depend on its length.
    """

    low: float
    high: float
    kind: Kind = "bpp"
    seed: int = 0
    side: Side = "nearest"

    @property
    def text(self) -> str:
        return f"walk:{_kind(self.kind)}{number(self.low)}:{number(self.high)}@{self.seed}{_side(self.side)}"

    def steps(self, generations: int) -> Sequence[Step]:
        draw = random.Random(self.seed).random  # the one generator whose numbers Python promises not to change
        place, places = draw(), []
        for _ in range(_at_least_one(generations)):
            places.append(place)
            place = abs(place + (draw() - 0.5) / 2)
            place = 2 - place if place > 1 else place
        values = [self.low + place * (self.high - self.low) for place in places]
        return [_step(min(max(value, self.low), self.high), self.kind, self.side, rounded=True) for value in values]


@dataclass(frozen=True, slots=True)
class HandOver:
    """From codec to codec, one a generation, from the first again when all have been used.

    Attributes:
        labels: what the codecs are called, for the text.
        turn: what each is asked for, a quality or a rate.
    """

    labels: tuple[str, ...]
    turn: tuple[Step, ...]

    @property
    def text(self) -> str:
        return "chain:" + ",".join(label + _asked(step) for label, step in zip(self.labels, self.turn, strict=True))

    def steps(self, generations: int) -> Sequence[Step]:
        return [self.turn[n % len(self.turn)] for n in range(_at_least_one(generations))]


def turns(schedule: Schedule) -> int:
    """How many encodings a round of a hand-over has; 1 of every other schedule."""
    while not isinstance(schedule, HandOver) and (inner := getattr(schedule, "schedule", None)) is not None:
        schedule = inner
    return len(schedule.turn) if isinstance(schedule, HandOver) else 1


@dataclass(frozen=True, slots=True)
class Edited:
    """Another schedule with edits between its generations: before every one but the first."""

    schedule: Schedule
    edits: tuple[Edit, ...]

    @property
    def text(self) -> str:
        return self.schedule.text + "".join(f"+{edit.text}" for edit in self.edits)

    def steps(self, generations: int) -> Sequence[Step]:
        first, *rest = self.schedule.steps(generations)
        return [first, *(replace(step, edits=self.edits) for step in rest)]


@dataclass(frozen=True, slots=True)
class Held:
    """Another schedule of rates in which a quality is kept while its rate stays within ``hold`` of the target."""

    schedule: Schedule
    hold: float

    @property
    def text(self) -> str:
        return f"{self.schedule.text},hold:{number(self.hold)}"

    def steps(self, generations: int) -> Sequence[Step]:
        steps = self.schedule.steps(generations)
        return [step if step.target is None else replace(step, hold=self.hold) for step in steps]


@dataclass(frozen=True, slots=True)
class Planned:
    """Another schedule whose qualities were chosen beforehand, one for all images of a set (``bench.setrate``).

    The text does not say which set it was; the steps are part of the key of a finished chain for that reason.
    """

    schedule: Schedule
    planned: tuple[Step, ...]
    rate_by: RateBy = "dataset"

    @property
    def text(self) -> str:
        return planned_text(self.schedule, self.rate_by)

    def steps(self, generations: int) -> Sequence[Step]:
        return self.planned[: _at_least_one(generations)]


def planned_text(schedule: Schedule, rate_by: RateBy) -> str:
    """The text of a schedule, which says so where its qualities are chosen for a set."""
    return schedule.text if rate_by == "image" else f"{schedule.text},{rate_by}"


def fit(steps: Sequence[Step], codecs: Sequence[Codec], option: str = "") -> list[Step]:
    """The steps with their qualities as these codecs take them; raise QualityError where one is off the scale.

    ``option`` is for the sentence, as of ``QualityScale.check``.
    """
    fitted = []
    for step in steps:
        if step.quality is not None:
            scale = codecs[step.codec].quality
            value = float(round(step.quality)) if step.rounded and scale.integer else step.quality
            step = replace(step, quality=scale.check(value, codecs[step.codec].name, option))
        fitted.append(step)
    return fitted


def number(value: float) -> str:
    """The shortest text that reads back as exactly this number: 75, 0.5, 1e-05."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _step(value: float, kind: Kind, side: Side, *, rounded: bool = False) -> Step:
    return Step(target=float(value), side=side) if kind == "bpp" else Step(quality=float(value), rounded=rounded)


def _asked(step: Step) -> str:
    """As behind a codec's name in ``--chain``: :75, or @0.5bpp."""
    if step.target is None:
        return f":{number(step.quality or 0)}"
    return f"@{number(step.target)}bpp" + _side(step.side).replace(",", "-")


def _kind(kind: Kind) -> str:
    return "" if kind == "bpp" else f"{kind}:"


def _side(side: Side) -> str:
    return "" if side == "nearest" else f",{side}"


def _at_least_one(generations: int) -> int:
    if generations < 1:
        raise BenchError(f"A chain needs at least one generation, got {generations}; change it with --generations.")
    if generations > MOST:
        raise BenchError(f"A chain has at most {MOST} generations, got {generations}; change it with --generations.")
    return generations
