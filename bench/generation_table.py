"""The table by generation that people read: means over images, one block a codec and schedule."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.generation_loss import with_change
from bench.rd import POINT, by_point, label, left_out

COLUMNS = (
    ("bpp", "bpp", ".3f"),
    ("psnr", "PSNR dB", ".2f"),
    ("drop", "drop dB", ".2f"),
    ("ms_ssim", "MS-SSIM", ".5f"),
    ("ms_ssim_db", "MS-SSIM dB", ".2f"),
    ("delta_e", "CIEDE2000", ".2f"),
    ("fixed_point", "settled", ".0%"),
)
"""Column of the means, heading, format. "drop" is PSNR lost against generation 1, "settled" the share of images whose
chain is at a fixed point or in a cycle."""

RATE_COLUMNS = (("target_bpp", "target", ".4f"), ("miss", "miss", "+.2%"), ("encodes", "encodes", ".1f"))
"""What rate control did, where there was any."""

SHOWN = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Generations that tables and contact sheets show, besides the last one."""


def shown(generations: int, candidates: Sequence[int], turns: int = 1) -> list[int]:
    """The candidates up to ``generations``, ``generations`` itself, and of a hand-over ``rounds``."""
    chosen = {number for number in candidates if number <= generations}
    return sorted({*chosen, generations, *rounds(generations, turns)})


def rounds(generations: int, turns: int) -> list[int]:
    """The generations of the first and of the last round of a hand-over, of so many turns; where it is 1 none."""
    if turns == 1:
        return []
    first, last = range(1, turns + 1), range(generations - turns + 1, generations + 1)
    return sorted({number for number in (*first, *last) if 1 <= number <= generations})


def by_generation(
    means: pd.DataFrame,
    rows: Sequence[int],
    dropped: pd.DataFrame,
    reasons: bool = True,
    order: Sequence[str] = (),
) -> str:
    """The printed table: a block for each codec and schedule, a line for each generation in ``rows``.

    Args:
        means: as from ``bench.rd.generation_means``.
        rows: generations.
        dropped: as from ``bench.rd.common_images``; named below the table.
        reasons: whether with the reasons, see ``bench.rd.left_out``.
        order: names of codecs, whose blocks come in this order; others after them, by name.
    """
    blocks = []
    means = with_change(means)
    means = means.assign(drop=0.0 - means["psnr_change"])  # not -x: 0 would print as -0.00
    points = sorted(by_point(means), key=lambda point: (point[0][0], place_of(point[1]["codec"].iloc[0], order)))
    for (dataset, system, schedule), part in points:
        images = int(part["images"].iloc[0])
        what = f"mean over {images} images" if images != 1 else "one image"
        blocks.append(f"{_title(system, schedule)} ({dataset}, {what})")
        columns = COLUMNS if part["target_bpp"].isna().all() else (*RATE_COLUMNS, *COLUMNS)
        turns = part["codec"].nunique() > 1  # a hand-over: say whose turn it was
        width = max(map(len, part["codec"])) + 2 if turns else 0
        headings = [heading for _, heading, _ in columns]
        if schedule.endswith(",originals"):  # the rates beside it are those of decoded images
            headings = ["orig. miss" if heading == "miss" else heading for heading in headings]
        first = "  generation" + ("codec".rjust(width) if turns else "")
        blocks.append(first + "".join(f"{heading:>12}" for heading in headings))
        for row in part[part["generation"].isin(rows)].to_dict("records"):
            cells = "".join(f"{_text(_lossy(row, name), form):>12}" for name, _, form in columns)
            codec = row["codec"].rjust(width) if turns else ""
            blocks.append(f"  {row['generation']:>10}{codec}{cells}")
        blocks += _without_lossless(part[part["generation"].isin(rows)])
        blocks.append("")
    blocks += left_out(dropped, reasons)
    if means.empty and len(dropped):
        blocks.append(
            "No image was coded by all of these to the end, so that there are no means: leave one of them out."
        )
    return "\n".join(blocks).rstrip()


def dominated(records: pd.DataFrame) -> list[str]:
    """A sentence for each small image, of less than half the mean size, that makes more than half of a mean rate at
    generation 1.

    Args:
        records: rows with status "ok", taken through ``bench.rd.common_images``; of fewer than three images nothing is
            said.
    """
    first = records[records["generation"] == 1]
    found: dict[str, tuple[float, str]] = {}
    for (_, system, schedule), part in first.groupby(POINT, sort=True):
        top = part.loc[part["bpp"].idxmax()]
        share, pixels = top["bpp"] / part["bpp"].sum(), (part["width"] * part["height"]).sum()
        small = 2 * top["width"] * top["height"] < pixels / len(part)
        if len(part) < 3 or not small or share <= max(0.5, found.get(top["image"], (0.0,))[0]):
            continue
        what = (
            f"{top['image']} ({top['width']:.0f}x{top['height']:.0f} pixels) alone makes {share:.0%} of the mean rate"
        )
        found[top["image"]] = (
            share,
            f"{what} of {label(system, schedule)}: leave it out of --dataset. All bits over all pixels are "
            f"{8 * part['bytes'].sum() / pixels:.3f} bpp.",
        )
    return [sentence for _, sentence in found.values()]


def place_of(codec: str, order: Sequence[str]) -> int:
    """The place of a codec in a list of names; the end of the list where it is not in it."""
    return order.index(codec) if codec in order else len(order)


def _title(system: str, schedule: str) -> str:
    """What a block is called: rate control at a rate is ``iat at 0.5 bpp``."""
    rate = re.fullmatch(r"bpp:([\d.]+)", schedule)
    if rate and system.endswith(" [bpp]"):
        return f"{system.removesuffix(' [bpp]')} at {rate[1]} bpp"
    return label(system, schedule)


def _lossy(row: Mapping[Any, Any], name: str) -> float:
    """A mean; where it is infinite, that of the images that are not lossless, if there are any."""
    value, other = float(row[name]), row.get(f"lossy_{name}", math.nan)
    return float(other) if math.isinf(value) and not math.isnan(other) else value


def _without_lossless(part: pd.DataFrame) -> list[str]:
    """Lines that say of which columns a mean leaves out images as lossless, and of the drops how many."""
    infinite = {name: part[np.isinf(part[name].to_numpy(np.float64))].to_dict("records") for name, _, _ in COLUMNS}
    headings = [title for name, title, _ in COLUMNS if any(_lossy(row, name) != row[name] for row in infinite[name])]
    lines = [f"  {', '.join(headings)}: means over the images that are not lossless there"] if headings else []
    fewest, most = (part["images"] - part["change_images"]).agg(["min", "max"]).astype(int)
    if not most:
        return lines
    count = f"{most}" if fewest == most else f"{fewest} to {most}"
    what = "image" if count == "1" else "images"
    return [*lines, f"  drop: {count} {what} left out, lossless at generation 1 or then"]


def _text(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
