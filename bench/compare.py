"""Tables of BD-rate and BD-PSNR: systems against an anchor, and a system against its own generation 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from bench.bd import BDResult, bd_psnr, bd_rate
from bench.bootstrap import bd_rate_interval
from bench.codec import BenchError
from bench.published import PREFIX
from bench.rd import curve

KEYS = ["dataset", "system", "generation"]


class Pair(NamedTuple):
    """What is compared: a test system at a generation against an anchor at a generation, on one dataset."""

    dataset: str
    test: str
    generation: int
    anchor: str
    anchor_generation: int


def named(name: str, known: Mapping[str, str], where: str) -> list[str]:
    """Systems meant by a name: itself, or all systems of that codec; measured ones before published ones.

    Args:
        name: as the user typed it.
        known: system to codec of what takes part.
        where: ends the sentence that says what there is.

    Raises:
        BenchError: there is none.
    """
    if name in known:
        return [name]
    found = [system for system, codec in known.items() if codec == name]
    if not found:
        raise BenchError(f"No codec {name!r} in these tables, only {', '.join(known)} on {where}.")
    return [system for system in found if not system.startswith(PREFIX)] or found


def anchor_of(name: str | None, known: Mapping[str, str], dataset: str) -> str:
    """The system that others are compared with: the one named, else jpeg where it is there, else the first one.

    Raises BenchError where the name means none, or several.
    """
    if not name:
        return "jpeg" if "jpeg" in known else next(iter(known))
    found = named(name, known, f"{dataset}; change it with --anchor")
    if len(found) > 1:
        raise BenchError(f"{name!r} is one of {', '.join(found)}: name one of them with --anchor.")
    return found[0]


def compare(
    means: pd.DataFrame, pairs: Iterable[Pair], metric: str = "psnr", records: pd.DataFrame | None = None
) -> pd.DataFrame:
    """BD-rate and BD-PSNR of every pair.

    Args:
        means: rows of ``bench.rd.generation_means``, and of ``bench.published.load`` where published curves take part.
        pairs: what to compare.
        metric: "psnr" or "ms_ssim_db". Where one side is published, MS-SSIM is compared as dB of the mean on both.
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
    bounds = []
    for row in table.to_dict("records"):
        sides = [(row["anchor"], row["anchor_generation"]), (row["codec"], row["generation"])]
        low, high, why = None, None, ""
        if any(system.startswith(PREFIX) for system, _ in sides):
            why = "published curves have no per-image values"
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


def _row(means: pd.DataFrame, pair: Pair, metric: str, every: pd.DataFrame) -> dict[str, object]:
    here = means[means["dataset"] == pair.dataset]
    sides = [(pair.anchor, pair.anchor_generation), (pair.test, pair.generation)]
    parts = [here[(here["system"] == system) & (here["generation"] == generation)] for system, generation in sides]
    published = [system.startswith(PREFIX) for system, _ in sides]
    column = "ms_ssim_db_of_mean" if metric == "ms_ssim_db" and any(published) else metric
    images = [int(part["images"].max()) if part["images"].notna().any() else 0 for part in parts]

    row: dict[str, object] = {"dataset": pair.dataset, "codec": pair.test, "generation": pair.generation}
    row |= {"anchor": pair.anchor, "anchor_generation": pair.anchor_generation, "metric": column}
    row |= {"points": len(parts[1]), "anchor_points": len(parts[0]), "images": images[1] or images[0] or None}
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
    if any(published) and all(images) and images[0] != images[1]:
        notes.append(f"{images[0]} images in the anchor's means, {images[1]} in the test's")
    if column != metric:
        notes.append("MS-SSIM as dB of the mean, since one side is published so")
    return row | {"notes": "; ".join(notes)}


def _reason(rate: BDResult, quality: BDResult) -> str:
    if rate.reason == quality.reason:
        return rate.reason
    return "; ".join(f"{name}: {one.reason}" for name, one in (("BD-rate", rate), ("BD-PSNR", quality)) if one.reason)
