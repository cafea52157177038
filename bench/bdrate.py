"""``python -m bench.bdrate RUN_OR_TABLE ...``: what codecs cost in rate, and what re-encoding costs.

A curve is all qualities a codec was run at: run ``bench.reencode`` at four or more and name the run folders here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench import published, tables
from bench.bdshow import FORMATS, published_list, render
from bench.bootstrap import resample_count
from bench.cli import OK, Parser, run, whole_number
from bench.codec import BenchError
from bench.columns import NAMES
from bench.compare import Pair, anchor_of, compare, named, with_intervals
from bench.rd import METRICS, Common, common_images, generation_means, left_out, systems, without_counts
from bench.versions import Version, versions

EXAMPLES = """examples:
  python -m bench.bdrate results/runs/jpeg-* results/runs/iat-* --anchor jpeg
  python -m bench.bdrate results/runs/iat-* --self --generation 10,50
  python -m bench.bdrate results/runs/iat-* --published vtm --anchor published:vtm
  python -m bench.bdrate mynet.csv results/kodak/rd.parquet --anchor jpeg --test MyNet
  python -m bench.bdrate --dataset kodak --published vtm,xie2021-invcompress --anchor published:vtm
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; ``argv`` without the program's name. Returns the exit code, raises BenchError."""
    args = _parser().parse_args(argv)
    if args.list_published:
        _write(published_list(published.names(args.dataset), args.verbose), args.output)
        return OK
    result, dropped, several = _compare(args)
    _write(render(result, dropped, args.format, several), args.output)
    if args.format == "csv":
        for line in [*map(str, several), *left_out(dropped)]:
            print(line, file=sys.stderr)
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m bench.bdrate",
        description="BD-rate (%) and BD-PSNR (dB) of codecs against an anchor, or against their own generation 1.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "tables",
        nargs="*",
        metavar="RUN_OR_TABLE",
        help="run folders, .parquet or .csv tables; a CSV of your own needs dataset, codec, bpp and psnr",
    )
    parser.add_argument("--anchor", help="codec to compare against (default: jpeg, or the first one)")
    parser.add_argument("--test", help="codecs to compare, separated by commas (default: all others)")
    parser.add_argument("--generation", help="one or several, separated by commas (default: 1; with --self the last)")
    parser.add_argument("--self", action="store_true", dest="own", help="compare each codec with its own generation 1")
    parser.add_argument("--metric", choices=METRICS, default=METRICS[0], help="quality axis")
    parser.add_argument("--dataset", help="only this dataset (default: all; without tables kodak)")
    parser.add_argument(
        "--published", action="append", default=[], metavar="NAME", help="add published curves (commas)"
    )
    parser.add_argument("--list-published", action="store_true", help="list the published curves and leave")
    parser.add_argument("--verbose", action="store_true", help="with --list-published: their sources as well")
    parser.add_argument(
        "--bootstrap", type=resample_count, metavar="N", help="95 %% interval over images, N resamples, at least 100"
    )
    parser.add_argument("--seed", type=whole_number, default=0, help="of --bootstrap")
    parser.add_argument("--format", choices=FORMATS, default="text", help="of the table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write here instead of to the terminal")
    return parser


def _compare(args: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame, list[Version]]:
    names = [name for text in args.published for name in _split(text)]
    names += [name for name in _split(args.anchor) + _split(args.test) if name.startswith(published.PREFIX)]
    if not args.tables and not names:
        raise BenchError("Nothing to compare: name run folders or tables, or published curves with --published NAME.")
    records = tables.read(args.tables) if args.tables else None
    datasets, codecs = _datasets(records, args.dataset), _codecs(records)
    if records is not None:
        records = records[records["dataset"].isin(datasets)]
        records = records.assign(system=systems(records))
    others = _published(names, datasets)
    generations = _generations(args, records, others)
    if records is not None and not args.own:
        _refuse_a_lone_table(records, others)

    results, dropped = [], []
    for generation in generations:
        common = _common(records, generation, args.metric)
        dropped.append(common.dropped.assign(generation=generation))
        means = without_counts(generation_means(common.records), common.records)
        means = pd.concat([means, *([others] if others is not None else [])])
        for dataset in datasets:
            known = _known(records, others, dataset)
            choose = _self_pairs if args.own else _pairs
            result = compare(means, choose(args, known, dataset, generation, codecs), args.metric, records)
            if args.bootstrap:
                result = with_intervals(result, common.records, args.metric, args.bootstrap, args.seed)
            results.append(result)
    filled = [result for result in results if len(result)]
    if not filled:
        raise BenchError(_nothing(args))
    lost = pd.concat(dropped, ignore_index=True).drop_duplicates(["dataset", "image", "system", "schedule", "reason"])
    result = pd.concat(filled, ignore_index=True)
    shown = [*result["codec"], *result["anchor"]]
    return result, lost, [] if records is None else versions(args.tables, records, shown)


def _nothing(args: argparse.Namespace) -> str:
    """Why there is nothing to compare, and what would be."""
    if args.own:
        return (
            "A published curve has one generation and can't be compared with itself: name run folders or tables with "
            "--self, or leave --self out."
        )
    if not args.tables:
        return "There is only the anchor: name another curve with --published, or run folders or tables."
    return "There is only the anchor in these tables: name runs of another codec, or use --self."


def _codecs(records: pd.DataFrame | None) -> dict[str, list[str]]:
    """The codecs of each dataset, those that --dataset leaves out too."""
    if records is None:
        return {}
    return {str(dataset): list(part["codec"].unique()) for dataset, part in records.groupby("dataset", sort=False)}


def _refuse_a_lone_table(records: pd.DataFrame, others: pd.DataFrame | None) -> None:
    """Raise BenchError where a table that names no dataset would silently be compared with nothing."""
    lone, datasets = _known(records, others, tables.UNKNOWN), set(records["dataset"])
    if len(lone) == 1 and len(datasets) > 1:
        where = " or ".join(sorted(datasets - {tables.UNKNOWN}))
        raise BenchError(
            f"{next(iter(lone))} is on '{tables.UNKNOWN}', as its table has no column dataset, and there is nothing to "
            f"compare it with: give it a column dataset that says {where}, or choose one dataset with --dataset."
        )


def _published(names: list[str], datasets: list[str]) -> pd.DataFrame | None:
    """Published points of the curves named, on the datasets that have them; each must be on one at least."""
    if not names:
        return None
    points = published.load(names)
    points = points[points["dataset"].isin(datasets)]
    for name in names:
        if name.removeprefix(published.PREFIX) not in set(points["codec"]):
            published.load(name, datasets[0])  # raises with the sentence that says what there is
    return points


def _common(records: pd.DataFrame | None, generation: int, metric: str) -> Common:
    if records is None:
        empty = pd.DataFrame(columns=[*NAMES, "system"])
        return Common(empty, pd.DataFrame(columns=["dataset", "image", "system", "schedule", "reason"]))
    return common_images(records, generation, metric)


def _datasets(records: pd.DataFrame | None, wanted: str | None) -> list[str]:
    if records is None:
        return [wanted or "kodak"]
    there = list(dict.fromkeys(records["dataset"]))
    if wanted is None:
        return there
    if wanted not in there:
        raise BenchError(f"No records on {wanted!r} in these tables, only on {', '.join(there)}; see --dataset.")
    return [wanted]


def _generations(args: argparse.Namespace, records: pd.DataFrame | None, others: pd.DataFrame | None) -> list[int]:
    if args.generation is None:
        last = int(records["generation"].max()) if args.own and records is not None else 1
        if args.own and records is not None and last == 1:
            raise BenchError(
                "These tables hold generation 1 only, and --self compares later ones with it: run bench.reencode with "
                "--generations 2 or more, or leave --self out."
            )
        return [last]
    try:
        generations = [int(text) for text in _split(args.generation)]
    except ValueError:
        generations = [0]
    if not generations or min(generations) < 1:
        raise BenchError(f"--generation takes whole numbers from 1, such as 10 or 1,10,50, got {args.generation!r}.")
    last = max(int(table["generation"].max()) for table in (records, others) if table is not None)
    if max(generations) > last:
        raise BenchError(f"--generation {max(generations)} is too far: the last one of these tables is {last}.")
    return list(dict.fromkeys(generations))


def _known(records: pd.DataFrame | None, others: pd.DataFrame | None, dataset: str) -> dict[str, str]:
    """System to codec of what takes part on a dataset, in the order the tables were named."""
    known: dict[str, str] = {}
    for table in (records, others):
        if table is not None:
            here = table[table["dataset"] == dataset].drop_duplicates("system")
            known |= dict(zip(here["system"], here["codec"], strict=True))
    return known


def _tests(args: argparse.Namespace, known: dict[str, str], dataset: str, codecs: dict[str, list[str]]) -> list[str]:
    """The systems of --test; without it all."""
    found = [named(name, known, dataset, "--test", codecs) for name in _named(args.test or "", known)]
    return list(dict.fromkeys([system for one in found for system in one] or known))


def _named(text: str, known: dict[str, str]) -> list[str]:
    """The parts of a list of systems and codecs, of which those with commas in their names are known."""
    names = []
    while text := text.strip(" ,"):
        whole = [
            name for name in {*known, *known.values()} if text.startswith(name) and text[len(name) :][:1] in ("", ",")
        ]
        names.append(max(whole, key=len) if whole else text.partition(",")[0].strip())
        text = text[len(names[-1]) :].lstrip()
    return names


def _pairs(
    args: argparse.Namespace, known: dict[str, str], dataset: str, generation: int, codecs: dict[str, list[str]]
) -> list[Pair]:
    anchor = anchor_of(args.anchor, known, dataset, codecs)
    # A published curve was coded once: it stands against later generations as what it is.
    at = 1 if anchor.startswith(published.PREFIX) else generation
    tests = _tests(args, known, dataset, codecs)
    return [Pair(dataset, test, generation, anchor, at) for test in tests if test != anchor]


def _self_pairs(
    args: argparse.Namespace, known: dict[str, str], dataset: str, generation: int, codecs: dict[str, list[str]]
) -> list[Pair]:
    if args.anchor:
        raise BenchError("With --self each codec is its own anchor: leave out --anchor or --self.")
    tests = [test for test in _tests(args, known, dataset, codecs) if not test.startswith(published.PREFIX)]
    return [Pair(dataset, test, generation, test, 1) for test in tests]


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _write(text: str, path: Path | None) -> None:
    if path is None:
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path} can't be written: {error.strerror}; change it with --output.") from error
    print(f"Wrote {path}.")


if __name__ == "__main__":
    run(main)
