"""Figures in the rate-distortion plane: curves of codecs, and the path of a chain whose rate changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from bench.bd import MAX_GAP, Curve
from bench.codec import BenchError
from bench.plots import METRICS, PANEL, family_of, one_set, style
from bench.plots_frame import legend_below, mark_at_top, say_if_empty
from bench.rd import by_point, labels

Floats = NDArray[np.float64]
PANELS = ("psnr", "ms_ssim_db")
OURS: tuple[Any, ...] = ("-", ":", (0, (5, 1, 1, 1, 1, 1)))
PUBLISHED: tuple[Any, ...] = ("--", (0, (7, 3)), (0, (2, 2)))
"""Lines of the first, second and third system of a family."""


def rd(
    means: pd.DataFrame,
    published: pd.DataFrame,
    note: str = "",
    metrics: Sequence[str] | None = None,
    until: float = math.inf,
) -> Figure:
    """Rate-distortion curves, ours solid or dotted, published ones dashed and named so.

    Args:
        means: one generation of ``bench.rd.generation_means``, one dataset.
        published: points of ``bench.published.load`` of that dataset, or an empty table.
        note: a sentence under the figure.
        metrics: columns of both tables, a panel each. Without them PSNR and MS-SSIM in dB, the latter as dB of the
            mean where there are published points, which are known in no other way.
        until: bpp; points of higher rates are not drawn.

    Raises:
        BenchError: the tables hold several datasets or generations, or means that can't be compared.
    """
    if means["generation"].nunique() > 1:
        raise BenchError("Rate-distortion curves show one generation, this table holds several; choose one of them.")
    if len(published) and set(published["dataset"]) != set(means["dataset"]):
        names = ", ".join(sorted({*published["dataset"], *means["dataset"]}))
        raise BenchError(f"One figure shows one dataset, ours and published points are on {names}; choose one of them.")
    metrics = metrics or ("psnr", "ms_ssim_db_of_mean" if len(published) else "ms_ssim_db")
    figure, panels = _panels(means, len(metrics))
    lines: dict[str, Any] = {}
    lossless = 0
    systems = [*sorted(means["system"].unique()), *(sorted(published["system"].unique()) if len(published) else ())]
    for table, dashes, width in ((means, OURS, 1.5), (published, PUBLISHED, 1.2)):
        table = table[table["bpp"] <= until] if len(table) else table
        lossless += _lossless(table, metrics)
        variants: dict[str, int] = {}
        for system, part in table.groupby("system", sort=True) if len(table) else ():
            variant = variants.setdefault(family_of(str(system)), 0)
            look = style(str(system), variant, systems)
            variants[family_of(str(system))] += 1
            for panel, metric in zip(panels, metrics, strict=True):
                rate, quality = _joined(Curve.of(part["bpp"], part[metric]))
                above = np.isposinf(quality)
                (lines[str(system)],) = panel.plot(
                    rate, np.where(above, np.nan, quality), color=look.color, marker=look.marker,
                    linestyle=dashes[variant % len(dashes)], linewidth=width, markersize=5 if dashes is OURS else 3.5,
                    markerfacecolor=look.color if variant % 2 else "white",
                )  # fmt: skip
                mark_at_top(panel, rate[above], look.color)
    for panel, metric in zip(panels, metrics, strict=True):
        panel.set(xlabel=METRICS["bpp"], ylabel=METRICS[metric])
        say_if_empty(panel, metric, pd.concat([means[metric], *([published[metric]] if len(published) else [])]))
    legend_below(figure, lines, 3, _noted(note, lossless))
    return figure


def _lossless(points: pd.DataFrame, metrics: Sequence[str]) -> int:
    """How many points stand at the top of a panel."""
    return int(np.isposinf(points[[*metrics]].to_numpy(np.float64)).any(axis=1).sum()) if len(points) else 0


def _noted(note: str, lossless: int) -> str:
    """The note, and what the triangles mean where there are any."""
    if not lossless:
        return note
    points = "1 point is" if lossless == 1 else f"{lossless} points are"
    return f"{note} {points} lossless on at least one image: triangles at the top.".lstrip()


def _joined(points: Curve) -> tuple[Floats, Floats]:
    """Rates and metric to be joined by a line, with nan in a gap that is too wide to say what lies in it."""
    order = points.rate.argsort()
    rate, metric = points.rate[order], points.metric[order]
    finite = metric[np.isfinite(metric)]
    with np.errstate(invalid="ignore"):  # of two lossless points
        rises = np.diff(metric)
    wide = 1 + np.flatnonzero(rises > MAX_GAP * (np.ptp(finite) if finite.size > 2 else math.inf))
    return np.insert(rate, wide, np.nan), np.insert(metric, wide, np.nan)


def path(means: pd.DataFrame, note: str = "") -> Figure:
    """Quality against rate, generation after generation; the first one is marked by a large disc, or a large triangle
    at the top where it is lossless.

    Args:
        means: ``bench.rd.generation_means`` of one dataset.
        note: a sentence under the figure.
    """
    figure, panels = _panels(means)
    lines: dict[str, Any] = {}
    names = sorted(means["system"].unique())
    called = labels(means[["system", "schedule"]].itertuples(index=False, name=None))
    for panel, metric in zip(panels, PANELS, strict=True):
        variants: dict[str, int] = {}
        for (_, system, schedule), part in by_point(means):
            part = part.sort_values("generation")
            family = family_of(system)
            look = style(system, variants.setdefault(family, 0), names)
            variants[family] += 1
            rate, quality = part["bpp"].to_numpy(np.float64), part[metric].to_numpy(np.float64)
            above = np.isposinf(quality)
            finite = np.where(above, np.nan, quality)
            (line,) = panel.plot(rate, finite, **look.line() | {"linewidth": 1.2, "markersize": 4})
            panel.plot(rate[:1], finite[:1], "o", color=look.color, markersize=8)
            mark_at_top(panel, rate[above], look.color)
            mark_at_top(panel, rate[:1][above[:1]], look.color, 10)
            lines[called[system, schedule]] = line
        panel.set(xlabel=METRICS["bpp"], ylabel=METRICS[metric])
        say_if_empty(panel, metric, means[metric])
    lines["generation 1"] = Line2D([], [], linestyle="none", marker="o", color="grey", markersize=8)
    legend_below(figure, lines, 3, _noted(note, _lossless(means, PANELS)))
    return figure


def _panels(means: pd.DataFrame, count: int = len(PANELS)) -> tuple[Figure, list[Axes]]:
    one_set(means)
    figure = Figure(figsize=(PANEL[0] * max(count, 1.5), PANEL[1] + 0.9), layout="constrained")
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    for panel in panels:
        panel.grid(alpha=0.3, linewidth=0.6)
    images = int(means["images"].iloc[0])
    figure.suptitle(f"{means['dataset'].iloc[0]}: mean over {images} image{'s' if images != 1 else ''}", fontsize=11)
    return figure, panels
