"""``run.json``: what was asked for, by whom it was answered, and how often the folder was run before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench import provenance
from bench.schedule_options import Point
from bench.store import Store, StoredChain
from bench.task import Settings, identity_of


class Book:
    """Keeps ``run.json`` of a run folder.

    Args:
        store: the folder.
        command: the line the user typed.
        options: what it came to, JSON values.
        points: operating points.
        images: name, sha256, size of each.
        settings: how chains are coded.
        seed: of random schedules.
    """

    def __init__(
        self,
        store: Store,
        command: str,
        options: Mapping[str, Any],
        points: Sequence[Point],
        images: Sequence[dict[str, Any]],
        settings: Settings,
        seed: int,
    ) -> None:
        self._store = store
        self._before = _invocations(store.read_run())
        self._run: dict[str, Any] = {
            "command": command,
            "options": dict(options),
            "when": provenance.now(),
            "status": "",
            "wall_s": None,
            "codecs": [_answer(point, place) for point in points for place in range(len(point.codecs))],
            "images": list(images),
            "averages": "means of per-image values",
            "seed": seed,
            "jobs": settings.jobs,
            "threads": settings.threads,
            "machine": provenance.machine(),
            "versions": provenance.versions(),
            "git_commit": provenance.git_commit(),
        }

    @property
    def command_of_table(self) -> str | None:
        """The command that made the folder's table before this run; None where that is not known."""
        ended = ("finished", "some chains failed")
        whole = (str(one["command"]) for one in self._before if "command" in one and one.get("status") in ended)
        return next(whole, None)

    def skipped(self, reasons: Mapping[str, str]) -> None:
        """Note the images that could not be read and were left out, with a reason each."""
        if reasons:
            self._run["skipped"] = dict(reasons)

    def workers(self, chains: Iterable[StoredChain], jobs: int) -> list[dict[str, Any]]:
        """Note who coded the chains: each kind of worker once, with the number of its chains; return them.

        Args:
            chains: all of the run, whenever they were coded.
            jobs: how many were coded at once.
        """
        kinds: dict[str, dict[str, Any]] = {}
        for chain in chains:
            worker = {name: value for name, value in chain.provenance.items() if name != "when"}
            kind = kinds.setdefault(json.dumps(worker, sort_keys=True), worker | {"chains": 0})
            kind["chains"] += 1
        found = [kinds[key] for key in sorted(kinds)]
        self._run.update(workers=found, jobs=jobs)
        return found

    def write(self, status: str, wall_s: float | None = None, chains: dict[str, int] | None = None) -> None:
        """Write it with this status."""
        self._run.update(status=status, wall_s=wall_s, chains=chains)
        entry = {name: self._run[name] for name in ("command", "when", "status", "wall_s", "chains")}
        self._store.write_run(self._run | {"invocations": [entry, *self._before]})


def _invocations(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The 100 latest of a ``run.json``, as far as they are such: people edit the file by hand."""
    found = run.get("invocations")
    return [one for one in found if isinstance(one, dict)][:100] if isinstance(found, list) else []


def differences(workers: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each package, and for Python and processor, in which the workers of a run differ."""
    sentences = []
    packages = sorted({name for worker in workers for name in worker["versions"]})
    values = {name: [worker["versions"].get(name, "none") for worker in workers] for name in packages}
    values |= {name: [worker["machine"][name] for worker in workers] for name in ("python", "processor")}
    for name, found in values.items():
        if len(set(found)) > 1:
            kinds = ", ".join(sorted(set(found)))
            sentences.append(f"Workers differ in {name} ({kinds}): figures may differ in their last digits.")
    return sentences


def _answer(point: Point, place: int) -> dict[str, Any]:
    """A codec of a point, its identity and the id by which tables name that, its quality where that is one number, and
    the schedule."""
    from bench.chain_state import identity_id

    codec, quality = identity_of(point.codecs[place]), getattr(point.schedule, "quality", None)
    return codec | {"codec_id": identity_id(**codec), "quality": quality, "schedule": point.schedule.text}
