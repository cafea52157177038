"""Results on disk. One finished chain is one file, whole or not there at all; a run starts where the last one ended.

A run folder holds ``chains/`` (one JSON file a chain, with a checksum), ``snapshots/`` (pixels of chosen generations,
lossless), ``run.json``, and what is gathered from the chains: ``generations.parquet`` and ``generations.csv``.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import columns
from bench.codec import BenchError, Image
from bench.files import plain, write_atomically
from bench.snapshots import describe, encode_snapshot, holds, intact, snapshot_name

Record = dict[str, Any]
STALE = 3600.0
"""Seconds after which a temporary file is taken for what a killed run left behind."""


@dataclass(frozen=True, slots=True)
class StoredChain:
    """A chain as it was finished.

    Attributes:
        records: one a generation.
        snapshots: file name under ``snapshots/`` by generation.
        coded_s: seconds the chain took.
        provenance: machine, versions, device, threads and time.
    """

    records: list[Record]
    snapshots: dict[int, str]
    coded_s: float
    provenance: Record

    @property
    def ok(self) -> bool:
        """Whether every generation was coded."""
        return all(record["status"] == "ok" for record in self.records)


@dataclass(frozen=True, slots=True)
class Store:
    """A run folder. Cheap, picklable, and safe to use from several processes at once.

    Attributes:
        root: the folder.
    """

    root: Path

    @staticmethod
    def open(root: str | Path) -> Store:
        """Make the folder where it is missing; raise BenchError where it can't be written."""
        store = Store(Path(root))
        try:
            for folder in (store.chains, store.snapshots):
                folder.mkdir(parents=True, exist_ok=True)
                # Where it may be listed but not written, say so now and not after an hour of coding.
                probe = folder / f".{secrets.token_hex(8)}.tmp"
                probe.touch()
                probe.unlink()
            for folder in (store.root, store.chains, store.snapshots):
                for path in folder.glob(".*.tmp"):
                    if time.time() - path.stat().st_mtime > STALE and not _in_use(path):
                        path.unlink(missing_ok=True)
        except OSError as error:
            raise BenchError(f"Can't write to {root} ({error.strerror}); choose another folder with --out.") from error
        return store

    @property
    def chains(self) -> Path:
        """Folder of the finished chains."""
        return self.root / "chains"

    @property
    def snapshots(self) -> Path:
        """Folder of the pixels."""
        return self.root / "snapshots"

    def path(self, identity: Mapping[str, Any]) -> Path:
        """The file of the chain that ``identity`` determines; its readable part is for people, the rest is a hash."""
        text = _canonical(identity)
        name = "-".join([*(codec["name"] for codec in identity["codecs"]), identity["schedule"]])
        return self.chains / f"{plain(name)}-{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"

    def read(self, identity: Mapping[str, Any], snapshots: Sequence[int] = ()) -> tuple[StoredChain | None, str]:
        """Return the stored chain, or None and a sentence that says why a file that is there can't be used.

        Args:
            identity: everything that determines the result, JSON values.
            snapshots: generations whose pixels are needed as well; where one is gone, the chain is no use.
        """
        path = self.path(identity)
        try:
            outer = json.loads(path.read_bytes())
            chain = outer["chain"]
            if outer["sha256"] != _checksum(chain) or chain["identity"] != json.loads(_canonical(identity)):
                return None, f"{path} is damaged."
            stored = StoredChain(
                [_from_json(record) for record in chain["records"]],
                {int(generation): file["name"] for generation, file in chain["snapshots"].items()},
                chain["coded_s"],
                dict(chain["provenance"]),
            )
            for generation in snapshots:
                file = chain["snapshots"].get(str(generation))
                if stored.ok and file is None:
                    return None, ""
                if file is not None and not intact(self.snapshots, file):
                    return None, f"{self.snapshots / file['name']} is damaged."
            return stored, ""
        except FileNotFoundError:
            return None, ""
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return None, f"{path} is damaged."

    def write(
        self,
        identity: Mapping[str, Any],
        records: Sequence[Record],
        snapshots: Mapping[int, str],
        coded_s: float,
        provenance: Mapping[str, Any],
    ) -> None:
        """Store a finished chain; its snapshots must have been saved before."""
        chain = {
            "identity": identity,
            "records": [_to_json(record) for record in records],
            "snapshots": {str(generation): describe(self.snapshots / name) for generation, name in snapshots.items()},
            "coded_s": coded_s,
            "provenance": provenance,
        }
        text = json.dumps({"sha256": _checksum(chain), "chain": chain}, indent=None, allow_nan=False)
        write_atomically(self.path(identity), text.encode())

    def save_snapshot(self, image: str, digest: str, pixels: Image) -> str:
        """Save an image without loss under a name made of its content; return the name."""
        name = snapshot_name(image, digest, pixels)
        # One that is there may be damaged: reading it takes half the time of writing it.
        if not holds(self.snapshots / name, pixels):
            self.save_file(name, encode_snapshot(pixels))
        return name

    def save_file(self, name: str, data: bytes) -> None:
        """Save the file of a snapshot that is encoded already."""
        # Their checksums stand in the chain's file: one that a power cut takes away is noticed, without a wait here.
        write_atomically(self.snapshots / name, data, sync=False)

    def write_table(self, records: list[Record]) -> tuple[Any, bool]:
        """Write ``generations.parquet`` and ``.csv``; return the table and whether it differs from what was there.

        Equal records give equal files, whatever their order.
        """
        table = columns.frame(records)
        files = {"generations.parquet": _parquet(table), "generations.csv": table.to_csv(index=False).encode()}
        changed = False
        for name, data in files.items():
            path = self.root / name
            if not path.exists() or path.read_bytes() != data:
                write_atomically(path, data)
                changed = True
        return table, changed

    def read_run(self) -> dict[str, Any]:
        """Return what ``run.json`` holds, {} where there is none or it can't be read."""
        try:
            run = json.loads((self.root / "run.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return run if isinstance(run, dict) else {}

    def write_run(self, run: Mapping[str, Any]) -> None:
        """Write ``run.json``."""
        write_atomically(self.root / "run.json", (json.dumps(run, indent=2) + "\n").encode())


def _in_use(path: Path) -> bool:
    """Whether it is the progress of a run that is still going on here: nothing is added to it while a generation lasts
    for hours."""
    counted = re.fullmatch(r"\.progress-(\d+)\.tmp", path.name)
    if counted is None:
        return False
    if os.name != "posix":  # elsewhere signal 0 is no question
        return True
    try:
        os.kill(int(counted[1]), 0)
    except PermissionError:  # it lives, and is somebody else's
        return True
    except (OSError, OverflowError):
        return False
    return True


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _checksum(chain: Any) -> str:
    return hashlib.sha256(_canonical(chain).encode()).hexdigest()


_FLOATS = frozenset(column.name for column in columns.COLUMNS if column.type == "float64")


def encoded_record(record: Record) -> str:
    """A record as it stands in the file of its chain."""
    return json.dumps(_to_json(record))


def _to_json(record: Record) -> Record:
    """JSON knows neither inf nor nan: "inf" and null."""
    return {name: _finite(value) if isinstance(value, float) else value for name, value in record.items()}


def _finite(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _from_json(record: Record) -> Record:
    return {
        name: float(value) if name in _FLOATS and isinstance(value, str) else value for name, value in record.items()
    }


def _parquet(table: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [
        pa.field(column.name, column.type, metadata={"unit": column.unit, "meaning": column.meaning})
        for column in columns.COLUMNS
    ]
    data = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, schema=pa.schema(fields), preserve_index=False), data)
    return data.getvalue()
