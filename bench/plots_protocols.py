"""The same codecs under several protocols, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.codec import BenchError
from bench.plots import METRICS, PANEL, family_of, one_set, style
from bench.plots_frame import legend_below


def protocols(tables: Mapping[str, pd.DataFrame], metric: str = "psnr_change") -> Figure:
    """Curves over generations, a panel a protocol, one line for each codec.

    Args:
        tables: means as from ``bench.generation_loss.with_change`` by the panel's title; each codec once in each.
        metric: a column of theirs.

    Raises:
        BenchError: a table mixes what may not be mixed, holds a codec twice, or the datasets differ.
    """
    for means in tables.values():
        one_set(means)
        if means.groupby("codec")[["system", "schedule"]].nunique().to_numpy().max() > 1:
            raise BenchError(
                "A panel of protocols shows one curve a codec, this table holds several; choose one of them."
            )
    datasets = {means["dataset"].iloc[0] for means in tables.values()}
    if len(datasets) > 1:
        raise BenchError(f"One figure shows one dataset, these tables hold {', '.join(sorted(datasets))}.")
    figure = Figure(figsize=(PANEL[0] * len(tables), PANEL[1] + 0.6), layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False, sharey=True)[0]
    lines: dict[str, Any] = {}
    names = sorted({str(codec) for means in tables.values() for codec in means["codec"]})
    families = [family_of(name) for name in names]
    variant = {name: families[:place].count(families[place]) for place, name in enumerate(names)}
    for panel, (title, means) in zip(panels, tables.items(), strict=True):
        for place, (codec, part) in enumerate(means.groupby("codec", sort=True)):
            part, look = part.sort_values("generation"), style(str(codec), variant[str(codec)], names)
            every = max(1, math.ceil(len(part) / 10))  # lines that lie on each other show by their markers, in turn
            (lines[str(codec)],) = panel.plot(
                part["generation"], part[metric], markevery=(place % every, every), **look.line()
            )
        panel.set_title(f"{title}, {int(means['images'].iloc[0])} images", fontsize=10)
        panel.set(xlabel="generation")
        panel.grid(alpha=0.3, linewidth=0.6)
        panel.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel(METRICS.get(metric, metric))
    legend_below(figure, {name: lines[name] for name in sorted(lines)}, len(lines))
    return figure
