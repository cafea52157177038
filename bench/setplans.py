"""Plans for ``--rate-by dataset`` and ``originals``, one a codec and schedule: found in a folder or made in workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bench import setrate
from bench.coding import Calls
from bench.datasets import ImageRef
from bench.pool import run_pool, why_lost
from bench.room import with_room
from bench.schedule import Planned, RateBy, Step
from bench.setrate import Plan
from bench.store import Store
from bench.task import Settings, Task, make_codec


def plan(
    tasks: Sequence[Task],
    store: Store,
    settings: Settings,
    say: Callable[[str], None],
    backend: str = "loky",
    rate_by: RateBy = "dataset",
) -> list[Task]:
    """The same chains with one quality a generation for all images of each codec and schedule.

    Plans that came to their end are in the store. The chains of one that did not fail where it ended, and say why.
    """
    sets = _sets(tasks)
    plans = {name: _read(chains, store, rate_by) for name, chains in sets.items()}
    waiting = [name for name, plan in plans.items() if plan is None]
    if waiting:
        say(f"Choosing qualities for the set first, {len(waiting)} of {len(sets)} to be chosen.")
        at_once = with_room([sets[name] for name in waiting], settings, "sets have their qualities chosen", say)
        made = run_pool(
            _make,
            [(sets[name], store, settings, rate_by) for name in waiting],
            at_once,
            died=lambda place: say(
                f"A worker process died; qualities of {_label(sets[waiting[place]])} are chosen again in a process of "
                f"its own."
            ),
            backend=backend,
        )
        lost = Plan((), why_lost("chose its qualities", settings))
        plans.update({name: made.get(place, lost) for place, name in enumerate(waiting)})
    return _planned(tasks, plans, rate_by)


def known(tasks: Sequence[Task], store: Store, rate_by: RateBy = "dataset") -> list[Task]:
    """The same chains, those of a set whose plan is stored with the qualities of the plan, the others as they are."""
    return _planned(tasks, {name: _read(chains, store, rate_by) for name, chains in _sets(tasks).items()}, rate_by)


def _sets(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    sets: dict[str, list[Task]] = {}
    for task in tasks:
        sets.setdefault(_name(task), []).append(task)
    return sets


def _planned(tasks: Sequence[Task], plans: Mapping[str, Plan | None], rate_by: RateBy) -> list[Task]:
    planned = []
    for task in tasks:
        found = plans[_name(task)]
        if found is not None:
            task = replace(task, schedule=Planned(task.schedule, _steps(task, found), rate_by))
        planned.append(task)
    return planned


def _steps(task: Task, found: Plan) -> tuple[Step, ...]:
    """The steps of the plan; where it came to no end, those of the schedule after it, the first of which must fail."""
    left = list(task.schedule.steps(task.generations)[len(found.steps) :])
    if left:
        left[0] = replace(left[0], reason=f"No quality for the set: {found.reason}")
    return (*found.steps, *left)


def _name(task: Task) -> str:
    return str(task.identities) + task.schedule.text


def _label(chains: Sequence[Task]) -> str:
    return f"{chains[0].codec}, {chains[0].schedule.text}"


def _key(chains: Sequence[Task], rate_by: RateBy) -> dict[str, object]:
    first = chains[0]
    images = [task.sha256 for task in chains]
    return setrate.identity(first.identities[0], images, first.schedule, first.generations, first.carrier, rate_by)


def _read(chains: Sequence[Task], store: Store, rate_by: RateBy) -> Plan | None:
    found = setrate.read(store, _key(chains, rate_by))
    return None if found is None else setrate.edits_back(found, chains[0].schedule)


def _make(chains: Sequence[Task], store: Store, settings: Settings, rate_by: RateBy, *, may_exit: bool) -> Plan:
    """Make a plan and store it. Runs in a worker."""
    first = chains[0]
    codec = make_codec(first.specs[0], settings)
    sources = [ImageRef(task.image, task.file).unchanged(task.sha256) for task in chains]
    key = _key(chains, rate_by)
    rates = setrate.rates_of(store, key, codec)
    calls = Calls(settings.timeout, may_exit)
    made = setrate.plan_set(codec, sources, first.schedule, first.generations, first.carrier, calls, rates, rate_by)
    if not made.reason:
        setrate.write(store, key, made)
        rates.forget()
    return made
