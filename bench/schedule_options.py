"""What a user says a run is asked for, as options or as keys of an experiment: the same names, the same sentences."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bench.cli import whole_number
from bench.codec import BenchError, Codec
from bench.coding import CARRIERS, check_carrier
from bench.edits import parse_edits
from bench.ratecontrol import SIDES, TOLERANCE, Side
from bench.registry import CodecSpec, identity, parse_spec, parse_specs, split_specs
from bench.schedule import (
    Drift,
    Edited,
    FixedQuality,
    FixedRate,
    HandOver,
    Held,
    Kind,
    Listed,
    RateBy,
    Schedule,
    Step,
    Walk,
    fit,
)

DATA = Path(__file__).parent / "data" / "schedules.csv"
DEFAULT_CODEC, DEFAULT_GENERATIONS = "iat", 50
ONE_OF = ("quality", "bpp", "drift", "schedule", "walk", "chain")
"""The options that say what each generation is asked for."""


@dataclass(frozen=True)
class Point:
    """An operating point of a run: codecs and what they are asked for.

    Attributes:
        specs, codecs: one, or several that hand over to each other.
        schedule: names them by position.
    """

    specs: tuple[CodecSpec, ...]
    codecs: tuple[Codec, ...]
    schedule: Schedule


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of a command line that say what is coded, and what each generation is asked for."""
    add = parser.add_argument_group("what is coded").add_argument
    add("--codec", help="one or several (python -m bench.codecs lists them): iat,jpeg:75,webp:80 (default: iat)")
    add("--chain", metavar="CODECS", help="hand-over, one codec a generation, repeated: jpeg:75,webp:80,avif@0.5bpp")
    add("--edit", metavar="EDITS", help="between generations: resize:0.5,shift:1,crop:8,brightness:2 (bench.edits)")
    add("--carrier", choices=CARRIERS, default="uint8", help="between generations: 8-bit, or float for learned codecs")
    add = parser.add_argument_group(
        "at which quality or rate", "one of the first five; without any each codec's default quality"
    ).add_argument
    add("--quality", help="quality of codecs named without one; several, 25,50,75, give an operating point each")
    add("--bpp", help="the rate every generation is coded at, by rate control; several give an operating point each")
    add("--drift", metavar="A:B", help="from A to B bpp over the generations, linearly; quality:A:B for qualities")
    add("--schedule", metavar="LIST", help="a rate a generation: 1,0.9,0.8, a file of them, or a name: " + names())
    add("--walk", metavar="LO:HI", help="a random walk of rates between LO and HI bpp; quality:LO:HI for qualities")
    add("--seed", type=whole_number, default=0, help="seed of --walk")
    add(
        "--rate-by",
        choices=get_args(RateBy),
        default="image",
        help="rate of each image, mean rate of the set, or mean rate of the set before its first encoding, whose "
        "quality then stays (default: image)",
    )
    add("--rate-side", choices=SIDES, default="nearest", help="taken where no quality hits the target within 0.5 %%")
    add("--rate-hold", metavar="SHARE", help="a quality is kept while its rate is this near the target: 0.05 or 5%%")


def points(options: argparse.Namespace, make: Callable[[CodecSpec], Codec]) -> list[Point]:
    """The operating points asked for, each once.

    Args:
        options: as ``add_options`` defines them.
        make: a codec of a spec; raises BenchError where it can't run.

    Raises:
        BenchError: options that contradict each other, a quality off its scale, a codec that can't take part.
    """
    given = [name for name in ONE_OF if getattr(options, name) is not None]
    if len(given) > 1:
        raise BenchError(f"--{given[0]} and --{given[1]} both say what the generations are asked for: use one of them.")
    what = given[0] if given else "quality"
    if what in ("quality", "chain"):
        _check_rate_by(options, "quality")
    if options.edit is not None and options.carrier != "uint8":
        raise BenchError("--edit works on 8-bit images: leave out --carrier float or --edit.")
    if options.seed and what != "walk":
        raise BenchError("--seed is that of --walk: use it with --walk, or leave it out.")
    chosen = _hand_over(options, make) if what == "chain" else _points(options, what, make)
    for option, is_given in (("side", options.rate_side != "nearest"), ("hold", options.rate_hold is not None)):
        if is_given and not any(_rates(point, options) for point in chosen):
            raise BenchError(f"--rate-{option} is about rates: use it with --bpp, or a schedule of rates.")
    if options.rate_hold is not None:
        chosen = [_held(one, options.rate_hold) for one in chosen]
    if options.edit is not None:
        edits = parse_edits(options.edit)
        chosen = [Point(one.specs, one.codecs, Edited(one.schedule, edits)) for one in chosen]
    _check_names(chosen)
    unique: dict[Any, Point] = {}
    for point in chosen:
        known = []
        for spec, codec in zip(point.specs, point.codecs, strict=True):
            check_carrier(codec, options.carrier)
            known.append((codec.name, identity(codec, spec.name)))
        # Whatever is off a codec's scale is said now, and not by every worker.
        fit(point.schedule.steps(generations(options)), point.codecs, "" if what == "quality" else f"--{what}")
        unique.setdefault((str(known), point.schedule.text), point)
    return list(unique.values())


def _check_names(chosen: Sequence[Point]) -> None:
    """Raise BenchError where codecs of one name differ by options that have no effect."""
    known: dict[tuple[str, str], CodecSpec] = {}
    for spec, codec in ((spec, codec) for one in chosen for spec, codec in zip(one.specs, one.codecs, strict=True)):
        other = known.setdefault((spec.name, codec.name), spec)
        keys = [key for key in {**other.options, **spec.options} if other.options.get(key) != spec.options.get(key)]
        if keys:
            raise BenchError(
                f"{other.label} and {spec.label} are both {codec.name} in tables, whose names hold no "
                f"{', '.join(keys)}: leave one of them out, or run them one by one, each into an --out of its own."
            )


def _rates(point: Point, options: argparse.Namespace) -> bool:
    """Whether any generation is asked for a rate."""
    return any(step.target is not None for step in point.schedule.steps(generations(options)))


def _held(point: Point, text: str) -> Point:
    """The point with ``--rate-hold``: 0.05 or 5%."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not TOLERANCE <= share < 1:
        raise BenchError(f"--rate-hold needs a share from {TOLERANCE:g} to below 1, as 0.05 or 5%, got {text!r}.")
    return Point(point.specs, point.codecs, Held(point.schedule, share))


def generations(options: argparse.Namespace) -> int:
    """``--generations``; without it the length of the list that is the schedule, or DEFAULT_GENERATIONS."""
    if options.generations is not None:
        return int(options.generations)
    if options.schedule is not None:
        return len(_listed(options.schedule, "nearest").values)
    return DEFAULT_GENERATIONS


def _points(options: argparse.Namespace, what: str, make: Callable[[CodecSpec], Codec]) -> list[Point]:
    chosen = []
    specs = parse_specs(DEFAULT_CODEC if options.codec is None else options.codec)
    if options.quality is not None and all(spec.quality is not None for spec in specs):
        own = f"{specs[0].text} names its own" if len(specs) == 1 else "all of these name their own"
        raise BenchError(f"--quality is for codecs named without one, and {own}: leave one of them out.")
    for spec in specs:
        codec = make(spec)
        if what != "quality" and spec.quality is not None:
            raise BenchError(f"{spec.text} names a quality and --{what} names what to code at: leave one of them out.")
        if what == "quality":
            qualities: Sequence[float] = [codec.quality.default]
            if spec.quality is not None:
                qualities = [spec.quality]
            elif options.quality is not None:
                qualities = _numbers(options.quality, "--quality")
            schedules: list[Schedule] = [FixedQuality(codec.quality.check(q, codec.name)) for q in qualities]
        else:
            schedules = _schedules(options, what, codec)
        chosen += [Point((spec,), (codec,), schedule) for schedule in schedules]
    return chosen


def _schedules(options: argparse.Namespace, what: str, codec: Codec) -> list[Schedule]:
    text = getattr(options, what)
    side: Side = options.rate_side
    if what == "bpp":
        return [FixedRate(_rate(bpp, "--bpp"), side) for bpp in _numbers(text, "--bpp")]
    if what == "schedule":
        listed = _listed(text, side)
        _check_rate_by(options, listed.kind)
        return [listed]
    kind, first, last = _interval(text, what)
    _check_rate_by(options, kind)
    if kind == "quality":
        side = "nearest"
        for end in (first, last):
            if not codec.quality.low <= end <= codec.quality.high:
                codec.quality.check(end, codec.name, f"--{what}")
    if what == "drift":
        return [Drift(first, last, kind, side)]
    return [Walk(min(first, last), max(first, last), kind, options.seed, side)]


def _check_rate_by(options: argparse.Namespace, kind: Kind) -> None:
    """Raise BenchError where a quality is to be chosen for a set that is asked for qualities."""
    if options.rate_by != "image" and kind == "quality":
        raise BenchError(
            f"--rate-by {options.rate_by} chooses a quality by rate: use it with --bpp, or a schedule of rates."
        )


def _hand_over(options: argparse.Namespace, make: Callable[[CodecSpec], Codec]) -> list[Point]:
    if options.codec is not None:
        raise BenchError("--chain names its codecs itself: leave out --codec.")
    specs: list[CodecSpec] = []
    codecs, turn = [], []
    for spec, bpp in _turns(options.chain):
        codec = make(spec)
        if spec.label not in [each.label for each in specs]:
            specs.append(spec)
            codecs.append(codec)
        place = [each.label for each in specs].index(spec.label)
        if bpp is not None:
            turn.append(Step(codec=place, target=_rate(bpp, "--chain"), side=options.rate_side))
        else:
            quality = codec.quality.default if spec.quality is None else spec.quality
            turn.append(Step(codec.quality.check(quality, codec.name), place))
    return [Point(tuple(specs), tuple(codecs), HandOver(tuple(codecs[step.codec].name for step in turn), tuple(turn)))]


def _turns(text: str) -> list[tuple[CodecSpec, float | None]]:
    """Specs, and the rate where one is asked for instead of a quality: ``jpeg:75,avif@0.5bpp``."""
    turns = []
    for part in split_specs(text):
        spec, mark, rate = part.strip().partition("@")
        number = re.fullmatch(r"(\d+\.?\d*|\.\d+)bpp", rate)
        if mark and not number:
            raise BenchError(f"--chain needs a rate behind the @, as in jpeg@0.5bpp, got {part.strip()!r}.")
        one = parse_spec(spec)
        if mark and one.quality is not None:
            raise BenchError(f"{part.strip()} names a quality and a rate: leave one of them out.")
        turns.append((one, float(number[1]) if number else None))
    return turns


def _listed(text: str, side: Side) -> Listed:
    """A named schedule, a file, or values on the command line."""
    known = _named()
    if text in known:
        return Listed(known[text], "bpp", text, side)
    name = ""
    path = Path(os.path.expanduser(text))
    content = text
    if os.path.isfile(path):  # Path.is_file raises where a list is longer than a file name may be
        name = path.stem
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError) as error:
            raise BenchError(f"{path} can't be read as a list of numbers: {error}.") from error
        content = ",".join(filter(None, (line.partition("#")[0].strip() for line in lines)))
    kind: Kind = "bpp"
    if content.startswith("quality:"):
        kind, content = "quality", content.removeprefix("quality:")
    parts = content.replace(",", " ").split()
    try:
        values = tuple(float(part) for part in parts)
    except ValueError:
        values = ()
    if not values:
        raise BenchError(
            f"--schedule needs numbers separated by commas, a file of them, or one of {', '.join(known)}, got {text!r}."
        )
    if kind == "bpp":
        values = tuple(_rate(value, "--schedule") for value in values)
    return Listed(values, kind, name, side if kind == "bpp" else "nearest")


def names() -> str:
    """The named schedules, for people."""
    return ", ".join(_named())


def _named() -> Mapping[str, tuple[float, ...]]:
    """Rates by name from ``data/schedules.csv``: name, generation, bpp, source."""
    found: dict[str, tuple[float, ...]] = {}
    for line in DATA.read_text(encoding="utf-8").splitlines()[1:]:
        name, _, bpp, _ = line.split(",", 3)
        found[name] = (*found.get(name, ()), float(bpp))
    return found


def _interval(text: str, option: str) -> tuple[Kind, float, float]:
    kind: Kind = "quality" if text.startswith("quality:") else "bpp"
    ends = text.removeprefix("quality:").removeprefix("bpp:").split(":")
    try:
        first, last = map(float, ends)
    except ValueError:
        raise BenchError(f"--{option} needs two numbers, A:B in bpp or quality:A:B, got {text!r}.") from None
    if kind == "bpp":
        first, last = _rate(first, f"--{option}"), _rate(last, f"--{option}")
    return kind, first, last


def _rate(bpp: float, option: str) -> float:
    if not 0 < bpp < 1000:
        raise BenchError(f"{option} needs rates in bits per pixel, above 0 and below 1000, got {bpp:g}.")
    return bpp


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise BenchError(f"{option} needs numbers separated by commas, got {text!r}.") from None
