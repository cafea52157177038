"""bench.schedule: steps and their canonical text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.codec import BenchError
from bench.schedule import FixedQuality, Step, number


def test_fixed_quality_asks_the_same_of_every_generation():
    assert list(FixedQuality(75).steps(3)) == [Step(quality=75.0, codec=0)] * 3
    assert FixedQuality(75).text == FixedQuality(75.0).text == "quality:75"
    assert FixedQuality(0.1).text == "quality:0.1"


def test_no_generations_are_refused():
    with pytest.raises(BenchError, match=r"at least one generation, got 0; change it with --generations"):
        FixedQuality(1).steps(0)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_back_exactly(value):
    assert float(number(value)) == value
