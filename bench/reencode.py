"""``python -m bench.reencode``: what is left of images after N encodings, as records, a table and figures."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import provenance
from bench.cli import Parser, positive_int, run
from bench.cluster import BACKENDS
from bench.codec import BenchError
from bench.datasets import load
from bench.generation_table import rounds
from bench.registry import takes
from bench.run import Request, execute
from bench.schedule import turns
from bench.schedule_options import DEFAULT_CODEC, DEFAULT_GENERATIONS, Point, add_options, generations, points
from bench.task import EVERY, Settings, remote_codec, usable_codec

LAST = "last"
EXAMPLES = """examples:
  python -m bench.reencode --codec iat,jpeg,webp --generations 50
  python -m bench.reencode --codec jpeg --quality 20,40,60,80 --generations 10 --dataset FOLDER
  python -m bench.reencode --codec iat,avif --bpp 0.5,1 --generations 20
  python -m bench.reencode --codec jpeg --drift quality:90:50
  python -m bench.reencode --chain jpeg:75,webp:80,avif@0.5bpp --generations 30
  python -m bench.reencode --codec mymodule:MyCodec,iat --generations 50
"""
SNAPSHOTS = f"0,1,2,5,10,20,50,{LAST}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 where some chains failed. Raises BenchError on what a user can act on."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(argv)
    wanted = request(options, provenance.command("bench.reencode", argv))
    check_taken(wanted)
    return execute(wanted)


def request(options: argparse.Namespace, command: str) -> Request:
    """What a command line asks for.

    Args:
        options: as ``add_options`` and ``add_run_options`` define them, with generations and dataset.
        command: the line the user typed.
    """
    settings = run_settings(options)
    far = options.backend != "local" and options.rate_by == "image" and not options.dry_run  # nothing is coded here
    chosen = points(options, functools.partial(remote_codec if far else usable_codec, settings=settings))
    values = vars(options) | {"generations": generations(options)}
    if options.chain is None:
        values["codec"] = DEFAULT_CODEC if options.codec is None else options.codec
    return Request(
        command=command,
        options={name: str(value) if isinstance(value, Path) else value for name, value in values.items()},
        points=chosen,
        dataset=load(options.dataset, options.data_root),
        generations=generations(options),
        snapshots=_snapshots(options.snapshots, generations(options), max(turns(point.schedule) for point in chosen)),
        settings=settings,
        out=options.out,
        carrier=options.carrier,
        rate_by=options.rate_by,
        seed=options.seed,
        quiet=options.quiet,
        backend=options.backend,
        scheduler=options.scheduler,
        dry_run=options.dry_run,
        skip_unreadable=options.skip_unreadable,
        reports=_reports(chosen, options),
    )


def check_taken(wanted: Request) -> None:
    """Raise BenchError where an option for codecs is given that no codec of the run takes."""
    specs = {spec.label: spec for point in wanted.points for spec in point.specs}
    for option, default in (("device", "cpu"), ("checkpoint", None)):
        if getattr(wanted.settings, option) != default and not any(takes(spec, option) for spec in specs.values()):
            raise BenchError(
                f"--{option} has no effect on {', '.join(specs)}: leave it out, or name a codec that takes it, as iat."
            )


def _reports(chosen: Sequence[Point], options: argparse.Namespace) -> tuple[str, ...]:
    """What is made of the run: curves over generations; of several settings of a codec, rate-distortion curves."""
    codecs = {tuple(codec.name for codec in point.codecs) for point in chosen}
    if len(codecs) == len(chosen) or options.edit is not None:
        return ("generations",)
    return ("rd",) if generations(options) == 1 else ("generations", "rd_last")


def _parser() -> Parser:
    parser = Parser(
        prog="python -m bench.reencode",
        usage="%(prog)s [--codec CODEC] [--generations N] [--dataset NAME] [option ...]",
        description="Re-encode images N times and measure what is left.",
        epilog=EXAMPLES,
    )
    add = parser.add_argument_group("images and generations").add_argument
    add(
        "--dataset",
        metavar="NAME",
        default="sample",
        help="name of a set, folder or file; python -m bench.datasets lists the sets",
    )
    how_many = f"how many (default: {DEFAULT_GENERATIONS}, or all of a --schedule)"
    add("--generations", metavar="N", type=positive_int, help=how_many)
    add_options(parser)
    add_run_options(parser)
    return parser


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that say how a run is done, not what it is."""
    add = parser.add_argument_group("files").add_argument
    add("--data-root", metavar="FOLDER", help="folder that holds the named sets (or variable BENCH_DATA)")
    add("--skip-unreadable", action="store_true", help="leave out images that can't be read, and name them")
    add("--checkpoint", metavar="FILE", help="weights of learned codecs: a file, or the name of shipped ones")
    add(
        "--out",
        metavar="FOLDER",
        type=Path,
        help="run folder; without it one under results/runs/ named after codecs and images",
    )
    add(
        "--snapshots",
        metavar="LIST",
        default=SNAPSHOTS,
        help="generations whose pixels are kept: numbers, 0 being the source, and last; or none; of a hand-over "
        "those of the first and the last round as well where nothing is named",
    )
    add = parser.add_argument_group("how it is run").add_argument
    add(
        "--jobs",
        metavar="N",
        type=positive_int,
        help="chains coded at once; without it one for each core, or each worker of a cluster",
    )
    add("--device", default="cpu", help="where learned codecs run: cpu, cuda, cuda:1")
    add("--backend", choices=BACKENDS, default="local", help="whose workers code: this machine's, or a cluster's")
    add("--scheduler", metavar="ADDRESS", help="of the cluster: tcp://HOST:8786 for Dask, HOST:6379 for Ray")
    add(
        "--codec-timeout", metavar="SECONDS", type=_seconds, default=600.0, help="for one encode or decode; 0: for ever"
    )
    add("--dry-run", action="store_true", help="say how much there is to do and how long it takes, and do nothing")
    add("--quiet", action="store_true", help="print errors only")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text!r}")
    return value


def _snapshots(text: str, last: int, round_length: int) -> tuple[int, ...]:
    """Generations whose pixels are kept; where none were named, of a hand-over ``rounds`` too.

    Args:
        text: of --snapshots.
        last: the last generation.
        round_length: turns of a round, see ``bench.schedule.turns``.
    """
    if text.strip() == "none":
        return ()
    also = rounds(last, round_length) if text == SNAPSHOTS else ()
    parts = [str(last) if part.strip() == LAST else part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise BenchError(f"--snapshots needs whole numbers or {LAST}, separated by commas, or none, got {text!r}.")
    return tuple(sorted({*map(int, parts), *also}))


def run_settings(options: argparse.Namespace) -> Settings:
    """How chains are coded, from the options of ``add_run_options``."""
    import joblib

    if options.backend != "local":  # a worker of a cluster is a process with one thread; how many is asked later
        return Settings(options.jobs or EVERY, 1, options.codec_timeout or None, options.device, options.checkpoint)
    if options.scheduler is not None:
        raise BenchError("--scheduler names a cluster: use it with --backend dask or ray.")
    cores = joblib.cpu_count()
    jobs = options.jobs or cores
    return Settings(jobs, max(1, cores // jobs), options.codec_timeout or None, options.device, options.checkpoint)


def entry() -> None:
    """The ``reencode`` program."""
    run(main)


if __name__ == "__main__":
    entry()
