"""What a worker does, wherever it runs: code one chain, with the codecs the run was started with or not at all."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from bench import provenance
from bench.codec import BenchError, Codec, Image, one_line, one_sentence
from bench.limits import limit_threads
from bench.own_code import changed, is_built_in
from bench.snapshots import encode_snapshot, snapshot_name
from bench.store import Record
from bench.task import Settings, Task, hints_of, identity_of, make_codec, other_codec, usable_codec


@dataclass(frozen=True, slots=True)
class Finished:
    """A coded chain on its way to the store.

    Attributes:
        records: one a generation.
        snapshots: file name by generation.
        coded_s: seconds it took.
        provenance: who coded it, JSON values.
    """

    records: list[Record]
    snapshots: dict[int, str]
    coded_s: float
    provenance: Record


class CodecDiffers(BenchError):
    """A worker can't make a codec, or makes another than the run was started with: chains of others can go on."""


Answer = tuple[Finished, dict[str, bytes]] | str
"""Of a machine far away: a chain and the files of its snapshots by name, or why it can't code it, in one sentence."""


def code_chain(
    task: Task,
    settings: Settings,
    source: Callable[[], tuple[Image, Any]],
    keep: Callable[[str, Image], str],
    *,
    advance: Callable[[int], None] = lambda generations: None,
    may_exit: bool = False,
    here: bool = False,
) -> Finished:
    """Code a chain.

    Args:
        task, settings: what and how.
        source: gives the pixels and their ``bench.metrics.Reference`` (None: made here).
        keep: takes digest and pixels of a snapshot, returns the name of its file.
        advance: called with the number of generations just finished.
        may_exit: see ``bench.limits.time_limit``.
        here: whether this process was started by the run, for it and on its machine.

    Raises:
        CodecDiffers: a codec can't be made here, or is another than where the run was started.
    """
    from bench.chain import run_chain

    start = time.perf_counter()
    try:
        codecs = [make_codec(spec, settings) for spec in task.specs]
        _check_same(codecs, task, here)
    except BenchError as error:
        raise CodecDiffers(str(error)) from error
    pixels, reference = source()
    names: dict[str, str] = {}
    chain = run_chain(
        codecs,
        pixels,
        task.schedule,
        task.generations,
        carrier=task.carrier,
        reference=reference,
        snapshots=task.needs,
        keep=lambda digest, kept: names.update({digest: keep(digest, kept)}),
        advance=advance,
        timeout=settings.timeout,
        may_exit=may_exit,
        others=_others(codecs, task, settings),
    )
    snapshots = {
        generation: names[chain.digests[generation]]
        for generation in task.needs
        if generation < len(chain.digests) and chain.digests[generation] in names
    }
    return Finished(chain.records, snapshots, time.perf_counter() - start, who(settings))


def code_far_away(task: Task, settings: Settings, pixels: Image, method: int) -> Answer:
    """Code a chain on a machine that has neither the images nor the run folder. Runs in a worker of a cluster.

    Args:
        task, settings: what and how.
        pixels: of the source.
        method: ``bench.chain.METHOD`` where the run was started.
    """
    from bench.chain import METHOD

    limit_threads(settings.threads)
    if method != METHOD:
        host = provenance.machine()["host"]
        return f"{host} has another version of reencode-bench than where the run was started: install the same one."
    files: dict[str, bytes] = {}

    def keep(digest: str, kept: Image) -> str:
        name = snapshot_name(task.image, digest, kept)
        files[name] = encode_snapshot(kept)
        return name

    try:
        for spec in task.specs:
            usable_codec(spec, settings)
        return code_chain(task, settings, lambda: (pixels, None), keep, may_exit=True), files
    except (BenchError, OSError) as error:
        # To a client of Dask an OSError would mean that the scheduler has gone.
        host = provenance.machine()["host"]
        reason = str(error) if isinstance(error, BenchError) else one_line(f"{type(error).__name__}: {error}")
        return reason if host in reason else f"On {host}: {reason}"


def _others(codecs: Sequence[Codec], task: Task, settings: Settings) -> dict[int, Callable[[], Codec]]:
    """What makes a second instance of each codec, which shows that coding depends on nothing but its arguments.

    Built-in codecs are tested for it, and of one that is not deterministic nobody can tell.
    """
    return {
        place: partial(other_codec, spec, settings)
        for place, (codec, spec) in enumerate(zip(codecs, task.specs, strict=True))
        if codec.deterministic and not is_built_in(codec)
    }


def _check_same(codecs: Sequence[Codec], task: Task, here: bool) -> None:
    """Raise BenchError unless the codecs are those that the run was started with."""
    hints = hints_of(codecs)
    for place, (codec, expected) in enumerate(zip(codecs, task.identities, strict=True)):
        with one_sentence(f"{codec.name}: identity()"):
            found = identity_of(codec)
        if found == expected and (not task.hints or task.hints[place] == hints[place]):
            continue
        form = "{} → {}" if here else "{} there, {} here"
        difference = "where rate control begins" if found == expected else changed(expected, found, form)
        if here:
            raise BenchError(
                f"{codec.name} was changed while the run went on ({difference}); start the same command again: "
                "finished chains are kept."
            )
        raise BenchError(
            f"{codec.name} is not the same on {provenance.machine()['host']} as where the run was started "
            f"({difference}): install the same versions and checkpoints on every machine, and start its workers anew."
        )


def who(settings: Settings) -> Record:
    """This machine, its versions, and the time, as they are stored with a chain."""
    return {
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "git_commit": provenance.git_commit(),
        "device": settings.device,
        "threads": settings.threads,
        "when": provenance.now(),
    }


@lru_cache(maxsize=1)
def settle(parent: int, threads: int) -> None:
    """Make this process a good worker: its share of threads, deaf to Ctrl-C (the run says when to stop), no orphan.

    What a codec, or a program that it starts, prints goes to stderr: standard output is the run's report.
    """
    with suppress(ValueError):  # not the main thread: another backend than processes
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_threads(threads)
    with suppress(OSError):  # stderr may be closed
        os.dup2(2, 1)
    sys.stdout = sys.stderr

    def leave_with_the_run() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=leave_with_the_run, daemon=True).start()
