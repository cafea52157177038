"""``python -m bench.experiment NAME``: ready-made experiments, each a small TOML file that can be copied and changed.

    python -m bench.experiment                              lists them
    python -m bench.experiment iat-fig6-drift --codecs jpeg,webp --dataset kodak
    python -m bench.experiment my-experiment.toml

A file has the keys of KEYS, which are the options of ``bench.reencode`` by the same names; lists stand for what is
separated by commas there. What is given on the command line goes before the file.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bench import provenance, published
from bench.cli import OK, Parser, positive_int, run
from bench.codec import BenchError
from bench.reencode import SNAPSHOTS, add_run_options, check_taken, request
from bench.run import Request, execute
from bench.schedule import number
from bench.schedule_options import ONE_OF, add_options

FOLDER = Path(__file__).parent / "experiments"

_LISTS = ("codecs", "quality", "bpp", "schedule", "chain", "edit", "snapshots", "reports", "published")
_NUMBERS = ("quality", "bpp", "schedule", "snapshots", "rate_hold")
KEYS: dict[str, str] = {
    "description": "one sentence",
    "source": "a sentence on where the experiment comes from",
    "dataset": "the name of a set, a folder or a file",
    "codecs": "a list of codecs, with a quality or without, or a table of qualities by codec as jpeg = [10, 30, 75]",
    "quality": "a list of qualities, an operating point each",
    "bpp": "a list of rates, an operating point each",
    "drift": '"A:B", rates or "quality:A:B"',
    "schedule": "a name, a file, or a list of rates, one a generation",
    "walk": '"LO:HI", rates or "quality:LO:HI"',
    "chain": "a list of codecs with qualities that hand over to each other",
    "edit": "a list of edits between generations",
    "rate_by": '"image", "dataset" or "originals"',
    "rate_side": '"nearest" or "below"',
    "rate_hold": 'the share of the target within which a quality is kept, 0.05 or "5%"',
    "seed": "a whole number, which walk begins with",
    "carrier": '"uint8" or "float"',
    "generations": "a whole number of at least 1",
    "snapshots": 'a list of generations whose pixels are kept, with "last" for the last one; [] or "none" for none',
    "reports": "a list of what is printed and drawn",
    "published": "a list of published curves beside ours",
}
"""What a file may hold."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 where some chains failed. Raises BenchError on what a user can act on."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(argv)
    if options.experiment is None:
        print(listing())
        return OK
    experiment = read(options.experiment)
    if options.show:
        print(find(options.experiment).read_text(encoding="utf-8"), end="")
        return OK
    wanted = prepare(experiment, options, provenance.command("bench.experiment", argv))
    check_taken(wanted)
    if not options.quiet:
        print(f"{options.experiment}: {experiment.get('description', 'no description')}")
        print(f"Source: {experiment['source']}\n" if "source" in experiment else "")
    name = find(options.experiment).stem + ("" if options.codecs is None else f"_{options.codecs}")
    return execute(replace(wanted, name=name))


def prepare(experiment: dict[str, Any], options: argparse.Namespace, command: str) -> Request:
    """What an experiment asks for.

    Args:
        experiment: as from ``read``.
        options: codecs, dataset and generations, each None for those of the experiment, and the options of
            ``bench.reencode.add_run_options``.
        command: the line the user typed.
    """
    wanted = request(_options(experiment, options), command)
    reports = tuple(experiment.get("reports", ("generations",)))
    beside = tuple(experiment.get("published", ()))
    if beside:
        published.load(beside)  # raises now and not when everything is coded
    return replace(wanted, reports=reports, published=beside)


def listing() -> str:
    """Names and descriptions of the experiments that come with the project."""
    lines = ["Ready-made experiments; copy a file, change it, and name it instead (--show prints one):", ""]
    names = sorted(path.stem for path in FOLDER.glob("*.toml"))
    lines += [f"{name:<16} {read(name)['description']}" for name in names]
    return "\n".join(lines)


def find(name: str) -> Path:
    """The file of an experiment, given by its name or path; raise BenchError where there is none."""
    path = FOLDER / f"{name}.toml"
    if path.is_file():
        return path
    path = Path(name).expanduser()
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise BenchError(f"There is no file {name}; name an experiment or a .toml file that is there.")
    known = sorted(each.stem for each in FOLDER.glob("*.toml"))
    raise BenchError(f"Unknown experiment {name!r}: {_close(name, known)}python -m bench.experiment lists them.")


def read(name: str) -> dict[str, Any]:
    """The keys of an experiment, checked.

    Raises:
        BenchError: no such experiment, not TOML, an unknown key, or a value of the wrong kind.
    """
    from bench.reports import REPORTS

    path = find(name)
    try:
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BenchError(f"{path} can't be read as TOML: {str(error).rstrip('.')}.") from error
    for key, value in keys.items():
        if key not in KEYS:
            raise BenchError(f"{path} has an unknown key {key!r}: {_close(key, KEYS)}keys are {', '.join(KEYS)}.")
        _check(path, key, value)
    if isinstance(keys.get("codecs"), dict):
        keys["codecs"] = [f"{codec}:{number(quality)}" for codec, some in keys["codecs"].items() for quality in some]
    for report in keys.get("reports", ()):
        if report not in REPORTS:
            close = _close(report, REPORTS)
            raise BenchError(f"{path} asks for an unknown report {report!r}: {close}reports are {', '.join(REPORTS)}.")
    if keys.keys() >= {"codecs", "chain"}:
        raise BenchError(f"{path} has both codecs and chain: a chain names its codecs itself, leave one of them out.")
    if not keys.keys() & {"codecs", "chain"}:
        raise BenchError(f"{path} names no codecs: give a list with the key codecs, or chain for a hand-over.")
    return keys


def _check(path: Path, key: str, value: Any) -> None:
    """Raise BenchError unless the value is of the kind that the key takes."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if key == "codecs" and isinstance(value, dict):
        good = bool(value) and all(
            isinstance(some, list) and some and all(map(_number, some)) for some in value.values()
        )
    elif key in ("generations", "seed"):
        good = whole and (key == "seed" or value >= 1)
    elif key in _LISTS:
        each = value if isinstance(value, list) else [value]
        good = bool(each or key == "snapshots") and all(_given(key, one) for one in each)
    else:
        good = _given(key, value)
    if key in ("reports", "published"):
        good = good and isinstance(value, list)
    if not good:
        raise BenchError(f"{path}: {key} must be {KEYS[key]}, got {value!r}.")


def _given(key: str, value: Any) -> bool:
    return (isinstance(value, str) and bool(value.strip())) or (key in _NUMBERS and _number(value))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _options(experiment: dict[str, Any], options: argparse.Namespace) -> argparse.Namespace:
    """The options that ``bench.reencode`` would have been given."""
    found = argparse.Namespace(**vars(_defaults()) | vars(options))
    for name in ("codecs", "experiment", "show"):
        vars(found).pop(name, None)
    for key in (*ONE_OF, "edit", "rate_by", "rate_side", "rate_hold", "seed", "carrier"):
        if key in experiment:
            setattr(found, key, _text(experiment[key]) if key != "seed" else experiment[key])
    codecs = options.codecs
    if "chain" in experiment:
        found.chain = codecs or found.chain
    else:
        found.codec = codecs or _text(experiment["codecs"])
    found.dataset = options.dataset or experiment.get("dataset", "sample")
    found.generations = options.generations or experiment.get("generations")
    found.snapshots = options.snapshots or _text(experiment.get("snapshots", SNAPSHOTS)) or "none"
    _check_choices(found)
    return found


def _check_choices(options: argparse.Namespace) -> None:
    """Options with a fixed choice are checked by the parser on a command line; a file's must be as well."""
    parser = Parser(prog="python -m bench.experiment")
    add_options(parser)
    given = ["--rate-by", options.rate_by, "--rate-side", options.rate_side, "--carrier", options.carrier]
    parser.parse_args(given)


def _defaults() -> argparse.Namespace:
    parser = Parser()
    add_options(parser)
    return parser.parse_args([])


def _text(value: Any) -> str:
    return ",".join(str(each) for each in value) if isinstance(value, list) else str(value)


def _close(name: str, known: Any) -> str:
    close = get_close_matches(name, list(known), n=3)
    return f"did you mean {' or '.join(close)}? " if close else ""


def _parser() -> Parser:
    parser = Parser(
        prog="python -m bench.experiment",
        description="Run a ready-made experiment, or one of your own; without a name, list them.",
    )
    add = parser.add_argument
    add("experiment", nargs="?", help="name, or a .toml file")
    add("--show", action="store_true", help="print the file instead of running it, to be copied")
    add("--codecs", help="instead of those of the file; of a hand-over, its chain")
    add("--dataset", help="instead of that of the file")
    add("--generations", type=positive_int, help="instead of those of the file")
    add_run_options(parser)
    parser.set_defaults(snapshots=None)
    return parser


if __name__ == "__main__":
    run(main)
