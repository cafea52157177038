"""bench.chain with rate control, edits, hand-over and float carriers: exact completion, honest records."""

from __future__ import annotations

import re

import numpy as np
import pytest
import rate_codecs
import synthetic_codecs as synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.chain import run_chain
from bench.codec import BenchError
from bench.edits import apply_all, parse_edits
from bench.metrics import Reference
from bench.ratecontrol import BUDGET
from bench.schedule import Drift, Edited, FixedQuality, FixedRate, HandOver, Listed, Step, Walk

SOURCE = np.random.default_rng(5).integers(0, 256, (6, 7, 3), np.uint8)
MIDDLE = 8.0 * 300 / 42
"""A rate within reach of the quantisers on SOURCE: streams have 174 to 506 bytes."""


def honest(codec):
    """The same codec coded to the end every time: what completion must agree with."""
    codec.deterministic = False
    return codec


def comparable(chain):
    skip = {"encode_s", "decode_s", "fixed_point", "cycle", "filled"}
    return [{key: repr(value) for key, value in record.items() if key not in skip} for record in chain.records]


def column(chain, name):
    return [record[name] for record in chain.records]


rates = st.floats(8.0 * 180 / 42, 8.0 * 500 / 42)
schedules = st.one_of(
    st.builds(FixedRate, rates, st.sampled_from(["nearest", "below"])),
    st.builds(Drift, rates, rates),
    st.builds(Listed, st.lists(rates, min_size=1, max_size=3).map(tuple)),
    st.builds(Walk, st.just(40.0), st.just(90.0), st.just("bpp"), st.integers(0, 9)),
)
edits = st.sampled_from(["", "shift:1", "shift:3,shift:-3", "resize:0.5", "brightness:9", "crop:1", "crop:1,shift:2"])


@settings(deadline=None, max_examples=150)
@given(
    kind=st.sampled_from([rate_codecs.Quantiser, rate_codecs.Continuous]),
    wobble=st.integers(0, 6),
    move=st.sampled_from([0, 0, 64, 128]),
    schedule=schedules,
    edit=edits,
    generations=st.integers(1, 25),
    snapshots=st.sets(st.integers(0, 25), max_size=3),
)
def test_completion_equals_coding_everything(kind, wobble, move, schedule, edit, generations, snapshots):
    """Where rate control begins is part of the state: filled records are what coding would have given."""
    if edit:
        schedule = Edited(schedule, parse_edits(edit))
    kept, brute_kept = {}, {}
    chain = run_chain(
        [kind(wobble, move)], SOURCE, schedule, generations, snapshots=snapshots, keep=kept.setdefault
    )  # fmt: skip
    brute = run_chain(
        [honest(kind(wobble, move))], SOURCE, schedule, generations, snapshots=snapshots, keep=brute_kept.setdefault
    )
    assert comparable(chain) == comparable(brute)
    assert chain.digests == brute.digests
    assert kept.keys() == brute_kept.keys()
    for name, pixels in kept.items():
        np.testing.assert_array_equal(pixels, brute_kept[name])


def test_a_chain_at_a_rate_reaches_its_fixed_point(tmp_path, monkeypatch):
    count = tmp_path / "count"
    monkeypatch.setenv(rate_codecs.COUNT, str(count))
    chain = run_chain([rate_codecs.Continuous()], SOURCE, FixedRate(MIDDLE), 50)
    assert sum(column(chain, "filled")) >= 45
    coded = [record for record in chain.records if not record["filled"]]
    assert count.stat().st_size == sum(record["encodes"] for record in coded)
    assert all(record["target_bpp"] == MIDDLE for record in chain.records)
    for record in chain.records:
        assert record["miss"] == pytest.approx(record["bpp"] / MIDDLE - 1, abs=1e-12)
        assert abs(record["miss"]) <= 0.005
        assert 1 <= record["encodes"] <= BUDGET


def test_fixed_qualities_have_no_record_of_rate_control():
    chain = run_chain([rate_codecs.Quantiser()], SOURCE, FixedQuality(7), 3)
    for name in ("target_bpp", "encodes", "miss"):
        assert column(chain, name) == [None] * 3


def test_a_rate_out_of_reach_is_a_record_with_the_range_found():
    chain = run_chain([rate_codecs.Quantiser()], SOURCE, Drift(MIDDLE, 4 * MIDDLE), 5)
    assert column(chain, "status")[:2] == ["ok", "failed"]
    said = r"is out of reach on this image, its highest rate is [\d.]+ bpp \(quality 40\)"
    assert re.search(said, chain.records[1]["reason"])
    assert chain.records[1]["target_bpp"] == pytest.approx(1.75 * MIDDLE)
    assert chain.records[1]["quality"] is None
    assert column(chain, "status")[2:] == ["not_reached"] * 3


def test_a_codec_that_fails_during_rate_control_is_a_record():
    class Broken(rate_codecs.Quantiser):
        def encode(self, image, quality):
            raise ZeroDivisionError("division by zero")

    chain = run_chain([Broken()], SOURCE, FixedRate(MIDDLE), 2)
    reason = "quantiser: encode raised ZeroDivisionError: division by zero (test_chain_rate.py:"
    assert chain.records[0]["reason"].startswith(reason)
    hanging = synthetic.Table()
    hanging.encode = lambda image, quality: __import__("time").sleep(60)
    chain = run_chain([hanging], SOURCE, FixedRate(MIDDLE), 2, timeout=0.2)
    assert "encode took longer than 0.2 s" in chain.records[0]["reason"]


def test_edits_are_done_to_the_reference_and_to_generation_1_as_well():
    """A lossless codec loses nothing, whatever is done between generations."""
    for text in ("resize:0.5", "shift:2", "crop:1", "brightness:40", "resize:0.5,shift:1,crop:1,brightness:-9"):
        done = parse_edits(text)
        chain = run_chain([synthetic.Table()], SOURCE, Edited(FixedQuality(0), done), 4)
        for name in ("psnr", "psnr_step", "psnr_first"):
            assert column(chain, name) == [np.inf] * 4
        sizes = [(6 - n, 7 - n) if "crop" in text else (6, 7) for n in range(4)]
        assert list(zip(column(chain, "height"), column(chain, "width"), strict=True)) == sizes
    # Against a plain loop, with a codec that changes pixels.
    done = parse_edits("shift:1,brightness:3")
    chain = run_chain([synthetic.Coarse()], SOURCE, Edited(FixedQuality(1), done), 3)
    image = reference = SOURCE
    for generation, record in enumerate(chain.records):
        if generation:
            image, reference = apply_all(done, image), apply_all(done, reference)
        image = image >> 4 << 4
        assert record["mse"] == Reference(reference).compare(image)["mse"]
        assert record["schedule"] == "quality:1+shift:1+brightness:3"


def test_equal_pixels_beside_another_reference_are_no_fixed_point():
    constant = synthetic.Table(np.full(256, 100))
    chain = run_chain([constant], SOURCE, Edited(FixedQuality(0), parse_edits("brightness:1")), 4)
    assert len(set(chain.digests[1:])) == 1
    assert column(chain, "shift_r") == pytest.approx(
        [100 - np.clip(SOURCE[..., 0] + 1.0 * n, 0, 255).mean() for n in range(4)]
    )
    assert not any(column(chain, "filled"))


def test_hand_over_keeps_the_books_of_each_codec():
    codecs = [rate_codecs.Quantiser(), rate_codecs.Continuous(move=1)]
    schedule = HandOver(("quantiser", "continuous", "quantiser"), (Step(9.0, 0), Step(0.25, 1), Step(30.0, 0)))
    chain = run_chain(codecs, SOURCE, schedule, 20)
    turn = [("quantiser", 9.0), ("continuous", 0.25), ("quantiser", 30.0)]
    assert list(zip(column(chain, "codec"), column(chain, "quality"), strict=True)) == (turn * 7)[:20]
    assert column(chain, "codec_id")[0] == column(chain, "codec_id")[2] != column(chain, "codec_id")[1]
    image = SOURCE
    for record in chain.records:
        codec = codecs[record["codec"] == "continuous"]
        stream = codec.encode(image, record["quality"])
        image = codec.decode(stream)
        assert record["bytes"] == len(stream)
        assert record["mse"] == Reference(SOURCE).compare(image)["mse"]


def test_a_float_carrier_is_not_rounded_and_is_marked():
    chain = run_chain([rate_codecs.Fractional()], SOURCE // 2, FixedQuality(0.5), 30, carrier="float")
    assert column(chain, "carrier") == ["float"] * 30
    expected = [round(n / 3) for n in range(1, 31)]
    assert column(chain, "shift_r") == pytest.approx(expected)
    assert not any(column(chain, "filled"))
    # With 8 bits between generations, a third is rounded away: a fixed point at once.
    rounded = run_chain([rate_codecs.Fractional()], SOURCE // 2, FixedQuality(0.5), 30)
    assert column(rounded, "carrier") == ["uint8"] * 30
    assert all(column(rounded, "fixed_point"))


def test_what_a_float_carrier_asks_of_a_codec():
    with pytest.raises(BenchError, match="quantiser takes and gives 8-bit images; --carrier float"):
        run_chain([rate_codecs.Quantiser()], SOURCE, FixedQuality(1), 2, carrier="float")
    chain = run_chain([rate_codecs.Unbounded()], SOURCE, FixedQuality(0.5), 2, carrier="float")
    assert chain.records[0]["reason"] == "unbounded: decode returned values that are not finite."


def test_drifting_qualities_are_rounded_where_the_scale_is_whole_numbers():
    chain = run_chain([rate_codecs.Quantiser()], SOURCE, Drift(30, 10, "quality"), 7)
    assert column(chain, "quality") == [30, 27, 23, 20, 17, 13, 10]
    with pytest.raises(BenchError, match="must be a whole number from 1 to 40, got 41"):
        run_chain([rate_codecs.Quantiser()], SOURCE, Drift(30, 41, "quality"), 7)
    with pytest.raises(BenchError, match=r"got 7\.5"):
        run_chain([rate_codecs.Quantiser()], SOURCE, FixedQuality(7.5), 7)


def test_hand_over_between_a_rate_and_a_quality():
    codecs = [rate_codecs.Quantiser(), rate_codecs.Continuous(move=1)]
    turn = (Step(target=0.8 * MIDDLE), Step(0.25, 1), Step(target=1.2 * MIDDLE))
    chain = run_chain(codecs, SOURCE, HandOver(("quantiser", "continuous", "quantiser"), turn), 6)
    assert chain.ok
    assert column(chain, "target_bpp") == [0.8 * MIDDLE, None, 1.2 * MIDDLE] * 2
    assert column(chain, "quality")[1::3] == [0.25] * 2
    assert column(chain, "bpp")[::3] == pytest.approx([0.8 * MIDDLE] * 2, rel=0.05)
