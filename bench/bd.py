"""Arithmetic on rate-distortion curves: BD-rate, BD-PSNR and the area under a curve, behind guards.

The numerics are those of the ``bjontegaard`` package. What stands here is what that package leaves to its user: it
takes two points, infinite PSNR and curves that fold back, and answers with a number that means nothing, or with an
exception. Here such input gives no value and a reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bench.codec import BenchError

MIN_POINTS = 4
"""Fewest points of a curve that BD-rate and BD-PSNR are computed from (as in VCEG-M33)."""

WIGGLE_DB = 0.1
"""A point at a higher rate may lie this far, in dB, below a point at a lower rate: it is left out, and noted.
Further below, the curve is not monotone and there is no value."""

MIN_OVERLAP = 0.25
"""Smallest part of the shorter curve's range that the two curves must share."""

MAX_GAP = 2 / 3
"""Largest part of a curve's range of the metric that may lie between two neighbouring points: beyond it, four points
are as good as two."""

AGREE_PERCENT = 1.0
AGREE_DB = 0.05
"""How far pchip and akima may lie apart before a result is flagged: BD-rate in percentage points, BD-PSNR in dB
(about what one point of rate amounts to for photographs)."""

AucMethod = Literal["trapezoid", "pchip"]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A rate-distortion curve in any order of points.

    Attributes:
        rate: (N,) float64, bpp.
        metric: (N,) float64, dB, larger is better.
    """

    rate: NDArray[np.float64]
    metric: NDArray[np.float64]

    @classmethod
    def of(cls, rate: ArrayLike, metric: ArrayLike) -> Curve:
        """A curve from two sequences of equal length; raise BenchError where the lengths differ."""
        bpp, quality = np.asarray(rate, np.float64).ravel(), np.asarray(metric, np.float64).ravel()
        if bpp.size != quality.size:
            raise BenchError(
                f"A curve needs one metric value per rate, got {bpp.size} rates and {quality.size} values."
            )
        return cls(bpp, quality)


@dataclass(frozen=True, slots=True)
class BDResult:
    """A Bjontegaard delta of a test curve against an anchor, or why there is none.

    Attributes:
        value: the headline, from pchip: percent of rate (BD-rate) or dB (BD-PSNR); None where it would mean nothing.
        reason: one phrase where value is None, else empty.
        akima: the same by akima, beside the headline; None where value is None.
        flagged: pchip and akima differ by more than AGREE_PERCENT or AGREE_DB; the points don't carry the headline.
        overlap: the interval averaged over: dB for BD-rate, bpp for BD-PSNR; None where the curves were not compared.
        overlap_share: length of the overlap over that of the union of the ranges, 0 to 1 (log rate for BD-PSNR).
        anchor_points: points of the anchor that were used.
        test_points: points of the test curve that were used.
        notes: what was left out before computing, one phrase each.
    """

    value: float | None
    reason: str = ""
    akima: float | None = None
    flagged: bool = False
    overlap: tuple[float, float] | None = None
    overlap_share: float | None = None
    anchor_points: int = 0
    test_points: int = 0
    notes: tuple[str, ...] = ()


class Usable(NamedTuple):
    """What is left of a curve for BD arithmetic: rate and metric strictly increasing, or a reason why not."""

    curve: Curve
    reason: str
    notes: tuple[str, ...]


def usable(curve: Curve) -> Usable:
    """Prepare a curve for BD arithmetic, or say why it can't be used.

    Points are sorted by rate. Points that are not finite (a lossless point has infinite PSNR) or have no positive rate
    are left out and noted; so are points not above one of lower rate, if they miss it by at most WIGGLE_DB. Exact
    repeats are merged.
    """
    finite = np.isfinite(curve.rate) & np.isfinite(curve.metric) & (curve.rate > 0)
    notes = []
    if not finite.all():
        notes.append(f"{np.count_nonzero(~finite)} of {finite.size} points left out: not finite, or lossless")
    points = np.unique(np.column_stack([curve.rate[finite], curve.metric[finite]]), axis=0)
    points = points[np.lexsort((-points[:, 1], points[:, 0]))]  # at equal rate, the better point first
    best = np.maximum.accumulate(points[:, 1]) if len(points) else points[:, 1]
    rises = np.r_[True, points[1:, 1] > best[:-1]][: len(points)]
    left = Curve(points[rises, 0], points[rises, 1])
    if not rises.all():
        below = best - points[:, 1]
        worst = int(np.argmax(below))
        if below[worst] > WIGGLE_DB:
            higher = points[int(np.argmax(points[:, 1] >= best[worst])), 0]
            reason = (
                f"not monotone: {points[worst, 1]:.2f} dB at {points[worst, 0]:.4g} bpp, "
                f"below {best[worst]:.2f} dB at {higher:.4g} bpp"
            )
            return Usable(left, reason, tuple(notes))
        notes.append(
            f"{np.count_nonzero(~rises)} of {rises.size} points left out: not above a point of lower rate "
            f"(at most {below[worst]:.3f} dB below)"
        )
    if left.rate.size < MIN_POINTS:
        count = f"{left.rate.size} {'point' if left.rate.size == 1 else 'points'}"
        return Usable(left, f"{count}, {MIN_POINTS} needed: run bench.reencode at more qualities", tuple(notes))
    gaps = np.diff(left.metric)
    widest = int(np.argmax(gaps))
    if gaps[widest] > MAX_GAP * (left.metric[-1] - left.metric[0]):
        between = f"{left.metric[widest]:.2f} to {left.metric[widest + 1]:.2f} dB"
        reason = f"points bunched, none from {between}: run bench.reencode at qualities between"
        return Usable(left, reason, tuple(notes))
    return Usable(left, "", tuple(notes))


def bd_rate(anchor: Curve, test: Curve) -> BDResult:
    """Average difference of rate at equal quality, in percent of the anchor's rate; negative where the test is better.

    Log rate is integrated over the interval of the metric that both curves cover (Bjontegaard, VCEG-M33, with pchip
    interpolation as in JCTVC-B055).
    """
    return _delta(anchor, test, "rate")


def bd_psnr(anchor: Curve, test: Curve) -> BDResult:
    """Average difference of quality at equal rate, in dB; positive where the test is better. Any metric in dB will do.

    The metric is integrated over the interval of log rate that both curves cover (Bjontegaard, VCEG-M33).
    """
    return _delta(anchor, test, "metric")


def _delta(anchor: Curve, test: Curve, what: Literal["rate", "metric"]) -> BDResult:
    # The package imports pyplot, which is slow to load: only those who compute pay for it.
    import bjontegaard

    sides = {"anchor": usable(anchor), "test": usable(test)}
    notes = tuple(f"{side}: {note}" for side, one in sides.items() for note in one.notes)
    a, t = (one.curve for one in sides.values())
    base = BDResult(None, anchor_points=a.rate.size, test_points=t.rate.size, notes=notes)
    failed = [one.reason if side == "test" else f"{side}: {one.reason}" for side, one in sides.items() if one.reason]
    if len(failed) == 2 and sides["anchor"].reason == sides["test"].reason:
        return replace(base, reason=f"both curves: {sides['test'].reason}")
    if failed:
        return replace(base, reason="; ".join(failed))

    base_a, base_t = (a.metric, t.metric) if what == "rate" else (np.log(a.rate), np.log(t.rate))
    low, high = max(base_a[0], base_t[0]), min(base_a[-1], base_t[-1])
    union = max(base_a[-1], base_t[-1]) - min(base_a[0], base_t[0])
    shorter = min(base_a[-1] - base_a[0], base_t[-1] - base_t[0])
    shown = [*a.metric[[0, -1]], *t.metric[[0, -1]]] if what == "rate" else [*a.rate[[0, -1]], *t.rate[[0, -1]]]
    ranges = "anchor {:.4g} to {:.4g}, test {:.4g} to {:.4g} ".format(*shown) + ("dB" if what == "rate" else "bpp")
    if high <= low:
        return replace(base, reason=f"no overlap: {ranges}", overlap_share=0.0)
    overlap = (float(low), float(high)) if what == "rate" else (math.exp(low), math.exp(high))
    base = replace(base, overlap=overlap, overlap_share=float((high - low) / union))
    if high - low < MIN_OVERLAP * shorter:
        reason = f"overlap too small, under {MIN_OVERLAP:.0%} of the shorter curve: {ranges}"
        return replace(base, reason=reason)

    # Argument order of the package: anchor's rate and metric, then the test's. Both guards it has beside these
    # (equal numbers of points, a warning for little overlap) are answered above.
    compute = bjontegaard.bd_rate if what == "rate" else bjontegaard.bd_psnr
    with np.errstate(over="ignore"):
        pchip, akima = (
            float(compute(a.rate, a.metric, t.rate, t.metric, method=m, require_matching_points=False, min_overlap=0))
            for m in ("pchip", "akima")
        )
    if not math.isfinite(pchip):
        return replace(base, reason="not finite")
    limit = AGREE_PERCENT if what == "rate" else AGREE_DB
    akima_value = akima if math.isfinite(akima) else None
    return replace(base, value=pchip, akima=akima_value, flagged=not abs(pchip - akima) <= limit)


def auc(curve: Curve, low: float, high: float, method: AucMethod = "trapezoid") -> float:
    """Area under the metric over rate from ``low`` to ``high`` bpp, in dB·bpp, not normalised (IAT, Table 1).

    Divided by ``high - low`` it is the mean of the metric in dB. The trapezoid joins the points by straight lines,
    pchip by a monotone cubic. The points need not be monotone, but finite and with distinct rates.

    Raises:
        BenchError: the curve has fewer than two points, points that are not finite, repeated rates, or does not cover
            the interval.
    """
    order = np.argsort(curve.rate, kind="stable")
    x, y = curve.rate[order], curve.metric[order]
    if x.size < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()) or not (np.diff(x) > 0).all():
        raise BenchError(f"The area under a curve needs at least two finite points of distinct rates, got {x.size}.")
    if not x[0] <= low <= high <= x[-1]:
        raise BenchError(
            f"The curve covers {x[0]:.4g} to {x[-1]:.4g} bpp, the area was asked for {low:.4g} to {high:.4g}."
        )
    if method == "pchip":
        from scipy.interpolate import PchipInterpolator  # half a second that few commands need

        return float(PchipInterpolator(x, y).integrate(low, high))
    inner = (x > low) & (x < high)
    at = np.r_[low, x[inner], high]
    from scipy.integrate import trapezoid  # NumPy has it by this name from 2.0 on; CompressAI needs NumPy 1

    return float(trapezoid(np.interp(at, x, y), at))


def auc_end(curve: Curve, low: float, area: float, method: AucMethod = "trapezoid") -> float:
    """The rate in bpp at which an interval that begins at ``low`` must end for the area to be ``area`` dB·bpp.

    Raises:
        BenchError: the whole curve from ``low`` on has less area than that.
    """
    end = float(np.max(curve.rate))
    whole = auc(curve, low, end, method)
    if not 0 <= area <= whole:
        raise BenchError(f"The area from {low:.4g} bpp to the curve's end is {whole:.4f}, {area:.4f} was asked for.")
    from scipy.optimize import brentq

    return float(brentq(lambda high: auc(curve, low, high, method) - area, low, end, xtol=1e-12))


def _distinct(curve: Curve) -> Curve:
    """The finite points in the order of their rates; of several at one rate the best."""
    keep = np.isfinite(curve.rate) & np.isfinite(curve.metric)
    order = np.lexsort((-curve.metric[keep], curve.rate[keep]))
    rate, metric = curve.rate[keep][order], curve.metric[keep][order]
    first = np.diff(rate, prepend=-np.inf) > 0
    return Curve(rate[first], metric[first])


def auc_table(curves: Mapping[str, Curve], method: AucMethod = "trapezoid") -> pd.DataFrame:
    """Areas under several curves on the rates that all of them cover.

    Returns:
        One row a curve: codec, low and high (bpp), auc (dB·bpp, as in IAT Table 1), auc_normalised (dB: the area
        over the interval's length), points, reason. Where there is no common interval the figures are NaN and
        reason says why.
    """
    finite = {name: _distinct(curve) for name, curve in curves.items()}
    ends = {name: (c.rate.min(), c.rate.max()) for name, c in finite.items() if c.rate.size >= 2}
    low = max((low for low, _ in ends.values()), default=math.nan)
    high = min((high for _, high in ends.values()), default=math.nan)
    rows = []
    for name, curve in finite.items():
        area, reason = math.nan, ""
        if name not in ends:
            reason = f"{curve.rate.size} finite point{'s' * (curve.rate.size != 1)}, 2 needed"
        elif not low < high:
            reason = "no interval of rate is covered by all curves"
        else:
            try:
                area = auc(curve, low, high, method)
            except BenchError as error:
                reason = str(error).rstrip(".")
        rows.append((name, low, high, area, area / (high - low), curve.rate.size, reason))
    columns = ["codec", "low", "high", "auc", "auc_normalised", "points", "reason"]
    return pd.DataFrame(rows, columns=columns)
