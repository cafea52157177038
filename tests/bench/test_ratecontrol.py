"""bench.ratecontrol: targets hit in few encodings by codecs that are smooth, move in steps, or go up and down."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import ratecontrol
from bench.codec import BenchError, Codec, CodecError, QualityScale
from bench.ratecontrol import BUDGET, SIDES, TOLERANCE, RateError, find_quality, hit

PERCENT = QualityScale(0, 100, integer=False, default=75)
WHOLE = QualityScale(1, 100, integer=True, default=75)
QP = QualityScale(0, 63, integer=True, default=32, better="low", unit="QP")


class Counted:
    """A rate as a function of quality that must not be asked twice for the same."""

    def __init__(self, rate):
        self.rate, self.asked = rate, []

    def __call__(self, quality):
        assert quality not in self.asked
        self.asked.append(quality)
        return float(self.rate(quality))


def smooth(low, slope, bend, scale):
    """Rates that rise exponentially and bend towards the better end, as those of codecs do."""

    def rate(quality):
        part = (quality - scale.low) / (scale.high - scale.low)
        part = part if scale.better == "high" else 1 - part
        return low * math.exp(slope * part + bend * part**3)

    return rate


curves = st.tuples(st.floats(0.02, 0.2), st.floats(1.5, 4), st.floats(0, 2))


@settings(deadline=None, max_examples=200)
@given(curve=curves, place=st.floats(0.02, 0.98), side=st.sampled_from(SIDES))
def test_smooth_codecs_are_hit_within_the_tolerance(curve, place, side):
    rate = smooth(*curve, PERCENT)
    target = rate(100 * place)
    counted = Counted(rate)
    found = find_quality(counted, PERCENT, target, side=side)
    assert -TOLERANCE <= found.miss <= (TOLERANCE if side == "nearest" else 0)
    assert found.miss == pytest.approx(rate(found.quality) / target - 1, abs=1e-12)
    assert found.encodes == len(counted.asked) <= 8
    # The next generation has nearly the rates of this one.
    again = Counted(lambda quality: 0.97 * rate(quality))
    if 0.97 * rate(100) > target:
        next_one = find_quality(again, PERCENT, target, start=found.next, side=side)
        assert next_one.encodes <= 3
        assert abs(next_one.miss) <= TOLERANCE


def test_a_quality_is_held_while_its_rate_is_near_the_target():
    rate = smooth(0.08, 2.5, 0.5, PERCENT)
    target = rate(60)
    first = find_quality(rate, PERCENT, target)

    def falling(quality):  # the own output of a codec takes a few per cent less
        return 0.97 * rate(quality)

    held = find_quality(falling, PERCENT, target, start=first.next, hold=0.05)
    assert (held.quality, held.encodes) == (first.quality, 1)
    assert held.miss == pytest.approx(-0.03, abs=0.006)
    assert find_quality(falling, PERCENT, target, start=first.next).quality > first.quality
    # The rate that was found counts: 8 % off, the search begins, and comes as close as ever.
    let_go = find_quality(lambda quality: 0.92 * rate(quality), PERCENT, target, start=first.next, hold=0.05)
    assert abs(let_go.miss) <= TOLERANCE
    # A target that moves by less than that does not move the quality, "below" must not be exceeded.
    moved = find_quality(rate, PERCENT, 0.97 * target, start=first.next, hold=0.05)
    assert (moved.quality, moved.encodes) == (first.quality, 1)
    below = find_quality(rate, PERCENT, 0.97 * target, start=first.next, hold=0.05, side="below")
    assert -TOLERANCE <= below.miss <= 0


def test_typical_curves_take_five_encodings_and_a_drifting_target_two():
    cold, drift = [], []
    for slope in (2.0, 2.5, 3.0, 3.5):
        for bend in (0.0, 0.5, 1.0):
            rate = smooth(0.08, slope, bend, PERCENT)
            targets = np.linspace(rate(80), rate(40), 16)
            found = find_quality(rate, PERCENT, targets[0])
            cold.append(found.encodes)
            for target in targets[1:]:
                found = find_quality(rate, PERCENT, float(target), start=found.next)
                assert abs(found.miss) <= TOLERANCE
                drift.append(found.encodes)
    assert np.mean(cold) <= 4
    assert max(cold) <= 5
    assert np.mean(drift) <= 1.5


@settings(deadline=None, max_examples=300)
@given(
    steps=st.lists(st.floats(0, 0.3), min_size=100, max_size=100),
    scale=st.sampled_from([WHOLE, QP]),
    place=st.floats(0.01, 0.99),
    side=st.sampled_from(SIDES),
    start=st.integers(1, 63),
)
def test_whole_numbers_give_the_best_of_all(steps, scale, place, side, start):
    """Monotone, with plateaus: against every quality of the scale, from anywhere."""
    logs = np.cumsum(steps)
    sign = 1 if scale.better == "high" else -1
    rates = {q: 0.05 * math.exp(logs[i]) for i, q in enumerate(range(int(scale.low), int(scale.high) + 1)[::sign])}
    low, high = min(rates.values()), max(rates.values())
    target = math.exp((1 - place) * math.log(low) + place * math.log(high))
    begin = ratecontrol.Start(float(start), rates[start], target, 0.1)
    for first in (None, begin):
        counted = Counted(rates.__getitem__)
        try:
            found = find_quality(counted, scale, target, side=side, start=first)
        except RateError:
            assert low == high
            continue
        below = [rate for rate in rates.values() if rate <= target]
        nearest = min(abs(rate / target - 1) for rate in rates.values())
        if side == "nearest":
            assert abs(found.miss) <= max(TOLERANCE, nearest + 1e-12)
        else:
            assert found.bpp <= target
            assert found.miss >= min(-TOLERANCE, max(below) / target - 1 - 1e-12)
        assert found.encodes == len(counted.asked) <= BUDGET


@settings(deadline=None, max_examples=300)
@given(
    seed=st.integers(0, 10**6),
    place=st.floats(0.05, 0.95),
    wild=st.floats(0, 0.6),
    scale=st.sampled_from([PERCENT, WHOLE, QP]),
    side=st.sampled_from(SIDES),
)
def test_codecs_that_go_up_and_down_end_beside_the_target(seed, place, wild, scale, side):
    """Two neighbours that were measured enclose the target, or it is hit; the best of all tried is taken."""
    noise = np.random.default_rng(seed).normal(0, wild, 200)
    straight = smooth(0.05, 3, 0.5, scale)

    def rate(quality):
        return straight(quality) * math.exp(noise[int(quality)])

    measured = [rate(quality) for quality in range(int(scale.low), int(scale.high) + 1)]
    target = min(measured) + place * (max(measured) - min(measured))
    counted = Counted(rate)
    try:
        found = find_quality(counted, scale, target, side=side)
    except RateError:
        assert all((rate(q) < target) == (rate(counted.asked[0]) < target) for q in counted.asked)
        return
    assert found.encodes == len(counted.asked) <= BUDGET
    assert found.bpp == rate(found.quality)
    best = min(abs(rate(q) / target - 1) for q in counted.asked if side == "nearest" or rate(q) <= target)
    assert abs(found.miss) == best or abs(found.miss) <= TOLERANCE
    if abs(found.miss) > TOLERANCE and scale.integer and found.encodes < BUDGET:
        asked = sorted(counted.asked)
        neighbours = [(a, b) for a, b in pairwise(asked) if b - a == 1]
        assert any((rate(a) < target) != (rate(b) < target) for a, b in neighbours)


@pytest.mark.parametrize("levels", [4, 12, 40])
def test_a_continuous_scale_that_moves_in_steps_ends_at_the_closest_one(levels):
    """Plateaus: between the closest rate below and the closest above there is nothing."""
    straight = smooth(0.05, 3, 0, PERCENT)
    rates = [straight(100 * (step + 0.5) / levels) for step in range(levels)]

    def rate(quality):
        return rates[min(levels - 1, int(quality / 100 * levels))]

    for target in np.geomspace(rates[0] * 1.01, rates[-1] * 0.99, 25):
        counted = Counted(rate)
        found = find_quality(counted, PERCENT, float(target))
        assert abs(found.miss) == pytest.approx(min(abs(r / target - 1) for r in rates), abs=1e-12)
        assert found.encodes <= 12


def test_a_constant_rate_is_hit_or_out_of_reach():
    assert find_quality(lambda quality: 0.5, PERCENT, 0.501).encodes == 1
    counted = Counted(lambda quality: 0.5)
    with pytest.raises(
        RateError, match=r"codec: 1 bpp is out of reach on this image, the rates found go from 0\.5 bpp"
    ):
        find_quality(counted, PERCENT, 1.0)
    assert len(counted.asked) <= BUDGET


def test_a_search_that_ends_before_the_scale_does_not_call_the_target_out_of_reach(monkeypatch):
    monkeypatch.setattr("bench.ratecontrol.BUDGET", 2)
    with pytest.raises(RateError, match=r"codec: 1\.99 bpp was not found in 2 encodings on this image"):
        find_quality(lambda quality: 2.0 if quality == 100 else 0.5 + quality / 1000, PERCENT, 1.99)


def test_where_the_search_begins_at_the_end_of_the_scale_one_rate_is_told():
    with pytest.raises(
        RateError, match=r"0\.2 bpp is out of reach on this image, its lowest rate is 0\.5 bpp \(\w+ 1\)\."
    ):
        find_quality(lambda quality: 0.5 * quality, WHOLE, 0.2, hint=0)


def test_a_target_out_of_reach_names_the_range_found():
    for scale, ends in ((WHOLE, (1, 100)), (QP, (63, 0))):
        rate = smooth(0.1, 3, 0, scale)
        for target, end in ((rate(ends[0]) / 2, ends[0]), (rate(ends[1]) * 2, ends[1])):
            counted = Counted(rate)
            with pytest.raises(RateError, match=rf"{rate(end):.4g} bpp \({scale.unit} {end}\)"):
                find_quality(counted, scale, target)
            assert len(counted.asked) <= 7
        assert find_quality(rate, scale, rate(ends[1]) * 1.004).quality == ends[1]


def test_nonsense_is_refused():
    for target in (0, -1, math.nan, math.inf):
        with pytest.raises(BenchError, match="--bpp"):
            find_quality(lambda quality: 1.0, PERCENT, target)
    with pytest.raises(CodecError, match="no stream"):
        find_quality(lambda quality: 0.0, PERCENT, 1.0)


class Sized(Codec):
    """Streams whose length follows a curve; a hint where one is given."""

    name = "sized"
    quality = PERCENT

    def __init__(self):
        self.encoded = []

    def identity(self):
        return {}

    def encode(self, image, quality):
        self.encoded.append(quality)
        return bytes(round(image.shape[0] * image.shape[1] / 8 * smooth(0.05, 3, 0.5, PERCENT)(quality)))

    def decode(self, stream):
        pytest.fail("rate control has no need to decode")


class Hinting(Sized):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def rate_hint(self, image, bpp):
        return self.answer


def test_a_hit_holds_the_stream_of_its_quality():
    codec, image = Sized(), np.zeros((300, 200, 3), np.uint8)
    found = hit(codec, image, 0.4)
    assert len(set(codec.encoded)) == len(codec.encoded) == found.found.encodes
    assert len(found.stream) * 8 / 60_000 == found.found.bpp == pytest.approx(0.4, rel=TOLERANCE)
    assert found.stream == codec.encode(image, found.found.quality)
    right = hit(Hinting(found.found.quality), image, 0.4)
    assert right.found.encodes == 1
    for wrong in (0.0, 1e9, math.nan, None):
        assert hit(Hinting(wrong), image, 0.4).found.bpp == pytest.approx(0.4, rel=TOLERANCE)
    assert hit(Hinting(0.0), image, 0.4, start=found.found.next).found.encodes == 1


def test_a_scale_in_bpp_is_its_own_hint():
    class Bpp(Sized):
        quality = QualityScale(0.01, 24, integer=False, default=1, unit="bpp")

        def encode(self, image, quality):
            return bytes(round(7500 * quality))

    assert hit(Bpp(), np.zeros((300, 200, 3), np.uint8), 0.25).found.encodes == 1
