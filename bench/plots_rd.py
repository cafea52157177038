"""Figures in the rate-distortion plane: curves of codecs, and the path of a chain whose rate changes."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.bd import Curve
from bench.codec import BenchError
from bench.plots import METRICS, PANEL, style

PANELS = ("psnr", "ms_ssim_db")


def rd(means: pd.DataFrame, published: pd.DataFrame, note: str = "") -> Figure:
    """Rate-distortion curves, ours solid, published ones dashed and named so.

    Args:
        means: one generation of ``bench.rd.generation_means``, one dataset.
        published: points of ``bench.published.load`` of that dataset, or an empty table.
        note: a sentence under the figure.

    Raises:
        BenchError: the table is empty or holds several datasets.
    """
    figure, panels = _panels(means)
    # Published MS-SSIM is dB of the mean: beside it, so must ours be.
    axes = ("psnr", "ms_ssim_db_of_mean") if len(published) else PANELS
    lines: dict[str, Any] = {}
    for panel, metric in zip(panels, axes, strict=True):
        for table, line in ((means, "-"), (published, "--")):
            if not len(table):
                continue
            for system, part in table.groupby("system", sort=True):
                points = Curve.of(part["bpp"], part[metric])
                order = points.rate.argsort()
                look = style(str(system).removeprefix("published:"))
                (lines[str(system)],) = panel.plot(
                    points.rate[order], points.metric[order], color=look.color, marker=look.marker, linestyle=line,
                    linewidth=1.4, markersize=4, markerfacecolor="white",
                )  # fmt: skip
        panel.set(xlabel=METRICS["bpp"], ylabel=METRICS["psnr"] if metric == "psnr" else METRICS["ms_ssim_db"])
    return _finish(figure, lines, note)


def path(means: pd.DataFrame, note: str = "") -> Figure:
    """Quality against rate, generation after generation; the first generation is marked by a filled circle.

    Args:
        means: ``bench.rd.generation_means`` of one dataset.
        note: a sentence under the figure.
    """
    figure, panels = _panels(means)
    lines: dict[str, Any] = {}
    for panel, metric in zip(panels, PANELS, strict=True):
        for (system, schedule), part in means.groupby(["system", "schedule"], sort=True):
            part = part.sort_values("generation")
            look = style(str(system))
            (line,) = panel.plot(
                part["bpp"], part[metric], color=look.color, marker=look.marker, linewidth=1.2, markersize=4,
                markerfacecolor="white",
            )  # fmt: skip
            panel.plot(part["bpp"].iloc[:1], part[metric].iloc[:1], "o", color=look.color, markersize=7)
            lines[f"{system}, {schedule.replace(':', ' ')}" if system != schedule else str(system)] = line
        panel.set(xlabel=METRICS["bpp"], ylabel=METRICS[metric])
    return _finish(figure, lines, note)


def _panels(means: pd.DataFrame) -> tuple[Figure, list[Axes]]:
    if means.empty:
        raise BenchError("There is nothing to draw: no image was coded by all codecs.")
    if means["dataset"].nunique() > 1:
        raise BenchError(f"One figure shows one dataset, this table holds {', '.join(means['dataset'].unique())}.")
    figure = Figure(figsize=(PANEL[0] * len(PANELS), PANEL[1] + 0.9), layout="constrained")
    panels = list(figure.subplots(1, len(PANELS), squeeze=False)[0])
    for panel in panels:
        panel.grid(alpha=0.3, linewidth=0.6)
    images = int(means["images"].iloc[0])
    figure.suptitle(f"{means['dataset'].iloc[0]}: mean over {images} image{'s' if images != 1 else ''}", fontsize=11)
    return figure, panels


def _finish(figure: Figure, lines: dict[str, Any], note: str) -> Figure:
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=min(3, len(lines)), frameon=False)
    if note:
        figure.supxlabel(note, fontsize=8, wrap=True)
    return figure
