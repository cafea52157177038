"""What one operating point costs, from a few generations on one image: the measurements behind ``--dry-run``."""

from __future__ import annotations

import io
import math
import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from bench import columns
from bench.chain import Chain, run_chain
from bench.codec import Image
from bench.datasets import ImageRef
from bench.images import image_id
from bench.metrics import Reference
from bench.schedule import RateBy
from bench.snapshots import encode_snapshot
from bench.store import encoded_record
from bench.task import Settings, Task, make_codec

LARGEST = 1024
"""Most rows and columns that are coded, of the middle of an image; what a larger one takes is reckoned from that."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one operating point costs.

    Attributes:
        pixels: of the image, or the middle of it, that it was measured on.
        load_s: the first calls of its codecs, which load libraries and checkpoints.
        first_s, later_s: seconds of a generation with all its measures, of the first and of those after it.
        first_encodes, later_encodes: encodings of a generation; more than one under rate control.
        encode_s, decode_s: seconds of one call.
        coded: generations until a fixed point or cycle was seen, None where none was.
        record: bytes of a record, in its chain's file and in both tables.
        source, decoded: bytes of a snapshot of generation 0, and of a later one.
        reason: why the codec failed, "" where it did not.
        qualities: how many its scale has, infinite where it is continuous.
    """

    pixels: int
    load_s: float
    first_s: float
    later_s: float
    first_encodes: float
    later_encodes: float
    encode_s: float
    decode_s: float
    coded: int | None
    record: float
    source: int
    decoded: float
    reason: str
    qualities: float

    def coded_of(self, task: Task) -> int:
        """Generations of a chain that will be coded; the others will be filled in."""
        return min(task.generations, self.coded or task.generations)

    def encodes(self, task: Task) -> float:
        """Encodings of a chain."""
        return self.first_encodes + (self.coded_of(task) - 1) * self.later_encodes

    def seconds(self, task: Task) -> float:
        """Seconds of a chain, in proportion to its pixels."""
        return self._scale(task) * (self.first_s + (self.coded_of(task) - 1) * self.later_s)

    def later(self, task: Task) -> float:
        """Seconds of a generation after the first."""
        return self._scale(task) * self.later_s

    def searching(self, task: Task) -> float:
        """The part of ``seconds`` that goes into encodings that only look for a quality."""
        return self._scale(task) * self.encode_s * (self.encodes(task) - self.coded_of(task))

    def planning_encodes(self, task: Task, rate_by: RateBy) -> float:
        """Encodings of the chain's image while qualities are chosen for a whole set."""
        if rate_by == "originals":  # rates once measured are known to the search for the next target
            targets = len({step.target for step in task.schedule.steps(task.generations)})
            return min(self.first_encodes + 2 * (targets - 1), self.qualities)
        return self.encodes(task)

    def planning(self, task: Task, rate_by: RateBy) -> float:
        """Seconds that the chain's image takes while qualities are chosen for a whole set."""
        decodes = self.coded_of(task) if rate_by == "dataset" else 0
        return self._scale(task) * (self.encode_s * self.planning_encodes(task, rate_by) + self.decode_s * decodes)

    def snapshot_bytes(self, task: Task) -> tuple[float, float]:
        """Bytes of the snapshots of generation 0, which all codecs share, and of the later ones that differ."""
        later = {min(generation, self.coded_of(task)) for generation in task.needs if generation > 0}
        return self._scale(task) * self.source * (0 in task.needs), self._scale(task) * self.decoded * len(later)

    def _scale(self, task: Task) -> float:
        return task.size[0] * task.size[1] / self.pixels


def measure(task: Task, settings: Settings, budget: float) -> Probe:
    """Code the beginning of a chain and time it.

    Args:
        task: image, codecs and schedule.
        settings: as for the run.
        budget: seconds to spend; one generation is coded whatever it takes, two of a chain under rate control.
    """
    pixels = _middle(ImageRef(task.image, task.file).load().pixels)
    codecs = [make_codec(spec, settings) for spec in task.specs]
    begun = time.perf_counter()
    for codec in codecs:
        with suppress(Exception, SystemExit):  # the chain will say what is wrong
            corner = np.ascontiguousarray(pixels[:64, :64])
            codec.decode(codec.encode(corner, codec.quality.default))
    load_s = time.perf_counter() - begun
    files: list[int] = []

    def code(generations: int) -> tuple[Chain, float]:
        files.clear()
        start = time.perf_counter()
        chain = run_chain(
            codecs,
            pixels,
            task.schedule,
            generations,
            carrier=task.carrier,
            reference=Reference(pixels),
            snapshots=[0, 1, *task.needs],
            keep=lambda digest, kept: files.append(len(encode_snapshot(kept))),
            timeout=settings.timeout,
        )
        return chain, time.perf_counter() - start

    chain, first_s = code(1)
    later_s = first_s
    least = 2 if task.schedule.steps(1)[0].target is not None else 1
    longer = min(task.generations, max(least, int(budget / first_s)))
    if longer > 1 and chain.ok:
        chain, all_s = code(longer)
        filled = sum(record["filled"] for record in chain.records)
        later_s = max(0.0, all_s - first_s) / max(1, longer - filled - 1)
    scale = codecs[0].quality
    records = [record for record in chain.records if record["status"] == "ok" and not record["filled"]] or chain.records
    encodes = [record["encodes"] or 1 for record in records]
    return Probe(
        pixels=pixels.shape[0] * pixels.shape[1],
        load_s=load_s,
        first_s=first_s,
        later_s=later_s,
        first_encodes=encodes[0],
        later_encodes=float(np.mean(encodes[1:] or encodes)),
        encode_s=float(np.mean([record["encode_s"] or 0.0 for record in records])),
        decode_s=float(np.mean([record["decode_s"] or 0.0 for record in records])),
        coded=len(records) if any(record["filled"] for record in chain.records) else None,
        record=_record_bytes(chain, task),
        source=files[0],
        decoded=float(np.mean(files[1:] or files)),
        reason=next((record["reason"] for record in chain.records if record["status"] == "failed"), ""),
        qualities=scale.high - scale.low + 1 if scale.integer else math.inf,
    )


def _middle(pixels: Image) -> Image:
    top, left = (max(0, size - LARGEST) // 2 for size in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + LARGEST, left : left + LARGEST])


def _record_bytes(chain: Chain, task: Task) -> float:
    """Bytes of a record: JSON in the chain's file, a line of CSV, and half as much again for Parquet."""
    labels = {"dataset": task.dataset, "image": task.image, "image_id": image_id(task.sha256)}
    line = io.StringIO()
    columns.frame([record | labels for record in chain.records]).to_csv(line, index=False, header=False)
    json = sum(len(encoded_record(record)) for record in chain.records)
    return (json + 1.5 * len(line.getvalue())) / len(chain.records)
