"""A chain: an image, coded and decoded again and again, with one record a generation.

Generation 0 is the source; generation n encodes the decoded pixels of generation n - 1. What passes from encode to
decode is the stream and nothing else; what passes between generations is 8-bit RGB, as on disk.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.codec import Codec, Image, check_image
from bench.coding import Coded, GenerationFailed, code, one_line
from bench.columns import NAMES
from bench.images import pixel_sha256
from bench.metrics import Reference, mse, psnr
from bench.schedule import Schedule, Step

CARRIER = "uint8"
METHOD = 1
"""Version of what is measured and how: raise it when the same chain would give other figures, so none is reused."""
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """A finished chain.

    Attributes:
        records: one a generation, with the columns of ``bench.columns``; dataset, image and image_id are left empty.
        digests: sha256 of the pixels of generations 0, 1, ... as far as the chain came.
    """

    records: list[Record]
    digests: list[str]

    @property
    def ok(self) -> bool:
        """Whether every generation was coded."""
        return all(record["status"] == "ok" for record in self.records)


def run_chain(
    codecs: Sequence[Codec],
    source: Image,
    schedule: Schedule,
    generations: int,
    *,
    reference: Reference | None = None,
    snapshots: Collection[int] = (),
    keep: Callable[[str, Image], None] = lambda digest, pixels: None,
    advance: Callable[[int], None] = lambda generations: None,
    timeout: float | None = None,
    may_exit: bool = False,
) -> Chain:
    """Code an image ``generations`` times and measure every generation.

    When a state comes back (the same pixels, with the same steps to follow), the rest of the chain is known: it
    goes round in a cycle. The remaining records are then copied from it, exactly, and marked. This holds for cycles of
    any length and for any schedule; a codec that is not ``deterministic`` is always coded to the end.

    A generation that fails gives a record with status "failed" and a reason, and those after it "not_reached".

    Args:
        codecs: those the schedule hands over between; a step names its codec by position.
        source: (H, W, 3) uint8 RGB.
        schedule: what each generation is asked for.
        generations: how many, at least 1.
        reference: the statistics of ``source``, where the caller has them already.
        snapshots: generations whose pixels are wanted, 0 being the source; later ones than the last are ignored.
        keep: called with sha256 and pixels of what ``snapshots`` wants, once for equal pixels.
        advance: called with the number of generations just finished, for a progress bar.
        timeout: seconds one encode or decode may take.
        may_exit: see ``bench.limits.time_limit``.

    Raises:
        CodecError: the source is not an image. Failures of a codec are records, not errors.
    """
    source = check_image(source, "source")
    run = _Run(codecs, source, schedule, generations, timeout, may_exit)
    reference = reference or Reference(source)
    repeatable = all(codec.deterministic for codec in codecs)
    kept: set[str] = set()

    def offer(wanted: Collection[str]) -> None:
        newest = run.digests[-1]
        if newest in wanted and newest not in kept:
            kept.add(newest)
            keep(newest, run.pixels)

    offer({run.digests[0]} if 0 in snapshots else ())
    for generation in range(1, generations + 1):
        if not run.measure_next(reference):
            advance(generations - generation + 1)
            break
        offer({run.digests[-1]} if generation in snapshots else ())
        advance(1)
        cycle = find_cycle(run.digests, run.steps) if repeatable else 0
        if cycle:
            digests = run.complete(cycle)
            # The pixels of a longer cycle are gone: one more round of coding for those that are still to be kept.
            wanted = {digests[n] for n in snapshots if n <= generations}
            while wanted - kept and run.replay_next(digests):
                offer(wanted)
            advance(generations - generation)
            return Chain(run.records, digests if not wanted - kept else run.digests)
    return Chain(run.records, run.digests)


def lost_chain(
    codecs: Sequence[Codec], size: tuple[int, int], schedule: Schedule, generations: int, reason: str
) -> list[Record]:
    """The records of a chain of which nothing is known but that it failed: generation 1 failed, no other was reached.

    Args:
        codecs, schedule, generations: as for ``run_chain``.
        size: (height, width) of the source.
        reason: one sentence.
    """
    run = _Run(codecs, np.zeros((*size, 3), np.uint8), schedule, generations)
    run.fail(1, reason)
    return run.records


def find_cycle(digests: Sequence[str], steps: Sequence[Step]) -> int:
    """Return the length of the cycle that the newest state closes, 0 where there is none.

    Args:
        digests: of the pixels of generations 0 to n.
        steps: of generations 1 to N.

    A cycle of length p is closed when the pixels of generations n and n - p are equal and every step that remains
    equals the one p before it: then generation k equals generation k - p for all k > n.
    """
    newest = len(digests) - 1
    for length in range(1, newest + 1):
        if digests[newest - length] == digests[newest]:
            rest = range(newest, len(steps))
            if all(steps[index] == steps[index - length] for index in rest):
                return length
    return 0


def codec_id(codec: Codec) -> str:
    """Sixteen hexadecimal digits that stand for a codec and its whole identity."""
    text = json.dumps([codec.name, codec.identity()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Run:
    """The state of a chain while it is coded."""

    def __init__(
        self,
        codecs: Sequence[Codec],
        source: Image,
        schedule: Schedule,
        generations: int,
        timeout: float | None = None,
        may_exit: bool = False,
    ) -> None:
        self.codecs = codecs
        self.steps = schedule.steps(generations)
        self.ids = [codec_id(codec) for codec in codecs]
        self.blank: Record = dict.fromkeys(NAMES) | {"schedule": schedule.text, "carrier": CARRIER}
        self.limits: dict[str, Any] = {"timeout": timeout, "may_exit": may_exit}
        self.pixels = source
        self.first: Image | None = None
        self.digests = [pixel_sha256(source)]
        self.records: list[Record] = []

    def _code(self, generation: int) -> Coded:
        step = self.steps[generation - 1]
        codec = self.codecs[step.codec]
        return code(codec, self.pixels, step.quality, **self.limits)

    def measure_next(self, reference: Reference) -> bool:
        """Code and measure the next generation; return whether that went well. Appends its record either way."""
        generation = len(self.digests)
        record = self._record(generation)
        self.records.append(record)
        before = self.pixels
        try:
            coded = self._code(generation)
            record.update(_rate(coded.stream, before), encode_s=coded.encode_s, decode_s=coded.decode_s)
            self.first = coded.pixels if self.first is None else self.first
            record.update(_measures(reference, coded.pixels, before, self.first))
        except GenerationFailed as failure:
            record.update(_rate(failure.stream, before), encode_s=failure.encode_s)
            return self.fail(generation, str(failure))
        except MemoryError:
            return self.fail(generation, "There was not enough memory to measure this generation.")
        except Exception as error:
            # OpenCV, for one, has its own ways of running out of memory; one image must not end a run of hundreds.
            return self.fail(generation, one_line(f"Measuring raised {type(error).__name__}: {error}"))
        self.pixels = coded.pixels
        self.digests.append(pixel_sha256(self.pixels))
        return True

    def complete(self, cycle: int) -> list[str]:
        """Fill in the remaining records from the last ``cycle`` ones; return the digests of all generations."""
        digests = list(self.digests)
        self.records[-1].update(fixed_point=True, cycle=cycle)
        for generation in range(len(self.digests), len(self.steps) + 1):
            copy = dict(self.records[generation - 1 - cycle])
            copy.update(generation=generation, fixed_point=True, cycle=cycle, filled=True, encode_s=None, decode_s=None)
            self.records.append(copy)
            digests.append(digests[generation - cycle])
        return digests

    def replay_next(self, digests: Sequence[str]) -> bool:
        """Code the next generation of a chain that is complete, for its pixels only; return whether it is as known."""
        generation = len(self.digests)
        try:
            pixels = self._code(generation).pixels
        except GenerationFailed as failure:
            return self.fail(generation, str(failure))
        if pixel_sha256(pixels) != digests[generation]:
            name = self.codecs[self.steps[generation - 1].codec].name
            return self.fail(generation, f"{name}: says it is deterministic, but equal images gave different results.")
        self.pixels = pixels
        self.digests.append(digests[generation])
        return True

    def fail(self, generation: int, reason: str) -> bool:
        """Mark a generation as failed and those after it as not reached; return False."""
        if generation <= len(self.records) and not self.records[generation - 1]["filled"]:
            failed = self.records[generation - 1]
        else:
            failed = self._record(generation)
        failed.update(status="failed", reason=reason)
        later = range(generation + 1, len(self.steps) + 1)
        lost = {"status": "not_reached", "reason": f"Generation {generation} failed: {reason}"}
        self.records[generation - 1 :] = [failed, *(self._record(number) | lost for number in later)]
        return False

    def _record(self, generation: int) -> Record:
        step = self.steps[generation - 1]
        height, width, _ = self.pixels.shape
        return self.blank | {
            "codec": self.codecs[step.codec].name,
            "codec_id": self.ids[step.codec],
            "width": width,
            "height": height,
            "generation": generation,
            "quality": step.quality,
            "fixed_point": False,
            "cycle": 0,
            "filled": False,
            "status": "ok",
            "reason": "",
        }


def _rate(stream: bytes | None, image: Image) -> Record:
    if stream is None:
        return {}
    return {"bytes": len(stream), "bpp": 8.0 * len(stream) / (image.shape[0] * image.shape[1])}


def _measures(reference: Reference, decoded: Image, before: Image, first: Image) -> Record:
    """Everything measured of a generation, against the source, the generation before and the first."""
    measures: Record = dict(reference.compare(decoded))
    step = measures["mse"] if first is decoded else mse(before, decoded)
    since = 0.0 if first is decoded else step if first is before else mse(first, decoded)
    measures.update(psnr_step=psnr(step), psnr_first=psnr(since))
    if math.isnan(measures["ms_ssim"]):
        measures.update(reason=reference.why_no_ms_ssim)
    return measures
