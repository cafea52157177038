"""bench.schedule: steps and their canonical text."""

from __future__ import annotations

from itertools import pairwise

import pytest
import rate_codecs
from hypothesis import given
from hypothesis import strategies as st

from bench.codec import BenchError
from bench.edits import Shift
from bench.schedule import (
    Drift,
    Edited,
    FixedQuality,
    FixedRate,
    HandOver,
    Listed,
    Planned,
    Step,
    Walk,
    fit,
    number,
)

rates = st.floats(0.01, 30)
kinds = st.sampled_from(["bpp", "quality"])
schedules = st.one_of(
    st.builds(FixedQuality, st.integers(0, 100)),
    st.builds(FixedRate, rates),
    st.builds(Drift, rates, rates, kinds),
    st.builds(Listed, st.lists(rates, min_size=1, max_size=9).map(tuple), kinds),
    st.builds(Walk, st.floats(0.01, 1), st.floats(1, 30), kinds, st.integers(0, 5)),
    st.builds(lambda q, r: HandOver(("a", "b"), (Step(q), Step(None, 1, r))), rates, rates),
)


def values(steps):
    return [step.target if step.quality is None else step.quality for step in steps]


def test_fixed_quality_asks_the_same_of_every_generation():
    assert list(FixedQuality(75).steps(3)) == [Step(quality=75.0, codec=0)] * 3
    assert FixedQuality(75).text == FixedQuality(75.0).text == "quality:75"
    assert FixedQuality(0.1).text == "quality:0.1"


@given(schedules, schedules, st.integers(1, 60))
def test_equal_text_means_equal_steps(one, other, generations):
    steps = one.steps(generations)
    assert len(steps) == generations
    assert steps == one.steps(generations)
    if one.text == other.text:
        assert steps == other.steps(generations)
    else:
        assert one != other
    edited = Edited(one, (Shift(1),))
    assert edited.text == f"{one.text}+shift:1"
    assert edited.steps(generations)[0] == steps[0]
    assert all(step.edits == (Shift(1),) for step in edited.steps(generations)[1:])
    assert values(edited.steps(generations)) == values(steps)


@given(schedules)
def test_no_generations_are_refused(schedule):
    with pytest.raises(BenchError, match=r"at least one generation, got 0; change it with --generations"):
        schedule.steps(0)


@given(rates, rates, st.integers(2, 60))
def test_a_drift_is_linear_and_meets_both_ends(first, last, generations):
    found = values(Drift(first, last).steps(generations))
    assert (found[0], found[-1]) == (first, last)
    expected = [first + (last - first) * n / (generations - 1) for n in range(generations)]
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert values(Drift(first, last).steps(1)) == [first]


def test_a_list_begins_again():
    assert values(Listed((1.0, 0.5)).steps(5)) == [1.0, 0.5, 1.0, 0.5, 1.0]


@given(st.floats(0.01, 1), st.floats(1, 30), st.integers(0, 99))
def test_a_walk_stays_between_its_ends_in_small_steps(low, high, seed):
    walk = Walk(low, high, "bpp", seed)
    found = values(walk.steps(60))
    assert all(low <= value <= high for value in found)
    assert all(abs(b - a) <= (high - low) / 4 + 1e-9 for a, b in pairwise(found))
    assert values(walk.steps(20)) == found[:20]


def test_walks_are_the_same_everywhere_and_differ_by_seed():
    # random.Random(0) gives 0.8444218515, 0.7579544029, 0.4205715804.
    expected = [0.8444218515, 0.8444218515 + (0.7579544029 - 0.5) / 2]
    expected.append(expected[1] + (0.4205715804 - 0.5) / 2)
    assert values(Walk(0, 1, "bpp", 0).steps(3)) == pytest.approx(expected, abs=1e-9)
    assert values(Walk(0, 1, "bpp", 1).steps(3)) != values(Walk(0, 1, "bpp", 0).steps(3))


def test_text_of_every_kind():
    assert FixedRate(0.5).text == "bpp:0.5"
    assert FixedRate(0.5, "below").text == "bpp:0.5,below"
    assert Drift(1.0267, 0.7907).text == "drift:1.0267:0.7907"
    assert Drift(90, 50, "quality").text == "drift:quality:90:50"
    assert Listed((1, 0.5)).text == "list:1,0.5"
    assert Listed((90, 50), "quality").text == "list:quality:90,50"
    assert Listed(tuple(range(1, 9))).text.startswith("list:8@")
    assert Listed((1.0,), name="mine").text != Listed((2.0,), name="mine").text
    assert Walk(0.25, 1, "bpp", 7).text == "walk:0.25:1@7"
    assert HandOver(("jpeg", "iat"), (Step(75), Step(0.5, 1))).text == "chain:jpeg:75,iat:0.5"
    rates = Step(target=0.5), Step(codec=1, target=1, side="below")
    assert HandOver(("jpeg", "iat"), rates).text == "chain:jpeg@0.5bpp,iat@1bpp-below"
    assert Planned(FixedRate(0.5), ()).text == "bpp:0.5,dataset"
    assert Planned(FixedRate(0.5), (), "originals").text == "bpp:0.5,originals"


def test_hand_over_takes_turns():
    steps = HandOver(("jpeg", "iat"), (Step(75), Step(0.5, 1))).steps(5)
    assert [(step.codec, step.quality) for step in steps] == [(0, 75), (1, 0.5), (0, 75), (1, 0.5), (0, 75)]


def test_fit_rounds_what_may_be_rounded_only():
    codec = rate_codecs.Quantiser()
    assert [step.quality for step in fit(Drift(10, 20, "quality").steps(4), [codec])] == [10, 13, 17, 20]
    with pytest.raises(BenchError, match=r"whole number from 1 to 40, got 2\.5"):
        fit(Listed((2.5,), "quality").steps(1), [codec])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_back_exactly(value):
    assert float(number(value)) == value


def test_a_chain_has_an_end():
    with pytest.raises(BenchError, match=r"^A chain has at most 1000000 generations, got 1000001; change it with"):
        FixedRate(0.5).steps(10**6 + 1)
