"""Plans for a run with ``--rate-by dataset``: found in its folder, or made in worker processes, one for each codec."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from bench import setrate
from bench.codec import BenchError
from bench.coding import Calls
from bench.datasets import ImageRef
from bench.schedule import Planned
from bench.setrate import Plan
from bench.store import Store
from bench.task import Settings, Task, make_codec


def plan(
    tasks: Sequence[Task], store: Store, settings: Settings, say: Callable[[str], None], backend: str = "loky"
) -> list[Task]:
    """The same chains with one quality a generation for all images of each codec and schedule.

    Raises:
        BenchError: a plan came to no end; the sentence says at which generation, and why.
    """
    from joblib import Parallel, delayed

    sets: dict[str, list[Task]] = {}
    for task in tasks:
        sets.setdefault(str(task.identities) + task.schedule.text, []).append(task)
    plans = {name: _read(chains, store) for name, chains in sets.items()}
    waiting = [name for name, plan in plans.items() if plan is None]
    if waiting:
        say(f"Choosing qualities for the set first, {len(waiting)} of {len(sets)} to be chosen.")
        jobs = min(settings.jobs, len(waiting))
        made = Parallel(n_jobs=jobs, backend=backend)(
            delayed(_make)(sets[n], store, settings, os.getpid()) for n in waiting
        )
        plans.update(zip(waiting, made, strict=True))
    planned = {}
    for name, found in plans.items():
        assert found is not None
        if found.reason:
            raise BenchError(f"{sets[name][0].codec}, {sets[name][0].schedule.text}: {found.reason}")
        planned[name] = Planned(sets[name][0].schedule, found.steps)
    return [replace(task, schedule=planned[str(task.identities) + task.schedule.text]) for task in tasks]


def _key(chains: Sequence[Task]) -> dict[str, object]:
    first = chains[0]
    images = [task.sha256 for task in chains]
    return setrate.identity(first.identities[0], images, first.schedule, first.generations, first.carrier)


def _read(chains: Sequence[Task], store: Store) -> Plan | None:
    found = setrate.read(store, _key(chains))
    return None if found is None else setrate.edits_back(found, chains[0].schedule)


def _make(chains: Sequence[Task], store: Store, settings: Settings, parent: int) -> Plan:
    """Make a plan and store it. Runs in a worker."""
    from bench.worker import settle

    if os.getpid() != parent:
        settle(parent, settings.threads)
    first = chains[0]
    codec = make_codec(first.specs[0], settings)
    sources = [ImageRef(task.image, task.file).load().pixels for task in chains]
    calls = Calls(settings.timeout, may_exit=os.getpid() != parent)
    rates = setrate.rates_of(store, _key(chains), codec)
    made = setrate.plan_set(codec, sources, first.schedule, first.generations, first.carrier, calls, rates)
    if not made.reason:
        setrate.write(store, _key(chains), made)
        rates.forget()
    return made
