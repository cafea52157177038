"""Files of a run folder, tables made elsewhere, and published points."""

from __future__ import annotations

import hashlib
import json
import tempfile
from contextlib import suppress
from pathlib import Path

import pandas as pd

from bench import columns, published, tables
from bench.codec import BenchError
from bench.report import snapshots
from bench.store import Store
from fuzz import Target

IDENTITY = {
    "codecs": [{"name": "jpeg", "identity": {"version": "1"}}],
    "image": "ab" * 32,
    "schedule": "quality:75",
    "generations": 2,
}


def make(name: str) -> Target:
    """The targets of this module."""
    targets = {"chain": chain, "report": report, "parquet": parquet, "csv": csv, "published": points}
    return targets[name]()


def record(generation: int) -> dict[str, object]:
    """A record with every column."""
    kinds = {"string": "x", "float64": 0.5 * generation, "bool": False}
    found: dict[str, object] = {column.name: kinds.get(column.type, 1) for column in columns.COLUMNS}
    return found | {"generation": generation, "status": "ok"}


def _chain() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(folder)
        store.write(IDENTITY, [record(1), record(2)], {}, 1.0, {})
        return store.path(IDENTITY).read_bytes()


def resealed(data: bytes) -> bytes:
    """A chain file with a right checksum, where it is JSON at all."""
    try:
        inside = json.loads(data)["chain"]
        text = json.dumps(inside, sort_keys=True, separators=(",", ":"))
        return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "chain": inside}).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return data


def chain() -> Target:
    """A finished chain, as it is and with a right checksum."""
    folder = tempfile.TemporaryDirectory()
    store = Store.open(folder.name)

    def run(data: bytes, keep: object = folder) -> None:
        for each in (data, resealed(data)):
            store.path(IDENTITY).write_bytes(each)
            found, problem = store.read(IDENTITY, [0])
            assert (found is None) or not problem

    return Target(run, [_chain()], 8192)


def report() -> Target:
    """A finished chain and ``run.json``, as the report reads them."""
    folder = tempfile.TemporaryDirectory()
    store = Store.open(folder.name)

    def run(data: bytes, keep: object = folder) -> None:
        store.path(IDENTITY).write_bytes(data)
        (store.root / "run.json").write_bytes(data)
        snapshots.find([store.root])
        assert isinstance(store.read_run(), dict)

    return Target(run, [_chain()], 8192)


def parquet() -> Target:
    """A table of ours."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(folder)
        store.write_table([record(1), record(2)])
        seed = (store.root / "generations.parquet").read_bytes()
    small = pd.DataFrame({"codec": ["a", "b"], "bpp": [0.5, 1.0], "psnr": [30.0, 31.0]})
    return _table("table.parquet", [small.to_parquet(), seed], 16384)


def csv() -> Target:
    """A table of ours, and one made elsewhere."""
    ours = columns.frame([record(1), record(2)]).to_csv(index=False).encode()
    return _table("table.csv", [ours, b"codec,bpp,psnr\na,0.5,30\na,1.0,33.5\nb,1,inf\n"], 4096)


def _table(name: str, seeds: list[bytes], largest: int) -> Target:
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, name)

    def run(data: bytes, keep: object = folder) -> None:
        path.write_bytes(data)
        with suppress(BenchError):
            assert list(tables.read([path])) == list(columns.NAMES)

    return Target(run, seeds, largest)


def points() -> Target:
    """Published points, rates and areas."""
    folder = tempfile.TemporaryDirectory()
    root = Path(folder.name)

    def run(data: bytes, keep: object = folder) -> None:
        for name in ("rd_points.csv", "auc.csv", "rates.csv"):
            (root / name).write_bytes(data)
        for read in (published.load, published.areas, published.rates):
            with suppress(BenchError):
                read(folder=root)

    heads = [(published.FOLDER / name).read_bytes() for name in ("rd_points.csv", "auc.csv", "rates.csv")]
    return Target(run, [b"\n".join(head.splitlines()[:3]) + b"\n" for head in heads])
