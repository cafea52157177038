"""bench.runner: chains over processes, and what happens when these die."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import synthetic_codecs as synthetic
from joblib.externals.loky import get_reusable_executor
from pngs import save_png

from bench import pool, runner, worker
from bench.chain import METHOD
from bench.codec import BenchError
from bench.images import load_image
from bench.provenance import machine
from bench.registry import parse_spec
from bench.runner import run_tasks
from bench.schedule import FixedQuality, FixedRate, HandOver, Planned, Step
from bench.store import Store
from bench.task import Settings, Task, identity_of, make_codec

SETTINGS = Settings(jobs=2, threads=1)


@pytest.fixture(autouse=True)
def _no_workers_from_before():
    """Workers inherit the environment of the moment they start in."""
    yield
    get_reusable_executor().shutdown(kill_workers=True)


def task(folder, codec, value=2, generations=6, snapshots=(0, 6)):
    path = folder / f"{codec}-{value}.png"
    save_png(path, np.full((8, 9, 3), value, np.uint8))
    image = load_image(path)
    spec = parse_spec(f"synthetic_codecs:{codec}")
    identities = (identity_of(make_codec(spec, SETTINGS)),)
    schedule = FixedQuality(0)
    return Task((spec,), identities, "set", image.name, path, image.sha256, (8, 9), schedule, generations, snapshots)


def status(store, task):
    return [record["status"] for record in store.read(task.identity)[0].records]


def test_finished_chains_are_not_coded_again(tmp_path, monkeypatch):
    count = tmp_path / "count"
    monkeypatch.setenv(synthetic.COUNT, str(count))
    store = Store.open(tmp_path / "run")
    tasks = [task(tmp_path, "Drift", value) for value in range(3)]
    reported = []
    assert run_tasks(tasks, store, SETTINGS, report=reported.append, backend="sequential") == 3
    coded = 3 * (6 + 1)  # the source once more, by a second instance
    assert count.stat().st_size == coded
    assert sum(reported) == 3 * 6
    run_tasks(tasks, store, SETTINGS, backend="sequential")
    assert count.stat().st_size == coded
    assert all(sorted(store.read(one.identity)[0].snapshots) == [0, 6] for one in tasks)
    assert not list(store.root.glob(".progress*"))


def test_nothing_is_counted_where_nobody_wants_to_know(tmp_path, monkeypatch):
    store = Store.open(tmp_path / "run")
    seen = []

    def looking(*arguments, **more):
        seen.append(sorted(path.name for path in store.root.iterdir()))
        return worker.code_chain(*arguments, **more)

    monkeypatch.setattr(runner, "code_chain", looking)
    for report in (None, lambda generations: None):
        run_tasks([task(tmp_path, "Drift", 1 + bool(report))], store, SETTINGS, report=report, backend="sequential")
    assert seen[0] == ["chains", "snapshots"]
    assert seen[1][0].startswith(".progress-")
    run_tasks([task(tmp_path, "Drift", 3)], store, SETTINGS, backend="sequential")
    assert seen[2] == seen[0]


def test_a_failed_chain_is_tried_again(tmp_path, monkeypatch):
    count = tmp_path / "count"
    monkeypatch.setenv(synthetic.COUNT, str(count))
    store = Store.open(tmp_path / "run")
    tasks = [task(tmp_path, "Fails")]
    for times in (1, 2):
        run_tasks(tasks, store, SETTINGS, backend="sequential")
        assert count.stat().st_size == times * (3 + 1)
        assert status(store, tasks[0]) == ["ok", "ok", "failed", *["not_reached"] * 3]


def test_workers_that_die_cost_nothing_but_their_own_chain(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "ATTEMPTS", 2)
    monkeypatch.setenv(synthetic.MARKER, str(tmp_path / "died"))
    store = Store.open(tmp_path / "run")
    dies, once = task(tmp_path, "Dies"), task(tmp_path, "DiesOnce")
    others = [task(tmp_path, "Drift", value) for value in range(4)]
    said = []
    run_tasks([dies, *others, once], store, SETTINGS, say=said.append)
    assert status(store, dies) == ["failed", *["not_reached"] * 5]
    reason = "dies: the process that coded this chain died 3 times: out of memory, killed, or a crash in the codec."
    assert store.read(dies.identity)[0].records[0]["reason"] == reason
    assert (tmp_path / "died").exists()
    for one in (once, *others):
        assert status(store, one) == ["ok"] * 6
    assert "A worker process died; dies on Dies-2 is coded again in a process of its own." in said


def test_an_image_that_changed_meanwhile_stops_the_run(tmp_path):
    store = Store.open(tmp_path / "run")
    one = task(tmp_path, "Drift")
    with pytest.raises(BenchError, match="has changed since the run was started"):
        run_tasks([replace(one, sha256="0" * 64)], store, SETTINGS, backend="sequential")


def test_another_codec_than_the_run_was_started_with_is_refused(tmp_path):
    store = Store.open(tmp_path / "run")
    one = task(tmp_path, "Drift")
    other = replace(one, identities=({"name": "drift", "identity": {"version": "another"}},))
    for at_home, sentence in (
        (True, "drift was changed while the run went on (version: another → none); start the same command again: "),
        (False, f"drift is not the same on {machine()['host']} as where the run was started (version: another there, "),
    ):
        with pytest.raises(BenchError, match=re.escape(sentence)):
            worker.code_chain(other, SETTINGS, source=pytest.fail, keep=pytest.fail, here=at_home)
    with pytest.raises(BenchError, match="was changed while the run went on"):
        run_tasks([other], store, SETTINGS, backend="sequential")


def test_a_codec_that_is_edited_while_the_run_goes_on_stops_its_own_chains_only(tmp_path, monkeypatch):
    """The run was started with version 1; its workers start after the edit."""
    store = Store.open(tmp_path / "run")
    edited = [task(tmp_path, "Versioned", value) for value in (1, 2)]
    others = [task(tmp_path, "Drift", value) for value in range(4)]
    monkeypatch.setenv(synthetic.VERSION, "2")
    sentence = (
        "versioned was changed while the run went on (version: 1 → 2); start the same command again: finished chains "
        "are kept."
    )
    with pytest.raises(BenchError) as error:
        run_tasks([*edited, *others], store, SETTINGS)
    assert str(error.value) == sentence
    assert [status(store, one) for one in others] == [["ok"] * 6] * 4
    assert all(store.read(one.identity)[0] is None for one in edited)


TARGET = Step(target=1.0)
CHOSEN = Step(quality=3.0, target=1.0, found=(2, 0.1))


@pytest.mark.parametrize(
    ("schedule", "hints"),
    [
        (FixedRate(1.0), ["a", ""]),
        (HandOver(("x", "y"), (Step(quality=1.0), replace(TARGET, codec=1))), None),
        (HandOver(("x", "y"), (TARGET, Step(quality=1.0, codec=1))), ["a", ""]),
        (FixedQuality(0), None),
        (Planned(FixedRate(1.0), (CHOSEN,) * 6), None),
    ],
)
def test_where_rate_control_begins_is_part_of_the_key_where_it_plays_a_part(schedule, hints, tmp_path):
    one = replace(task(tmp_path, "Drift"), schedule=schedule)
    assert replace(one, hints=("a", "")).identity == one.identity | ({} if hints is None else {"rate_hints": hints})
    assert replace(one, hints=("", "")).identity == one.identity
    assert "rate_hints" not in one.identity


@pytest.mark.parametrize("schedule", [FixedQuality(3), FixedRate(1.0)])
def test_keys_of_finished_chains_stay_what_they_are(schedule, tmp_path):
    """Users' run folders are full of them: one entry more, and none is found again."""
    one = replace(task(tmp_path, "Drift"), schedule=schedule)
    assert one.identity == {
        "codecs": list(one.identities),
        "image": one.sha256,
        "schedule": schedule.text,
        "generations": 6,
        "carrier": "uint8",
        "method": METHOD,
    }


def test_another_rate_hint_than_the_run_was_started_with_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(synthetic.HINT, "2")
    one = replace(task(tmp_path, "Hinting"), hints=("1",))
    with pytest.raises(BenchError, match=r"hinting was changed while the run went on \(where rate control begins\)"):
        run_tasks([one], Store.open(tmp_path / "run"), SETTINGS, backend="sequential")


def test_a_codec_that_never_comes_back_to_the_interpreter_takes_its_process_along():
    """The sum below never ends, in C, with the interpreter lock held."""
    code = (
        "import itertools\nfrom bench import limits\nlimits.GRACE = 0.3\n"
        "with limits.time_limit(0.3, 'it', may_exit=True):\n    sum(itertools.repeat(0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr == b""
