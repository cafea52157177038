"""Generation loss: what of an image's quality goes with every further encoding."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bench.codec import BenchError
from bench.rd import AVERAGE, METRICS, POINT, by_point, generation_means

HALF_LIVES = (0.5, 1.0, 3.0)
"""Losses in dB against generation 1 whose generation is told."""


def half_life(psnr: ArrayLike, loss: float) -> int | None:
    """The first generation at which ``loss`` dB against generation 1 are gone for the first time.

    Generations are whole encodings, so nothing is interpolated: 0.9 dB lost at generation 4 and 1.1 dB at 5 gives 5
    for 1 dB.

    Args:
        psnr: (N,) dB at generations 1 to N; may be inf where nothing is lost.
        loss: dB, above 0.

    Returns:
        A generation from 2 to N, or None where N generations don't lose that much.

    Raises:
        BenchError: ``loss`` is not above 0, or a PSNR is missing.
    """
    values = np.asarray(psnr, np.float64)
    if not loss > 0:
        raise BenchError(f"A half-life needs a loss above 0 dB, got {loss:g}.")
    if np.isnan(values).any():
        raise BenchError("A half-life needs the PSNR of every generation, one is missing.")
    gone = np.flatnonzero(_lost(values) >= loss)
    return int(gone[0]) + 1 if gone.size else None


def _lost(psnr: np.ndarray) -> np.ndarray:
    """dB lost against the first value; 0 where both are lossless (inf - inf would be nan)."""
    with np.errstate(invalid="ignore"):
        return np.where(psnr == psnr[:1], 0.0, psnr[:1] - psnr)


def with_change(means: pd.DataFrame) -> pd.DataFrame:
    """Add psnr_change and ms_ssim_db_change: dB since generation 1, below 0 where quality was lost; and change_images,
    how many images psnr_change is of.

    Where generation 1 has no value, there is no change. Where lossless images make a mean infinite, it is the mean of
    the changes of the other images, as ``_lossy`` of ``bench.rd`` has it.

    Args:
        means: as from ``bench.rd.generation_means``.
    """
    means = means.sort_values([*POINT, "generation"], ignore_index=True)
    first = means[[*METRICS]].where(means["generation"] == 1).groupby([means[key] for key in POINT]).transform("first")
    changes = {}
    for name in METRICS:
        infinite = means[name].notna() & (np.isinf(means[name]) | np.isinf(first[name]))
        changes[f"{name}_change"] = (means[name] - first[name]).mask(infinite, means[f"lossy_{name}_change"])
    images = means["lossy_images"].fillna(means["images"]).astype(int)
    return means.assign(**changes, change_images=images)


def loss_table(records: pd.DataFrame, generation: int | None = None) -> pd.DataFrame:
    """Generation loss of every operating point at generation N.

    Args:
        records: rows with status "ok", taken through ``bench.rd.common_images`` where systems are compared.
        generation: N; None: the last one of each operating point. Points that were not run so far have no row.

    Returns:
        One row for each dataset, system and schedule: codec, images, generation (N), bpp_1, bpp_N, psnr_1, psnr_N,
        drop (dB, of mean PSNR; negative where the image got better), drop_ms_ssim_db (the same for MS-SSIM),
        drop_images (how many images drop is of: without lossless ones, see ``with_change``), half_life_0.5,
        half_life_1, half_life_3 (generations, of drop; missing where N generations don't lose as much), fixed_point
        (share of images, 0 to 1, at N), shift_r, shift_g, shift_b (mean signed shift at N in 8-bit levels), shift_max
        (mean over images of the largest channel shift without sign), delta_e (CIEDE2000 at N) and average.
    """
    means = with_change(generation_means(records))
    rows = []
    for point, part in by_point(means):
        curve = part.set_index("generation").sort_index()
        last = int(curve.index.max()) if generation is None else generation
        if last not in curve.index or 1 not in curve.index:
            continue
        first, end, until = curve.loc[1], curve.loc[last], curve.loc[:last]
        row: dict[str, object] = dict(zip(POINT, point, strict=True))
        row |= {"codec": first["codec"], "images": int(end["images"]), "generation": last}
        row |= {"bpp_1": first["bpp"], "bpp_N": end["bpp"], "psnr_1": first["psnr"], "psnr_N": end["psnr"]}
        row |= {"drop": 0.0 - end["psnr_change"], "drop_ms_ssim_db": 0.0 - end["ms_ssim_db_change"]}  # no -0.0
        row["drop_images"] = int(end["change_images"])
        whole = len(until) == last and not until["psnr_change"].isna().any()
        for loss in HALF_LIVES:
            row[f"half_life_{loss:g}"] = half_life(until["psnr_change"], loss) if whole else None
        row |= {name: end[name] for name in ("fixed_point", "shift_r", "shift_g", "shift_b", "shift_max", "delta_e")}
        rows.append(row)
    table = pd.DataFrame(rows, columns=columns())
    table["average"] = AVERAGE
    return table.astype({f"half_life_{loss:g}": "Int64" for loss in HALF_LIVES})


def columns() -> list[str]:
    """The columns of ``loss_table`` but the last, in order."""
    half_lives = [f"half_life_{loss:g}" for loss in HALF_LIVES]
    ends = ["bpp_1", "bpp_N", "psnr_1", "psnr_N", "drop", "drop_ms_ssim_db", "drop_images"]
    colour = ["fixed_point", "shift_r", "shift_g", "shift_b", "shift_max", "delta_e"]
    return [*POINT, "codec", "images", "generation", *ends, *half_lives, *colour]


def show_half_life(generation: float | None, last: int, loss: float = math.inf, drop: float = 0.0) -> str:
    """A half-life as people read it.

    Args:
        generation: as from ``loss_table``.
        last: N.
        loss: in dB, whose half-life it is.
        drop: dB lost at N.

    Returns:
        ``7``; ``> 50`` where 50 generations don't lose as much; ``≤ 50`` where they do and some before are not there;
        ``n/a`` where the drop is not known.
    """
    if generation is not None and generation is not pd.NA and not math.isnan(generation):
        return f"{int(generation)}"
    return "n/a" if math.isnan(drop) else f"≤ {last}" if drop >= loss else f"> {last}"
