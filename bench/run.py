"""A run: operating points x images, coded or found in the run folder, and what is made of them.

The machinery behind ``bench.reencode`` and ``bench.experiment``, which differ in where the wishes come from.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import sources, too_small
from bench.cli import INTERRUPTED, OK, SOME_FAILED
from bench.cluster import Cluster, connect
from bench.codec import BenchError
from bench.datasets import Dataset
from bench.earlier_table import EarlierTable
from bench.images import image_id
from bench.run_book import Book, differences
from bench.run_name import run_name
from bench.runner import run_tasks
from bench.schedule import Planned, RateBy
from bench.schedule_options import Point
from bench.store import Record, Store, StoredChain
from bench.task import EVERY, Settings, Task, hints_of, identity_of
from bench.unreadable import Unreadable


@dataclass(frozen=True)
class Request:
    """What is wanted.

    Attributes:
        command: the line the user typed.
        options: what it came to, for ``run.json``.
        points: operating points.
        dataset: images.
        generations: of every chain.
        snapshots: generations whose pixels are kept.
        settings: how chains are coded.
        out: run folder; None: one under results/runs/ that says what is in it.
        carrier: what passes between generations.
        rate_by: "image", or one quality for the set: by its mean rate ("dataset"), or that before the first encoding
            ("originals").
        seed: of random schedules.
        reports: what is printed and drawn, names of ``bench.reports``.
        published: published curves to lay beside ours, where a report shows curves.
        quiet: print errors only.
        backend, scheduler: whose workers code, see ``bench.cluster``.
        dry_run: say how much there is to do, and do nothing.
        skip_unreadable: leave out images that can't be read, instead of doing nothing.
        name: beginning of the name of the run folder, instead of one made of the points.
    """

    command: str
    options: Mapping[str, Any]
    points: Sequence[Point]
    dataset: Dataset
    generations: int
    snapshots: tuple[int, ...]
    settings: Settings
    out: Path | None = None
    carrier: str = "uint8"
    rate_by: RateBy = "image"
    seed: int = 0
    reports: tuple[str, ...] = ("generations",)
    published: tuple[str, ...] = ()
    quiet: bool = False
    backend: str = "local"
    scheduler: str | None = None
    dry_run: bool = False
    skip_unreadable: bool = False
    name: str = ""


def execute(wanted: Request) -> int:
    """Do it; return an exit code: 0, or 1 where some chains failed. Raises BenchError on what a user can act on."""
    started = time.perf_counter()
    say = (lambda text: None) if wanted.quiet else print
    root = wanted.out or Path("results", "runs", run_name(wanted))
    for warning in wanted.dataset.warnings:
        print(warning, file=sys.stderr)
    if wanted.dry_run:
        from bench import dryrun

        tasks = _with_plans(_tasks(wanted)[1], Store(root), wanted.rate_by)
        return dryrun.show(tasks, Store(root), _settings(wanted), wanted.rate_by)
    images, tasks, skipped = _tasks(wanted)
    store = Store.open(root)
    earlier = EarlierTable.of(store)
    book = Book(store, wanted.command, wanted.options, wanted.points, images, wanted.settings, wanted.seed)
    book.skipped(skipped)
    try:
        if wanted.rate_by != "image":
            from bench import setplans

            if wanted.backend != "local" and not all(map(is_planned, _with_plans(tasks, store, wanted.rate_by))):
                connect(wanted.backend, wanted.scheduler).close()  # says now what is wrong with it, not after planning
            book.write("running")
            here = wanted.settings if wanted.backend == "local" else replace(wanted.settings, jobs=os.cpu_count() or 1)
            tasks = setplans.plan(tasks, store, here, say=say, rate_by=wanted.rate_by)
        missing = _missing(tasks, store)
        cluster = connect(wanted.backend, wanted.scheduler) if missing and wanted.backend != "local" else None
        if cluster is not None and wanted.settings.jobs == EVERY:
            wanted = replace(wanted, settings=replace(wanted.settings, jobs=cluster.slots()))
        say(_what(wanted, len(images), len(tasks), missing))
        changes = earlier.changes(codec for task in tasks for codec in task.identities)
        for sentence in changes:
            say(sentence)
        book.write("running")
        _code(missing, store, wanted, cluster)
        replaced = earlier.replaced(book.command_of_table, wanted.command, not changes)
        records, failed = _finish(wanted, tasks, len(missing), store, book, started, replaced)
    except KeyboardInterrupt:
        left = len(_missing(_with_plans(tasks, store, wanted.rate_by), store, quiet=True))
        book.write("stopped", time.perf_counter() - started)
        print(
            f"Stopped: {len(tasks) - left} of {len(tasks)} chains are done and kept in {store.root}.", file=sys.stderr
        )
        print("Start the same command again to go on.", file=sys.stderr)
        return INTERRUPTED
    except BaseException:
        with suppress(OSError):  # a full disk, say: what is raised already is what the user should know
            book.write("failed", time.perf_counter() - started)
        raise
    _tell_failed(failed, len(images))
    say(_how(records, len(missing), time.perf_counter() - started))
    say(f"Everything is in {store.root}: {', '.join(_made(store.root))}.")
    return SOME_FAILED if failed else OK


def _tell_failed(failed: Sequence[tuple[Task, StoredChain]], images: int) -> None:
    if not failed:
        return
    from bench import failures

    reasons = [next(one["reason"] for one in chain.records if one["status"] == "failed") for _, chain in failed]
    told = [(task.codec, task.schedule.text, task.image, why) for (task, _), why in zip(failed, reasons, strict=True)]
    for sentence in failures.sentences(told, images):
        print(f"Failed: {sentence}", file=sys.stderr)


def _made(root: Path) -> list[str]:
    """What there is in a run folder; of folders those that hold something."""
    files = [name for name in ("run.json", "generations.parquet", "generations.csv") if (root / name).exists()]
    folders = [name for name in ("figures", "snapshots", "chains") if (root / name).is_dir()]
    return [*files, *(f"{name}/" for name in folders if any((root / name).iterdir()))]


def _finish(
    wanted: Request, tasks: Sequence[Task], coded: int, store: Store, book: Book, started: float, replaced: str
) -> tuple[list[Record], list[tuple[Task, StoredChain]]]:
    """Make tables and reports of chains that are all in the store; return the records, and chains that failed.

    ``replaced`` is said where the table has become another.
    """
    from bench import reports

    say = (lambda text: None) if wanted.quiet else print
    stored = _gather(tasks, store)
    records = [record for task, chain in stored for record in _labelled(task, chain)]
    table, changed = store.write_table(records)
    if changed and replaced:
        say(replaced)
    failed = [(task, chain) for task, chain in stored if not chain.ok]
    workers = book.workers((chain for _, chain in stored), wanted.settings.jobs)
    for warning in differences(workers):
        print(warning, file=sys.stderr)
    reports.make(reports.Results(table, stored, store, changed, wanted.reports, wanted.published), say)
    book.write(
        "some chains failed" if failed else "finished",
        time.perf_counter() - started,
        {"asked": len(tasks), "coded": coded, "reused": len(tasks) - coded, "failed": len(failed)},
    )
    return records, failed


def _tasks(wanted: Request) -> tuple[list[dict[str, Any]], list[Task], dict[str, str]]:
    """The images as they stand in ``run.json``, all chains, and why images were skipped, by name."""
    images: list[dict[str, Any]] = []
    tasks = []
    unreadable = Unreadable(wanted.dataset)
    for ref in wanted.dataset:
        source = unreadable.load(ref)
        if source is None:
            continue
        images.append({"image": ref.name, "sha256": source.sha256, "width": source.width, "height": source.height})
        images[-1] |= {"note": source.note, "format": source.format, "lossy": source.lossy}
        tasks += [
            Task(
                specs=point.specs,
                identities=tuple(identity_of(codec) for codec in point.codecs),
                dataset=wanted.dataset.name,
                image=ref.name,
                file=ref.path.absolute(),
                sha256=source.sha256,
                size=(source.height, source.width),
                schedule=point.schedule,
                generations=wanted.generations,
                snapshots=wanted.snapshots,
                carrier=wanted.carrier,
                hints=hints_of(point.codecs),
            )
            for point in wanted.points
        ]
    unreadable.check(wanted.skip_unreadable)
    for point in wanted.points:
        too_small.check(images, point.schedule.steps(wanted.generations)[-1].edits, wanted.generations)
    if unreadable.reasons:
        print(f"Skipped, as they can't be read: {unreadable.text()}.", file=sys.stderr)
    for remark in sources.remarks(images):
        print(remark, file=sys.stderr)
    return images, tasks, unreadable.reasons


def _with_plans(tasks: list[Task], store: Store, rate_by: RateBy) -> list[Task]:
    """The chains with the qualities of their set, as far as these are chosen and stored."""
    if rate_by == "image":
        return tasks
    from bench import setplans

    return setplans.known(tasks, store, rate_by)


def is_planned(task: Task) -> bool:
    """Whether the qualities of the set are chosen already."""
    return isinstance(task.schedule, Planned)


def _settings(wanted: Request) -> Settings:
    """With as many jobs as there would be, which a cluster has to be asked for."""
    if wanted.settings.jobs != EVERY:
        return wanted.settings
    cluster = connect(wanted.backend, wanted.scheduler)
    try:
        return replace(wanted.settings, jobs=cluster.slots())
    finally:
        cluster.close()


def _what(wanted: Request, images: int, tasks: int, missing: Sequence[Task]) -> str:
    processes = count(min(wanted.settings.jobs, len(missing)), "process")
    far = "" if wanted.backend == "local" else f" of a {wanted.backend.title()} cluster"
    where = f" in {processes}{far}" if missing else ""
    size = f"{count(len(wanted.points), 'operating point')} x {count(images, 'image')}"
    return (
        f"{size}, {count(wanted.generations, 'generation')}: {count(tasks, 'chain')}, "
        f"{tasks - len(missing)} done before, {len(missing)} to code{where}."
    )


def _missing(tasks: Sequence[Task], store: Store, *, quiet: bool = False) -> list[Task]:
    """The tasks whose chain is not in the store yet, or can't be used, or failed.

    They keep the pixels that are there as well: who asks for these and for others by turns has it coded once.
    """
    missing = []
    for task in tasks:
        chain, problem = store.read(task.identity, task.needs)
        if problem and not quiet:
            print(f"{problem} The chain is coded again.", file=sys.stderr)
        if chain is None or not chain.ok:
            before, _ = store.read(task.identity)
            kept = before.snapshots if before is not None else ()
            missing.append(replace(task, snapshots=tuple(sorted({*task.snapshots, *kept}))))
    return missing


def _code(missing: Sequence[Task], store: Store, wanted: Request, cluster: Cluster | None) -> None:
    if not missing:
        return
    if wanted.quiet or not sys.stderr.isatty():
        stderr = functools.partial(print, file=sys.stderr)
        run_tasks(missing, store, wanted.settings, say=stderr, cluster=cluster)
        return
    from tqdm import tqdm

    total = sum(task.generations for task in missing)
    with tqdm(total=total, unit="generation", smoothing=0.1, dynamic_ncols=True) as bar:
        run_tasks(missing, store, wanted.settings, report=bar.update, say=bar.write, cluster=cluster)


def _gather(tasks: Sequence[Task], store: Store) -> list[tuple[Task, StoredChain]]:
    """The chains, with the snapshots that are asked for: others, which nobody has looked at, may be gone or damaged."""
    stored = []
    for task in tasks:
        chain, problem = store.read(task.identity)
        if chain is None:
            raise BenchError(f"{problem or f'{store.path(task.identity)} has gone.'} Start the same command again.")
        needed = {number: name for number, name in chain.snapshots.items() if number in task.needs}
        stored.append((task, replace(chain, snapshots=needed)))
    return stored


def _labelled(task: Task, chain: StoredChain) -> list[Record]:
    names = {"dataset": task.dataset, "image": task.image, "image_id": image_id(task.sha256)}
    return [record | names for record in chain.records]


def count(number: int, thing: str) -> str:
    """A number and a noun, in the plural where it must be."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}{'es' if thing.endswith('s') else 's'}"


def _how(records: Sequence[Record], coded_chains: int, seconds: float) -> str:
    """How the results came about, in one sentence."""
    filled = sum(bool(record["filled"]) for record in records)
    coded = sum(record["status"] == "ok" for record in records) - filled
    return (
        f"{count(coded, 'generation')} coded and measured, {filled} more known exactly from a fixed point or cycle; "
        f"{count(coded_chains, 'chain')} coded in this run, which took {seconds:.1f} s."
    )
