"""Work spread over processes that may die: what is done is kept, and what was being done is tried again."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.interrupt import Interrupts
from bench.task import Settings
from bench.worker import settle

ATTEMPTS = 3
"""Processes of its own that a suspect may end before it is given up; the one that made it a suspect comes on top."""


def run_pool(
    work: Callable[..., Any],
    pieces: Sequence[tuple[Any, ...]],
    settings: Settings,
    *,
    died: Callable[[int], None],
    lost: Callable[[int], None] = lambda place: None,
    backend: str = "loky",
) -> dict[int, Any]:
    """Do all pieces of work, whatever dies; return the results by place in ``pieces``, without those that were lost.

    When a process dies, the pieces that were being done at that moment are suspects: each gets a process of its own,
    and one that ends ATTEMPTS of these is lost. The rest go on.

    Args:
        work: called in a worker with the arguments of a piece and ``may_exit``, see ``bench.limits.time_limit``.
        pieces: arguments.
        settings: processes, and threads of each.
        died: called with the place of a suspect before it is tried again.
        lost: called with the place of a piece that is given up.
        backend: of joblib.
    """
    results: dict[int, Any] = {}
    waiting = list(range(len(pieces)))
    while waiting:
        done, suspects = _run(work, pieces, waiting, settings, backend)
        results |= done
        waiting = [place for place in waiting if place not in done and place not in suspects]
        for place in suspects:
            died(place)
            for _ in range(ATTEMPTS):
                done, dead = _run(work, pieces, [place], settings, "loky")
                if not dead:
                    results |= done
                    break
            else:
                lost(place)
    return results


def why_lost(did: str, settings: Settings) -> str:
    """One sentence on a piece of work that was given up; ``did`` is what its process did."""
    reason = f"The process that {did} died {ATTEMPTS + 1} times: out of memory, killed, or a crash in the codec"
    return reason + ("." if settings.timeout is None else ", or one that did not stop at --codec-timeout.")


def _run(
    work: Callable[..., Any], pieces: Sequence[tuple[Any, ...]], places: Sequence[int], settings: Settings, backend: str
) -> tuple[dict[int, Any], list[int]]:
    """Do the pieces at some places until all are done or a process dies; return results, and what was being done."""
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    started: list[int] = []
    done: dict[int, Any] = {}

    def jobs() -> Iterator[Any]:
        for place in places:
            started.append(place)
            yield delayed(_do)(work, place, pieces[place], os.getpid(), settings.threads)

    at_once = min(settings.jobs, len(places))
    options = {"inner_max_num_threads": settings.threads} if backend == "loky" else {}
    # joblib works in this process when it is given one job, and a codec that crashes would end the run: hence two
    # workers at least, of which only `pre_dispatch` are ever busy.
    with parallel_config(backend=backend, n_jobs=max(2, at_once), **options):
        finished = Parallel(return_as="generator_unordered", pre_dispatch=at_once, batch_size=1)(jobs())
        # loky replaces a worker whose memory has grown between two pieces; nothing is lost and nobody need know
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        try:
            with Interrupts() as interrupts:
                for place, result in finished:
                    done[place] = result
                    interrupts.raise_if_lost()
        except TerminatedWorkerError:
            return done, [place for place in started if place not in done]
    return done, []


def _do(work: Callable[..., Any], place: int, piece: tuple[Any, ...], parent: int, threads: int) -> tuple[int, Any]:
    """Do one piece; return its place and the result. Runs in a worker."""
    away = os.getpid() != parent
    if away:
        settle(parent, threads)
    return place, work(*piece, may_exit=away)
