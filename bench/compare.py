"""Tables of BD-rate and BD-PSNR: systems against an anchor, and a system against its own generation 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from bench.bd import BDResult, bd_psnr, bd_rate
from bench.rd import curve


class Pair(NamedTuple):
    """What is compared: a test system at a generation against an anchor at a generation, on one dataset."""

    dataset: str
    test: str
    generation: int
    anchor: str
    anchor_generation: int


def compare(means: pd.DataFrame, pairs: Iterable[Pair], metric: str = "psnr") -> pd.DataFrame:
    """BD-rate and BD-PSNR of every pair.

    Args:
        means: rows of ``bench.rd.generation_means``, and of ``bench.published.load`` where published curves take part.
        pairs: what to compare.
        metric: "psnr" or "ms_ssim_db". Where one side is published, MS-SSIM is compared as dB of the mean on both.

    Returns:
        One row a pair: dataset, codec (the test system), generation, anchor, anchor_generation, metric (the column
        that was compared), bd_rate (%), bd_rate_akima (%), bd_psnr (dB; its name follows the metric: bd_ms_ssim_db),
        bd_psnr_akima (dB), flagged (pchip and akima disagree), overlap_low and overlap_high (dB), overlap_share
        (0 to 1), points, anchor_points, images, reason (why a value is missing) and notes.
    """
    rows = [_row(means, pair, metric) for pair in pairs]
    return pd.DataFrame(rows, columns=columns(metric))


def columns(metric: str = "psnr") -> list[str]:
    """The columns of ``compare``, in order."""
    values = ["bd_rate", "bd_rate_akima", f"bd_{metric}", f"bd_{metric}_akima", "flagged"]
    overlap = ["overlap_low", "overlap_high", "overlap_share", "points", "anchor_points", "images"]
    names = ["dataset", "codec", "generation", "anchor", "anchor_generation", "metric"]
    return [*names, *values, *overlap, "reason", "notes"]


def _row(means: pd.DataFrame, pair: Pair, metric: str) -> dict[str, object]:
    here = means[means["dataset"] == pair.dataset]
    sides = [(pair.anchor, pair.anchor_generation), (pair.test, pair.generation)]
    parts = [here[(here["system"] == system) & (here["generation"] == generation)] for system, generation in sides]
    published = [system.startswith("published:") for system, _ in sides]
    column = "ms_ssim_db_of_mean" if metric == "ms_ssim_db" and any(published) else metric
    images = [int(part["images"].max()) if part["images"].notna().any() else 0 for part in parts]

    row: dict[str, object] = {"dataset": pair.dataset, "codec": pair.test, "generation": pair.generation}
    row |= {"anchor": pair.anchor, "anchor_generation": pair.anchor_generation, "metric": column}
    row |= {"points": len(parts[1]), "anchor_points": len(parts[0]), "images": images[1] or images[0] or None}
    for (system, generation), part in zip(sides, parts, strict=True):
        if part.empty:
            last = here.loc[here["system"] == system, "generation"].max()
            # No space for a number here: the chain ended earlier, or a published curve has no generations.
            there = "no records" if pd.isna(last) else f"its last is {last}"
            return row | {"flagged": False, "reason": f"{system} has no generation {generation}, {there}", "notes": ""}
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
