"""The state of a chain while it is coded: what is carried on, what it is compared with, and the records so far."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.codec import Codec, Image
from bench.coding import Calls, Coded, GenerationFailed, Sent, one_line, start_of
from bench.columns import NAMES
from bench.edits import apply_all
from bench.images import pixel_sha256
from bench.metrics import Reference, mse, psnr
from bench.own_code import whole_identity
from bench.ratecontrol import Start
from bench.schedule import Schedule, fit

Record = dict[str, Any]


class ChainState:
    """A chain from its source to the newest generation.

    Attributes:
        steps: of all generations.
        asked: the same without what a search for a whole set found, on which no image of it depends.
        records: one a generation, so far.
        pixels: of the newest generation.
        digests: sha256 of the pixels of generations 0, 1, ...
        states: of generations 0, 1, ...: everything that the rest of the chain depends on, besides its steps.
    """

    def __init__(
        self,
        codecs: Sequence[Codec],
        source: Image,
        schedule: Schedule,
        generations: int,
        carrier: str = "uint8",
        calls: Calls | None = None,
        others: Mapping[int, Callable[[], Codec]] | None = None,
    ) -> None:
        self.codecs = codecs
        self.others = dict(others or {})
        self.steps = fit(schedule.steps(generations), codecs)
        self.asked = [replace(step, found=None) for step in self.steps]
        self.ids = [codec_id(codec) for codec in codecs]
        self.blank: Record = dict.fromkeys(NAMES) | {"schedule": schedule.text, "carrier": carrier}
        self.calls = calls or Calls()
        self.carried = start_of(source, carrier)
        self.pixels = source
        self.first: Image | None = None
        self.starts: dict[int, Start] = {}
        self.digests = [pixel_sha256(source)]
        self.states: list[Hashable] = [self._state((), self.digests[0])]
        self.records: list[Record] = []

    def measure_next(self, reference: Reference) -> Reference | None:
        """Code and measure the next generation, and append its record either way.

        Args:
            reference: what the generation before was compared with.

        Returns:
            What this one was compared with, None where it failed.
        """
        generation = len(self.digests)
        record = self._record(generation)
        self.records.append(record)
        edits = self.steps[generation - 1].edits
        try:
            if edits:
                reference = Reference(apply_all(edits, reference.pixels))
                self.first = apply_all(edits, self.first) if self.first is not None else None
            before = self._before(generation)
            record.update(height=before.shape[0], width=before.shape[1])
            coded = self._code(generation)
            record.update(_sent(coded.sent, before), decode_s=coded.decode_s)
            other = self.others.pop(self.steps[generation - 1].codec, None)
            if other is not None:
                self.calls.code_again(self.codecs[self.steps[generation - 1].codec], other, coded, self.carried)
            self.first = coded.pixels if self.first is None else self.first
            record.update(_measures(reference, coded.pixels, before, self.first))
        except GenerationFailed as failure:
            record.update(_sent(failure.sent, self.pixels))
            self.fail(generation, str(failure))
            return None
        except MemoryError:
            self.fail(generation, "There was not enough memory to measure this generation.")
            return None
        except Exception as error:
            # OpenCV, for one, has its own ways of running out of memory; one image must not end a run of hundreds.
            self.fail(generation, one_line(f"Measuring raised {type(error).__name__}: {error}"))
            return None
        if coded.sent.found is not None:
            self.starts[self.steps[generation - 1].codec] = coded.sent.found.next
        self._take(coded)
        compared = (reference.pixels, self.first) if any(step.edits for step in self.steps) else ()
        self.states.append(self._state(compared, self.digests[-1]))
        return reference

    def complete(self, cycle: int) -> list[str]:
        """Fill in the remaining records from the last ``cycle`` ones; return the digests of all generations."""
        digests = list(self.digests)
        self.records[-1].update(fixed_point=True, cycle=cycle)
        for generation in range(len(self.digests), len(self.steps) + 1):
            copy = dict(self.records[generation - 1 - cycle])
            copy.update(generation=generation, fixed_point=True, cycle=cycle, filled=True, encode_s=None, decode_s=None)
            if (found := self.steps[generation - 1].found) is not None:
                copy.update(encodes=found[0], miss=found[1])
            self.records.append(copy)
            digests.append(digests[generation - cycle])
        return digests

    def replay_next(self, digests: Sequence[str]) -> bool:
        """Code the next generation of a chain that is complete, for its pixels only; return whether it is as known."""
        generation = len(self.digests)
        try:
            self._before(generation)
            coded = self._code(generation)
        except GenerationFailed as failure:
            return self.fail(generation, str(failure))
        if pixel_sha256(coded.pixels) != digests[generation]:
            name = self.codecs[self.steps[generation - 1].codec].name
            return self.fail(generation, f"{name}: says it is deterministic, but equal images gave different results.")
        self._take(coded)
        if coded.sent.found is not None:
            self.starts[self.steps[generation - 1].codec] = coded.sent.found.next
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

    def _before(self, generation: int) -> Image:
        """Edit what is carried into a generation; return its pixels."""
        edits = self.steps[generation - 1].edits
        if edits:
            self.carried = self.pixels = apply_all(edits, self.pixels)
        return self.pixels

    def _code(self, generation: int) -> Coded:
        step = self.steps[generation - 1]
        return self.calls.code(self.codecs[step.codec], self.carried, step, self.starts.get(step.codec))

    def _take(self, coded: Coded) -> None:
        self.carried, self.pixels = coded.carried, coded.pixels
        self.digests.append(pixel_sha256(coded.pixels))

    def _state(self, compared: Sequence[Image | None], digest: str) -> Hashable:
        """What is carried; what the next ones are compared with, where edits change it; where rate control begins."""
        if self.carried.dtype != np.uint8:
            digest = hashlib.sha256(self.carried.tobytes()).hexdigest()
        others = tuple(pixel_sha256(image) for image in compared if image is not None)
        return digest, others, tuple(sorted(self.starts.items()))

    def _record(self, generation: int) -> Record:
        step = self.steps[generation - 1]
        height, width, _ = self.pixels.shape
        encodes, miss = step.found or (None, None)
        return self.blank | {
            "codec": self.codecs[step.codec].name,
            "codec_id": self.ids[step.codec],
            "width": width,
            "height": height,
            "generation": generation,
            "quality": step.quality,
            "target_bpp": step.target,
            "encodes": encodes,
            "miss": miss,
            "fixed_point": False,
            "cycle": 0,
            "filled": False,
            "status": "ok",
            "reason": "",
        }


def codec_id(codec: Codec) -> str:
    """Sixteen hexadecimal digits that stand for a codec and its whole identity."""
    return identity_id(codec.name, whole_identity(codec))


def identity_id(name: str, identity: Mapping[str, Any]) -> str:
    """``codec_id`` of a codec of which only name and identity are there."""
    text = json.dumps([name, identity], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sent(sent: Sent | None, image: Image) -> Record:
    """Rate and quality of what was sent."""
    if sent is None:
        return {}
    bpp = 8.0 * len(sent.stream) / (image.shape[0] * image.shape[1])
    record: Record = {"quality": sent.quality, "bytes": len(sent.stream), "bpp": bpp, "encode_s": sent.encode_s}
    if sent.found is not None:
        record.update(encodes=sent.found.encodes, miss=sent.found.miss)
    return record


def _measures(reference: Reference, decoded: Image, before: Image, first: Image) -> Record:
    """Everything measured of a generation, against the source, the generation before and the first."""
    measures: Record = dict(reference.compare(decoded))
    step = measures["mse"] if first is decoded else mse(before, decoded)
    since = 0.0 if first is decoded else step if first is before else mse(first, decoded)
    measures.update(psnr_step=psnr(step), psnr_first=psnr(since))
    if math.isnan(measures["ms_ssim"]):
        measures.update(reason=reference.why_no_ms_ssim)
    return measures
