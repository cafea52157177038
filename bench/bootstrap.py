"""Confidence intervals over images, by the bootstrap: how far a mean would move with other images of this kind."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.bd import Curve, bd_rate
from bench.codec import BenchError

MIN_IMAGES = 5
"""Fewest images an interval is given for; the percentile bootstrap of fewer is too narrow to print."""
MIN_RESAMPLES = 100
"""Fewest draws of an interval: of fewer, a bound at 2.5 % is one of the two or three outermost of them."""
MAX_INVALID = 0.05
"""Largest share of resamples without a value (curves that don't overlap, say) that an interval is still given for."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile bootstrap interval, or why there is none.

    Attributes:
        low, high: bounds in the statistic's unit; None where there is no interval.
        reason: one phrase where there is no interval, else empty.
        level: coverage aimed at, 0 to 1.
        resamples: how many times images were drawn.
        seed: of the draws; the same seed gives the same interval.
    """

    low: float | None
    high: float | None
    reason: str
    level: float
    resamples: int
    seed: int


def bootstrap(
    values: NDArray[np.float64],
    statistic: Callable[[NDArray[np.float64]], float | None],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a statistic of means over images (Efron and Tibshirani 1993, chapter 13).

    Args:
        values: (images, ...) per-image values. Images are drawn with replacement, whole, so that what is measured on
            the same image stays together (paired comparison).
        statistic: from the (...) means over the drawn images to a number, or None where it has no value.
        level: coverage, above 0 and below 1.
        resamples: number of draws, MIN_RESAMPLES or more.
        seed: of the draws.

    Raises:
        BenchError: level or resamples out of range.
    """
    if not 0 < level < 1 or resamples < MIN_RESAMPLES:
        raise BenchError(
            f"An interval needs a level between 0 and 1 and {MIN_RESAMPLES} resamples or more, "
            f"got {level:g} and {resamples}."
        )
    n = len(values)

    def none(reason: str) -> Interval:
        return Interval(None, None, reason, level, resamples, seed)

    if n < MIN_IMAGES:
        return none(f"{n} {'image' if n == 1 else 'images'}, {MIN_IMAGES} needed for an interval")
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    with np.errstate(invalid="ignore"):
        means = np.tensordot(weights, values, axes=1)
    found = np.array([np.nan if (value := statistic(mean)) is None else value for mean in means], np.float64)
    found = found[np.isfinite(found)]
    if found.size < (1 - MAX_INVALID) * resamples:
        return none(f"{resamples - found.size} of {resamples} resamples have no value")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), "", level, resamples, seed)


def bd_rate_interval(
    records: pd.DataFrame,
    anchor: tuple[str, int],
    test: tuple[str, int],
    *,
    metric: str = "psnr",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of a BD-rate over the images of one dataset, in percent.

    Args:
        records: rows of one dataset as from ``bench.rd.common_images``.
        anchor: system and generation.
        test: system and generation.
        metric: "psnr" or "ms_ssim_db".
        level: coverage.
        resamples: number of draws.
        seed: of the draws.
    """
    sides = [_per_image(records, *side, metric) for side in (anchor, test)]
    points = sides[0].shape[1]

    def statistic(means: NDArray[np.float64]) -> float | None:
        return bd_rate(Curve(*means[:points].T), Curve(*means[points:].T)).value

    return bootstrap(np.concatenate(sides, axis=1), statistic, level=level, resamples=resamples, seed=seed)


def _per_image(records: pd.DataFrame, system: str, generation: int, metric: str) -> NDArray[np.float64]:
    """(images, points, 2): bpp and metric of a system's operating points; a point with a lossless image is left out."""
    rows = records[(records["system"] == system) & (records["generation"] == generation)]
    table = rows.pivot(index="image", columns="schedule", values=["bpp", metric]).sort_index()
    values = np.stack([table[name].to_numpy(np.float64) for name in ("bpp", metric)], axis=-1)
    return values[:, np.isfinite(values).all(axis=(0, 2))]


def resample_count(text: str) -> int:
    """An argparse type: how many times images are drawn."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < MIN_RESAMPLES:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {MIN_RESAMPLES}, got {text!r}")
    return value
