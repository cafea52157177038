"""``python -m bench.results``: our own tables under results/DATASET, computed anew, and how they were obtained.

    python -m bench.results                                 all of NAMES on Kodak
    python -m bench.results fifty handover --data-root ~/images
    python -m bench.results rd --missing                    only operating points that the table does not hold yet
    python -m bench.results rd --as-is                      from the run folder as it stands; nothing is coded

Each is an experiment of ``bench.experiment``, run in results/runs/DATASET-NAME: a run that was killed goes on where it
stopped, a finished one answers in seconds. Of codecs that can't run here the table has no rows, and that is said.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench import experiment, provenance, tables
from bench.chain_state import codec_id
from bench.cli import INTERRUPTED, OK, SOME_FAILED, Parser, run
from bench.codec import BenchError
from bench.files import plain
from bench.images import image_id
from bench.rd import common_images, generation_means
from bench.reencode import add_run_options, run_settings
from bench.registry import available, parse_spec, split_specs
from bench.results_book import Publication, publish, write_index
from bench.run import Request, execute
from bench.schedule import planned_text
from bench.schedule_options import Point
from bench.task import Settings, make_codec
from bench.unreadable import Unreadable

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "results" if (ROOT / "pyproject.toml").is_file() else Path("results")
"""That of the checkout; where the package is installed without one, a folder right here."""

NAMES = (
    "rd",
    "fifty",
    "iat-fig6-fixed",
    "iat-fig6-drift",
    "iat-variants",
    "equal-budget",
    "ainn-ablation",
    "handover",
    "iat-table2",
    "stable",
    "step-down",
    "step-once",
)
"""The experiments whose tables are kept."""


def table(name: str, dataset: str = "kodak", folder: Path = FOLDER) -> pd.DataFrame:
    """The committed records of an experiment, as from ``bench.tables.read``; raise BenchError where there are none."""
    path = folder / dataset / f"{name}.parquet"
    if not path.is_file():
        raise BenchError(f"{path.name} of {dataset} is not there: make it with python -m bench.results {name}.")
    return tables.read([path])


def means(name: str, dataset: str = "kodak", folder: Path = FOLDER) -> pd.DataFrame:
    """Means of ``table(name)`` over the images that all its codecs coded, as from ``bench.rd.generation_means``."""
    return generation_means(common_images(table(name, dataset, folder)).records)


def made(dataset: str = "kodak", folder: Path = FOLDER) -> list[str]:
    """Names of the experiments whose tables are there."""
    return sorted(path.stem for path in (folder / dataset).glob("*.parquet"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 where some chains failed. Raises BenchError on what a user can act on."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(argv)
    experiments = {experiment.find(name).stem: experiment.read(name) for name in options.names or NAMES}
    code = OK
    for name, keys in experiments.items():
        started = time.perf_counter()
        done = _make(name, keys, options)
        if done == INTERRUPTED:
            return INTERRUPTED
        code = max(code, done)
        if not options.dry_run:
            print(f"{name} took {_duration(time.perf_counter() - started)}.\n")
    return code


def _make(name: str, keys: dict[str, Any], options: argparse.Namespace) -> int:
    """Run one experiment and write its table; return an exit code."""
    settings = run_settings(options)
    keys, left_out = _available(keys, settings)
    for label, why in left_out.items():
        print(f"{name}: {label} is left out. {why}", file=sys.stderr)
    if not keys.keys() & {"codecs", "chain"}:
        return SOME_FAILED
    keys.setdefault("description", "no description")
    # Without folders: what is written here is committed.
    again = ["--missing"] if options.missing else []
    command = provenance.command("bench.results", [name, "--dataset", plain(Path(options.dataset).name), *again])
    wanted = experiment.prepare(keys, argparse.Namespace(**vars(options) | {"out": None}), command)
    dataset = plain(wanted.dataset.name)
    folder, run_folder = options.out / dataset, options.out / "runs" / f"{dataset}-{name}"
    old = _committed(folder / f"{name}.parquet") if options.missing else None
    current = {codec_id(codec): codec.name for point in wanted.points for codec in point.codecs}
    if old is not None:
        points = _lacking(old, wanted)
        print(f"{name}: {len(points)} of {len(wanted.points)} operating points are missing in the table.")
        if not points:
            return OK
        wanted = replace(wanted, points=points)
    print(f"{name}: {keys['description']}")
    if options.as_is:
        code = _found(run_folder, wanted, options.missing)
    else:
        code = execute(replace(wanted, out=run_folder, reports=()))
    if code == INTERRUPTED or options.dry_run:
        return code
    publish(Publication(name, keys, run_folder, folder, command, list(left_out), old, current))
    write_index(folder)
    return code


def _available(keys: dict[str, Any], settings: Settings) -> tuple[dict[str, Any], dict[str, str]]:
    """The experiment with those of its codecs that can run here, and why each of the others can't.

    A hand-over needs all of its codecs.
    """
    whole = "chain" in keys
    here, left_out = [], dict[str, str]()
    given = keys["chain" if whole else "codecs"]
    for text in split_specs(given) if isinstance(given, str) else given:
        spec = parse_spec(text.partition("@")[0] if whole else text)  # jpeg@0.5bpp takes its turn at a rate
        try:
            there, why = available(make_codec(spec, settings), spec.name)
        except BenchError as error:
            there, why = False, str(error)
        if there:
            here.append(text)
        else:
            left_out[spec.label] = why
    if not left_out:
        return keys, {}
    rest = {key: value for key, value in keys.items() if key not in ("codecs", "chain")}
    return rest | ({"codecs": here} if here and not whole else {}), left_out


def _found(run_folder: Path, wanted: Request, missing: bool) -> int:
    """The exit code of a run that was finished before; raise BenchError where there is none, or not of all points."""
    path = run_folder / "generations.parquet"
    if not path.is_file():
        raise BenchError(f"{run_folder} holds no finished run; leave out --as-is.")
    table = _read_table(path, "leave out --as-is")
    if not missing and (lacking := len(_lacking(table, wanted))):
        raise BenchError(
            f"The table in {run_folder} lacks {lacking} of {len(wanted.points)} operating points, as after --missing: "
            "add --missing to keep the others of the table before, or leave out --as-is."
        )
    return OK if (table["status"] == "ok").all() else SOME_FAILED


def _committed(path: Path) -> pd.DataFrame | None:
    return _read_table(path, "leave out --missing") if path.is_file() else None


def _read_table(path: Path, instead: str) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        raise BenchError(f"{path} is damaged: it is no Parquet table; {instead}.") from error


def _lacking(table: pd.DataFrame, wanted: Request) -> list[Point]:
    """The operating points of which a table does not hold every generation of every image, or where and why a chain
    failed. Rows of an image that has other pixels now don't count.
    """
    unreadable = Unreadable(wanted.dataset)
    images = {ref.name: image_id(image.sha256) for ref in wanted.dataset if (image := unreadable.load(ref)) is not None}
    unreadable.check(wanted.skip_unreadable)
    rows = table[(table["carrier"] == wanted.carrier) & (table["dataset"] == wanted.dataset.name)]
    rows = rows[rows["image_id"] == rows["image"].map(images)]
    same_set = set(table.loc[table["dataset"] == wanted.dataset.name, "image_id"]) == set(images.values())
    return [point for point in wanted.points if not _whole(rows, point, wanted, images, same_set)]


def _whole(rows: pd.DataFrame, point: Point, wanted: Request, images: Collection[str], same_set: bool) -> bool:
    ids = {codec_id(codec) for codec in point.codecs}
    text = planned_text(point.schedule, wanted.rate_by)
    rows = rows[(rows["schedule"] == text) & rows["codec_id"].isin(ids)]
    if wanted.rate_by != "image" and not same_set:
        return False  # its qualities were chosen for another set
    failed = set(rows.loc[rows["status"] == "failed", "image"])
    last = rows.groupby("image")["generation"].max()
    ended = all(last.get(name, 0) >= wanted.generations or name in failed for name in images)
    return ended and set(rows["codec_id"]) == ids


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _parser() -> Parser:
    parser = Parser(
        prog="python -m bench.results",
        description="Compute the tables under results/ anew, or go on with it.",
        conflict_handler="resolve",
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"experiments; without any {', '.join(NAMES)}")
    add("--dataset", default="kodak", help="name of a set, or folder")
    add("--missing", action="store_true", help="only operating points that the tables do not hold yet")
    add("--as-is", action="store_true", help="code nothing: make the tables of what the run folders hold")
    add_run_options(parser)
    add("--out", type=Path, default=FOLDER, help="folder of the tables, and of the runs under runs/")
    parser.set_defaults(snapshots="none", codecs=None, generations=None, quiet=False)
    return parser


if __name__ == "__main__":
    run(main)
