"""Read tables of generations: run folders, parquet and CSV files, several of them joined into one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.codec import BenchError
from bench.columns import COLUMNS, KEY
from bench.metrics import ms_ssim_db_of, psnr_of
from bench.schedule import number

MAX_ROWS = 10_000_000
"""A parquet file of a few bytes can announce as many rows as it likes."""

FILES = ("generations.parquet", "generations.csv")
"""The table inside a run folder; the first one found is read."""

UNKNOWN = "unknown"
"""The dataset of a table that names none."""

MEAN = "mean"
"""The image of a table that names none: its values are means, over images that nobody knows."""

# Text that looks like a number (an identity "00123456", an image "01") must stay text; codec "null" is not missing.
_TEXT = {column.name: "str" for column in COLUMNS if column.type == "string"}
# Newer pandas reads floats exactly by itself, and warns where it is told to.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_EXACT: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}
_SAME = ["status", "bytes", "bpp", "mse", "psnr"]


def read(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read and join tables of generations.

    Args:
        paths: run folders (with ``generations.parquet`` or ``.csv`` in them), parquet files or CSV files. A table made
            elsewhere needs ``codec``, ``bpp`` and ``psnr`` (or ``mse``); what else is missing is filled in: one dataset
            "unknown", one image "mean" (see ``only_means``), generation 1, each row of a codec a point of its curve.

    Returns:
        Rows with the columns of ``bench.columns``. A record found twice stands once.

    Raises:
        BenchError: a path is missing or unreadable, a column is missing, or two tables hold different results for the
            same thing.
    """
    tables = [_read_one(Path(path)) for path in paths]
    if not tables:
        raise BenchError("No table to read: name at least one run folder, parquet file or CSV file.")
    joined = pd.concat(tables, ignore_index=True)
    if joined.empty:
        raise BenchError("The tables have no records: run bench.reencode first.")
    return _without_repeats(joined)


def only_means(records: pd.DataFrame) -> pd.Series:
    """Which rows are of a system that a dataset has means of and no images, as where a table was made elsewhere.

    Args:
        records: as from ``read``, with a system each.

    Returns:
        A bool for each row.
    """
    mean = (records["image"] == MEAN) & (records["image_id"] == "")
    return mean.groupby([records["dataset"], records["system"]]).transform("all").astype(bool)


def _read_one(path: Path) -> pd.DataFrame:
    if path.is_dir():
        found = [path / name for name in FILES if (path / name).is_file()]
        if not found:
            raise BenchError(
                f"{path} is not a run folder: it has no {FILES[0]}; start or finish the run with bench.reencode."
            )
        path = found[0]
    if not path.exists():
        raise BenchError(f"{path} does not exist: name a run folder, a parquet file or a CSV file.")
    try:
        if path.suffix == ".parquet":
            from pyarrow.parquet import read_metadata

            rows = read_metadata(path).num_rows
            if rows > MAX_ROWS:
                raise ValueError(f"it announces {rows} rows, the limit is {MAX_ROWS}")
            table = pd.read_parquet(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with more fields than the header
                options: dict[str, Any] = {"index_col": False, "na_values": ["", "nan", "NaN"], **_EXACT}
                table = pd.read_csv(path, dtype=_TEXT, keep_default_na=False, **options)
        return _complete(table, path)
    except BenchError:
        raise
    except Exception as error:  # readers of damaged files raise nearly anything
        said = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
        raise BenchError(f"{path} can't be read as a table: {said}.") from error


def _complete(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Fill in what a table made elsewhere leaves out."""
    table = table.copy()
    for needed in ("codec", "bpp"):
        if needed not in table:
            raise BenchError(f"{path} has no column {needed!r}; a table of generations needs codec, bpp and psnr.")
    if "psnr" not in table:
        if "mse" not in table:
            raise BenchError(f"{path} has neither a column 'psnr' nor 'mse'.")
        table["psnr"] = psnr_of(_number(table, "mse", path))
    for column in ("bpp", "psnr", "ms_ssim", "ms_ssim_db", "mse", "quality", "generation"):
        if column in table:
            table[column] = _number(table, column, path)
    if "ms_ssim_db" not in table and "ms_ssim" in table:
        table["ms_ssim_db"] = ms_ssim_db_of(table["ms_ssim"])
    defaults = {"dataset": UNKNOWN, "image": MEAN, "generation": 1, "carrier": "uint8", "status": "ok"}
    for column, value in defaults.items():
        if column not in table:
            table[column] = value
    if "schedule" not in table:
        if "quality" in table:
            table["schedule"] = "quality:" + table["quality"].map(number)
        else:
            place = table.groupby(["dataset", "codec", "image", "generation"]).cumcount() + 1
            table["schedule"] = "point:" + place.astype(str)
    for known in COLUMNS:
        if known.name not in table:
            table[known.name] = "" if known.type == "string" else math.nan
        if known.type == "string":
            table[known.name] = table[known.name].fillna("").astype(str)
        elif known.type == "bool":
            table[known.name] = _bool(table[known.name], known.name)
        else:  # whole numbers may be missing
            table[known.name] = _number(table, known.name, path).astype("float64")
    generation = table["generation"]
    if generation.isna().any():
        raise BenchError(f"{path}: a row has no generation.")
    if not ((generation >= 0) & (generation < 1 << 31) & (generation == np.floor(generation))).all():
        raise BenchError(f"{path}: column 'generation' must hold whole numbers, 0 or more.")
    # What is called generation 0 is the source, and no encoding.
    return table.loc[generation > 0, [known.name for known in COLUMNS]].astype({"generation": "int64"})


def _bool(values: pd.Series, name: str) -> pd.Series:
    """Whether a chain has settled may not be known, and is missing then; what else is not told is not so."""
    known = values.notna()
    if name == "fixed_point" and not known.all():
        return values.where(known, pd.NA).astype("boolean")
    return values.where(known, False).astype(bool)


def _number(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    try:
        return pd.to_numeric(table[column])
    except (TypeError, ValueError) as error:
        raise BenchError(f"{path}: column {column!r} must hold numbers, {str(error).splitlines()[0]}.") from error


def _without_repeats(table: pd.DataFrame) -> pd.DataFrame:
    key = list(KEY)
    pixels = table[table["image_id"] != ""].groupby(["dataset", "image"])["image_id"].nunique()
    if (pixels > 1).any():
        dataset, image = pixels[pixels > 1].index[0]
        raise BenchError(f"{image} of {dataset} has different pixels in these tables: compare runs of the same images.")
    # A chain that failed in one run and went well in another counts as done.
    table = table.assign(_failed=table["status"] != "ok").sort_values("_failed", kind="stable")
    table = table.drop(index=table.index[table["_failed"] & table.duplicated(key)]).drop(columns="_failed")
    table = table.drop_duplicates([*key, *_SAME])
    again = table.duplicated(key)
    if again.any():
        row = table[again].iloc[0]
        raise BenchError(
            f"These tables hold different results for {row['codec']} {row['schedule']} on {row['image']}, generation "
            f"{row['generation']}: name only one of them, or give each run its own codec name."
        )
    return table.sort_values(key, kind="stable", ignore_index=True)
