"""bench.chain: records of a chain, exact completion of cycles, failures."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import pytest
import synthetic_codecs as synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.chain import find_cycle, run_chain
from bench.codec import BenchError, CodecError
from bench.columns import NAMES
from bench.schedule import FixedQuality, FixedRate, Planned, Step

RNG = np.random.default_rng(20)
PHOTO = RNG.integers(0, 256, (12, 9, 3), np.uint8)
ELSEWHERE = {"dataset", "image", "image_id"}


@dataclass(frozen=True)
class Listed:
    """A schedule that names each generation's codec and quality."""

    pairs: tuple[tuple[int, int], ...]
    text: str = "listed"

    def steps(self, generations):
        return [Step(quality=quality, codec=codec) for codec, quality in self.pairs[:generations]]


class Unsure(synthetic.Table):
    """The same tables, coded to the end every time: what completion must agree with."""

    name = "table"
    deterministic = False


def comparable(chain):
    """Records without what completion may change, times and its own marks, and what tells the two classes apart."""
    skip = {"encode_s", "decode_s", "fixed_point", "cycle", "filled", "codec_id"}
    return [{key: repr(value) for key, value in record.items() if key not in skip} for record in chain.records]


def column(chain, name):
    return [record[name] for record in chain.records]


def decibels(a, b):
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return 10 * np.log10(255**2 / error) if error else math.inf


def test_records_against_a_plain_loop():
    codec = synthetic.Drift()
    chain = run_chain([codec], PHOTO, FixedQuality(0), 7)
    before = PHOTO
    for generation, record in enumerate(chain.records, 1):
        decoded = ((PHOTO.astype(int) + generation) % 256).astype(np.uint8)
        assert set(record) == set(NAMES)
        assert record["generation"] == generation
        assert record["bytes"] == 9 + PHOTO.size + int(before.sum()) % 97
        assert record["bpp"] == pytest.approx(8 * record["bytes"] / (12 * 9), rel=1e-12)
        assert record["psnr"] == pytest.approx(decibels(PHOTO, decoded), abs=1e-9)
        assert record["psnr_step"] == pytest.approx(decibels(before, decoded), abs=1e-9)
        first = ((PHOTO.astype(int) + 1) % 256).astype(np.uint8)
        assert record["psnr_first"] == pytest.approx(decibels(first, decoded), abs=1e-9)
        assert record["shift_g"] == pytest.approx(decoded[..., 1].mean() - PHOTO[..., 1].mean(), abs=1e-9)
        assert (record["width"], record["height"], record["codec"], record["quality"]) == (9, 12, "drift", 0.0)
        assert (record["schedule"], record["carrier"], record["status"]) == ("quality:0", "uint8", "ok")
        assert record["encode_s"] > 0
        assert record["decode_s"] > 0
        assert math.isnan(record["ms_ssim"])
        assert "MS-SSIM" in record["reason"]
        assert not record["fixed_point"]
        before = decoded


@settings(deadline=None, max_examples=60)
@given(
    tables=st.lists(st.lists(st.integers(0, 7), min_size=8, max_size=8), min_size=1, max_size=2),
    pairs=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=4),
    generations=st.integers(1, 40),
    snapshots=st.sets(st.integers(0, 45), max_size=6),
)
def test_completion_equals_coding_everything(tables, pairs, generations, snapshots):
    full = [np.concatenate([table, np.arange(8, 256)]) for table in tables]
    qualities = len(full)
    schedule = Listed(tuple((codec, quality % qualities) for codec, quality in pairs) * generations)
    source = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) % 8
    kept = {}
    chain = run_chain(
        [synthetic.Table(*full), synthetic.Table(*full[::-1])],
        source, schedule, generations, snapshots=snapshots, keep=kept.setdefault,
    )  # fmt: skip
    brute_kept = {}
    brute = run_chain(
        [Unsure(*full), Unsure(*full[::-1])],
        source, schedule, generations, snapshots=range(generations + 1), keep=brute_kept.setdefault,
    )  # fmt: skip
    assert comparable(chain) == comparable(brute)
    assert chain.digests == brute.digests
    wanted = {chain.digests[n] for n in snapshots if n <= generations}
    assert set(kept) == wanted
    for name in wanted:
        np.testing.assert_array_equal(kept[name], brute_kept[name])


def test_a_cycle_of_three_is_coded_once_and_marked(tmp_path, monkeypatch):
    count = tmp_path / "count"
    monkeypatch.setenv(synthetic.COUNT, str(count))
    chain = run_chain([synthetic.Cycle3()], PHOTO, FixedQuality(0), 50)
    # Generation 1 leaves no 3 behind; generation 4 has the pixels of generation 1.
    assert count.stat().st_size == 4
    assert column(chain, "cycle") == [0] * 3 + [3] * 47
    assert column(chain, "fixed_point") == [False] * 3 + [True] * 47
    assert column(chain, "filled") == [False] * 4 + [True] * 46
    assert chain.records[20]["encode_s"] is None
    assert column(chain, "psnr")[3:] == [column(chain, "psnr")[n % 3] for n in range(47)]
    assert column(chain, "psnr_first")[0] == math.inf
    assert column(chain, "generation") == list(range(1, 51))


def test_a_fixed_point_and_a_lossless_chain():
    chain = run_chain([synthetic.Coarse()], PHOTO, FixedQuality(1), 5)
    assert column(chain, "fixed_point") == [False, True, True, True, True]
    assert column(chain, "psnr_step")[1:] == [math.inf] * 4
    lossless = run_chain([synthetic.Table()], PHOTO, FixedQuality(0), 5)
    assert column(lossless, "fixed_point") == [True] * 5
    assert column(lossless, "psnr") == [math.inf] * 5
    assert column(lossless, "mse") == [0.0] * 5


def test_same_pixels_at_other_settings_are_no_fixed_point():
    # Quality 3 keeps what quality 2 left; then quality 0 takes more away.
    chain = run_chain([synthetic.Coarse()], PHOTO, Listed(((0, 2), (0, 3), (0, 3), (0, 0), (0, 0))), 5)
    assert chain.digests[1] == chain.digests[2] == chain.digests[3] != chain.digests[4]
    assert column(chain, "filled") == [False] * 5


def test_the_same_pixels_at_the_last_generation_are_a_fixed_point_if_its_step_came_before():
    flat = np.full_like(PHOTO, 128)  # no setting changes it
    apart = run_chain([synthetic.Coarse()], flat, Listed(((0, 2), (0, 0), (0, 3), (0, 1))), 4)
    assert len(set(apart.digests)) == 1
    assert column(apart, "fixed_point") == [False] * 4
    turns = run_chain([synthetic.Coarse()], PHOTO, Listed(((0, 0), (0, 1), (0, 0))), 3)
    assert column(turns, "cycle") == [0, 0, 2]
    assert column(run_chain([synthetic.Coarse()], flat, FixedQuality(1), 1), "fixed_point") == [True]


def test_a_codec_that_is_not_deterministic_is_coded_to_the_end(tmp_path, monkeypatch):
    count = tmp_path / "count"
    monkeypatch.setenv(synthetic.COUNT, str(count))
    chain = run_chain([synthetic.Noisy()], PHOTO, FixedQuality(0), 20)
    assert len(set(chain.digests)) == 2  # equal pixels did come back
    assert count.stat().st_size == 20
    assert not any(column(chain, "fixed_point"))


def test_a_codec_that_claims_to_be_deterministic_is_found_out():
    kept = {}
    chain = run_chain([synthetic.Liar()], PHOTO, FixedQuality(0), 9, snapshots=[9], keep=kept.setdefault)
    assert column(chain, "status") == ["ok"] * 2 + ["failed"] + ["not_reached"] * 6
    assert "says it is deterministic" in chain.records[2]["reason"]
    assert not kept


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Fails", "fails: the stream is cut short."),
        ("Raises", "raises: decode raised ZeroDivisionError: division by zero (synthetic_codecs.py:LINE)."),
        ("Memory", "memory: decode ran out of memory."),
        ("Shape", "shape: decode returned (11, 9, 3) uint8 instead of (12, 9, 3) uint8."),
        ("NaN", "nan: decode returned (12, 9, 3) float64 instead of (12, 9, 3) uint8."),
        ("Nothing", "nothing: decode returned a NoneType instead of (12, 9, 3) uint8."),
    ],
)
def test_a_failure_is_a_record_and_no_row_is_missing(name, reason):
    source = np.full((12, 9, 3), 2, np.uint8)
    chain = run_chain([getattr(synthetic, name)()], source, FixedQuality(0), 6)
    assert column(chain, "status") == ["ok", "ok", "failed", "not_reached", "not_reached", "not_reached"]
    assert column(chain, "generation") == [1, 2, 3, 4, 5, 6]
    said = [re.sub(r":\d+\)", ":LINE)", record["reason"]) for record in chain.records]
    assert said[2] == reason
    assert chain.records[2]["bytes"] > 0
    assert chain.records[2]["psnr"] is None
    assert said[5] == f"Generation 3 failed: {reason}"
    assert not chain.ok


def test_a_failing_encode_has_no_rate():
    chain = run_chain([synthetic.Text()], PHOTO, FixedQuality(0), 2)
    assert column(chain, "status") == ["failed", "not_reached"]
    assert chain.records[0]["reason"] == "text: encode returned str instead of bytes."
    assert column(chain, "bytes") == [None, None]
    refused = run_chain([synthetic.Refuses()], PHOTO, FixedQuality(0), 1)
    assert refused.records[0]["reason"] == "refuses: never today."


def test_a_codec_that_hangs_is_stopped():
    source = np.full((2, 2, 3), 3, np.uint8)
    chain = run_chain([synthetic.Sleeps()], source, FixedQuality(0), 3, timeout=0.2)
    assert chain.records[1]["reason"] == "sleeps: decode took longer than 0.2 s; the limit is --codec-timeout."


def test_ctrl_c_is_no_failure_of_the_codec():
    with pytest.raises(KeyboardInterrupt):
        run_chain([synthetic.Interrupted()], np.full((2, 2, 3), 3, np.uint8), FixedQuality(0), 5)


def test_hand_over_keeps_the_books_by_codec():
    codecs = [synthetic.Coarse(), synthetic.Drift()]
    chain = run_chain(codecs, PHOTO, Listed(((0, 1), (1, 0), (0, 2), (1, 0))), 4)
    assert column(chain, "codec") == ["coarse", "drift"] * 2
    assert column(chain, "quality") == [1.0, 0.0, 2.0, 0.0]
    assert len(set(column(chain, "codec_id"))) == 2


def test_progress_counts_every_generation_once():
    for codec, source in (
        (synthetic.Cycle3(), PHOTO),
        (synthetic.Drift(), PHOTO),
        (synthetic.Fails(), np.full((2, 2, 3), 2, np.uint8)),
    ):
        steps = []
        run_chain([codec], source, FixedQuality(0), 10, advance=steps.append)
        assert sum(steps) == 10


def test_find_cycle():
    same = [Step(1)] * 9
    assert find_cycle(["a", "b"], same) == 0
    assert find_cycle(["a", "b", "b"], same) == 1
    assert find_cycle(["a", "b", "c", "b"], same) == 2
    turns = [Step(1, codec=n % 2) for n in range(9)]
    assert find_cycle(["a", "b", "b"], turns) == 0
    assert find_cycle(["a", "b", "b", "b"], turns) == 2


def test_what_is_no_image_or_no_generation_is_refused():
    with pytest.raises(CodecError, match="uint8"):
        run_chain([synthetic.Drift()], PHOTO.astype(np.float32), FixedQuality(0), 1)
    with pytest.raises(BenchError, match="--generations"):
        run_chain([synthetic.Drift()], PHOTO, FixedQuality(0), 0)


def test_an_image_at_rest_has_settled_whatever_was_found_for_its_set():
    """Qualities chosen for a set that still moves: what was found for it stands in the records and moves no pixels."""
    found = [(n, n / 1000) for n in range(1, 9)]
    schedule = Planned(FixedRate(1.0), tuple(Step(quality=1.0, target=1.0, found=one) for one in found))
    chain = run_chain([synthetic.Coarse()], PHOTO, schedule, 8)
    assert list(zip(column(chain, "encodes"), column(chain, "miss"), strict=True)) == found
    assert any(column(chain, "filled"))
    coded = run_chain([Unsure(*synthetic.Coarse().tables)], PHOTO, schedule, 8)
    assert chain.digests == coded.digests
    assert [each | {"codec": ""} for each in comparable(chain)] == [each | {"codec": ""} for each in comparable(coded)]


class Loads(synthetic.Drift):
    """Has to be warm before it is timed."""

    def __init__(self, ready=True):
        super().__init__()
        self.ready, self.warm, self.now = ready, set(), 0.0

    def warm_up(self, quality):
        if not self.ready:
            raise OSError("no such weights")
        self.now += 100 * (quality not in self.warm)
        self.warm.add(quality)

    def encode(self, image, quality):
        self.now += 1 if quality in self.warm else 101
        return super().encode(image, quality)


def test_what_a_codec_loads_is_not_in_its_times(monkeypatch):
    codec = Loads()
    monkeypatch.setattr("bench.coding.time.perf_counter", lambda: codec.now)
    records = run_chain([codec], PHOTO, FixedQuality(0), 2).records
    assert [record["encode_s"] for record in records] == [1, 1]
    assert codec.now > 100


def test_weights_that_do_not_load_fail_the_generation():
    records = run_chain([Loads(ready=False)], PHOTO, FixedQuality(0), 2).records
    assert records[0]["reason"].startswith("drift: warm_up raised OSError: no such weights")
