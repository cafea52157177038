"""Many chains: spread over workers, resumed, watched, and carried on when a worker dies.

Here, a chain is coded and written to the store by one worker process, and nothing travels back but a word on how it
went. On a cluster, pixels go to a worker and records and snapshots come back, and the run writes them: workers need
neither the images nor the run folder. Either way each finished chain is on disk at once, whatever dies afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bench.cluster import Cluster, WorkerLost
from bench.codec import BenchError, Image
from bench.datasets import ImageRef
from bench.interrupt import Interrupts
from bench.meter import Meter, advance
from bench.pool import run_pool, why_lost
from bench.room import with_room
from bench.store import Store
from bench.task import Settings, Task, make_codec
from bench.worker import CodecDiffers, Finished, code_chain, code_far_away, who


def run_tasks(
    tasks: Sequence[Task],
    store: Store,
    settings: Settings,
    *,
    report: Callable[[int], None] | None = None,
    say: Callable[[str], None] = lambda sentence: None,
    backend: str = "loky",
    cluster: Cluster | None = None,
) -> int:
    """Code the chains that the store does not hold yet; return how many were coded.

    When a worker dies, what it had finished is in the store. The chains that were being coded at that moment are
    suspects: each gets a process of its own, and one that ends several is stored as failed. The rest go on.

    Args:
        tasks: what is to be in the store afterwards, failed or not.
        store: the run folder.
        settings: processes, threads, limits.
        report: called with the number of generations finished since the last call, from a thread of its own; None:
            nothing is counted.
        say: called with a sentence on what the user should know.
        backend: of joblib, for workers here.
        cluster: codes the chains instead.

    Raises:
        BenchError: an image can't be read any more, or the cluster has gone; a worker can't make a codec or finds
            another than the one the run started with (on a cluster at once, here after the chains of the others).
        OSError: the store can't be written.
    """
    waiting = sorted(tasks, key=lambda task: -task.size[0] * task.size[1] * task.generations)
    coded = len(waiting)
    with Meter(store, report) as meter:
        if cluster is not None:
            _run_on_cluster(waiting, store, settings, meter.path, cluster, say)
            return coded
        settings = with_room([(task,) for task in waiting], settings, "chains are coded", say)
        answers = run_pool(
            _work,
            [(task, store, settings, meter.path) for task in waiting],
            settings,
            died=lambda place: say(
                f"A worker process died; {_names(waiting[place])} on {waiting[place].image} is coded again in a "
                "process of its own."
            ),
            lost=lambda place: store_lost(waiting[place], store, settings, why_lost("coded this chain", settings)),
            backend=backend,
        )
        if differing := list(dict.fromkeys(filter(None, answers.values()))):
            raise BenchError(" ".join(differing))
    return coded


def store_lost(task: Task, store: Store, settings: Settings, reason: str) -> None:
    """Store a chain as failed from its first generation on; the reason is told of its codec, or of all that it has."""
    from bench.chain import lost_chain

    codecs = [make_codec(spec, settings) for spec in task.specs]
    reason = f"{_names(task)}: {reason[:1].lower()}{reason[1:]}"
    records = lost_chain(codecs, task.size, task.schedule, task.generations, reason, task.carrier)
    _put(task, store, Finished(records, {}, 0.0, who(settings)))


def _names(task: Task) -> str:
    return ", ".join(dict.fromkeys(str(each["name"]) for each in task.identities))


def _put(task: Task, store: Store, chain: Finished) -> None:
    """Store a chain, unless it failed and another run on this folder has coded it meanwhile."""
    if any(record["status"] != "ok" for record in chain.records):
        stored, _ = store.read(task.identity, task.needs)
        if stored is not None and stored.ok:
            return
    store.write(task.identity, chain.records, chain.snapshots, chain.coded_s, chain.provenance)


def _work(task: Task, store: Store, settings: Settings, meter: Path | None, *, may_exit: bool) -> str:
    """Code one chain into the store; return "", or why the worker's codec is of no use. Runs in a worker."""
    count = partial(advance, meter)
    if not _missing(task, store):
        count(task.generations)
        return ""
    try:
        chain = code_chain(
            task,
            settings,
            lambda: _source(ImageRef(task.image, task.file), task.sha256),
            lambda digest, pixels: store.save_snapshot(task.image, digest, pixels),
            advance=count,
            may_exit=may_exit,
            here=True,
        )
    except CodecDiffers as error:
        return str(error)
    _put(task, store, chain)
    return ""


def _missing(task: Task, store: Store) -> bool:
    """Whether a chain is still to be coded: another run on the same folder may have come first."""
    stored, _ = store.read(task.identity, task.needs)
    return stored is None or not stored.ok


@lru_cache(maxsize=1)
def _source(ref: ImageRef, sha256: str) -> tuple[Image, Any]:
    """An image and its statistics; the tasks of one image follow each other, so the last one is worth keeping."""
    from bench.metrics import Reference

    pixels = ref.unchanged(sha256)
    return pixels, Reference(pixels)


def _run_on_cluster(
    tasks: Sequence[Task],
    store: Store,
    settings: Settings,
    meter: Path | None,
    cluster: Cluster,
    say: Callable[[str], None],
) -> None:
    """Code chains on a cluster, each in a call of its own that a thread waits for.

    joblib's own backends for Dask and Ray end a whole run when one worker dies; this way it is the matter of one chain.
    """
    from joblib import Parallel, delayed

    stop = threading.Event()

    def jobs() -> Iterator[Any]:
        for task in tasks:
            yield delayed(_code_on_cluster)(task, store, settings, meter, cluster, say, stop)

    parallel = Parallel(
        n_jobs=min(settings.jobs, len(tasks)), backend="threading", return_as="generator_unordered", batch_size=1
    )
    try:
        with Interrupts() as interrupts:
            for _ in parallel(jobs()):
                interrupts.raise_if_lost()
    finally:
        stop.set()
        cluster.close()


def _code_on_cluster(
    task: Task,
    store: Store,
    settings: Settings,
    meter: Path | None,
    cluster: Cluster,
    say: Callable[[str], None],
    stop: threading.Event,
) -> None:
    from bench.chain import METHOD

    if stop.is_set():
        return
    if _missing(task, store):
        pixels = ImageRef(task.image, task.file).unchanged(task.sha256)
        try:
            answer = cluster.call(code_far_away, task, settings, pixels, METHOD)
        except WorkerLost as lost:
            say(f"{task.image}: {lost}")
            store_lost(task, store, settings, str(lost))
        else:
            if isinstance(answer, str):
                raise BenchError(answer)
            chain, files = answer
            for name, data in files.items():
                store.save_file(name, data)
            _put(task, store, chain)
    advance(meter, task.generations)
