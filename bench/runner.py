"""Many chains: spread over worker processes, resumed, watched, and carried on when a worker dies.

A chain is coded and written to the store by one worker. Nothing travels back but a word on how it went, so whatever
kills a worker or the whole run, each finished chain is on disk.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from bench import provenance
from bench.codec import BenchError, Codec
from bench.datasets import ImageRef
from bench.limits import limit_threads
from bench.meter import Meter, advance
from bench.registry import CodecSpec, create
from bench.schedule import Planned, Schedule
from bench.store import Record, Store

ATTEMPTS = 3
"""Worker processes that may die while they code one chain alone before it is given up."""


@dataclass(frozen=True)
class Task:
    """One chain to be coded, and everything that determines its result.

    Attributes:
        specs: its codecs, as ``bench.registry`` reads them.
        identities: their names and identities, as found where the run was started.
        dataset, image: names for the table.
        file: where the pixels come from.
        sha256: of the pixels.
        size: (height, width).
        schedule, generations: what is coded.
        snapshots: generations whose pixels are kept.
        carrier: what passes between generations.
    """

    specs: tuple[CodecSpec, ...]
    identities: tuple[dict[str, Any], ...]
    dataset: str
    image: str
    file: Path
    sha256: str
    size: tuple[int, int]
    schedule: Schedule
    generations: int
    snapshots: tuple[int, ...] = ()
    carrier: str = "uint8"

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What determines the result, JSON values: the key of the finished chain in the store."""
        from bench.chain import METHOD

        identity = {
            "codecs": list(self.identities),
            "image": self.sha256,
            "schedule": self.schedule.text,
            "generations": self.generations,
            "carrier": self.carrier,
            "method": METHOD,
        }
        if isinstance(self.schedule, Planned):  # its text does not say which set the qualities were chosen for
            identity["qualities"] = [step.quality for step in self.schedule.planned]
        return identity

    @property
    def codec(self) -> str:
        """What tables call its codec; the first one where it is handed over."""
        return str(self.identities[0]["name"])

    @property
    def needs(self) -> list[int]:
        """Generations whose pixels must be in the store."""
        return [generation for generation in self.snapshots if generation <= self.generations]


@dataclass(frozen=True, slots=True)
class Settings:
    """How chains are coded. What may change a result is part of the codecs' identities as well.

    Attributes:
        jobs: worker processes.
        threads: threads of each.
        timeout: seconds one encode or decode may take, None for ever.
        device: where learned codecs run.
        checkpoint: weights of learned codecs, None for those they come with.
    """

    jobs: int
    threads: int
    timeout: float | None = None
    device: str = "cpu"
    checkpoint: str | None = None


def identity_of(codec: Codec) -> dict[str, Any]:
    """Name and identity of a codec, as they stand in a chain's key."""
    return {"name": codec.name, "identity": codec.identity()}


def run_tasks(
    tasks: Sequence[Task],
    store: Store,
    settings: Settings,
    *,
    report: Callable[[int], None] = lambda generations: None,
    say: Callable[[str], None] = lambda sentence: None,
    backend: str = "loky",
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
        backend: of joblib.

    Raises:
        BenchError: an image can't be read any more, or a worker finds another codec than the one the run started with.
        OSError: the store can't be written.
    """
    waiting = sorted(tasks, key=lambda task: -task.size[0] * task.size[1] * task.generations)
    coded = len(waiting)
    with Meter(store, report) as meter:
        while waiting:
            done, suspects = _run_pool(waiting, store, settings, meter.path, backend)
            waiting = [task for task in waiting if id(task) not in done and not any(task is one for one in suspects)]
            for task in suspects:
                say(f"A worker process died; {task.image} is coded again in a process of its own.")
                _run_alone(task, store, settings, meter.path)
    return coded


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
            for number in finished:
                done.add(id(tasks[number]))
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
    store.write(task.identity, records, {}, 0.0, _provenance(settings))


def _work(number: int, task: Task, store: Store, settings: Settings, meter: Path | None, parent: int) -> int:
    """Code one chain into the store; return its number. Runs in a worker."""
    if os.getpid() != parent:
        settle(parent, settings.threads)
    # Another run on the same folder may have come first.
    stored, _ = store.read(task.identity, task.needs)
    if stored is None or not stored.ok:
        _code(task, store, settings, meter, may_exit=os.getpid() != parent)
    elif meter is not None:
        advance(meter, task.generations)
    return number


def _code(task: Task, store: Store, settings: Settings, meter: Path | None, *, may_exit: bool) -> None:
    from bench.chain import run_chain

    start = time.perf_counter()
    codecs = [make_codec(spec, settings) for spec in task.specs]
    for codec, expected in zip(codecs, task.identities, strict=True):
        if identity_of(codec) != expected:
            raise BenchError(
                f"{codec.name} is not the same on {provenance.machine()['host']} as where the run was started: install "
                f"the same versions and checkpoints on every machine."
            )
    source, reference = _source(ImageRef(task.image, task.file), task.sha256)
    names: dict[str, str] = {}
    chain = run_chain(
        codecs,
        source.pixels,
        task.schedule,
        task.generations,
        carrier=task.carrier,
        reference=reference,
        snapshots=task.needs,
        keep=lambda digest, pixels: names.update({digest: store.save_snapshot(task.image, digest, pixels)}),
        advance=(lambda generations: advance(meter, generations)) if meter is not None else lambda generations: None,
        timeout=settings.timeout,
        may_exit=may_exit,
    )
    kept = {
        generation: names[chain.digests[generation]]
        for generation in task.needs
        if generation < len(chain.digests) and chain.digests[generation] in names
    }
    store.write(task.identity, chain.records, kept, time.perf_counter() - start, _provenance(settings))


@lru_cache(maxsize=32)
def make_codec(spec: CodecSpec, settings: Settings) -> Codec:
    """A codec, made once a process: loading a checkpoint takes longer than many a chain."""
    names = ("device", "threads", "timeout", "checkpoint")
    context = {name: value for name in names if (value := getattr(settings, name)) is not None}
    return create(spec, context)


@lru_cache(maxsize=1)
def _source(ref: ImageRef, sha256: str) -> tuple[Any, Any]:
    """An image and its statistics; the tasks of one image follow each other, so the last one is worth keeping."""
    from bench.metrics import Reference

    source = ref.load()
    if source.sha256 != sha256:
        raise BenchError(f"{ref.path} has changed since the run was started; start the same command again.")
    return source, Reference(source.pixels)


def _provenance(settings: Settings) -> Record:
    return {
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "device": settings.device,
        "threads": settings.threads,
        "when": provenance.now(),
    }


@lru_cache(maxsize=1)
def settle(parent: int, threads: int) -> None:
    """Make this process a good worker: its share of threads, deaf to Ctrl-C (the run says when to stop), no orphan."""
    with suppress(ValueError):  # not the main thread: another backend than processes
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_threads(threads)

    def leave_with_the_run() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=leave_with_the_run, daemon=True).start()
