"""What the page knows, as JSON: images, operating points, chains with their records, means over images."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.columns import COLUMNS
from bench.edits import NAMES
from bench.plots import LINES, family_of, style
from bench.rd import AVERAGE, by_point, common_images, generation_means, labels, left_out, systems, without_counts
from bench.report.snapshots import KEY, Kept, signature

SHOWN = (
    *("quality", "target_bpp", "bytes", "bpp", "psnr", "ms_ssim", "ms_ssim_db", "psnr_step", "psnr_first"),
    *("delta_e", "shift_r", "shift_g", "shift_b", "fixed_point", "cycle", "codec", "status", "reason"),
)
"""Columns of a record that the page gets."""
MEANS = tuple(name for name in SHOWN if name not in ("cycle", "status", "reason"))
DASHES = {"-": "", "--": "6 3", "-.": "7 3 2 3", ":": "2 3"}
"""The line styles of ``bench.plots`` as SVG dashes, in units of 1.5 points like there."""
POINT = ["system", "schedule"]


@dataclass(frozen=True, slots=True)
class Payload:
    """JSON values for the page, and where its pictures are.

    Attributes:
        data: what the page gets; pictures are indices into ``pictures``; its own list of them and that of their bases
            are filled in by the writer.
        pictures: files, each once.
        kept: of each chain, the place in ``pictures`` of every generation that was kept, 0 being the source.
        warnings: sentences for the user.
    """

    data: dict[str, Any]
    pictures: list[Path]
    kept: list[dict[int, int]]
    warnings: list[str]


def payload(records: pd.DataFrame, kept: Kept, runs: Sequence[Mapping[str, Any]], title: str) -> Payload:
    """Gather the page's data.

    Args:
        records: as from ``bench.tables.read``.
        kept: as from ``bench.report.snapshots.find``.
        runs: what to tell of each run: name, when, status.
        title: of the page.
    """
    records = records.assign(system=systems(records))
    points = _points(records)
    place = {(point["system"], point["schedule"]): i for i, point in enumerate(points)}
    images: list[dict[str, Any]] = []
    chains: list[dict[str, Any]] = []
    pictures: dict[str, int] = {}
    paths: list[Path] = []
    shown: list[dict[int, int]] = []

    def number(path: Path) -> int:
        # A name ends with the pixels' hash: the same pixels of two chains or runs are one picture.
        pixels = path.stem.rsplit("-", 1)[-1]
        if pixels not in pictures:
            pictures[pixels] = len(paths)
            paths.append(path)
        return pictures[pixels]

    for (dataset, image), mine in records.groupby(["dataset", "image"], sort=True):
        here = {"dataset": dataset, "name": image, "width": None, "height": None, "source": None}
        for (system, schedule), part in by_point(mine, POINT):
            part = part.sort_values("generation")
            first = part.iloc[0]
            # Only chains from a run have an image_id, so tables made elsewhere simply have no pictures.
            found = kept.of(tuple(str(first[name]) for name in KEY), signature(part.to_dict("records")))  # type: ignore[arg-type]
            files = {} if found is None else {n: number(path) for n, path in found.files.items()}
            shown.append(files)
            if here["source"] is None and 0 in files:
                here["source"] = files[0]
            if here["width"] is None and np.isfinite([first["width"], first["height"]]).all():
                here |= {"width": int(first["width"]), "height": int(first["height"])}
            point = place[system, schedule]
            if found is not None and points[point]["identity"] is None:
                points[point]["identity"] = [one["identity"] for one in found.identities]
            chains.append(
                {"image": len(images), "point": point, "last": int(part["generation"].max())}
                | {"records": _columns(part, SHOWN), "kept": {str(n): i for n, i in files.items() if n > 0}}
            )
        images.append(here)
    means, sentences = _means(records, place)
    datasets = sorted(set(records["dataset"]))
    data = {
        "title": title,
        "datasets": datasets,
        "images": images,
        "points": points,
        "chains": chains,
        "means": means,
        "left_out": sentences,
        "average": AVERAGE,
        "columns": {c.name: {"unit": c.unit, "meaning": c.meaning} for c in COLUMNS if c.name in SHOWN},
        "runs": list(runs),
        "notes": [],
        "pictures": [],
        "bases": [],
    }
    return Payload(data, paths, shown, list(kept.warnings))


def _points(records: pd.DataFrame) -> list[dict[str, Any]]:
    """Every system and schedule with its look, numbered as in ``bench.plots.generations``."""
    points, variants = [], dict[str, int]()
    names = labels(records[["system", "schedule"]].itertuples(index=False, name=None))
    for (system, schedule), part in by_point(records, POINT):
        family = family_of(system)
        look = style(system, variants.setdefault(family, 0), sorted(records["system"].unique()))
        variants[family] += 1
        points.append(
            {"system": system, "schedule": schedule, "label": names[system, schedule]}
            | {"color": look.color, "marker": str(look.marker), "dash": _dash(look.linestyle)}
            | {"carrier": part["carrier"].iloc[0], "codecs": sorted(set(part["codec"])), "identity": None}
            | {"edited": re.search(rf"\+({'|'.join(NAMES)}):", schedule) is not None}
        )
    return points


def _dash(line: Any) -> str:
    if line not in LINES:
        return ""
    return DASHES[line] if isinstance(line, str) else " ".join(f"{1.5 * length:g}" for length in line[1])


def _means(records: pd.DataFrame, place: Mapping[tuple[str, str], int]) -> tuple[list[dict[str, Any]], list[str]]:
    """Means over the images that all points of a dataset have, and sentences on what has no part in them."""
    means, sentences = [], []
    for dataset, mine in records.groupby("dataset", sort=True):
        common = common_images(mine.drop(columns="system"))
        sentences += left_out(common.dropped)
        if common.records.empty:
            continue
        for (system, schedule), part in by_point(
            without_counts(generation_means(common.records), common.records), POINT
        ):
            part = part.sort_values("generation")
            images = part["images"].iloc[0]
            means.append(
                {
                    "dataset": dataset,
                    "point": place[system, schedule],
                    "images": None if pd.isna(images) else int(images),
                }
                | {"last": int(part["generation"].max()), "records": _columns(part, MEANS)}
            )
    return means, sentences


def _columns(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Columns over generations 1 to the last; one value where it never changes, nothing where there is none."""
    last = int(rows["generation"].max())
    rows = rows.set_index("generation").reindex(range(1, last + 1))
    columns = {}
    for name in names:
        values = [_value(value) for value in rows[name]]
        if any(value not in (None, "") for value in values):
            columns[name] = values[0] if all(value == values[0] for value in values) else values
    return columns


def _value(value: Any) -> Any:
    """A JSON value of seven digits; JSON has no inf: "inf"."""
    if value is None or value is pd.NA or isinstance(value, str):
        return None if value is pd.NA else value
    if isinstance(value, bool | np.bool_):
        return int(value)
    value = float(value)
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(f"{value:.7g}")
