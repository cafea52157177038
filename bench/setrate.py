"""``--rate-by dataset`` and ``originals``: one quality for a whole set, whose mean rate over its images is hit.

By ``dataset`` what the next quality is depends on all images as they are by then, so all chains are first coded side by
side, for the qualities alone. By ``originals`` it is the quality at which the sources have that rate, as somebody would
choose it who sets an encoder once, for photographs not encoded before. The plan is kept in the run folder; the
chains are then coded and measured one by one, at the qualities of the plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bench.chain import METHOD, find_cycle
from bench.codec import BenchError, Codec, Image
from bench.coding import Calls, Carried, GenerationFailed, Sent, start_of
from bench.edits import apply_all
from bench.files import plain, write_atomically
from bench.images import pixel_sha256
from bench.ratecontrol import TOLERANCE, Found, Start, find_quality, within
from bench.schedule import RateBy, Schedule, Step, fit
from bench.setrates import Rates
from bench.store import Store

SOURCES = 0
"""The generation that rates of the sources are kept under."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Qualities for a set.

    Attributes:
        steps: of generations 1, 2, ..., with quality, target and what rate control found; as far as it came.
        reason: one sentence on the generation after these, where it did not come to the end.
    """

    steps: tuple[Step, ...]
    reason: str = ""


def plan_set(
    codec: Codec,
    sources: Sequence[Image],
    schedule: Schedule,
    generations: int,
    carrier: str = "uint8",
    calls: Calls | None = None,
    rates: Rates | None = None,
    rate_by: RateBy = "dataset",
) -> Plan:
    """Choose the quality of every generation for a set.

    Args:
        codec: all images are coded by it.
        sources: (H, W, 3) uint8 RGB, at least one.
        schedule: its targets are those of the mean bpp over the images; steps with a quality are left alone.
        generations: how many.
        carrier, calls: as for a chain.
        rates: those known already, of the same codec and set, are not measured again; new ones are kept there.
        rate_by: "dataset", or "originals": then all rates are those of the sources, before any edit, ``found`` of a
            step tells the miss on them, and nothing is decoded.
    """
    calls = calls or Calls()
    rates = Rates() if rates is None else rates
    wanted = fit(schedule.steps(generations), [codec])
    carried = [start_of(source, carrier) for source in sources]
    start: Start | None = None
    states: list[Hashable] = [_state(carried, start)]
    steps: list[Step] = []
    if rate_by == "originals":
        return _plan_originals(codec, carried, wanted, calls, rates)
    for step in wanted:
        if step.edits:
            carried = [apply_all(step.edits, image) for image in carried]  # type: ignore[arg-type]
        try:
            steps.append(step)
            sent, found = _send(codec, carried, step, start, calls, len(steps), rates)
            carried = [calls.decode(codec, one, image)[0] for one, image in zip(sent, carried, strict=True)]
        except GenerationFailed as failure:
            return Plan(tuple(steps[:-1]), str(failure))
        if found is not None:
            start = found.next
            steps[-1] = _with(step, found)
        states.append(_state(carried, start))
        cycle = find_cycle(states, wanted) if codec.deterministic else 0
        if cycle:
            while len(steps) < generations:
                steps.append(steps[-cycle])
            break
    return Plan(tuple(steps))


def _plan_originals(
    codec: Codec, sources: Sequence[Carried], wanted: Sequence[Step], calls: Calls, rates: Rates
) -> Plan:
    """The plan by the rates of the sources: a target has one quality, whatever was asked for before, unless the quality
    before is to be held."""
    known: dict[Step, Found] = {}
    before: Found | None = None
    steps: list[Step] = []
    for step in wanted:
        if step.quality is not None:
            steps.append(step)
            continue
        assert step.target is not None
        held = before is not None and step.hold > TOLERANCE and within(before.bpp, step.target, step.hold, step.side)
        start = before.next if before is not None and held else None
        asked = replace(step, edits=())
        try:
            if start is not None or asked not in known:
                before = _find(codec, sources, step, start, calls, SOURCES, rates)
            else:
                before = known[asked]
        except GenerationFailed as failure:
            return Plan(tuple(steps), str(failure))
        if start is None:
            known[asked] = before
        steps.append(_with(step, before))
    return Plan(tuple(steps))


def _send(
    codec: Codec,
    images: Sequence[Carried],
    step: Step,
    start: Start | None,
    calls: Calls,
    generation: int,
    rates: Rates,
) -> tuple[list[Sent], Found | None]:
    """Encode all images at one quality."""
    if step.quality is not None:
        return _sent(codec, images, step, step.quality, calls), None
    streams: dict[float, list[Sent]] = {}
    found = _find(codec, images, step, start, calls, generation, rates, streams)
    return streams.get(found.quality) or _sent(codec, images, step, found.quality, calls), found


def _sent(codec: Codec, images: Sequence[Carried], step: Step, quality: float, calls: Calls) -> list[Sent]:
    return [calls.send(codec, image, replace(step, quality=quality)) for image in images]


def _find(
    codec: Codec,
    images: Sequence[Carried],
    step: Step,
    start: Start | None,
    calls: Calls,
    generation: int,
    rates: Rates,
    streams: dict[float, list[Sent]] | None = None,
) -> Found:
    """The quality of a step's rate. Streams that were made on the way are left in ``streams``."""

    def rate(quality: float) -> float:
        known = rates.get(generation, quality)
        if known is not None:
            return known
        sent = _sent(codec, images, step, quality, calls)
        if streams is not None:
            streams[quality] = sent
        each = [
            8.0 * len(one.stream) / (image.shape[0] * image.shape[1]) for one, image in zip(sent, images, strict=True)
        ]
        rates.put(generation, quality, sum(each) / len(each))
        return sum(each) / len(each)

    assert step.target is not None
    hint = step.target if codec.quality.unit == "bpp" else None
    try:
        return find_quality(
            rate, codec.quality, step.target, name=codec.name, hint=hint, start=start, side=step.side, hold=step.hold
        )
    except BenchError as error:
        raise GenerationFailed(str(error).replace("on this image", "on this set")) from error


def _with(step: Step, found: Found) -> Step:
    return replace(step, quality=found.quality, found=(found.encodes, found.miss))


def _state(carried: Sequence[Carried], start: Start | None) -> Hashable:
    digests = [
        pixel_sha256(image) if image.dtype == np.uint8 else hashlib.sha256(image.tobytes()).hexdigest()  # type: ignore[arg-type]
        for image in carried
    ]
    return tuple(digests), start


def identity(
    codec: Mapping[str, Any],
    images: Sequence[str],
    schedule: Schedule,
    generations: int,
    carrier: str,
    rate_by: RateBy = "dataset",
) -> dict[str, Any]:
    """What determines a plan: codec (its identity), images (sha256 of the pixels, in order), and what is asked for."""
    whose = {"rate_by": rate_by} if rate_by != "dataset" else {}  # plans made before there was a choice stay valid
    return whose | {
        "codec": dict(codec),
        "images": list(images),
        "schedule": schedule.text,
        "generations": generations,
        "carrier": carrier,
        "method": METHOD,
    }


def read(store: Store, key: Mapping[str, Any]) -> Plan | None:
    """The stored plan, None where there is none that can be used; one that failed is made again."""
    try:
        outer = json.loads(_path(store, key).read_bytes())
        if outer["sha256"] != _checksum(outer["plan"]) or outer["plan"]["identity"] != json.loads(json.dumps(key)):
            return None
        return Plan(tuple(_step(values) for values in outer["plan"]["steps"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(store: Store, key: Mapping[str, Any], plan: Plan) -> None:
    """Store a plan that came to its end."""
    content = {"identity": key, "steps": [_values(step) for step in plan.steps]}
    path = _path(store, key)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps({"sha256": _checksum(content), "plan": content}, allow_nan=False).encode())


def rates_of(store: Store, key: Mapping[str, Any], codec: Codec) -> Rates:
    """The rates that an unfinished plan has measured; none are kept of a codec that may give others the next time."""
    path = _path(store, key).with_suffix(".rates")
    path.parent.mkdir(exist_ok=True)
    return Rates(path if codec.deterministic else None)


def edits_back(plan: Plan, schedule: Schedule) -> Plan:
    """The plan with the edits of its schedule, which are not stored with it."""
    steps = schedule.steps(len(plan.steps))
    return replace(plan, steps=tuple(replace(a, edits=b.edits) for a, b in zip(plan.steps, steps, strict=True)))


_NOT_STORED = ("edits", "reason")  # ``edits_back``; a plan that came to its end has no reason


def _values(step: Step) -> dict[str, Any]:
    return {name: value for name, value in asdict(replace(step, edits=())).items() if name not in _NOT_STORED}


def _step(values: dict[str, Any]) -> Step:
    found = values["found"]
    return Step(**{**values, "found": None if found is None else (int(found[0]), float(found[1]))})


def _path(store: Store, key: Mapping[str, Any]) -> Any:
    name = plain(f"{key['codec']['name']}-{key['schedule']}")
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
    return store.root / "plans" / f"{name}-{digest}.json"


def _checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
