"""Rate control for any codec: the quality whose real stream has a wanted rate, in few encodings.

``hit`` does it for one image, ``find_quality`` for anything that has a rate at a quality (the mean over a set, say).
Rates are those of real streams, header included; nothing is estimated.

The rule. A quality whose rate lies within TOLERANCE of the target is taken as soon as it is found. Where there is none
(a scale of whole numbers, or one that moves in steps), the two qualities that enclose the target are narrowed down to
neighbours, both measured, and ``side`` says which one is taken: ``nearest`` (the smaller miss, the lower rate of two
equal ones) or ``below`` (the one not above the target). The miss is part of the result.

A chain may hold a quality: one found earlier is kept while its rate stays within ``hold`` of the target, so that a
codec that comes to rest is left at rest. By default ``hold`` is TOLERANCE.

A codec may offer ``rate_hint(image, bpp) -> quality | None`` (``bench.codec.HintsRate``): where to begin when nothing
is known yet. A hint that is wrong costs encodings; the rate is found all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from bench.codec import BenchError, Codec, CodecError, HintsRate, Image, QualityScale

TOLERANCE = 0.005
"""A rate this close to the target, relatively, is a hit."""

BUDGET = 16
"""Most encodings spent on one target."""

STALE = 3
"""So many encodings in a row that bring no new rate, between two that enclose the target: the codec moves in steps."""

RESOLUTION = 1e-6
"""Part of a continuous scale below which it is not divided further."""

Side = Literal["nearest", "below"]
SIDES: tuple[Side, ...] = get_args(Side)


class RateError(CodecError):
    """A rate is out of a codec's reach on this image; the text names the rates found."""


@dataclass(frozen=True, slots=True)
class Start:
    """What an earlier search found: where the next one of the same codec begins. Equal starts, equal searches.

    Attributes:
        quality: what was taken.
        bpp: its rate.
        target: what was asked for, bpp.
        slope: change of log(bpp) per unit of quality towards the better end, as far as known.
    """

    quality: float
    bpp: float
    target: float
    slope: float


@dataclass(frozen=True, slots=True)
class Found:
    """A quality for a target rate.

    Attributes:
        quality: on the codec's scale.
        bpp: its real rate.
        target: what was asked for, bpp.
        encodes: how many qualities were tried.
        next: the start of the next search.
    """

    quality: float
    bpp: float
    target: float
    encodes: int
    next: Start

    @property
    def miss(self) -> float:
        """bpp / target - 1: positive where the rate is too high."""
        return self.bpp / self.target - 1


@dataclass(frozen=True, slots=True)
class Hit:
    """A stream of a wanted rate, and how it was found."""

    stream: bytes
    found: Found


def hit(
    codec: Codec,
    image: Image,
    target: float,
    *,
    start: Start | None = None,
    side: Side = "nearest",
    hold: float = TOLERANCE,
) -> Hit:
    """Encode an image at a rate.

    Args:
        codec: any; its ``rate_hint`` is used where it has one and there is no ``start``.
        image: (H, W, 3) uint8 RGB.
        target: bpp.
        start: ``found.next`` of an earlier hit of this codec on a similar image.
        side, hold: the rules above.

    Raises:
        RateError: the target is out of reach.
        CodecError: the codec failed.
    """
    return search(
        lambda quality: codec.encode(image, quality),
        image.shape[0] * image.shape[1],
        codec,
        target,
        hint=lambda: hint_of(codec, image, target),
        start=start,
        side=side,
        hold=hold,
    )


def search(
    encode: Callable[[float], bytes],
    pixels: int,
    codec: Codec,
    target: float,
    *,
    hint: Callable[[], float | None] = lambda: None,
    start: Start | None = None,
    side: Side = "nearest",
    hold: float = TOLERANCE,
) -> Hit:
    """``hit`` with the encoding left to the caller, who may want to time it; each quality is encoded once."""
    streams: dict[float, bytes] = {}

    def rate(quality: float) -> float:
        streams[quality] = encode(quality)
        return 8.0 * len(streams[quality]) / pixels

    first = hint() if start is None else None
    found = find_quality(rate, codec.quality, target, name=codec.name, hint=first, start=start, side=side, hold=hold)
    return Hit(streams[found.quality], found)


def hint_of(codec: Codec, image: Image, target: float) -> float | None:
    """The codec's own first guess: its ``rate_hint``, or the target itself where the scale counts bpp."""
    if isinstance(codec, HintsRate):
        return codec.rate_hint(image, target)
    return target if codec.quality.unit == "bpp" else None


def find_quality(
    rate: Callable[[float], float],
    scale: QualityScale,
    target: float,
    *,
    name: str = "codec",
    hint: float | None = None,
    start: Start | None = None,
    side: Side = "nearest",
    hold: float = TOLERANCE,
) -> Found:
    """Find the quality of a rate.

    Inverse interpolation of log(bpp) in the bracket that encloses the target, bisection where that is slow. A codec
    need not be monotone: any two neighbouring measurements on either side of the target are a bracket. The result
    depends on the arguments alone, and ``rate`` is called at most BUDGET times, never twice for a quality.

    Args:
        rate: bpp at a quality, positive.
        scale: where the quality is looked for.
        target: bpp, positive.
        name: of the codec, for messages.
        hint: where to begin without a ``start``.
        start: ``next`` of an earlier result.
        side: "nearest" or "below", see the top of this module.
        hold: how far, relatively, the rate of the quality of ``start`` may lie from the target for it to be kept.

    Raises:
        RateError: no quality tried encloses the target, and the nearest end of the scale misses it.
        BenchError: the target is not a positive number.
    """
    if not math.isfinite(target) or target <= 0:
        raise BenchError(f"A rate must be a positive number of bits per pixel, got {target:g}; change it with --bpp.")
    probes = _Probes(rate, scale, target, side, hold)
    place: float | None = probes.first(hint, start)
    while place is not None and len(probes.rates) < BUDGET:
        if probes.measure(place):
            break
        place = probes.next_place()
    return probes.result(name)


def within(bpp: float, target: float, tolerance: float, side: Side) -> bool:
    """Whether a rate misses the target by ``tolerance`` at most, relatively, and is not above it for "below"."""
    return -tolerance <= bpp / target - 1 <= (tolerance if side == "nearest" else 0)


class _Probes:
    """What has been measured. Places are qualities turned so that a higher place is a better image."""

    def __init__(
        self, rate: Callable[[float], float], scale: QualityScale, target: float, side: Side, hold: float
    ) -> None:
        self.rate, self.scale, self.target, self.side, self.hold = rate, scale, target, side, hold
        self.held: float | None = None
        self.sign = 1.0 if scale.better == "high" else -1.0
        self.low, self.high = sorted((self.sign * scale.low, self.sign * scale.high))
        # Of the rates that count as a hit, aim at the middle.
        self.aim = math.log(target * (1 if side == "nearest" else 1 - TOLERANCE / 2))
        self.rates: dict[float, float] = {}
        self.slope = math.log(2) / 5 if scale.unit == "QP" else 3 / (self.high - self.low)
        self.trust = 4.0
        self.stale = self.outward = self.same_side = 0
        self.step, self.gap = 0.0, math.inf
        self.above = False
        self.widths: list[float] = []

    def first(self, hint: float | None, start: Start | None) -> float:
        """Where to begin: with what was found before, moved by what has changed in the target since."""
        if start is None:
            guess = self.scale.default if hint is None or not math.isfinite(hint) else hint
            return self._fit(self.sign * guess)
        self.slope, self.trust = start.slope, 2.0
        if start.target == self.target or self._within(start.bpp, self.hold):
            self.held = self._fit(self.sign * start.quality)
            return self.held
        return self._fit(self.sign * start.quality + (self.aim - math.log(start.bpp)) / self.slope)

    def measure(self, place: float) -> bool:
        """Measure a place; return whether it is a hit."""
        bpp = self.rate(self._quality(place))
        if not bpp > 0:
            raise CodecError(f"A stream of {bpp:g} bpp at {self.scale.unit} {self._quality(place):g} is no stream.")
        self.stale = self.stale + 1 if bpp in self.rates.values() else 0
        above = bpp > self.target
        self.same_side = self.same_side + 1 if above == self.above else 0
        self.above = above
        self.rates[place] = bpp
        return self._is_hit(place)

    def next_place(self) -> float | None:
        """The next place worth measuring, None where nothing closer is to be had."""
        bracket = self._bracket()
        if bracket is None:
            return self._outward()
        low, high = bracket
        width = high - low
        if width <= (1 if self.scale.integer else RESOLUTION * (self.high - self.low)):
            return None
        if not self.scale.integer and self.stale >= STALE:
            return None
        slow = len(self.widths) >= 3 and width > self.widths[-3] / 2
        self.widths.append(width)
        place = (low + high) / 2 if self.stale or slow else self._interpolate(low, high)
        if self.same_side and not self.stale and not slow:
            # Coming closer from one side only leaves a wide bracket: go twice as far, to the other side.
            place = 2 * place - (low if abs(place - low) < abs(place - high) else high)
        if self.scale.integer:
            return min(max(float(round(place)), low + 1), high - 1)
        return min(max(place, low + width / 100), high - width / 100)

    def result(self, name: str) -> Found:
        """The best of what was measured; raise RateError where the target is out of reach."""
        place = min(self.rates, key=self._rank)
        bpp = self.rates[place]
        if self._bracket() is None and not self._is_hit(place):
            low, high = (pick(self.rates, key=self.rates.__getitem__) for pick in (min, max))
            end = self.low if bpp > self.target else self.high
            why = "is out of reach" if end in self.rates else f"was not found in {len(self.rates)} encodings"
            told = f"the rates found go from {self._told(low)} to {self._told(high)}"
            if len(self.rates) == 1:
                told = f"its {'lowest' if bpp > self.target else 'highest'} rate is {self._told(low)}"
            raise RateError(f"{name}: {self.target:.4g} bpp {why} on this image, {told}.")
        quality = self._quality(place)
        start = Start(quality, bpp, self.target, self._local_slope(place))
        return Found(quality, bpp, self.target, len(self.rates), start)

    def _told(self, place: float) -> str:
        return f"{self.rates[place]:.4g} bpp ({self.scale.unit} {self._quality(place):g})"

    def _quality(self, place: float) -> float:
        return self.sign * place + 0.0  # no negative zero

    def _fit(self, place: float) -> float:
        place = min(max(place, self.low), self.high)
        return float(round(place)) if self.scale.integer else place

    def _is_hit(self, place: float) -> bool:
        return self._within(self.rates[place], self.hold if place == self.held else TOLERANCE)

    def _within(self, bpp: float, tolerance: float) -> bool:
        return within(bpp, self.target, tolerance, self.side)

    def _rank(self, place: float) -> tuple[bool, float, float]:
        bpp = self.rates[place]
        return self.side == "below" and bpp > self.target, abs(bpp / self.target - 1), bpp

    def _bracket(self) -> tuple[float, float] | None:
        """The narrowest two neighbouring places whose rates enclose the target."""
        pairs = pairwise(sorted(self.rates))
        enclosing = [
            (low, high) for low, high in pairs if (self.rates[low] < self.target) != (self.rates[high] < self.target)
        ]
        return min(enclosing, key=lambda pair: pair[1] - pair[0], default=None)

    def _outward(self) -> float | None:
        """All rates so far lie on one side of the target: go on, by the slope seen, towards the end of the scale."""
        low, high = min(self.rates), max(self.rates)
        up = self.rates[high] < self.target
        edge, end = (high, self.high) if up else (low, self.low)
        if edge == end:
            return None
        gap = abs(self.aim - math.log(self.rates[edge]))
        # Twice the step before where that brought next to nothing: neither a plateau nor a codec that is not monotone
        # may hold the search up. A little more than what the slope says: enclosing the target is worth a lot.
        least = 2 * self.step if gap > 0.75 * self.gap else 1e-3 * (self.high - self.low)
        self.slope = self._local_slope(edge)  # may change by a factor of `trust` a step
        self.step, self.gap = max(1.1 * gap / self.slope, least), gap
        self.outward += 1
        self.step = min(self.step, abs(end - edge) * (0.75 if self.outward < 3 else 1.0))
        if self.scale.integer:
            self.step = float(math.ceil(self.step))
        return edge + self.step if up else edge - self.step

    def _interpolate(self, low: float, high: float) -> float:
        """The place of the target on the curve through the bracket and, if it fits, one more measurement."""
        at = {place: math.log(self.rates[place]) for place in (low, high)}
        linear = low + (high - low) * (self.aim - at[low]) / (at[high] - at[low])
        others = [place for place in self.rates if place not in at]
        if others:
            third = min(others, key=lambda place: abs(math.log(self.rates[place]) - self.aim))
            at[third] = math.log(self.rates[third])
            places = sorted(at)
            if all(at[a] < at[b] for a, b in pairwise(places)):  # as a function of the rate it must be one
                curved = sum(
                    place * math.prod((self.aim - at[o]) / (at[place] - at[o]) for o in places if o != place)
                    for place in places
                )
                return curved if low < curved < high else linear
        return linear

    def _local_slope(self, place: float) -> float:
        """Slope of log(bpp) between a place and the measurement next to it of another rate.

        Kept within a factor of the slope known before: two neighbours may have nearly equal rates by chance.
        """
        others = [other for other in self.rates if self.rates[other] != self.rates[place]]
        if not others:
            return self.slope
        other = min(others, key=lambda other: abs(other - place))
        slope = (math.log(self.rates[other]) - math.log(self.rates[place])) / (other - place)
        return min(max(slope, self.slope / self.trust), self.slope * self.trust)
