"""What stands around curves: their names, a note, a word where there is no curve, and letters of any script."""

from __future__ import annotations

import math
import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Tick
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from numpy.typing import NDArray

NAMED = 40
"""Most curves that a legend names."""

CJK = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Micro Hei", "Droid Sans Fallback"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic"),
)
"""Fonts that have what matplotlib's own lacks, for names of folders and images."""


def legend_below(figure: Figure, lines: dict[str, Any], columns: int, note: str = "") -> None:
    """The names of the curves under the panels, in as many columns as fit, and a note above them. The figure grows
    with both; of very many curves, the first are named, and how many there are is said. A name that is too long for
    one column goes on in another line."""
    names = list(lines)[:NAMED]
    title = f"the first {len(names)} of {len(lines)} curves:" if len(lines) > len(names) else None
    rows = range(math.ceil(len(names) / columns), len(names) + 1)
    longest = max(map(len, names))
    shapes = [(count, longest) for count in dict.fromkeys(math.ceil(len(names) / row) for row in rows)]  # even rows
    shapes += [(1, math.ceil(longest * 0.9**step)) for step in range(1, 40)]
    for count, letters in shapes:
        legend = figure.legend(
            [lines[name] for name in names], [textwrap.fill(name, letters, break_on_hyphens=False) for name in names],
            loc="outside lower center", ncols=count, frameon=False, title=title,
            handlelength=3.6, numpoints=1, markerscale=0.8,  # dashes are told apart over three times their length
        )  # fmt: skip
        width, below = _inches(figure, legend)
        if width <= figure.get_figwidth() or (count, letters) == shapes[-1]:
            break
        legend.remove()
    figure.set_figheight(figure.get_figheight() + max(0.0, below - 0.5))
    if not note:
        return
    # matplotlib keeps room for the taller of a legend and a label below the panels, and lays one on the other.
    text = figure.text(0.5, 0, note, fontsize=8, wrap=True, ha="center", va="bottom")
    tall = _inches(figure, text)[1] + 0.12  # drawn to a file it may need a little more
    figure.set_figheight(figure.get_figheight() + tall)
    text.set_y((below + 0.08) / figure.get_figheight())
    share = tall / figure.get_figheight()
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0, share, 1, 1 - share))


def _inches(figure: Figure, artist: Artist) -> tuple[float, float]:
    """Width and height."""
    with any_script(figure):
        box = artist.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi


def mark_at_top(panel: Axes, x: NDArray[np.float64], color: str, size: float = 6) -> None:
    """Triangles at the top of a panel, of what is infinite at ``x`` and so on no axis."""
    if len(x):
        at_top = panel.get_xaxis_transform()
        panel.plot(x, np.ones_like(x), "^", color=color, markersize=size, transform=at_top, clip_on=False)


def say_if_empty(panel: Axes, metric: str, values: pd.Series) -> None:
    """Say in a panel why there is no curve in it, instead of showing axes that mean nothing.

    Args:
        panel: with its curves drawn.
        metric: a column of a table of means.
        values: of that column.
    """
    if np.isfinite(values).any():
        return
    why = "no mean: not every image has a value"
    if metric.startswith("ms_ssim"):
        why = "no mean: not every image has MS-SSIM,\nwhich needs 161 pixels a side"
    panel.set(yticks=[])
    if not np.isfinite(panel.dataLim.intervalx).all():
        panel.set(xticks=[])
    panel.text(
        0.5, 0.5, "infinite: an image is lossless" if np.isinf(values).any() else why, transform=panel.transAxes,
        ha="center", va="center", fontsize=8,
    )  # fmt: skip


@contextmanager
def any_script(figure: Figure) -> Iterator[None]:
    """While entered, a figure can be drawn whatever letters are in it: in another font where matplotlib's own lacks
    them, as boxes where no font has them, and without a word about it. A dollar is a letter and begins no formula,
    except in the numbers at the axes."""
    _plain(figure)
    for text in figure.findobj(Text):
        text.set_fontfamily(_families())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def _plain(artist: Artist) -> None:
    """Take no dollar in a name for the beginning of a formula; numbers at axes may be formulas."""
    numbers = {label for tick in artist.findobj(Tick) for label in (tick.label1, tick.label2)}
    for text in artist.findobj(Text):
        if text.get_wrap():  # where matplotlib does not ask whether formulas are wanted
            text.set_text(re.sub(r"(?<!\\)\$", r"\\$", text.get_text()))
        elif text not in numbers:
            text.set_parse_math(False)


@cache
def _families() -> list[str]:
    there = {font.name for font in font_manager.fontManager.ttflist}
    return ["sans-serif", *(name for name in CJK if name in there)]
