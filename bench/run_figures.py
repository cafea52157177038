"""The figures of a run folder: curves over generations, and a contact sheet of what the images look like."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image as Pillow

from bench import plots
from bench.codec import Image
from bench.files import write_atomically
from bench.plots_frame import any_script
from bench.rd import Common, by_point, labels
from bench.store import Store, StoredChain
from bench.task import Task

CROP = 192
"""Side of the contact sheet's crops, in pixels."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PDF (vectors) and PNG, named ``path`` and an ending; equal figures give equal files."""
    for ending, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        data = io.BytesIO()
        with any_script(figure):
            figure.savefig(data, format=ending, dpi=150, metadata=metadata)
        write_atomically(path.with_name(f"{path.name}.{ending}"), data.getvalue(), sync=False)


def run_sheet(
    image: str, common: Common, stored: Sequence[tuple[Task, StoredChain]], store: Store, generations: Sequence[int]
) -> Figure:
    """The contact sheet of a run: of those ``generations`` of an image whose pixels are kept, and of the last such."""
    shots = {_first(chain.records): chain.snapshots for task, chain in stored if task.image == image}
    rows = {}
    names = labels(common.records[["system", "schedule"]].itertuples(index=False, name=None))
    for (_, system, schedule), part in by_point(common.records[common.records["image"] == image]):
        part = part.sort_values("generation")
        snapshots = shots[_first(part.to_dict("records"))]
        files = {n: store.snapshots / file for n, file in snapshots.items()}
        rows[names[system, schedule]] = (part.set_index("generation"), files)
    kept = sorted({generation for _, files in rows.values() for generation in files} - {0})
    return sheet(image, rows, [number for number in kept if number in generations or number == kept[-1]])


def _first(records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What tells the chains of an image apart, from the record of generation 1."""
    return tuple(str(records[0][name]) for name in ("codec", "codec_id", "schedule", "carrier"))


def sheet(
    image: str, rows: Mapping[str, tuple[pd.DataFrame, Mapping[int, Path]]], generations: Sequence[int]
) -> Figure:
    """A contact sheet of one image: the source and some generations of it, a row for each codec and schedule.

    Args:
        image: its name.
        rows: by label, the records of the image (indexed by generation) and the files of its snapshots; generation 0
            is the source.
        generations: columns; each must be among the files of a row, and so must the source.
    """
    pixels: dict[tuple[str, int], Image] = {}
    for name, (_, files) in rows.items():
        for generation in (0, *generations):
            if generation in files:
                with Pillow.open(files[generation]) as file:
                    pixels[name, generation] = np.asarray(file.convert("RGB"))
    source = next(pixels[name, 0] for name in rows if (name, 0) in pixels)
    last = [pixels[name, generations[-1]] for name in rows if (name, generations[-1]) in pixels]
    window = plots.detail(source, last, CROP)
    cells = {}
    for name, (records, _) in rows.items():
        line = [plots.Cell(source[window], f"source, {source.shape[1]}x{source.shape[0]}")]
        for generation in generations:
            found = pixels.get((name, generation))
            record = records.loc[generation]
            turn = f"{record['codec']}: " if records["codec"].nunique() > 1 else ""
            text = f"{turn}{record['psnr']:.2f} dB, {record['bpp']:.3f} bpp"
            line.append(plots.Cell(None if found is None else found[window], text))
        cells[name] = line
    top, left = window[0].start, window[1].start
    note = (
        f"{window[1].stop - left}x{window[0].stop - top} pixels at ({left}, {top}), where generation {generations[-1]} "
        "differs most from the source; figures are those of the whole image."
    )
    return plots.contact_sheet(cells, ["source", *(f"generation {n}" for n in generations)], image, note)
