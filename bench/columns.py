"""The columns of ``generations.parquet`` and ``generations.csv``: one record a generation of a chain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

PEAK = 255.0
"""Largest value of a channel; decibels are relative to it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of generations: its name, type, unit and meaning."""

    name: str
    type: Literal["string", "int64", "float64", "bool"]
    unit: str
    meaning: str


COLUMNS = (
    Column("codec", "string", "", "registry name of the codec that coded this generation"),
    Column("dataset", "string", "", "name of the set the image belongs to, or its folder's name"),
    Column("image", "string", "", "name of the image, without folder"),
    Column("width", "int64", "pixels", "width of the decoded image"),
    Column("height", "int64", "pixels", "height of the decoded image"),
    Column("schedule", "string", "", "what the generations were asked for, in canonical form"),
    Column("generation", "int64", "", "number of encodings so far; the source is generation 0 and has no record"),
    Column("quality", "float64", "codec's scale", "quality this generation was coded at"),
    Column(
        "target_bpp",
        "float64",
        "bits per pixel",
        "rate asked for, hit by rate control, with --rate-by originals on the originals; else empty",
    ),
    Column(
        "encodes", "int64", "", "encodings it took to find a quality for target_bpp; empty where none was looked for"
    ),
    Column(
        "miss", "float64", "", "bpp / target_bpp - 1, of this image or, with --rate-by, of the set or its originals"
    ),
    Column("bytes", "int64", "bytes", "length of the whole stream, header included"),
    Column("bpp", "float64", "bits per pixel", "8 * bytes / (width * height)"),
    Column("mse", "float64", "squared 8-bit levels", "mean squared error against the source, over pixels and channels"),
    Column("psnr", "float64", "dB", "10 log10(255^2 / mse); inf where the images are equal"),
    Column("ms_ssim", "float64", "0 to 1", "multi-scale SSIM against the source; empty for small images (see reason)"),
    Column("ms_ssim_db", "float64", "dB", "-10 log10(1 - ms_ssim); inf where the images are equal"),
    Column("psnr_step", "float64", "dB", "PSNR against generation n - 1: what this one coding did"),
    Column("psnr_first", "float64", "dB", "PSNR against generation 1: what re-encoding did; inf at generation 1"),
    Column("delta_e", "float64", "CIEDE2000", "mean colour difference against the source"),
    Column("shift_r", "float64", "8-bit levels", "mean of decoded minus source, red; with its sign"),
    Column("shift_g", "float64", "8-bit levels", "mean of decoded minus source, green; with its sign"),
    Column("shift_b", "float64", "8-bit levels", "mean of decoded minus source, blue; with its sign"),
    Column(
        "encode_s",
        "float64",
        "seconds",
        "wall time of the encoding that counts, weights loaded; empty where nothing was coded",
    ),
    Column("decode_s", "float64", "seconds", "wall time of decode; empty where nothing was coded"),
    Column(
        "fixed_point", "bool", "", "these pixels came before in this chain and the schedule repeats: nothing new comes"
    ),
    Column("cycle", "int64", "generations", "length of the cycle the chain has entered; 1 at a fixed point, else 0"),
    Column("filled", "bool", "", "record copied from the cycle, exactly, instead of coded and measured again"),
    Column("carrier", "string", "", "what passes between generations: uint8 as on disk, or float, not rounded"),
    Column("status", "string", "", "ok; failed; not_reached: an earlier generation failed"),
    Column("reason", "string", "", "one sentence where status is not ok or a measure is missing"),
    Column(
        "codec_id", "string", "", "start of the sha256 of the codec's identity: version, binary or weights, options"
    ),
    Column("image_id", "string", "", "start of the sha256 of the source's pixels"),
)
"""Every column, in the order of the table. A mean over images is the mean of the per-image values of a column."""

NAMES = tuple(column.name for column in COLUMNS)
KEY = ("dataset", "image", "codec", "codec_id", "schedule", "carrier", "generation")
"""The columns that name a record; the table is sorted by them."""


def frame(records: list[dict[str, Any]]) -> Any:
    """Return records as a pandas DataFrame with exactly COLUMNS, sorted by KEY; a value that is None becomes missing.

    Raises KeyError where a record has a column that the table does not know.
    """
    import pandas as pd

    unknown = {name for record in records for name in record} - set(NAMES)
    if unknown:
        raise KeyError(f"columns that COLUMNS does not describe: {sorted(unknown)}")
    table = pd.DataFrame({column.name: _series(column, records) for column in COLUMNS})
    return table.sort_values(list(KEY), kind="stable", ignore_index=True)


def _series(column: Column, records: list[dict[str, Any]]) -> Any:
    import pandas as pd

    values = [record.get(column.name) for record in records]
    if column.type == "float64":
        return pd.Series([math.nan if value is None else float(value) for value in values], dtype="float64")
    if column.type == "int64":
        # Int64 keeps a failed generation's missing bytes missing, and 12345 from becoming 12345.0 in the CSV.
        return pd.Series(values, dtype="Int64")
    if column.type == "bool":
        return pd.Series([bool(value) for value in values], dtype="bool")
    return pd.Series(["" if value is None else str(value) for value in values], dtype="str")
