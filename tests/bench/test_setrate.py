"""bench.setrate: one quality a generation for a whole set."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import rate_codecs
import synthetic_codecs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from joblib.externals.loky import get_reusable_executor
from pngs import save_png
from skimage.data import astronaut

from bench import limits, pool, reencode, run, setplans, setrate
from bench.edits import parse_edits
from bench.ratecontrol import TOLERANCE
from bench.runner import run_tasks
from bench.schedule import Drift, Edited, FixedRate, Held, Listed
from bench.setrate import Plan, plan_set
from bench.setrates import Rates
from bench.store import Store

RNG = np.random.default_rng(8)
IMAGES = [RNG.integers(0, 256, (5 + n, 8, 3), np.uint8) for n in range(3)]


def mean_rate(codec, images, quality):
    return np.mean([8 * len(codec.encode(image, quality)) / image[..., 0].size for image in images])


@settings(deadline=None, max_examples=40)
@example(rate_codecs.Continuous, 128, 45.0, 55.0, 7)
@given(
    kind=st.sampled_from([rate_codecs.Quantiser, rate_codecs.Continuous]),
    move=st.sampled_from([0, 128]),
    target=st.floats(45, 75),
    last=st.floats(45, 75),
    generations=st.integers(1, 12),
)
def test_the_mean_over_the_set_is_hit_and_a_cycle_is_completed_exactly(kind, move, target, last, generations):
    schedule = Drift(target, last) if move else FixedRate(target)
    codec = kind(move=move)
    plan = plan_set(codec, IMAGES, schedule, generations)
    assert plan.reason == ""
    assert len(plan.steps) == generations
    images = IMAGES
    for step in plan.steps:
        encodes, miss = step.found
        mean = mean_rate(codec, images, step.quality)
        assert miss == pytest.approx(mean / step.target - 1, abs=1e-12)
        if not codec.quality.integer and abs(miss) > TOLERANCE:
            # the step of this codec's quantiser is a whole number, and where it changes the rate jumps
            levels = [mean_rate(codec, images, level) / step.target - 1 for level in np.linspace(0, 1, 2001)]
            assert abs(miss) <= min(abs(level) for level in levels)
        assert encodes >= 1
        images = [codec.decode(codec.encode(image, step.quality)) for image in images]
    unsure = kind(move=move)
    unsure.deterministic = False
    assert plan_set(unsure, IMAGES, schedule, generations) == plan


@pytest.mark.parametrize("kind", [rate_codecs.Quantiser, rate_codecs.Continuous])
@pytest.mark.parametrize("move", [0, 128])
def test_by_originals_the_rates_are_those_of_the_sources_alone(kind, move):
    class Watched(kind):
        seen: ClassVar[list[bytes]] = []

        def encode(self, image, quality):
            self.seen.append(image.tobytes())
            return super().encode(image, quality)

        def decode(self, stream):
            raise AssertionError("nothing is to be decoded")

    codec = Watched(move=move)
    plan = plan_set(codec, IMAGES, Listed((60.0, 60.0, 50.0, 60.0)), 6, rate_by="originals")
    assert not plan.reason
    assert [step.target for step in plan.steps] == [60, 60, 50, 60, 60, 60]
    assert set(codec.seen) == {image.tobytes() for image in IMAGES}
    assert len(codec.seen) <= 3 * sum(plan.steps[n].found[0] for n in (0, 2)), "a rate once measured is known"
    for step in plan.steps:
        assert step.found[1] == pytest.approx(mean_rate(codec, IMAGES, step.quality) / step.target - 1, abs=1e-12)
    assert len({step.quality for step in plan.steps}) == 2
    assert plan.steps[2].quality != plan.steps[0].quality


@pytest.mark.parametrize("kind", [rate_codecs.Quantiser, rate_codecs.Continuous])
def test_by_originals_a_target_has_one_quality_whatever_came_before(kind):
    down = plan_set(kind(), IMAGES, Listed((64.0, 64.0, 57.0, 52.0)), 4, rate_by="originals")
    for step in down.steps:
        (alone,) = plan_set(kind(), IMAGES, FixedRate(step.target), 1, rate_by="originals").steps
        assert (alone.quality, alone.found) == (step.quality, step.found)


def test_by_originals_a_quality_is_held_while_its_rate_is_near():
    rates, codec = (60.0, 56.0, 50.0, 53.0, 60.0, 50.0), rate_codecs.Continuous()
    plan = plan_set(codec, IMAGES, Held(Listed(rates), 0.1), 6, rate_by="originals")
    first, held, low, back, high, again = (step.quality for step in plan.steps)
    assert (held, back, high, again) == (first, low, first, low)
    assert low != first
    for step, rate in zip(plan.steps, rates, strict=True):
        assert step.found[1] == pytest.approx(mean_rate(codec, IMAGES, step.quality) / rate - 1, abs=1e-12)


def test_by_originals_an_edit_between_generations_changes_nothing():
    edited = Edited(FixedRate(60.0), parse_edits("crop:1"))
    plan = plan_set(rate_codecs.Continuous(move=128), IMAGES, edited, 3, rate_by="originals")
    plain = plan_set(rate_codecs.Continuous(move=128), IMAGES, FixedRate(60.0), 3, rate_by="originals")
    assert [step.quality for step in plan.steps] == [step.quality for step in plain.steps]
    assert [bool(step.edits) for step in plan.steps] == [False, True, True]


class Stopped(BaseException):
    pass


@pytest.mark.parametrize("stop", [1, 4, 9, 20, 25])
def test_planning_that_was_killed_goes_on(stop, tmp_path):
    """Killed at the n-th encoding: the same plan, and little is encoded twice."""

    class Counting(rate_codecs.Continuous):
        left = 10**9
        encodes = 0

        def encode(self, image, quality):
            if self.encodes >= self.left:
                raise Stopped
            self.encodes += 1
            return super().encode(image, quality)

    schedule = Drift(60, 50)
    codec = Counting(move=128)
    plan = plan_set(codec, IMAGES, schedule, 5)
    assert codec.encodes > 25
    path = tmp_path / "rates"
    killed = Counting(move=128)
    killed.left = stop
    with pytest.raises(Stopped):
        plan_set(killed, IMAGES, schedule, 5, rates=Rates(path))
    known = path.read_text().count("[") if path.exists() else 0
    again = Counting(move=128)
    assert plan_set(again, IMAGES, schedule, 5, rates=Rates(path)) == plan
    generations = len({json.loads(line.partition(" ")[2])[0] for line in path.read_text().split("\n") if line})
    assert again.encodes <= codec.encodes - 3 * known + 3 * generations


def test_rates_cut_off_or_changed_are_measured_again(tmp_path):
    path = tmp_path / "rates"
    rates = Rates(path)
    for number in range(4):
        rates.put(1, float(number), 0.1 * number)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        read = Rates(path)
        assert all(read.get(1, float(number)) in (None, 0.1 * number) for number in range(4))
        read.put(2, 0.5, 0.25)
        assert Rates(path).get(2, 0.5) == 0.25
    path.write_bytes(whole.replace(b"0.1", b"0.9", 1))
    assert Rates(path).get(1, 1.0) is None
    assert Rates(path).get(1, 2.0) == 0.2
    Rates(path).forget()
    assert not path.exists()


def test_a_plan_out_of_reach_says_why(tmp_path):
    plan = plan_set(rate_codecs.Quantiser(), IMAGES, Drift(60, 600), 3)
    assert len(plan.steps) == 1
    assert plan.reason.startswith("quantiser: 330 bpp is out of reach on this set")


def test_a_stored_plan_is_read_as_it_was_and_damage_is_noticed(tmp_path):
    store = Store.open(tmp_path)
    schedule = FixedRate(60)
    plan = plan_set(rate_codecs.Continuous(), IMAGES, schedule, 4)
    key = setrate.identity({"name": "c", "identity": {}}, ["a", "b"], schedule, 4, "uint8")
    assert setrate.read(store, key) is None
    setrate.write(store, key, plan)
    assert setrate.read(store, key) == plan
    assert setrate.read(store, key | {"images": ["a"]}) is None
    (path,) = (store.root / "plans").iterdir()
    path.write_bytes(path.read_bytes().replace(b"60", b"61", 1))
    assert setrate.read(store, key) is None


@pytest.fixture
def _own_workers():
    """Workers inherit the environment of the moment they start in."""
    get_reusable_executor().shutdown(kill_workers=True)
    yield
    get_reusable_executor().shutdown(kill_workers=True)


@pytest.fixture
def photographs(tmp_path):
    """Three, in a folder."""
    (tmp_path / "set").mkdir()
    for n in range(3):
        save_png(tmp_path / "set" / f"{n}.png", astronaut()[100 * n :, 50 * n :][:200, :180])
    return tmp_path / "set"


def by_dataset(folder, out, codec="webp", *more):
    command = ["--codec", codec, "--bpp", "0.8", "--rate-by", "dataset", "--generations", "3"]
    return [*command, "--dataset", str(folder), "--out", str(out), "--jobs", "2", *more]


@pytest.mark.usefixtures("_own_workers")
@pytest.mark.parametrize("codec", ["synthetic_codecs:Crashes", "synthetic_codecs:Crashes,webp"])
def test_a_codec_that_crashes_while_qualities_are_chosen_is_named(codec, photographs, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "ATTEMPTS", 2)
    store = Store(tmp_path / "run")
    assert reencode.main(by_dataset(photographs, store.root, codec)) == 1
    table = pd.read_parquet(store.root / "generations.parquet")
    assert set(table[table["status"] == "ok"]["codec"]) == {"webp"} & {*codec.split(",")}
    reasons = table[(table["codec"] == "crashes") & (table["status"] == "failed")]["reason"]
    assert len(reasons) == 3
    assert reasons.str.startswith("No quality for the set: The process that chose its qualities died 3 times").all()
    assert [path.name[:4] for path in (store.root / "plans").glob("*.json")] == ["webp"] * ("webp" in codec)


@pytest.mark.usefixtures("_own_workers")
def test_a_codec_that_hangs_while_qualities_are_chosen_is_stopped(photographs, tmp_path, monkeypatch, capsys):
    """The sum that it does never ends, in C, with the interpreter lock held."""
    monkeypatch.setattr(pool, "ATTEMPTS", 1)
    monkeypatch.setattr(limits, "GRACE", 0.2)
    monkeypatch.setenv(synthetic_codecs.GRACE, "0.2")
    command = by_dataset(photographs, tmp_path / "run", "synthetic_codecs:Hangs", "--codec-timeout", "0.2")
    assert reencode.main(command) == 1
    assert "or one that did not stop at --codec-timeout" in capsys.readouterr().err


def test_records_say_what_was_found_for_their_own_set(photographs, tmp_path, monkeypatch):
    """Of a fourth image everything is known but its rate, which leaves the qualities where they were."""
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    monkeypatch.setattr("bench.reports.make", lambda *_: None)
    monkeypatch.setattr(setplans, "plan", functools.partial(setplans.plan, backend="sequential"))
    plan_set = setrate.plan_set

    def other_rates(codec, sources, *args):
        plan = plan_set(codec, sources[:3], *args)
        found = [(step.found[0], step.found[1] + (len(sources) - 3) / 1000) for step in plan.steps]
        return Plan(tuple(replace(step, found=one) for step, one in zip(plan.steps, found, strict=True)))

    monkeypatch.setattr(setrate, "plan_set", other_rates)
    tables = []
    for _ in range(2):
        assert reencode.main(by_dataset(photographs, tmp_path / "run", "webp", "--quiet")) == 0
        tables.append(pd.read_parquet(tmp_path / "run" / "generations.parquet"))
        save_png(photographs / "another.png", astronaut()[300:500, 200:380])
    before, after = tables
    assert set(before["quality"]) == set(after["quality"])
    assert (after.groupby("generation")["miss"].nunique() == 1).all()
    assert after["miss"].mean() == pytest.approx(before["miss"].mean() + 0.001)


def test_a_run_by_originals_is_coded_at_their_quality_and_told_apart(photographs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    monkeypatch.setattr(setplans, "plan", functools.partial(setplans.plan, backend="sequential"))
    command = by_dataset(photographs, tmp_path / "run", "webp")
    command[command.index("dataset")] = "originals"
    for chains in ("3 to code", "3 done before, 0 to code"):
        assert reencode.main(command) == 0
        printed = capsys.readouterr().out
        assert chains in printed
        assert " orig. miss " in printed
    table = pd.read_parquet(tmp_path / "run" / "generations.parquet")
    assert set(table["schedule"]) == {"bpp:0.8,originals"}
    assert table["quality"].nunique() == 1
    first = table[table["generation"] == 1]
    assert first["bpp"].mean() / 0.8 - 1 == pytest.approx(first["miss"].iloc[0], abs=1e-12)
    assert table["miss"].nunique() == 1, "later rates are measured, not hit"
    command[command.index("originals")] = "dataset"
    assert reencode.main(command) == 0
    assert "3 to code" in capsys.readouterr().out, "another plan, other chains"


def test_a_rate_out_of_reach_of_the_set_fails_alone_and_where_it_is(photographs, tmp_path, capsys, monkeypatch):
    """The chains of the other points are coded, and those of this one up to the generation that has no quality."""
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    monkeypatch.setattr(setplans, "plan", functools.partial(setplans.plan, backend="sequential"))
    command = by_dataset(photographs, tmp_path / "run", "jpeg,webp")
    rates = command.index("--bpp")
    command[rates : rates + 2] = ["--schedule", "0.9,0.8,0.25"]
    for chains in ("6 to code", "3 done before, 3 to code"):
        assert reencode.main(command) == 1
        printed = capsys.readouterr()
        assert chains in printed.out
        reason = "No quality for the set: jpeg: 0.25 bpp is out of reach on this set"
        assert f"Failed: jpeg, list 0.9,0.8,0.25,dataset, on all 3 images: {reason}" in printed.err
        table = pd.read_parquet(tmp_path / "run" / "generations.parquet")
        states = table.pivot_table("status", ["codec", "image"], "generation", "first")
        assert (states.loc["webp"] == "ok").all(axis=None)
        assert (states.loc["jpeg"] == ["ok", "ok", "failed"]).all(axis=None)
        (plan,) = (tmp_path / "run" / "plans").glob("*.json")
        assert plan.name.startswith("webp")


def test_a_run_by_dataset_hits_the_mean_and_is_resumed(photographs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    monkeypatch.setattr(setplans, "plan", functools.partial(setplans.plan, backend="sequential"))
    command = by_dataset(photographs, tmp_path / "run", "webp", "--edit", "shift:1")
    assert reencode.main(command) == 0
    printed = capsys.readouterr().out
    assert "webp [bpp+shift:1,dataset], bpp 0.8" in printed
    assert "No codec, shift:1 between generations" in printed
    table = pd.read_parquet(tmp_path / "run" / "generations.parquet")
    for _, part in table.groupby("generation"):
        assert part["quality"].nunique() == 1
        assert part["bpp"].mean() / 0.8 - 1 == pytest.approx(part["miss"].iloc[0], abs=1e-12)
        assert abs(part["miss"].iloc[0]) <= 0.02
        assert part["bpp"].nunique() == 3
    assert reencode.main(command) == 0
    printed = capsys.readouterr().out
    assert "3 done before, 0 to code" in printed
    assert "Choosing" not in printed

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(setplans, "plan", stopped)
    assert reencode.main([*command, "--codec", "jpeg,webp"]) == 130
    assert "Stopped: 3 of 6 chains are done" in capsys.readouterr().err
