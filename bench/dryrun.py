"""``--dry-run``: how much there is to do, how long it will take and how much disk it needs, from a short probe."""

from __future__ import annotations

import heapq
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bench import probe
from bench.cli import OK, SOME_FAILED
from bench.probe import Probe
from bench.run import count, is_planned
from bench.schedule import FixedQuality, RateBy
from bench.store import Store
from bench.task import Settings, Task, make_codec

POINT_S, ALL_S = 3.0, 60.0
"""Seconds of the probe, for each operating point and for all of them."""


def show(tasks: Sequence[Task], store: Store, settings: Settings, rate_by: RateBy) -> int:
    """Print the estimate and write nothing; return an exit code, 1 where the probe of an operating point failed.

    Args:
        tasks: all chains, with the qualities of their set where these are chosen already.
        store: the run folder, which need not exist.
        settings: how they would be coded.
        rate_by: "image", or "dataset" or "originals", where qualities are chosen for the set first.

    Raises:
        BenchError: an image can't be read.
    """
    missing = [task for task in tasks if not _stored(task, store)]
    print(f"Dry run, nothing is written. {count(len(tasks), 'chain')}, {len(tasks) - len(missing)} done before.")
    if not missing:
        return OK
    print("Coding the beginning of a chain of each operating point, to time it.", flush=True)
    begun = time.perf_counter()
    start_s = _start_s()
    points: dict[str, list[Task]] = {}
    for task in missing:
        points.setdefault(str(task.identities) + task.schedule.text, []).append(task)
    priced: list[tuple[Task, Probe]] = []
    by_set, sets, load_s, failed = rate_by != "image", [], {}, False
    for chains in points.values():
        middle = sorted(chains, key=_pixels)[len(chains) // 2]
        seconds = min(POINT_S, ALL_S / len(points))
        found = probe.measure(middle, settings, seconds)
        if found.reason and by_set:  # the set may have a rate that this image alone does not reach
            found = probe.measure(_at_default(middle, settings), settings, seconds)
        print(_line(middle, found))
        priced += [(task, found) for task in chains]
        if by_set and not is_planned(middle):
            sets.append(sum(found.planning(task, rate_by) for task in chains))
        load_s[str(middle.identities)] = found.load_s
        failed = failed or bool(found.reason)
    priced.sort(key=lambda pair: -_pixels(pair[0]) * pair[0].generations)
    workers = min(settings.jobs, len(missing))
    seconds = start_s + sum(load_s.values()) + _makespan(sets, workers)
    seconds += _makespan([found.seconds(task) - _searching(task, found, by_set) for task, found in priced], workers)
    encodings = sum(_encodings(task, found, rate_by) for task, found in priced)
    generations = sum(task.generations for task in missing)
    work = f"{count(len(missing), 'chain')}, {count(generations, 'generation')}"
    print(f"To do: {work}, about {count(round(encodings), 'encoding')}.")
    print(
        f"Time: about {_duration(seconds)} with {workers} at once, without tables and figures; fixed points are "
        f"expected where the probe saw one. The probe took {time.perf_counter() - begun:.0f} s."
    )
    records = sum(found.record * task.generations for task, found in priced)
    snapshots = _snapshots(priced)
    free = shutil.disk_usage(_existing(store.root)).free
    print(f"Disk: about {_size(records)} for records and {_size(snapshots)} for snapshots; {_size(free)} are free.")
    return SOME_FAILED if failed else OK


def _stored(task: Task, store: Store) -> bool:
    chain, _ = store.read(task.identity, task.needs)
    return chain is not None and chain.ok


def _at_default(task: Task, settings: Settings) -> Task:
    """The chain at the default quality of its codec."""
    return replace(task, schedule=FixedQuality(make_codec(task.specs[0], settings).quality.default))


def _searching(task: Task, found: Probe, by_set: bool) -> float:
    """Seconds of the probe's search for qualities that the chain itself does not spend on it."""
    return found.searching(task) if by_set and not is_planned(task) else 0.0


def _encodings(task: Task, found: Probe, rate_by: RateBy) -> float:
    """Encodings of a chain, and of its image while qualities are chosen for the set."""
    if is_planned(task):  # `encodes` of its records are those of the plan
        return found.coded_of(task)
    if rate_by == "image":
        return found.encodes(task)
    return found.coded_of(task) + found.planning_encodes(task, rate_by)


def _pixels(task: Task) -> int:
    return task.size[0] * task.size[1]


def _start_s() -> float:
    """Seconds that a worker process takes to start."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import bench.worker, bench.chain"], check=False)
    return time.perf_counter() - begun


def _makespan(seconds: Iterable[float], workers: int) -> float:
    """Seconds until all pieces of work are done, each given in turn to the worker that is free first."""
    free = [0.0] * workers
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)


def _snapshots(priced: Sequence[tuple[Task, Probe]]) -> float:
    sources: dict[str, float] = {}
    later = 0.0
    for task, found in priced:
        source, decoded = found.snapshot_bytes(task)
        sources[task.sha256] = source
        later += decoded
    return later + sum(sources.values())


def _line(task: Task, found: Probe) -> str:
    what = f"{task.codec}, {task.schedule.text}: "
    if found.reason:
        return f"{what}the probe failed: {found.reason}"
    fixed = f", a fixed point or cycle at generation {found.coded}" if found.coded else ""
    size = f"{_pixels(task) / 1e6:.2g} MP" + (", from its middle" if found.pixels < _pixels(task) else "")
    return f"{what}{_duration(found.later(task), '.2g')} a generation of {task.image} ({size}){fixed}."


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def _duration(seconds: float, digits: str = ".0f") -> str:
    if seconds < 90:
        return f"{seconds:{digits}} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(count: float) -> str:
    for unit in ("kB", "MB"):
        count /= 1000
        if count < 1000:
            return f"{count:.3g} {unit}"
    return f"{count / 1000:.3g} GB"
