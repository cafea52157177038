"""A chain: an image, coded and decoded again and again, with one record a generation.

Generation 0 is the source; generation n encodes the decoded pixels of generation n - 1. What passes from encode to
decode is the stream and nothing else; what passes between generations is 8-bit RGB, as on disk, or, for codecs that can
and where it is asked for, what the decoder gave before rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.chain_state import ChainState, Record
from bench.codec import Codec, Image, check_image
from bench.coding import Calls, check_carrier
from bench.metrics import Reference
from bench.schedule import Schedule, Step

METHOD = 1
"""Version of what is measured and how: raise it when the same chain would give other figures, so none is reused."""


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
    carrier: str = "uint8",
    reference: Reference | None = None,
    snapshots: Collection[int] = (),
    keep: Callable[[str, Image], None] = lambda digest, pixels: None,
    advance: Callable[[int], None] = lambda generations: None,
    timeout: float | None = None,
    may_exit: bool = False,
    others: Mapping[int, Callable[[], Codec]] | None = None,
) -> Chain:
    """Code an image ``generations`` times and measure every generation.

    When a state comes back (the same pixels, the same edited reference, rate control beginning at the same qualities,
    with the same steps to follow), the rest of the chain is known: it goes round in a cycle. The remaining records are
    then copied from it, exactly, and marked. This holds for cycles of any length and for any schedule; a codec that is
    not ``deterministic`` is always coded to the end.

    A generation that fails gives a record with status "failed" and a reason, and those after it "not_reached".

    Args:
        codecs: those the schedule hands over between; a step names its codec by position.
        source: (H, W, 3) uint8 RGB.
        schedule: what each generation is asked for.
        generations: how many, at least 1.
        carrier: what passes between generations, "uint8" or "float" (for codecs that are a FloatCodec).
        reference: the statistics of ``source``, where the caller has them already.
        snapshots: generations whose pixels are wanted, 0 being the source; later ones than the last are ignored.
        keep: called with sha256 and pixels of what ``snapshots`` wants, once for equal pixels.
        advance: called with the number of generations just finished, for a progress bar.
        timeout: seconds one encode or decode may take.
        may_exit: see ``bench.limits.time_limit``.
        others: by the position of a codec, what gives another instance of it. That one must decode the first stream of
            the codec to the same pixels and encode its image to the same stream, or the generation fails: a decoder
            needs nothing but the stream, an encoder nothing but the image and the quality.

    Raises:
        BenchError: the source is not an image, a quality is off its codec's scale, or a codec can't do with the
            carrier. Failures of a codec are records, not errors.
    """
    source = check_image(source, "source")
    for codec in codecs:
        check_carrier(codec, carrier)
    run = ChainState(codecs, source, schedule, generations, carrier, Calls(timeout, may_exit), others)
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
        compared = run.measure_next(reference)
        if compared is None:
            advance(generations - generation + 1)
            break
        reference = compared
        offer({run.digests[-1]} if generation in snapshots else ())
        advance(1)
        cycle = find_cycle(run.states, run.asked) if repeatable else 0
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
    codecs: Sequence[Codec],
    size: tuple[int, int],
    schedule: Schedule,
    generations: int,
    reason: str,
    carrier: str = "uint8",
) -> list[Record]:
    """The records of a chain of which nothing is known but that it failed: generation 1 failed, no other was reached.

    Args:
        codecs, schedule, generations, carrier: as for ``run_chain``.
        size: (height, width) of the source.
        reason: one sentence.
    """
    run = ChainState(codecs, np.zeros((*size, 3), np.uint8), schedule, generations, carrier)
    run.fail(1, reason)
    return run.records


def find_cycle(states: Sequence[Hashable], steps: Sequence[Step]) -> int:
    """Return the length of the cycle that the newest state closes, 0 where there is none.

    Args:
        states: of generations 0 to n, what the chain depends on besides its steps.
        steps: of generations 1 to N.

    A cycle of length p is closed when the states of generations n and n - p are equal and every step that remains
    equals the one p before it: then generation k equals generation k - p for all k > n. At the last generation no step
    remains, and its own must equal the one p before it (the first where there is none): what returns to its pixels at
    other settings has not come to rest.
    """
    newest = len(states) - 1
    for length in range(1, newest + 1):
        if states[newest - length] == states[newest]:
            rest = range(min(newest, len(steps) - 1), len(steps))
            if all(steps[index] == steps[max(index - length, 0)] for index in rest):
                return length
    return 0
