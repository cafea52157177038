"""How ``bench.bdrate`` shows its table: text for people, CSV and JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.rd import AVERAGE, left_out
from bench.versions import Version

FORMATS = ("text", "csv", "json")


def render(result: pd.DataFrame, dropped: pd.DataFrame, form: str, several: Sequence[Version] = ()) -> str:
    """The table of ``bench.compare`` as text.

    Args:
        result: as from ``bench.compare.compare``, with or without an interval.
        dropped: as from ``bench.rd.common_images``.
        form: one of FORMATS. JSON is an object with average, rows, dropped and versions; missing values are null. CSV
            is the rows alone.
        several: as from ``bench.versions.versions``.
    """
    if form == "csv":
        return result.to_csv(index=False)
    if form == "json":
        data = {"average": AVERAGE, "rows": _plain(result), "dropped": _plain(dropped)}
        data["versions"] = [version._asdict() for version in several]
        return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    return _text(result, dropped, several)


def published_list(listing: pd.DataFrame, sources: bool) -> str:
    """The published curves for people, a block a dataset; what is wrong with some of them is said below.

    Args:
        listing: as from ``bench.published.names``.
        sources: whether a line below each says where it is from.
    """
    width = max(len(codec) for codec in listing["codec"]) + 1  # room for a star
    lines: list[str] = []
    for dataset, part in listing.groupby("dataset", sort=False):
        lines.append(f"{dataset:{width + 2}}  {'points':>6}  bpp")
        for row in part.to_dict("records"):
            name = row["codec"] + ("*" if row["problem"] else "")
            lines.append(f"  {name:{width}}  {row['points']:>6}  {row['bpp_min']:.3g} to {row['bpp_max']:.3g}")
            lines += [f"    {row['source']}"] if sources else []
        lines.append("")
    lines += [f"* {problem}" for problem in dict.fromkeys(filter(None, listing["problem"]))]
    return "\n".join(lines).rstrip() + "\n"


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): _json_value(value) for name, value in row.items()} for row in table.to_dict("records")]


def _json_value(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _text(result: pd.DataFrame, dropped: pd.DataFrame, several: Sequence[Version]) -> str:
    quality = next(name for name in result.columns if name.startswith("bd_") and not name.startswith("bd_rate"))
    blocks = []
    for dataset, part in result.groupby("dataset", sort=False):
        anchors = list(dict.fromkeys(part["anchor"]))
        own = (part["anchor"] == part["codec"]).all()
        against = "their own generation 1" if own else " and ".join(anchors)
        metric = " and ".join(dict.fromkeys(part["metric"]))
        lines = [f"{dataset}: against {against}, {metric}, {AVERAGE}"]
        rows = [_cells(row, quality, own) for row in part.to_dict("records")]
        heads = _heads(part, quality)
        # A reason ends a row before its last column, or follows it, and takes no part in the widths.
        figures = [row if len(row) == len(heads) else row[:-1] for row in rows]
        widths = [max(len(row[i]) for row in [heads, *figures] if i < len(row)) for i in range(len(heads))]
        lines += ["  ".join(_aligned(row, widths, heads)).rstrip() for row in [heads, *rows]]
        lines += [f"  {note}" for note in _notes(part)]
        if part["flagged"].any():
            lines.append("  * pchip and akima differ by more than one point: too few points, or a wavy curve.")
        blocks.append("\n".join(lines))
    if several:
        blocks.append("\n".join(map(str, several)))
    out = left_out(dropped)
    if out:
        blocks.append("\n".join(out[:20]))
        if len(out) > 20:
            blocks[-1] += f"\nand {len(out) - 20} more; all of them with --format json"
    return "\n\n".join(blocks) + "\n"


def _notes(part: pd.DataFrame) -> list[str]:
    """Each note once, with the codecs it is about unless it is about all."""
    about: dict[str, list[str]] = {}
    for codec, notes in zip(part["codec"], part["notes"], strict=True):
        for note in filter(None, str(notes).split("; ")):
            about.setdefault(note, []).append(codec)
    every = part["codec"].nunique()
    return [
        note if len(set(who)) == every or note.startswith(f"{who[0]}: ") else f"{', '.join(dict.fromkeys(who))}: {note}"
        for note, who in about.items()
    ]


def _heads(part: pd.DataFrame, quality: str) -> list[str]:
    heads = ["codec", "generation", "images", "points", "BD-rate %"]
    heads += ["interval"] if "bd_rate_low" in part else []
    name = {"bd_psnr": "BD-PSNR dB", "bd_ms_ssim_db": "BD-MS-SSIM dB"}.get(quality, quality)
    return [*heads, "akima", name, "akima", "overlap dB", "share"]


def _cells(row: dict[str, Any], quality: str, own: bool) -> list[str]:
    at = (
        f"{row['generation']}"
        if own or row["generation"] == row["anchor_generation"]
        else (f"{row['generation']} / {row['anchor_generation']}")
    )
    images = "" if pd.isna(row["images"]) else f"{row['images']:.0f}"
    cells = [row["codec"], at, images, f"{row['points']}/{row['anchor_points']}"]
    if pd.isna(row["bd_rate"]) and pd.isna(row[quality]):
        return [*cells, f"n/a: {row['reason']}"]
    cells.append(_number(row["bd_rate"], "+.2f") + ("*" if row["flagged"] else ""))
    if "bd_rate_low" in row:
        low, high = row["bd_rate_low"], row["bd_rate_high"]
        cells.append("" if pd.isna(low) else f"{low:+.2f} to {high:+.2f}")
    cells += [_number(row["bd_rate_akima"], "+.2f")]
    cells += [_number(row[quality], "+.3f"), _number(row[f"{quality}_akima"], "+.3f")]
    low, high = row["overlap_low"], row["overlap_high"]
    cells.append("" if pd.isna(low) else f"{low:.2f} to {high:.2f}")
    cells.append(_number(row["overlap_share"], ".0%"))
    return [*cells, row["reason"]] if row["reason"] else cells


def _number(value: float | None, form: str) -> str:
    return "n/a" if value is None or pd.isna(value) else format(value, form)


def _aligned(row: list[str], widths: list[int], heads: list[str]) -> list[str]:
    """Names to the left, figures to the right; a reason runs on past its column."""
    cells = []
    for i, text in enumerate(row):
        last_reason = i == len(row) - 1 and (len(row) != len(heads))
        cells.append(text if last_reason else text.ljust(widths[i]) if i == 0 else text.rjust(widths[i]))
    return cells
