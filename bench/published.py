"""Points that others published, in the columns of our own tables (files: ``results/published/README.md``)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from bench.codec import BenchError
from bench.metrics import ms_ssim_db_of

FOLDER = Path(__file__).resolve().parents[1] / "results" / "published"

PREFIX = "published:"
"""What the system name of a published curve starts with, wherever it is printed."""

RIVALS = (
    "vtm",
    "bpg_444_x265_ycbcr",
    "xie2021-invcompress",
    "compressai-cheng2020-anchor_mse",
    "compressai-mbt2018_mse",
)
"""What Gao et al. compare A-INN with on Kodak, as far as points of it are public."""

AVERAGE = "as published: PSNR mean of per-image values, MS-SSIM in dB of the mean"


def load(codec: str | Iterable[str] | None = None, dataset: str | None = None, folder: Path = FOLDER) -> pd.DataFrame:
    """Published rate-distortion points.

    Args:
        codec: one name or several as in the file, with or without ``published:``; None: all.
        dataset: as in the file; None: all.
        folder: where ``rd_points.csv`` is.

    Returns:
        One row a point with the columns of ``bench.rd.generation_means`` as far as they are known (dataset, system,
        codec, schedule, generation, images, bpp, psnr, ms_ssim, ms_ssim_db, ms_ssim_db_of_mean, average) and
        optimised_for, point, source, problem (why not to trust it, or empty), note and kind = "published". ms_ssim_db
        is the dB of the mean MS-SSIM, since per-image values were not published: compare it with our
        ms_ssim_db_of_mean.

    Raises:
        BenchError: the file is missing, or has no such codec or dataset.
    """
    table = _read(folder / "rd_points.csv", ("dataset", "codec"), numbers=("point", "bpp", "psnr", "ms_ssim", "images"))
    if dataset is not None:
        if dataset not in set(table["dataset"]):
            known = ", ".join(sorted(table["dataset"].unique()))
            raise BenchError(f"No published points on dataset {dataset!r}; there are some on {known}.")
        table = table[table["dataset"] == dataset]
    if codec is not None:
        wanted = [name.removeprefix(PREFIX) for name in ([codec] if isinstance(codec, str) else codec)]
        for name in wanted:
            if name not in set(table["codec"]):
                raise BenchError(_unknown(name, table, dataset))
        table = table[table["codec"].isin(wanted)]
    decibels = ms_ssim_db_of(table["ms_ssim"])
    return table.assign(
        system=PREFIX + table["codec"],
        schedule="point:" + table["point"].astype(str),
        generation=1,
        ms_ssim_db=decibels,
        ms_ssim_db_of_mean=decibels,
        average=AVERAGE,
        kind="published",
    ).reset_index(drop=True)


def names(dataset: str | None = None, folder: Path = FOLDER) -> pd.DataFrame:
    """What is published: one row a curve with dataset, codec, points, bpp_min, bpp_max, source, problem."""
    groups = load(dataset=dataset, folder=folder).groupby(["dataset", "codec"])
    listing = groups.agg(points=("bpp", "size"), bpp_min=("bpp", "min"), bpp_max=("bpp", "max"))
    return listing.join(groups[["source", "problem"]].first()).reset_index()


def areas(folder: Path = FOLDER) -> pd.DataFrame:
    """Published areas under RD curves: dataset, codec, metric (auc_psnr, auc_ms_ssim_db), value (dB·bpp), source."""
    return _read(folder / "auc.csv", (), numbers=("value",))


def rates(experiment: str | None = None, folder: Path = FOLDER) -> pd.DataFrame:
    """Published rates by generation: experiment, dataset, codec, generation (empty: every one), bpp, source.

    Raises:
        BenchError: no such experiment.
    """
    table = _read(folder / "rates.csv", ("experiment",), numbers=("generation", "bpp"))
    if experiment is None:
        return table
    if experiment not in set(table["experiment"]):
        known = ", ".join(sorted(table["experiment"].unique()))
        raise BenchError(f"No published rates for {experiment!r}; there are some for {known}.")
    return table[table["experiment"] == experiment].reset_index(drop=True)


def _read(path: Path, needed: tuple[str, ...], numbers: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except OSError as error:
        raise BenchError(f"{path} can't be read: published numbers come with a checkout of the project.") from error
    except ValueError as error:
        raise BenchError(f"{path} can't be read as a table: {str(error).splitlines()[0].rstrip('.')}.") from error
    lacking = [name for name in (*needed, *numbers) if name not in table]
    if lacking:
        raise BenchError(f"{path} has no column {lacking[0]!r}.")
    try:
        table = table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
        return table.assign(**{name: table[name].astype("int64") for name in numbers if name == "point"})
    except (ValueError, TypeError) as error:
        raise BenchError(f"{path}: {', '.join(numbers)} must hold numbers, {str(error).splitlines()[0]}.") from error


def _unknown(name: str, table: pd.DataFrame, dataset: str | None) -> str:
    known = sorted(table["codec"].unique())
    near = [full for full in known if name in full] or difflib.get_close_matches(name, known, n=3)
    where = f" on {dataset}" if dataset else ""
    hint = f"did you mean {', '.join(near[:4])}?" if near else "see python -m bench.bdrate --list-published."
    return f"No published points of {name!r}{where}; {hint}"
