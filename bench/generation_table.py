"""The table by generation that people read: means over images, one block a codec and schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from bench.generation_loss import loss_table
from bench.rd import Common, common_images, generation_means

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


def comparable(table: pd.DataFrame) -> Common:
    """Records of the images that every codec coded to the end, each with its system, and what was left out."""
    return common_images(table)


def shown(generations: int, candidates: Sequence[int]) -> list[int]:
    """The candidates up to ``generations``, and ``generations`` itself."""
    return sorted({*(number for number in candidates if number <= generations), generations})


def by_generation(common: Common, rows: Sequence[int]) -> str:
    """The printed table: a block for each codec and schedule, a line for each generation in ``rows``."""
    blocks = []
    for dataset, records in common.records.groupby("dataset", sort=True):
        means = generation_means(records)
        losses = pd.concat([loss_table(records, row) for row in rows]).set_index(["system", "schedule", "generation"])
        for (system, schedule), part in means.groupby(["system", "schedule"], sort=True):
            images = int(part["images"].iloc[0])
            what = f"mean over {images} images" if images != 1 else "one image"
            named = system if system == schedule else f"{system}, {schedule.replace(':', ' ')}"
            blocks.append(f"{named} ({dataset}, {what})")
            columns = COLUMNS if part["target_bpp"].isna().all() else (*RATE_COLUMNS, *COLUMNS)
            turns = part["codec"].nunique() > 1  # a hand-over: say whose turn it was
            width = max(map(len, part["codec"])) + 2 if turns else 0
            heading = "  generation" + ("codec".rjust(width) if turns else "")
            blocks.append(heading + "".join(f"{heading:>12}" for _, heading, _ in columns))
            for _, row in part[part["generation"].isin(rows)].sort_values("generation").iterrows():
                drop = losses.loc[(system, schedule, row["generation"]), "drop"]
                values = row.to_dict() | {"drop": drop}
                cells = "".join(f"{_text(values[name], form):>12}" for name, _, form in columns)
                codec = row["codec"].rjust(width) if turns else ""
                blocks.append(f"  {row['generation']:>10}{codec}{cells}")
            blocks.append("")
    blocks += left_out(common)
    return "\n".join(blocks).rstrip()


def left_out(common: Common) -> list[str]:
    """A sentence for each image or operating point that has no part in the means."""
    sentences = []
    for row in common.dropped.itertuples():
        system = f"{row.system}, {str(row.schedule).replace(':', ' ')}"
        if row.image:
            sentences.append(f"Left out for all codecs: {row.image}, because of {system}: {row.reason}")
        else:
            sentences.append(f"Left out: {system}, which has no image: {row.reason}")
    return sentences


def _text(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
