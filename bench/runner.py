"""Many chains: spread over workers, resumed, watched, and carried on when a worker dies.

Here, a chain is coded and written to the store by one worker process, and nothing travels back but a word on how it
went. On a cluster, pixels go to a worker and records and snapshots come back, and the run writes them: workers need
neither the images nor the run folder. Either way each finished chain is on disk at once, whatever dies afterwards.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench import memory
from bench.cluster import Cluster, WorkerLost
from bench.codec import BenchError, EstimatesMemory, Image
from bench.datasets import ImageRef
from bench.interrupt import Interrupts
from bench.meter import Meter, advance
from bench.registry import CodecSpec
from bench.store import Store
from bench.task import Settings, Task, make_codec
from bench.worker import Finished, code_chain, code_far_away, settle, who

ATTEMPTS = 3
"""Worker processes that may die while they code one chain alone before it is given up."""


def run_tasks(
    tasks: Sequence[Task],
    store: Store,
    settings: Settings,
    *,
    report: Callable[[int], None] = lambda generations: None,
    say: Callable[[str], None] = lambda sentence: None,
    backend: str = "loky",
    cluster: Cluster | None = None,
) -> int:
    """Code the chains that the store does not hold yet; return how many were coded.

    When a worker dies, what it had finished is in the store. The chains that were being coded at that moment are
    suspects: each gets a process of its own, and one that ends ATTEMPTS processes is stored as failed. The rest go on.

    Args:
        tasks: what is to be in the store afterwards, failed or not.
        store: the run folder.
        settings: processes, threads, limits.
        report: called with the number of generations finished since the last call, from a thread of its own.
        say: called with a sentence on what the user should know.
        backend: of joblib, for workers here.
        cluster: codes the chains instead.

    Raises:
        BenchError: an image can't be read any more, a worker can't make a codec or finds another than the one the run
            started with, or the cluster has gone.
        OSError: the store can't be written.
    """
    waiting = sorted(tasks, key=lambda task: -task.size[0] * task.size[1] * task.generations)
    coded = len(waiting)
    with Meter(store, report) as meter:
        if cluster is not None:
            _run_on_cluster(waiting, store, settings, meter.path, cluster, say)
            return coded
        settings = _with_room(waiting, settings, say)
        while waiting:
            done, suspects = _run_pool(waiting, store, settings, meter.path, backend)
            waiting = [task for task in waiting if id(task) not in done and not any(task is one for one in suspects)]
            for task in suspects:
                say(f"A worker process died; {task.image} is coded again in a process of its own.")
                _run_alone(task, store, settings, meter.path)
    return coded


def _with_room(tasks: Sequence[Task], settings: Settings, say: Callable[[str], None]) -> Settings:
    """Settings with as many jobs as there is memory for, as far as codecs say what they need."""
    needs = [max(_need(spec, task, settings) for spec in task.specs) for task in tasks]
    wanted = min(settings.jobs, len(tasks))
    jobs = memory.fitting(needs, wanted)
    if jobs == wanted:
        return settings
    image = tasks[needs.index(max(needs))].image
    say(f"{image} takes about {memory.gibibytes(max(needs))} of memory: {jobs} of {wanted} chains are coded at once.")
    return replace(settings, jobs=jobs)


def _need(spec: CodecSpec, task: Task, settings: Settings) -> int:
    codec = make_codec(spec, settings)
    return codec.memory_needed(*task.size) if isinstance(codec, EstimatesMemory) else 0


def _run_pool(
    tasks: list[Task], store: Store, settings: Settings, meter: Path | None, backend: str
) -> tuple[set[int], list[Task]]:
    """Code chains until all are done or a worker dies; return who is done (by ``id``) and who was being coded."""
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    started: list[Task] = []
    done: set[int] = set()

    def jobs() -> Iterator[Any]:
        for number, task in enumerate(tasks):
            started.append(task)
            yield delayed(_work)(number, task, store, settings, meter, os.getpid())

    jobs_at_once = min(settings.jobs, len(tasks))
    options = {"inner_max_num_threads": settings.threads} if backend == "loky" else {}
    # joblib codes in this process when it is given one job, and a codec that crashes would end the run: hence two
    # workers at least, of which only `pre_dispatch` are ever busy.
    with parallel_config(backend=backend, n_jobs=max(2, jobs_at_once), **options):
        parallel = Parallel(return_as="generator_unordered", pre_dispatch=jobs_at_once, batch_size=1)
        finished = parallel(jobs())
        # loky replaces a worker whose memory has grown between two chains; nothing is lost and nobody need know
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        try:
            with Interrupts() as interrupts:
                for number in finished:
                    done.add(id(tasks[number]))
                    interrupts.raise_if_lost()
        except TerminatedWorkerError:
            return done, [task for task in started if id(task) not in done]
    return done, []


def _run_alone(task: Task, store: Store, settings: Settings, meter: Path | None) -> None:
    """Code a chain in processes of its own; store it as failed when ATTEMPTS of them die."""
    for _ in range(ATTEMPTS):
        _, suspects = _run_pool([task], store, settings, meter, "loky")
        if not suspects:
            return
    reason = f"The process that coded this chain died {ATTEMPTS} times: out of memory, killed, or a crash in the codec."
    if settings.timeout is not None:
        reason = f"{reason[:-1]}, or one that did not stop at --codec-timeout."
    store_lost(task, store, settings, reason)


def store_lost(task: Task, store: Store, settings: Settings, reason: str) -> None:
    """Store a chain as failed from its first generation on."""
    from bench.chain import lost_chain

    codecs = [make_codec(spec, settings) for spec in task.specs]
    records = lost_chain(codecs, task.size, task.schedule, task.generations, reason, task.carrier)
    _put(task, store, Finished(records, {}, 0.0, who(settings)))


def _put(task: Task, store: Store, chain: Finished) -> None:
    """Store a chain, unless it failed and another run on this folder has coded it meanwhile."""
    if any(record["status"] != "ok" for record in chain.records):
        stored, _ = store.read(task.identity, task.needs)
        if stored is not None and stored.ok:
            return
    store.write(task.identity, chain.records, chain.snapshots, chain.coded_s, chain.provenance)


def _work(number: int, task: Task, store: Store, settings: Settings, meter: Path | None, parent: int) -> int:
    """Code one chain into the store; return its number. Runs in a worker."""
    if os.getpid() != parent:
        settle(parent, settings.threads)

    def count(generations: int) -> None:
        if meter is not None:
            advance(meter, generations)

    if _missing(task, store):
        chain = code_chain(
            task,
            settings,
            lambda: _source(ImageRef(task.image, task.file), task.sha256),
            lambda digest, pixels: store.save_snapshot(task.image, digest, pixels),
            advance=(lambda generations: advance(meter, generations))
            if meter is not None
            else lambda generations: None,
            may_exit=os.getpid() != parent,
        )
        _put(task, store, chain)
    else:
        count(task.generations)
    return number


def _missing(task: Task, store: Store) -> bool:
    """Whether a chain is still to be coded: another run on the same folder may have come first."""
    stored, _ = store.read(task.identity, task.needs)
    return stored is None or not stored.ok


@lru_cache(maxsize=1)
def _source(ref: ImageRef, sha256: str) -> tuple[Image, Any]:
    """An image and its statistics; the tasks of one image follow each other, so the last one is worth keeping."""
    from bench.metrics import Reference

    pixels = _pixels(ref, sha256)
    return pixels, Reference(pixels)


def _pixels(ref: ImageRef, sha256: str) -> Image:
    source = ref.load()
    if source.sha256 != sha256:
        raise BenchError(f"{ref.path} has changed since the run was started; start the same command again.")
    return source.pixels


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
        pixels = _pixels(ImageRef(task.image, task.file), task.sha256)
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
    if meter is not None:
        advance(meter, task.generations)
