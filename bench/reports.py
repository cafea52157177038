"""What is made of a finished run: tables printed, figures drawn under figures/. An experiment names those it wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bench import published
from bench.bd import auc_table
from bench.codec import Image
from bench.edits import cost_table
from bench.files import write_atomically
from bench.generation_table import SHOWN, by_generation, dominated, place_of, shown
from bench.rd import METRICS, Common, common_images, curve, generation_means, left_out
from bench.schedule import turns
from bench.store import Store, StoredChain
from bench.task import Task

Say = Callable[[object], None]

FIGURES = ("generations", "contact_sheet", "path", "rd", "rd_last")
MADE = (*(f"{name}.{ending}" for name in FIGURES for ending in ("pdf", "png")), "rd-published.csv", "edits.txt")
"""All files under figures/ that reports make."""

NOTED = 3
"""Most sentences of a figure's note."""


@dataclass(frozen=True)
class Text:
    """A text that is made when it is printed: a quiet run makes none."""

    make: Callable[[], str]

    def __str__(self) -> str:
        return self.make()


@dataclass(frozen=True)
class Results:
    """What reports are made of.

    Attributes:
        table: all records.
        stored: the chains.
        store: the run folder.
        changed: whether the table differs from the one found in the folder.
        reports: which are made of it, keys of REPORTS.
        published: names of published curves to lay beside ours.
    """

    table: pd.DataFrame
    stored: Sequence[tuple[Task, StoredChain]]
    store: Store
    changed: bool
    reports: tuple[str, ...] = ()
    published: tuple[str, ...] = ()

    @cached_property
    def common(self) -> Common:
        """Records of the images that all codecs coded to the end."""
        return common_images(self.table)

    @cached_property
    def means(self) -> pd.DataFrame:
        """Means over images by generation."""
        return generation_means(self.common.records)

    @property
    def order(self) -> list[str]:
        """Codecs in the order of the command."""
        return list(dict.fromkeys(task.codec for task, _ in self.stored))

    @property
    def note(self) -> str:
        """Who was left out, for a figure: the first of them, and how many more."""
        sentences = left_out(self.common.dropped)
        more = [f"And {len(sentences) - NOTED} more, as the table says."] if len(sentences) > NOTED else []
        return " ".join([*sentences[:NOTED], *more])

    def needed(self, *names: str, beside: pd.DataFrame | None = None) -> bool:
        """Whether any of these figures has to be drawn; ``beside``: what it shows that is not in the table."""
        files = [f"{name}.{ending}" for name in names for ending in ("pdf", "png")]
        others = beside is not None and self._kept_beside(names[0]) != _csv(beside)
        return bool(len(self.common.records)) and (self._outdated(*files) or others)

    def keep_beside(self, name: str, beside: pd.DataFrame) -> None:
        """Keep what was drawn beside ours, for ``needed``; call it when the figure is saved."""
        if self._kept_beside(name) != _csv(beside):
            write_atomically(self._beside(name), _csv(beside), sync=False)

    def _kept_beside(self, name: str) -> bytes:
        return self._beside(name).read_bytes() if self._beside(name).exists() else b""

    def _beside(self, name: str) -> Path:
        return self.store.root / "figures" / f"{name}-published.csv"

    def _outdated(self, *names: str) -> bool:
        """Whether any of these files under figures/ is missing, or of another table."""
        folder = self.store.root / "figures"
        folder.mkdir(exist_ok=True)
        # A run may have been killed between its table and its figures: those that are there must be the younger ones.
        table = (self.store.root / "generations.parquet").stat().st_mtime_ns
        files = [folder / name for name in names]
        return self.changed or not all(file.exists() and file.stat().st_mtime_ns >= table for file in files)

    def kept(self, name: str, make: Callable[[], str]) -> str:
        """A text that takes long to make, kept under figures/ as ``name`` for the next time."""
        path = self.store.root / "figures" / name
        if self._outdated(name):
            write_atomically(path, make().encode(), sync=False)
        return path.read_text("utf-8")

    def save(self, figure: Any, name: str) -> None:
        """Write a figure."""
        from bench import run_figures

        run_figures.save(figure, self.store.root / "figures" / name)


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode() if len(table) else b""


def make(results: Results, say: Say) -> None:
    """Make the reports; of another table nothing stays that could pass for one of them."""
    for name in MADE if results.changed else ():
        (results.store.root / "figures" / name).unlink(missing_ok=True)
    if results.published:
        for sentence in _not_drawn(results):
            say(sentence)
    for name in results.reports:
        REPORTS[name](results, say)


def _not_drawn(results: Results) -> list[str]:
    """Which of the published curves asked for stand in no report, and why."""
    if not set(results.reports) & {"rd", "auc"}:
        return ["No published curve is drawn: only the reports 'rd' and 'auc' have them beside ours."]
    datasets = list(dict.fromkeys(results.table["dataset"]))
    known = published.load(results.published).groupby("codec")["dataset"].unique()
    asked = [name.removeprefix(published.PREFIX) for name in results.published]
    lacking = {codec: ", ".join(known[codec]) for codec in asked if not set(known[codec]) & set(datasets)}
    where = " or ".join(repr(name) for name in datasets)
    return [
        f"No published points of {' and '.join(codec for codec in lacking if lacking[codec] == there)} on {where} "
        f"(there are some on {there}): none is drawn."
        for there in dict.fromkeys(lacking.values())
    ]


def _by_generation(results: Results, rows: Sequence[int]) -> str:
    records = results.common.records
    text = by_generation(results.means, rows, results.common.dropped, False, results.order) + _too_small(records)
    return "\n\n".join([text, *dominated(records)])


def _too_small(records: pd.DataFrame) -> str:
    """A sentence where images have no MS-SSIM at some generation, and so there is no mean; "" otherwise."""
    lacks = records["ms_ssim"].isna()
    if not lacks.any():
        return ""
    has = ~lacks.groupby([records["dataset"], records["image"]]).any()
    first = records.loc[lacks, "generation"].min()
    since = f" from generation {first} on" if first > 1 else ""
    if not has.any():
        return f"\n\nMS-SSIM takes 161 pixels a side, which no image has{since}."
    return (
        f"\n\nMS-SSIM has no mean{since}, as {(~has).sum()} of {len(has)} images have none (it takes 161 pixels a "
        "side): bench.summary with --metric ms_ssim_db leaves these out."
    )


def generations(results: Results, say: Say) -> None:
    """The table by generation; curves over generations; a contact sheet; what edits cost by themselves."""
    task = results.stored[0][0]
    rows = shown(task.generations, SHOWN, turns(task.schedule))
    # Why chains failed is said once, at the end of the run.
    say(Text(lambda: _by_generation(results, rows)))
    edits = task.schedule.steps(task.generations)[-1].edits
    if edits:
        say(Text(lambda: "\n" + results.kept("edits.txt", lambda: cost_table(_sources(results), edits, rows))))
    # Edits change what an image is compared with: there is no one source to stand at the beginning of the sheet.
    image = None if edits else _pictured(results)
    sheet = [] if image is None else ["contact_sheet"]
    if not results.needed("generations", *sheet):
        return
    from bench import plots
    from bench import run_figures as draw

    results.save(plots.generations(results.means, note=results.note), "generations")
    if image is not None:
        results.save(draw.run_sheet(image, results.common, results.stored, results.store, rows), "contact_sheet")


def _pictured(results: Results) -> str | None:
    """The first image, in the dataset's order, that all codecs coded to the end and of which pixels are kept."""
    whole = set(results.common.records["image"])
    kept = (task.image for task, chain in results.stored if {0} < chain.snapshots.keys())
    return next((image for image in kept if image in whole), None)


def _sources(results: Results) -> list[Image]:
    from bench.datasets import ImageRef

    files = {task.image: task.file for task, _ in results.stored}
    return [ImageRef(*item).load().pixels for item in files.items()]


def path(results: Results, say: Say) -> None:
    """PSNR and MS-SSIM against the rate of each generation: where the chain goes in the rate-distortion plane."""
    if results.needed("path"):
        from bench import plots_rd

        results.save(plots_rd.path(results.means, note=results.note), "path")


def rd(results: Results, say: Say) -> None:
    """Rate-distortion points of generation 1, as a table and as curves, with published curves beside ours."""
    first = results.means[results.means["generation"] == 1]
    say(Text(lambda: _points_table(first, results.order)))
    beside = _published(results, first)
    if results.needed("rd", beside=beside):
        from bench import plots_rd

        results.save(plots_rd.rd(first, beside, note=results.note), "rd")
        results.keep_beside("rd", beside)


def rd_last(results: Results, say: Say) -> None:
    """Rate-distortion curves of generation 1, solid, and of the last one, dashed."""
    name = "rd_last" if "rd" in results.reports else "rd"
    if not results.needed(name):
        return
    from bench import plots_rd

    generation = " (generation " + results.means["generation"].astype(str) + ")"
    means = results.means.assign(system=results.means["system"] + generation)
    first, later = means[means["generation"] == 1], means[means["generation"] > 1]
    last = later[later["generation"] == later["generation"].max()]
    results.save(plots_rd.rd(first, last, note=results.note, metrics=plots_rd.PANELS), name)


def auc(results: Results, say: Say) -> None:
    """Areas under the curves of generation 1 on the rates that all of them cover (IAT, Table 1), not normalised."""
    say(Text(lambda: _areas(results)))


def _areas(results: Results) -> str:
    lines = []
    first = results.means[results.means["generation"] == 1]
    for dataset, part in first.groupby("dataset", sort=True):
        beside = _published(results, part)
        for metric in METRICS:
            # Published MS-SSIM is dB of the mean, and so must ours be beside it.
            axis = "ms_ssim_db_of_mean" if metric == "ms_ssim_db" and len(beside) else metric
            both = pd.concat([part, beside]) if len(beside) else part
            table = auc_table({name: curve(both, dataset, name, 1, axis) for name in dict.fromkeys(both["system"])})
            what = "trapezoid, not normalised (dB bpp), and normalised (dB)"
            lines.append(f"Area under {axis} over bpp, {dataset}, {what}")
            lines.append(table.to_string(index=False, float_format="{:.4f}".format) + "\n")
        areas = published.areas()
        areas = areas[areas["dataset"] == dataset]
        if len(areas):
            lines.append(f"As published, {dataset}, on an interval that is not stated")
            lines.append(areas[["codec", "metric", "value", "source"]].to_string(index=False) + "\n")
    return "\n".join(lines)


def points(results: Results, say: Say) -> None:
    """How fine the control of rate is: distinct qualities of generation 1, distinct rates, monotone points."""
    say(Text(lambda: _fineness(results.means[results.means["generation"] == 1], results.order)))


def _fineness(first: pd.DataFrame, order: Sequence[str]) -> str:
    lines = [_points_table(first, order)]
    for (dataset, system), part in first.groupby(["dataset", "system"], sort=True):
        part = part.sort_values("quality")
        rises = (part["bpp"].diff().iloc[1:] > 0) & (part["psnr"].diff().iloc[1:] > 0)
        if part["bpp"].iloc[-1] < part["bpp"].iloc[0]:
            rises = (part["bpp"].diff().iloc[1:] < 0) & (part["psnr"].diff().iloc[1:] < 0)
        lines.append(
            f"{system} ({dataset}): {len(part)} qualities give {part['bpp'].nunique()} rates; from one to the next, "
            f"rate and PSNR rise together {int(rises.sum())} of {len(rises)} times."
        )
    return "\n".join(lines)


def _points_table(first: pd.DataFrame, order: Sequence[str]) -> str:
    columns = ["system", "quality", "target_bpp", "bpp", "miss", "encodes", "psnr", "ms_ssim", "ms_ssim_db", "images"]
    lines = []
    for dataset, part in first.groupby("dataset", sort=True):
        part = part.assign(place=[place_of(codec, order) for codec in part["codec"]])
        part = part.sort_values(["place", "system", "bpp"])[columns].dropna(axis=1, how="all")
        lines.append(f"Generation 1, {dataset}, means of per-image values")
        lines.append(part.to_string(index=False, float_format="{:.4f}".format) + "\n")
    return "\n".join(lines)


def _published(results: Results, means: pd.DataFrame) -> pd.DataFrame:
    if not results.published:
        return pd.DataFrame()
    known = published.load(results.published)
    return known[known["dataset"].isin(means["dataset"])]


REPORTS: dict[str, Callable[[Results, Say], None]] = {
    "generations": generations,
    "path": path,
    "rd": rd,
    "rd_last": rd_last,
    "auc": auc,
    "points": points,
}
"""By the name an experiment uses."""
