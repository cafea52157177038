"""Figures from tables. Nothing here reads, writes or keeps state: every function returns a matplotlib Figure.

Colours are mostly those of Okabe and Ito, told apart by colour-blind readers; markers, how they are filled and line
styles tell the same in grey. A codec of this project looks the same in every figure.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bench.codec import BenchError, Image
from bench.plots_frame import legend_below, mark_at_top, say_if_empty
from bench.rd import by_point, labels

OTHERS = ("#B2182B", "#762A83", "#8C510A", "#C51B7D")
MARKERS = ("H", "8", "p", "<", ">", "h", "*", "d", "P", "X", "v", "D")
"""Of families that have no look of their own, in order of first appearance in a figure; the first are unlike those of
the codecs that are compared most."""
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2)))
FILLS = ("none", "left", "full")
"""Of a family's first, second and third curve: how lines and markers differ."""
SHADES = (0.0, 0.5, -0.45, 0.75)
"""Of a family's first curves with different lines, the next ones, and so on: how much white is mixed into the colour,
or, below zero, black."""

# Families in the order the colours were given out. Append; what stands here keeps its look in every figure ever made.
_FAMILIES = {
    "iat": ("#D55E00", "o"),
    "jpeg": ("#000000", "s"),
    "webp": ("#009E73", "^"),
    "avif": ("#0072B2", "D"),
    "jpeg2000": ("#E69F00", "v"),
    "jpegxl": ("#CC79A7", "P"),
    "heic": ("#56B4E9", "X"),
    "bpg": ("#7F7F7F", "*"),
    "vtm": ("#5A3A00", "<"),
    "vvenc": ("#8C564B", ">"),
    "x265": ("#56B4E9", "h"),
    "xie": ("#882255", "p"),
    "sft": ("#999933", "d"),
    "ainn": ("#332288", "8"),
    "null": ("#7F7F7F", "x"),
    "cheng": ("#44AA99", "H"),
    "chain": ("#AA3377", "*"),
    "aom": ("#003F5C", "D"),
    "x264": ("#6A3D9A", "v"),
}
_ALIASES = {"song": "sft"}
"""Families under the name that papers use."""

METRICS = {
    "psnr": "PSNR (dB)",
    "ms_ssim_db": "MS-SSIM (dB)",
    "bpp": "rate (bits per pixel)",
    "delta_e": "colour difference (CIEDE2000)",
    "psnr_step": "PSNR against the generation before (dB)",
    "psnr_first": "PSNR against generation 1 (dB)",
    "psnr_change": "PSNR since generation 1 (dB)",
    "ms_ssim_db_change": "MS-SSIM since generation 1 (dB)",
    "ms_ssim_db_of_mean": "MS-SSIM (dB of the mean)",
}
"""Axis labels, with units."""

PANEL, SHEET_CELL = (4.0, 3.4), 1.55
"""Inches: width and height of a panel, side of a contact sheet's cell."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a curve is drawn."""

    color: str
    marker: str
    linestyle: Any
    fill: str

    def line(self) -> dict[str, Any]:
        """Keywords of matplotlib's ``plot``."""
        return {
            "color": self.color,
            "linestyle": self.linestyle,
            "linewidth": 1.5,
            "marker": self.marker,
            "markersize": 5,
            "markeredgewidth": 1.2,
            "markerfacecolor": "white" if self.fill == "none" else self.color,
            "markerfacecoloralt": "white",
            "fillstyle": "full" if self.fill == "none" else self.fill,
        }


def family_of(codec: str) -> str:
    """``jpeg`` of ``jpeg-444``, ``avif`` of ``avif[speed=4]``, ``iat`` of ``iat [float]``; ``xie`` of
    ``published:xie2021-invcompress``."""
    name = codec.lower().removeprefix("published:").removeprefix("compressai-")
    name = name.removeprefix("ffmpeg-")
    name = re.split(r"[-_\[: ]", name, maxsplit=1)[0]
    if name not in _FAMILIES:
        name = re.sub(r"20[12]\d$", "", name)
    return _ALIASES.get(name, name)


def style(codec: str, variant: int = 0, codecs: Iterable[str] = ()) -> Style:
    """The look of a codec: colour and marker by family (``jpeg-444`` is a jpeg), the rest by variant.

    Args:
        codec: its name, or that of its curve.
        variant: how many curves of its family come before it.
        codecs: all of the figure, so that those of families unknown here get different looks.
    """
    family = family_of(codec)
    if family in _FAMILIES:
        color, marker = _FAMILIES[family]
    else:
        strangers = [*dict.fromkeys(name for name in map(family_of, codecs) if name not in _FAMILIES), family]
        place = strangers.index(family)
        color, marker = OTHERS[place % len(OTHERS)], MARKERS[place % len(MARKERS)]
    shade = SHADES[variant // len(LINES) % len(SHADES)]
    return Style(_shaded(color, shade), marker, LINES[variant % len(LINES)], FILLS[variant % len(FILLS)])


def _shaded(color: str, share: float) -> str:
    """#RRGGBB with a share of white, or, below zero, of black; a dark colour would not change by that, and white is
    taken instead."""
    levels = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    if share < 0 and max(levels) < 0x80:
        share = 0.25
    towards = 255 if share > 0 else 0
    return "#" + "".join(f"{round(level + abs(share) * (towards - level)):02X}" for level in levels)


def generations(means: pd.DataFrame, metrics: Sequence[str] = ("psnr", "ms_ssim_db", "bpp"), note: str = "") -> Figure:
    """Curves over generations, a panel a metric, a line for each codec and schedule.

    Args:
        means: as from ``bench.rd.generation_means``, one dataset. An infinite value (equal images, or any of
            them under a mean) is drawn as a triangle at the top of the panel, a missing one as a gap.
        metrics: columns of ``means``.
        note: a sentence under the figure, such as which images were left out.

    Raises:
        BenchError: the table is empty, holds several datasets or kinds of averages, its means are over different
            numbers of images, or it lacks a metric.
    """
    one_set(means)
    there = ", ".join(name for name in METRICS if name in means)
    if not metrics:
        raise BenchError(f"metrics names no column to draw; this table has {there}.")
    if missing := [repr(name) for name in metrics if name not in means]:
        raise BenchError(f"metrics names {', '.join(missing)}, which this table lacks; it has {there}.")
    numbers = means["generation"].unique()
    figure = Figure(figsize=(PANEL[0] * len(metrics), PANEL[1] + 0.9), layout="constrained")
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    lines: dict[str, Any] = {}
    variants: dict[str, int] = {}
    names = labels(means[["system", "schedule"]].itertuples(index=False, name=None))
    for (_, system, schedule), curve in by_point(means):
        family = family_of(system)
        look = style(system, variants.setdefault(family, 0), sorted(means["system"].unique()))
        variants[family] += 1
        curve = curve.sort_values("generation")
        for panel, metric in zip(panels, metrics, strict=True):
            lines[names[system, schedule]] = _curve(panel, curve, metric, look)
    for panel, metric in zip(panels, metrics, strict=True):
        panel.set(xlabel="generation", ylabel=METRICS.get(metric, metric))
        panel.grid(alpha=0.3, linewidth=0.6)
        panel.margins(x=0.03)
        panel.xaxis.get_major_locator().set_params(integer=True)
        if len(numbers) == 1:  # matplotlib would count in hundredths around it
            panel.set(xlim=(numbers[0] - 0.5, numbers[0] + 0.5), xticks=numbers)
        if metric == "bpp":
            panel.set_ylim(0, 1.08 * means["bpp"].max() or None)
        say_if_empty(panel, metric, means[metric])
    images = int(means["images"].iloc[0])
    title = f"{means['dataset'].iloc[0]}: mean over {images} image{'s' if images != 1 else ''}"
    figure.suptitle(title, fontsize=11)
    if np.isposinf(means[[*metrics]].to_numpy(np.float64)).any():
        note = f"{note} Triangles at the top: lossless on at least one image.".lstrip()
    legend_below(figure, lines, 4, note)
    return figure


def one_set(means: pd.DataFrame) -> None:
    """Raise BenchError unless the curves of a table may stand in one figure: one dataset, the same number of images,
    one way of averaging. Codecs, schedules and carriers may differ: a curve's name tells them."""
    if means.empty:
        raise BenchError("There is nothing to draw: no image was coded by all codecs.")
    if means["dataset"].nunique() > 1:
        names = ", ".join(sorted(means["dataset"].unique()))
        raise BenchError(f"One figure shows one dataset, this table holds {names}; choose one of them.")
    if means["images"].nunique() > 1:
        raise BenchError("The means of this table are over different numbers of images; take the common ones first.")
    if "average" in means and means["average"].nunique() > 1:
        kinds = " and ".join(sorted(means["average"].unique()))
        raise BenchError(f"One figure shows one kind of average, this table holds {kinds}; draw them apart.")


def _curve(panel: Axes, curve: pd.DataFrame, metric: str, look: Style) -> Any:
    x = curve["generation"].to_numpy(np.float64)
    y = curve[metric].to_numpy(np.float64)
    above = np.isposinf(y)
    every = max(1, math.ceil(len(x) / 10))
    marked = [*range(0, len(x) - every // 2, every), len(x) - 1]  # the last is the one that is quoted
    (line,) = panel.plot(x, np.where(above, np.nan, y), markevery=sorted({*marked}), **look.line())
    mark_at_top(panel, x[above][::every], look.color)
    return line


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture of a contact sheet: (H, W, 3) uint8 pixels, or None where there are none, and the line under it."""

    pixels: Image | None
    text: str


def contact_sheet(
    rows: Mapping[str, Sequence[Cell]], columns: Sequence[str], title: str = "", note: str = ""
) -> Figure:
    """Pictures in rows (codecs) and columns (generations), each with a line of figures under it.

    Args:
        rows: cells by label, as many in each as there are ``columns``.
        columns: headings.
        title: over the sheet.
        note: under the sheet.

    Raises:
        BenchError: there are no rows, or a row is not as long as ``columns``.
    """
    if not rows or any(len(cells) != len(columns) for cells in rows.values()):
        raise BenchError("A contact sheet needs at least one row, and a picture for each heading in every row.")
    height, width = next((c.pixels.shape[:2] for cells in rows.values() for c in cells if c.pixels is not None), (1, 1))
    cell_height = SHEET_CELL * min(max(height / width, 0.5), 2)  # of a strip the cell is not filled
    letters = max(5, round(cell_height / 0.068))  # of the size that names have
    names = {name: _folded(name, letters) for name in rows}
    lines = 1 + max(name.count("\n") for name in names.values())
    size = (SHEET_CELL * len(columns) + 0.15 + 0.15 * lines, (cell_height + 0.2) * len(rows) + 0.7)
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=size, layout=layout)
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, (name, cells) in zip(panels, rows.items(), strict=True):
        for panel, cell in zip(line, cells, strict=True):
            if cell.pixels is not None:
                panel.imshow(cell.pixels, interpolation="nearest")
            else:
                panel.set_box_aspect(height / width)
            panel.set(xticks=[], yticks=[])
            panel.set_xlabel(cell.text, fontsize=7, labelpad=2)
            for spine in panel.spines.values():
                spine.set_visible(False)
        line[0].set_ylabel(names[name], fontsize=8)
    for panel, heading in zip(panels[0], columns, strict=True):
        panel.set_title(heading, fontsize=8, pad=3)
    if title:
        figure.suptitle(title, fontsize=10, wrap=True)
    if note:
        figure.supxlabel(note, fontsize=7, wrap=True)
    return figure


def _folded(name: str, letters: int) -> str:
    """A name in lines of at most so many letters, broken at spaces and after commas, within words where they must."""
    lines = textwrap.wrap(name.replace(",", ", "), letters, break_on_hyphens=False)
    return "\n".join(line.replace(", ", ",") for line in lines)


def detail(source: Image, others: Sequence[Image], side: int) -> tuple[slice, slice]:
    """Rows and columns of the window of about ``side`` pixels where ``others`` differ most from ``source`` together.

    The windows looked at stand half a window apart; without ``others`` it is the one with most contrast.
    """
    height, width = source.shape[:2]
    tall, wide = min(side, height), min(side, width)
    if others:
        loss = sum(((other.astype(np.float32) - source) ** 2).sum(axis=2) for other in others)
    else:
        grey = source.astype(np.float32).mean(axis=2)
        loss = (grey - grey.mean()) ** 2
    total = np.pad(np.asarray(loss, np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    tops = sorted({*range(0, height - tall, max(1, tall // 2)), height - tall})
    lefts = sorted({*range(0, width - wide, max(1, wide // 2)), width - wide})
    windows = {
        (top, left): total[top + tall, left + wide]
        - total[top, left + wide]
        - total[top + tall, left]
        + total[top, left]
        for top in tops
        for left in lefts
    }
    top, left = max(windows, key=lambda corner: windows[corner])
    return slice(top, top + tall), slice(left, left + wide)
