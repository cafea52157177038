"""bench.memory: images too large for the machine are refused in a sentence, and fewer chains coded at once."""

from __future__ import annotations

import re
from dataclasses import replace

import psutil
import pytest
import synthetic_codecs as synthetic
from test_runner import SETTINGS, status, task

from bench import memory
from bench.codec import EstimatesMemory
from bench.room import with_room
from bench.runner import run_tasks
from bench.store import Store

GIB = 2**30


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Sets how much memory there is, as the kernel would say it."""

    def has(free, limit="max", used=0, files=0):
        monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
        monkeypatch.setattr(memory, "CGROUP", tmp_path)
        (tmp_path / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {free // 1024} kB\nHugePages: 0\n")
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {files}\n")

    return has


@pytest.mark.skipif(not memory.MEMINFO.exists(), reason="Linux tells this in /proc")
def test_it_is_what_the_kernel_says():
    assert 0 < memory.available() <= 1.2 * psutil.virtual_memory().available
    assert memory._own() == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)


def test_a_container_may_have_less_than_its_machine(machine):
    machine(10 * GIB)
    assert memory.available() == 10 * GIB
    machine(10 * GIB, limit=8 * GIB, used=5 * GIB, files=GIB)
    assert memory.available() == 4 * GIB
    machine(2 * GIB, limit=8 * GIB, used=5 * GIB)
    assert memory.available() == 2 * GIB


def test_where_nothing_can_be_told_nothing_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "none")
    assert memory.available() is None
    memory.check(synthetic.Roomy(), 10**6, 10**6)
    assert memory.fitting([10 * GIB] * 4, 4) == 4


@pytest.mark.parametrize(
    ("needs", "jobs", "fit"),
    [([1] * 9, 4, 4), ([3] * 9, 4, 3), ([9, 1, 1], 3, 2), ([20, 1], 2, 1), ([], 2, 2), ([0, 0], 2, 2)],
)
def test_so_many_chains_fit(machine, needs, jobs, fit):
    machine(10 * GIB)
    assert memory.fitting([need * GIB for need in needs], jobs) == fit


def test_an_image_too_large_is_a_failed_chain_with_a_reason_and_the_others_go_on(machine, tmp_path):
    machine(GIB)
    assert isinstance(synthetic.Roomy(), EstimatesMemory)
    store = Store.open(tmp_path / "run")
    large, other = task(tmp_path, "Roomy", 2), task(tmp_path, "Drift", 3)
    said = []
    run_tasks([large, other], store, SETTINGS, say=said.append, backend="sequential")
    assert said == ["Roomy-2 takes about 72.0 GiB of memory: 1 of 2 chains are coded at once."]
    assert status(store, other) == ["ok"] * 6
    assert status(store, large) == ["failed"] + ["not_reached"] * 5
    reason = store.read(large.identity)[0].records[0]["reason"]
    assert re.match(r"roomy: 9x8 takes about 72\.0 GiB of memory and \d\.\d GiB are available; use ", reason)
    assert reason.endswith("GiB are available; use smaller images, fewer --jobs, or a machine with more memory.")


def test_fewer_sets_are_planned_at_once_where_they_do_not_fit_side_by_side(machine, tmp_path):
    machine(GIB)
    small, large = (replace(task(tmp_path, "Roomy", each), size=size) for each, size in ((2, (1, 1)), (3, (2, 2))))
    one, other = [small, large], [small]
    need = synthetic.Roomy().memory_needed(2, 2)
    said = []
    settings = replace(SETTINGS, jobs=2)
    assert with_room([one, other], settings, "sets are planned", said.append).jobs == 1
    assert said == [f"{large.image} takes about {memory.gibibytes(need)} of memory: 1 of 2 sets are planned at once."]
    machine(1000 * GIB)
    assert with_room([one, other], settings, "sets are planned", said.append) is settings
