"""Each fault of ``make soak`` once, chains coded in the run's process; test_runner and test_reencode kill workers."""

from __future__ import annotations

import pytest
from faults import BAD, Broken, Victim


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    return Victim(tmp_path_factory.mktemp("faults") / "desk", seed=5, processes=False, generations=6)


@pytest.fixture(autouse=True)
def _afresh(victim):
    victim.again()


def test_files_damaged_in_every_way(victim):
    victim.completes()
    for _ in range(4):
        victim.damage(8)
        victim.completes()
    kinds = [count for kind, count in victim.faults.items() if kind.startswith("file ")]
    assert len(kinds) >= 4
    assert sum(kinds) == 32


def test_a_full_disk(victim):
    """However little room there is, what was finished stays, and with room again the rerun completes."""
    for _ in range(3):
        victim.disk_full()
    assert sum(count for kind, count in victim.faults.items() if "disk full" in kind) >= 1
    victim.completes()


def test_a_folder_that_became_read_only(victim):
    victim.completes()
    if not victim.read_only():
        pytest.skip("nothing may be mounted here")
    victim.completes()


def test_a_clock_that_goes_back(victim):
    victim.killed()
    victim.clock_back()
    victim.completes()


def test_two_runs_at_once(victim):
    victim.two_at_once()
    victim.completes()


@pytest.mark.parametrize("kind", [kind for kind in BAD if kind != "kills its process"])
def test_a_codec_that(kind, victim):
    victim.completes()
    victim.bad_codec(kind)
    victim.completes()


def test_a_broken_promise_is_noticed(victim):
    """The checks themselves can fail: a chain half-written, one that is lost, and a table of other figures."""
    victim.completes()
    before = victim.chains()
    chain = next((victim.out / "chains").glob("*.json"))
    whole = chain.read_bytes()
    chain.write_bytes(whole[:-9])
    with pytest.raises(Broken, match="half-written"):
        victim.chains()
    chain.unlink()
    with pytest.raises(Broken, match="gone"):
        victim.nothing_lost(before)
    victim.table = victim.table.assign(bytes=1)
    with pytest.raises(AssertionError):
        victim.completes()
