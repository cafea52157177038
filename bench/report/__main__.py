"""``python -m bench.report RUN ...``: a page to look at generations in, to compare codecs, and to show to others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench import tables
from bench.cli import OK, Parser, run
from bench.codec import BenchError
from bench.datasets import entries, readable
from bench.files import write_atomically
from bench.report.page import page
from bench.report.payload import payload
from bench.report.pictures import FOLDER, write
from bench.report.snapshots import find
from bench.store import Store

LIMIT_MB = 145.0
MARK = '<meta name="generator" content="bench.report">'
"""What tells a report from any other page."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; ``argv`` without the program's name. Returns the exit code, raises BenchError."""
    options = _parser().parse_args(argv)
    records = _chosen(tables.read(options.runs), options.images)
    runs = [path for path in options.runs if path.is_dir()]
    told = [_told(path) for path in runs]
    out = options.out or options.runs[0] / "report"
    if options.out is None and not options.runs[0].is_dir():
        raise BenchError("Where should the report go? Name a folder with --out.")
    _claim(out)
    title = readable(options.title or "") or ", ".join(sorted(set(records["dataset"])))
    made = payload(records, find(runs), told, title)
    for warning in made.warnings:
        print(warning, file=sys.stderr)
    limit = int(options.limit * 1e6) if options.limit else None
    say = (lambda done, of: None) if options.quiet or not sys.stderr.isatty() else _progress
    try:
        written = write(made.pictures, made.kept, out, limit, say)
        data = made.data | {
            name: [by_place.get(place) for place in range(len(made.pictures))]
            for name, by_place in (("pictures", written.paths), ("bases", written.bases))
        }
        if written.left_out:
            numbers = ", ".join(map(str, written.left_out))
            data["notes"] = [f"The pixels of generation {numbers} are left out to stay under {options.limit:g} MB."]
        if not made.pictures:
            data["notes"] = ["The runs kept no pixels (--snapshots of bench.reencode): there are figures only."]
        write_atomically(out / "index.html", page(data).encode(), sync=False)
    except OSError as error:
        raise BenchError(f"{out} can't be written: {error.strerror}; choose another folder with --out.") from error
    if not options.quiet:
        size = sum(path.stat().st_size for path in [out / "index.html", *(out / FOLDER).iterdir()]) / 1e6
        for note in data["notes"]:
            print(note)
        print(f"{len(written.paths)} pictures, {size:.0f} MB. Open {out / 'index.html'}.")
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m bench.report", description="Write a folder with a page to look at generations in; no network."
    )
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="run folders of bench.reencode; several are joined")
    add("--out", type=Path, help="folder of the report; without it report/ in the first run folder")
    add("--title", help="heading of the page; without it the names of the datasets")
    add("--images", help="only these images, separated by commas")
    add("--limit", type=_megabytes, default=LIMIT_MB, help="MB of pictures: beyond it generations are left out; 0: all")
    add("--quiet", action="store_true", help="print errors only")
    return parser


def _megabytes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"expected megabytes, 0 or more, got {text!r}")
    return value


def _chosen(records: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    if wanted is None:
        return records
    known = sorted(set(records["image"]))
    names = entries(wanted, known.__contains__)
    for name in names or [wanted]:
        if name not in known:
            raise BenchError(f"--images: there is no image {name!r} in these runs, only {', '.join(known)}.")
    return records[records["image"].isin(names)]


def _told(path: Path) -> dict[str, str]:
    """What the page tells of a run. Neither its command nor its folder: pages are shown around, paths are private."""
    told = Store(path).read_run()
    return {name: str(told[name]) for name in ("when", "status") if told.get(name)} | {
        "name": readable(path.resolve().name)
    }


def _claim(out: Path) -> None:
    """Make the folder, and refuse one that holds something else: old pictures in it are deleted."""
    index = out / "index.html"
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not _is_ours(index))):
        raise BenchError(f"{out} holds something that is not a report; choose another folder with --out.")
    try:
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
        if not index.exists():  # from the start on it is recognised as a report, also when it is not finished
            index.write_text(f"<!doctype html>{MARK}<title>unfinished</title>", "utf-8")
    except OSError as error:
        raise BenchError(f"{out} can't be written: {error.strerror}; choose another folder with --out.") from error


def _is_ours(index: Path) -> bool:
    return index.is_file() and MARK.encode() in index.read_bytes()[:1000]


def _progress(done: int, of: int) -> None:
    print(f"\r{done} of {of} pictures", end="\n" if done == of else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(main)
