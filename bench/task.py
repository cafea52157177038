"""A chain that is to be coded, and how: what travels to a worker, wherever that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from bench.codec import BenchError, Codec, CodecUnavailable, one_sentence
from bench.own_code import whole_identity
from bench.registry import CodecSpec, available, create, identity
from bench.schedule import Planned, Schedule


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
        hints: what ``hints_of`` said of its codecs where the run was started; empty: not asked.
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
    hints: tuple[str, ...] = ()

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
            identity["found"] = [step.found for step in self.schedule.planned]  # stands in the records
            identity["settles"] = "by quality"  # before, also by what was found for the set
        if any(self.hints):
            searching = {step.codec for step in self.schedule.steps(self.generations) if step.quality is None}
            hints = [hint if place in searching else "" for place, hint in enumerate(self.hints)]
            if any(hints):
                identity["rate_hints"] = hints
        return identity

    @property
    def codec(self) -> str:
        """What tables call its codec; the first one where it is handed over."""
        return str(self.identities[0]["name"])

    @property
    def needs(self) -> list[int]:
        """Generations whose pixels must be in the store."""
        return [generation for generation in self.snapshots if generation <= self.generations]


EVERY = 0
"""``Settings.jobs`` before a cluster was asked: as many as it has workers."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How chains are coded. What may change a result is part of the codecs' identities as well.

    Attributes:
        jobs: chains coded at once, each in a process of its own.
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
    return {"name": codec.name, "identity": whole_identity(codec)}


def hints_of(codecs: Sequence[Codec]) -> tuple[str, ...]:
    """A word for where each codec lets rate control begin, its ``rate_hint_id``; "" where it has none.

    It is no part of a codec's identity, as it changes nothing at a given quality. Raises BenchError where one fails.
    """
    return tuple(map(_hint_of, codecs))


def _hint_of(codec: Codec) -> str:
    with one_sentence(f"{codec.name}: rate_hint_id()"):
        return str(codec.rate_hint_id()) if hasattr(codec, "rate_hint_id") else ""


def make_codec(spec: CodecSpec, settings: Settings) -> Codec:
    """A codec, made once a process and for all its qualities: loading a checkpoint takes longer than many a chain."""
    return _at_quality(_kept(_for_all_qualities(spec), settings), spec)


def other_codec(spec: CodecSpec, settings: Settings) -> Codec:
    """Another instance of a codec, that codes a first generation again; a process holds one, as it may be large."""
    return _at_quality(_other(_for_all_qualities(spec), settings), spec)


def forget_codecs() -> None:
    """Make codecs anew from now on."""
    _kept.cache_clear()
    _other.cache_clear()


@lru_cache(maxsize=32)
def _kept(spec: CodecSpec, settings: Settings) -> Codec:
    return _new_codec(spec, settings)


@lru_cache(maxsize=1)
def _other(spec: CodecSpec, settings: Settings) -> Codec:
    return _new_codec(spec, settings)


def _for_all_qualities(spec: CodecSpec) -> CodecSpec:
    return replace(spec, text=spec.label, quality=None)


def _at_quality(codec: Codec, spec: CodecSpec) -> Codec:
    """The codec; raise QualityError where the quality of its spec is off its scale."""
    if spec.quality is not None:
        codec.quality.check(spec.quality, codec.name)
    return codec


def _new_codec(spec: CodecSpec, settings: Settings) -> Codec:
    names = ("device", "threads", "timeout", "checkpoint")
    context = {name: value for name in names if (value := getattr(settings, name)) is not None}
    return create(spec, context)


def usable_codec(spec: CodecSpec, settings: Settings) -> Codec:
    """``make_codec``; raises CodecUnavailable where the codec can't run here."""
    codec = make_codec(spec, settings)
    there, reason = available(codec, spec.name)
    if not there:
        raise CodecUnavailable(f"{codec.name}: {reason.removeprefix(codec.name).removeprefix(':').lstrip()}")
    return codec


def remote_codec(spec: CodecSpec, settings: Settings) -> Codec:
    """``make_codec`` for workers elsewhere, which may have the GPU that is missing here; its identity must be known."""
    codec = make_codec(spec, settings)
    try:
        identity(codec, spec.name)
    except BenchError:
        return usable_codec(spec, settings)  # says what to install
    return codec
