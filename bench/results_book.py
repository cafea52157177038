"""What ``bench.results`` writes: NAME.parquet with every record, NAME.csv with means over images, NAME.json with where
they come from, and README.md, a line each."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bench.chain_state import identity_id
from bench.columns import KEY
from bench.files import write_atomically
from bench.images import image_id
from bench.provenance import PACKAGES
from bench.rd import common_images, generation_means, systems
from bench.store import Store

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Publication:
    """A finished run and where its table goes.

    Attributes:
        name: of the experiment.
        experiment: its keys.
        run: run folder.
        folder: of the tables.
        command: the line the user typed.
        left_out: codecs of the experiment that could not run.
        old: records of an earlier table to be kept beside the new ones, or None. Those of the codecs in ``current``
            with another identity than theirs now, such as an earlier checkpoint, are not kept, nor are those of images
            that have other pixels now.
        current: id of every codec of the experiment that can run, and its name.
    """

    name: str
    experiment: Mapping[str, Any]
    run: Path
    folder: Path
    command: str
    left_out: list[str]
    old: pd.DataFrame | None = None
    current: Mapping[str, str] = field(default_factory=dict)


def publish(what: Publication) -> None:
    """Write the files of a table."""
    made = what.run / "generations.parquet"
    new = pd.read_parquet(made)
    book: dict[str, Any] = {"made": [_made(new, what)], "codecs": _codecs(what.run)}
    table = new
    if what.old is not None:
        key = list(KEY)
        if what.experiment.get("rate_by", "image") != "image":
            key = [name for name in KEY if name not in ("image", "generation")]  # a quality was chosen for all images
        fresh = pd.MultiIndex.from_frame(new[key])
        known = what.old["codec_id"].isin(list(what.current)) | ~what.old["codec"].isin(list(what.current.values()))
        kept = what.old[known & ~pd.MultiIndex.from_frame(what.old[key]).isin(fresh)]
        pixels = new.drop_duplicates(["dataset", "image"]).set_index(["dataset", "image"])["image_id"]
        now = pd.MultiIndex.from_frame(kept[["dataset", "image"]])
        kept = kept[(kept["image_id"] == pixels.reindex(now).to_numpy()) | ~now.isin(pixels.index)]
        table = pd.concat([kept, new]).sort_values(list(KEY), kind="stable", ignore_index=True)
        before = _read(what.folder / f"{what.name}.json")
        book = {"made": [*before.get("made", []), *book["made"]], "codecs": before.get("codecs", {}) | book["codecs"]}
    ids = sorted(set(table["codec_id"]))
    book["codecs"] = {one: book["codecs"].get(one) for one in ids}
    what.folder.mkdir(parents=True, exist_ok=True)
    told = {"experiment": what.name, "description": what.experiment["description"], **_size(table), **book}
    write_parquet(table, what.folder / f"{what.name}.parquet", made)
    files = {"csv": means(table), "json": (json.dumps(told, indent=1) + "\n").encode()}
    for ending, content in files.items():
        write_atomically(what.folder / f"{what.name}.{ending}", content, sync=False)


def write_parquet(table: pd.DataFrame, path: Path, like: Path) -> None:
    """Write a table with the types, units and meanings of columns of the parquet file ``like``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, schema=pq.read_schema(like), preserve_index=False), data)
    write_atomically(path, data.getvalue(), sync=False)


def means(table: pd.DataFrame) -> bytes:
    """Means over images by generation as CSV, six digits, without columns that are empty."""
    rows = generation_means(common_images(table).records).dropna(axis=1, how="all")
    return bytes(rows.to_csv(index=False, float_format="%.6g").encode())


def write_index(folder: Path) -> None:
    """Write README.md of a folder of tables, from their JSON files."""
    books = [book for path in sorted(folder.glob("*.json")) if {"experiment", "made"} <= (book := _read(path)).keys()]
    lines = [
        f"# Our runs on {folder.name}",
        "",
        "Written by `python -m bench.results` (`make results`; `rate-control` and `vtm-five` only where named). "
        "NAME.parquet holds every record (columns: "
        "`bench/columns.py`), NAME.csv means over images, NAME.json commands, versions and codec identities.",
        "",
        "| table | what | codecs | points | images | generations | failed chains | coding | commit | when | machine |",
        "|---|---|---|--:|--:|--:|--:|--:|---|---|---|",
    ]
    left_out: list[str] = []
    for book in books:
        cells = [f"`{book['experiment']}`", book["description"], ", ".join(book["systems"])]
        cells += [str(book[number]) for number in ("points", "images", "generations", "failed")]
        made = book["made"]
        cells += [_hours([one["coding_s"] for one in made])]
        cells += ["; ".join(dict.fromkeys(_short(commit) for one in made for commit in one["commits"]))]
        cells += ["; ".join(dict.fromkeys(one["last"][:10] for one in made))]
        cells += ["; ".join(dict.fromkeys(one["machine"] for one in made))]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        # a codec that could not run now may have rows of before
        if missing := [name for name in made[-1]["left_out"] if name not in book["systems"]]:
            left_out.append(f"`{book['experiment']}`, not available there: {', '.join(missing)}.")
    lines += ["", "Coding is the time of all chains together, on one core each, beside whatever else the machine did."]
    lines += [f"\n{sentence}" for sentence in left_out]
    write_atomically(folder / "README.md", ("\n".join(lines) + "\n").encode(), sync=False)


def _short(commit: str) -> str:
    return commit if commit == NOT_RECORDED else commit[:10] + ("+changes" if commit.endswith("+changes") else "")


def _hours(seconds: list[float | None]) -> str:
    known = [value for value in seconds if value is not None]
    if not known:
        return NOT_RECORDED
    total = sum(known)
    text = f"{total / 3600:.1f} h" if total >= 3600 else f"{total / 60:.0f} min" if total >= 60 else f"{total:.0f} s"
    return text if len(known) == len(seconds) else f"{text} and some {NOT_RECORDED}"


def _size(table: pd.DataFrame) -> dict[str, Any]:
    return {
        "dataset": str(table["dataset"].iloc[0]),
        "images": int(table["image"].nunique()),
        "generations": int(table["generation"].max()),
        "systems": sorted(set(table["codec"])),
        "points": int(table.assign(system=systems(table)).groupby(["system", "schedule"]).ngroups),
        "records": len(table),
        "failed": int((table["status"] == "failed").sum()),
    }


def _made(new: pd.DataFrame, what: Publication) -> dict[str, Any]:
    """How the chains of a run came about, from what each of them says of itself."""
    of_point = new.sort_values("generation").groupby(["codec", "codec_id", "schedule", "image_id", "carrier"])
    points = {point: _known(rows["quality"]) for point, rows in of_point}
    generations = int(new["generation"].max())  # of all chains of a run, as those that failed have rows to the end
    found = []
    for path in sorted((what.run / "chains").glob("*.json")):
        chain = _read(path).get("chain", {})
        with suppress(KeyError, IndexError, TypeError):  # a damaged file: nothing of the table comes from it
            first, asked = chain["records"][0], chain["identity"]
            point = (first["codec"], first["codec_id"], first["schedule"], image_id(asked["image"]), asked["carrier"])
            qualities = _known(record["quality"] for record in chain["records"])
            # of a set that had other images the qualities were others; of a hand-over they are those of several codecs
            mine = qualities == points.get(point) or len({record["codec"] for record in chain["records"]}) > 1
            if point in points and mine and asked["generations"] == generations:
                found.append((chain, chain["provenance"]["machine"]))
    told = [chain["provenance"] for chain, _ in found]
    machines = [f"{machine['processor']}, {machine['cores']} cores" for _, machine in found]
    return {
        "command": what.command,
        "chains": len(found),
        "coding_s": round(sum(chain["coded_s"] for chain, _ in found), 3) if found else None,
        "first": min((one["when"] for one in told), default=NOT_RECORDED),
        "last": max((one["when"] for one in told), default=NOT_RECORDED),
        "commits": sorted({one.get("git_commit") or NOT_RECORDED for one in told}) or [NOT_RECORDED],
        "machine": "; ".join(sorted(set(machines))) or NOT_RECORDED,
        "versions": {name: one["versions"][name] for one in told[:1] for name in PACKAGES if name in one["versions"]},
        "left_out": what.left_out,
    }


def _known(qualities: Iterable[float | None]) -> list[float | None]:
    """With None for what is not known, as where rate control failed."""
    return [None if quality is None or pd.isna(quality) else float(quality) for quality in qualities]


def _codecs(run: Path) -> dict[str, Any]:
    """Name and identity of every codec of a run, by the id that stands in the table."""
    known = Store(run).read_run().get("codecs", [])
    codecs = [{"name": codec["name"], "identity": codec["identity"]} for codec in known]
    return {identity_id(**codec): codec for codec in codecs}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
