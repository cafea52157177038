"""Tables of BD-rate and BD-PSNR: systems against an anchor, and a system against its own generation 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.bd import BDResult, bd_psnr, bd_rate
from bench.bootstrap import bd_rate_interval
from bench.codec import BenchError
from bench.published import PREFIX
from bench.rd import curve
from bench.tables import UNKNOWN, only_means

KEYS = ["dataset", "system", "generation"]
AS_GIVEN = "MS-SSIM as dB of the mean, since one side is given so"


class Pair(NamedTuple):
    """What is compared: a test system at a generation against an anchor at a generation, on one dataset."""

    dataset: str
    test: str
    generation: int
    anchor: str
    anchor_generation: int


def named(
    name: str, known: Mapping[str, str], dataset: str, option: str, others: Mapping[str, Sequence[str]] | None = None
) -> list[str]:
    """Systems meant by a name: itself, or all systems of that codec; measured ones before published ones.

    Args:
        name: as the user typed it.
        known: system to codec of what takes part.
        dataset: that they are on.
        option: that the name was given by.
        others: codecs of the tables by dataset, to say where a codec is instead.

    Raises:
        BenchError: there is none.
    """
    if name in known:
        return [name]
    found = [system for system, codec in known.items() if codec == name]
    if not found:
        there = ", ".join(known)
        where = [other for other, codecs in (others or {}).items() if name in codecs and other != dataset]
        if not where:
            raise BenchError(f"No codec {name!r} in these tables, only {there} on {dataset}; change it with {option}.")
        told = " or ".join(other for other in [*where, dataset] if other != UNKNOWN)
        hint = f"a table without a column dataset is on '{UNKNOWN}', give it one that says {told}"
        raise BenchError(
            f"Codec {name!r} is on {_quoted(where)} and not on {dataset!r}, where there is only {there}: "
            + (f"{hint}, or choose" if UNKNOWN in (dataset, *where) else "choose")
            + f" one dataset with --dataset, or other codecs with {option}."
        )
    return [system for system in found if not system.startswith(PREFIX)] or found


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def anchor_of(
    name: str | None, known: Mapping[str, str], dataset: str, others: Mapping[str, Sequence[str]] | None = None
) -> str:
    """The system that others are compared with: the one named, else jpeg where it is there, else the first one.

    Arguments are those of ``named``. Raises BenchError where the name means none, or several.
    """
    if not name:
        return "jpeg" if "jpeg" in known else next(iter(known))
    found = named(name, known, dataset, "--anchor", others)
    if len(found) > 1:
        raise BenchError(f"{name!r} is one of {', '.join(found)}: name one of them with --anchor.")
    return found[0]


def compare(
    means: pd.DataFrame, pairs: Iterable[Pair], metric: str = "psnr", records: pd.DataFrame | None = None
) -> pd.DataFrame:
    """BD-rate and BD-PSNR of every pair.

    Args:
        means: rows of ``bench.rd.generation_means``, and of ``bench.published.load`` where published curves take part;
            a number of images that is not known is missing, as ``bench.rd.without_counts`` leaves it.
        pairs: what to compare.
        metric: "psnr" or "ms_ssim_db". Where one side is published, or has means only that were made so, MS-SSIM is
            compared as dB of the mean on both.
        records: with a system each, of which the means are a part; by these the reason says where a system ends.

    Returns:
        One row a pair: dataset, codec (the test system), generation, anchor, anchor_generation, metric (the column
        that was compared), bd_rate (%), bd_rate_akima (%), bd_psnr (dB; its name follows the metric: bd_ms_ssim_db),
        bd_psnr_akima (dB), flagged (pchip and akima disagree), overlap_low and overlap_high (dB), overlap_share
        (0 to 1), points, anchor_points, images, reason (why a value is missing) and notes.
    """
    every = means if records is None else pd.concat([means[KEYS], records[KEYS]])
    rows = [_row(means, pair, metric, every) for pair in pairs]
    return pd.DataFrame(rows, columns=columns(metric))


def with_intervals(table: pd.DataFrame, records: pd.DataFrame, metric: str, resamples: int, seed: int) -> pd.DataFrame:
    """Add bd_rate_low and bd_rate_high (%), 95 % over images, to a table of ``compare``; notes say where there is none.

    Args:
        table: as from ``compare``.
        records: as from ``bench.rd.common_images``.
        metric: as of the table.
        resamples: draws of the bootstrap.
        seed: of the draws.
    """
    given = set(records.loc[only_means(records), ["dataset", "system"]].itertuples(index=False, name=None))
    bounds = []
    for row in table.to_dict("records"):
        sides = [(row["anchor"], row["anchor_generation"]), (row["codec"], row["generation"])]
        low, high, why = None, None, ""
        if any(system.startswith(PREFIX) for system, _ in sides):
            why = "published curves have no per-image values"
        elif without := [system for system, _ in sides if (row["dataset"], system) in given]:
            why = f"{' and '.join(dict.fromkeys(without))} has no per-image values"
        elif pd.notna(row["bd_rate"]):
            here = records[records["dataset"] == row["dataset"]]
            interval = bd_rate_interval(here, *sides, metric=metric, resamples=resamples, seed=seed)
            low, high, why = interval.low, interval.high, interval.reason
        bounds.append((low, high, "; ".join(filter(None, [row["notes"], f"no interval: {why}" if why else ""]))))
    table = table.assign(notes=[notes for *_, notes in bounds])
    at = table.columns.get_loc("bd_rate_akima")
    table.insert(at, "bd_rate_low", [low for low, *_ in bounds])
    table.insert(at + 1, "bd_rate_high", [high for _, high, _ in bounds])
    return table


def columns(metric: str = "psnr") -> list[str]:
    """The columns of ``compare``, in order."""
    values = ["bd_rate", "bd_rate_akima", f"bd_{metric}", f"bd_{metric}_akima", "flagged"]
    overlap = ["overlap_low", "overlap_high", "overlap_share", "points", "anchor_points", "images"]
    names = ["dataset", "codec", "generation", "anchor", "anchor_generation", "metric"]
    return [*names, *values, *overlap, "reason", "notes"]


def axis(metric: str, parts: Iterable[pd.DataFrame]) -> str:
    """The column that systems are compared by: dB of the mean MS-SSIM where one of them has no other, else the metric.

    Args:
        metric: "psnr" or "ms_ssim_db".
        parts: means of each system, as for ``compare``.
    """
    of_mean = "ms_ssim_db_of_mean"
    alike = (
        np.allclose(part[metric], part[of_mean]) for part in parts if _is_published(part) or _is_given(part)
    )  # a mean of decibels lies above the decibels of the mean
    return of_mean if metric == "ms_ssim_db" and any(alike) else metric


def _is_published(part: pd.DataFrame) -> bool:
    return bool(part["system"].str.startswith(PREFIX).any())


def _is_given(part: pd.DataFrame) -> bool:
    """Whether these are means over images that the table doesn't name."""
    return not part.empty and not _is_published(part) and bool(part["images"].isna().all())


def _row(means: pd.DataFrame, pair: Pair, metric: str, every: pd.DataFrame) -> dict[str, object]:
    here = means[means["dataset"] == pair.dataset]
    sides = [(pair.anchor, pair.anchor_generation), (pair.test, pair.generation)]
    parts = [here[(here["system"] == system) & (here["generation"] == generation)] for system, generation in sides]
    published = [system.startswith(PREFIX) for system, _ in sides]
    given = [_is_given(part) for part in parts]
    column = axis(metric, parts)
    images = [int(part["images"].max()) if part["images"].notna().any() else 0 for part in parts]

    row: dict[str, object] = {"dataset": pair.dataset, "codec": pair.test, "generation": pair.generation}
    row |= {"anchor": pair.anchor, "anchor_generation": pair.anchor_generation, "metric": column}
    row |= {"points": len(parts[1]), "anchor_points": len(parts[0])}
    row |= {"images": None if any(given) else images[1] or images[0] or None}
    for (system, generation), part in zip(sides, parts, strict=True):
        if part.empty:
            there = every.loc[(every["dataset"] == pair.dataset) & (every["system"] == system), "generation"]
            if (there == generation).any():
                why = f"{system} has no image left at generation {generation}: none has {metric} of all codecs"
                return row | {"flagged": False, "reason": why, "notes": ""}
            last = there.max()
            # No space for a number here: the chain ended earlier, or a published curve has no generations.
            end = "no records" if pd.isna(last) else f"its last is {last}"
            return row | {"flagged": False, "reason": f"{system} has no generation {generation}, {end}", "notes": ""}
    anchor, test = (curve(means, pair.dataset, system, generation, column) for system, generation in sides)
    rate, quality = bd_rate(anchor, test), bd_psnr(anchor, test)
    row |= {"bd_rate": rate.value, "bd_rate_akima": rate.akima, "flagged": rate.flagged or quality.flagged}
    row |= {f"bd_{metric}": quality.value, f"bd_{metric}_akima": quality.akima}
    low, high = rate.overlap or (None, None)
    row |= {"overlap_low": low, "overlap_high": high, "overlap_share": rate.overlap_share}
    row |= {"points": rate.test_points, "anchor_points": rate.anchor_points, "reason": _reason(rate, quality)}
    notes = list(rate.notes)
    for is_published, part, system in zip(published, parts, (pair.anchor, pair.test), strict=True):
        notes += [f"{system}: {text}" for text in part["problem"].unique() if text] if is_published else []
    for is_given, system in zip(given, (pair.anchor, pair.test), strict=True):
        notes += [f"{system}: means as given, over images that its table does not name"] if is_given else []
    if any(published) and all(images) and images[0] != images[1]:
        notes.append(f"{images[0]} images in the anchor's means, {images[1]} in the test's")
    if column != metric:
        notes.append("MS-SSIM as dB of the mean, since one side is published so" if any(published) else AS_GIVEN)
    return row | {"notes": "; ".join(dict.fromkeys(notes))}  # once where both sides are one system


def _reason(rate: BDResult, quality: BDResult) -> str:
    if rate.reason == quality.reason:
        return rate.reason
    return "; ".join(f"{name}: {one.reason}" for name, one in (("BD-rate", rate), ("BD-PSNR", quality)) if one.reason)
