"""Which pixels of which chain a run folder still has."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.snapshots import intact

ChainKey = tuple[str, str, str, str, str]
"""image_id, and codec, codec_id, schedule, carrier of generation 1."""

KEY = ("image_id", "codec", "codec_id", "schedule", "carrier")


@dataclass(frozen=True, slots=True)
class KeptChain:
    """A finished chain as its file tells it.

    Attributes:
        signature: (bytes, mse) by generation: what a table's rows must agree with for these to be their pixels.
        files: the stored pixels by generation, 0 being the source.
        identities: of its codecs, as in the chain's key.
    """

    signature: dict[int, tuple[float, float]]
    files: dict[int, Path]
    identities: list[dict[str, Any]]


@dataclass(slots=True)
class Kept:
    """Chains with pixels, by key, and sentences on what is missing."""

    chains: dict[ChainKey, list[KeptChain]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def of(self, key: ChainKey, signature: Mapping[int, tuple[float, float]]) -> KeptChain | None:
        """The chains of ``key`` that agree with a table's rows, as one; None where there is none.

        Chains of other lengths in the same folder begin alike, so their pixels are joined.
        """
        fitting = [chain for chain in self.chains.get(key, []) if _agree(chain.signature, signature)]
        if not fitting:
            return None
        files: dict[int, Path] = {}
        for chain in fitting:
            files |= {generation: path for generation, path in chain.files.items() if generation not in files}
        last = max(signature, default=0)
        return KeptChain(fitting[0].signature, {n: files[n] for n in sorted(files) if n <= last}, fitting[0].identities)


def find(runs: Iterable[Path]) -> Kept:
    """Read the chain files of run folders; damaged ones are left out with a warning, never used."""
    kept = Kept()
    for run in runs:
        for path in sorted((run / "chains").glob("*.json")):
            try:
                chain = json.loads(path.read_bytes())["chain"]
                first = chain["records"][0]
                key = (chain["identity"]["image"][:16], *(str(first[name]) for name in KEY[1:]))
                files, gone = _files(run / "snapshots", chain["snapshots"])
                one = KeptChain(signature(chain["records"]), files, chain["identity"]["codecs"])
            except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
                kept.warnings.append(f"{path} is damaged: its pictures are missing in the report.")
                continue
            if gone:
                kept.warnings.append(f"{run / 'snapshots' / gone[0]} is missing or damaged ({len(gone)} of {path}).")
            kept.chains.setdefault(key, []).append(one)
    return kept


def signature(records: Sequence[Mapping[str, Any]]) -> dict[int, tuple[float, float]]:
    """(bytes, mse) of the records that are ok, by generation."""
    return {
        int(record["generation"]): (float(record["bytes"]), float(record["mse"]))
        for record in records
        if record["status"] == "ok"
    }


def _files(folder: Path, snapshots: Mapping[str, Mapping[str, Any]]) -> tuple[dict[int, Path], list[str]]:
    files, gone = {}, []
    for generation, file in snapshots.items():
        name = Path(file["name"]).name
        try:
            whole = intact(folder, {**file, "name": name})
        except OSError:
            whole = False
        if whole:
            files[int(generation)] = folder / name
        else:
            gone.append(name)
    return files, gone


def _agree(chain: Mapping[int, tuple[float, float]], table: Mapping[int, tuple[float, float]]) -> bool:
    """Whether two chains are the same as far as both go; a CSV file may have cost the last digit of a float."""
    common = chain.keys() & table.keys()
    if not common:
        return not chain and not table  # both failed at once: nothing but the source is to be seen
    return all(
        chain[n][0] == table[n][0] and math.isclose(chain[n][1], table[n][1], rel_tol=1e-9, abs_tol=1e-12)
        for n in common
    )
