"""``python -m bench.summary RUN_OR_TABLE ...``: the tables of a run, to read and to put into a paper.

Operating points (rate and quality at generation 1, drop at N, half-lives, fixed points, colour shift), areas under the
curves, BD-rates against an anchor, and what re-encoding costs each codec in rate. The arithmetic is that of
``bench.generation_loss``, ``bench.bd``, ``bench.compare`` and ``bench.bootstrap``; nothing is computed here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench import summary_show, tables
from bench.bd import auc_table
from bench.bootstrap import resample_count
from bench.cli import OK, Parser, positive_int, run, whole_number
from bench.codec import BenchError
from bench.compare import Pair, anchor_of, axis, compare, with_intervals
from bench.generation_loss import loss_table
from bench.rd import (
    AVERAGE,
    METRICS,
    common_images,
    curve,
    generation_means,
    label,
    left_out,
    systems,
    without_counts,
)
from bench.versions import versions


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; ``argv`` without the program's name. Returns the exit code, raises BenchError."""
    options = _parser().parse_args(argv)
    records = _records(options)
    last = _last(records, options.generation)
    found, dropped = summarise(records, last, options.anchor, options.metric, options.bootstrap, options.seed)
    several = versions(options.tables, records, found["points"]["system"])
    sys.stdout.write(summary_show.text(found, dropped, several))
    if options.out is not None:
        for path in summary_show.write(found, dropped, options.out, several):
            print(f"Wrote {path}.", file=sys.stderr)
    return OK


def summarise(
    records: pd.DataFrame,
    last: int,
    anchor: str | None,
    metric: str = "psnr",
    resamples: int | None = None,
    seed: int = 0,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """All tables of a summary.

    Args:
        records: as from ``bench.tables.read``.
        last: generation N.
        anchor: system or codec of the BD-rates; None: jpeg where it is there, else the first one.
        metric: "psnr" or "ms_ssim_db", of areas and BD-rates; images that lack it are left out of all tables.
        resamples: draws of a bootstrap interval over images; None for no interval.
        seed: of the draws.

    Returns:
        The tables ``points`` (``loss_table``), ``auc`` and ``bd_rate`` (at generation 1 and N) and ``bd_rate_own``
        (generation N against the own generation 1), and the images and points left out of them, as from
        ``common_images``.

    Raises:
        BenchError: there is no such anchor, or nothing that all codecs coded.
    """
    common = common_images(records[records["generation"] <= last], metric=metric)
    if common.records.empty:
        first = left_out(common.dropped)[0].rstrip(".")
        raise BenchError(
            f"No image has {metric} of all codecs up to generation {last}; choose another --generation or --metric. "
            f"{first}."
        )
    means = without_counts(generation_means(common.records), common.records)
    others = {str(dataset): list(part["codec"].unique()) for dataset, part in means.groupby("dataset")}
    generations = list(dict.fromkeys([1, last]))
    areas, against, own = [], [], []
    for dataset, mine in means.groupby("dataset", sort=True):
        names = list(dict.fromkeys(mine["system"]))
        first = anchor_of(anchor, dict(zip(mine["system"], mine["codec"], strict=True)), str(dataset), others)
        column = axis(metric, [part for _, part in mine.groupby("system")])
        for generation in generations:
            curves = {name: curve(mine, str(dataset), name, generation, column) for name in names}
            table = auc_table(curves)
            table.insert(0, "dataset", dataset)
            table.insert(2, "generation", generation)
            areas.append(table.assign(metric=column, average=AVERAGE))
            against += [Pair(str(dataset), name, generation, first, generation) for name in names if name != first]
        own += [Pair(str(dataset), name, last, name, 1) for name in names if last > 1]

    def bd_rates(pairs: list[Pair]) -> pd.DataFrame:
        table = compare(means, pairs, metric).assign(average=AVERAGE)
        return table if resamples is None else with_intervals(table, common.records, metric, resamples, seed)

    points = without_counts(loss_table(common.records, last), common.records)
    found = {"points": points, "auc": pd.concat(areas, ignore_index=True)}
    return found | {"bd_rate": bd_rates(against), "bd_rate_own": bd_rates(own)}, common.dropped


def _records(options: argparse.Namespace) -> pd.DataFrame:
    records = tables.read(options.tables)
    there = sorted(set(records["dataset"]))
    if options.dataset is not None:
        if options.dataset not in there:
            raise BenchError(f"No records on {options.dataset!r} in these tables, only on {', '.join(there)}.")
        records = records[records["dataset"] == options.dataset]
    return records.assign(system=systems(records))


def _last(records: pd.DataFrame, wanted: int | None) -> int:
    """Generation N: the one asked for, or the last that every operating point has."""
    reach = records.groupby(["dataset", "system", "schedule"])["generation"].max()
    last = int(reach.min())
    if wanted is not None and wanted > last:
        dataset, system, schedule = reach.idxmin()
        point = f"{label(system, schedule)} on {dataset}"
        raise BenchError(f"--generation {wanted} is too far: {point} was run for {last} generations.")
    return wanted or last


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m bench.summary", description="Print the tables of runs, and write them for papers.")
    add = parser.add_argument
    add("tables", nargs="+", metavar="RUN_OR_TABLE", help="run folders, .parquet or .csv tables; joined")
    add("--generation", type=positive_int, help="N of the tables; without it the last one that all were run to")
    add("--anchor", help="codec the BD-rates are against; without it jpeg, or the first one")
    add("--metric", choices=METRICS, default=METRICS[0], help="quality of areas and BD-rates")
    add("--dataset", help="only this dataset")
    add("--bootstrap", type=resample_count, metavar="R", help="95 %% intervals of BD-rates, R resamples, at least 100")
    add("--seed", type=whole_number, default=0, help="seed of --bootstrap")
    add("--out", type=Path, help="folder to write each table to, as CSV, Markdown, LaTeX and text")
    return parser


if __name__ == "__main__":
    run(main)
