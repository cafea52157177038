"""Which table holds which version of a codec, where names of systems tell versions apart by an identity's digits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bench import tables

SHOWN = 4
"""Most settings of an identity that a sentence names."""


class Version(NamedTuple):
    """A version of a codec that a dataset has several of.

    Attributes:
        codec: its name.
        codec_id: its identity's id, "" where the table tells none.
        tables: the run folders and files it is in, as they were named.
        differs: what of its identity other versions have otherwise, "none" where it lacks it; {} where not known.
    """

    codec: str
    codec_id: str
    tables: tuple[str, ...]
    differs: Mapping[str, str]

    def __str__(self) -> str:
        """A line for people: ``iat [3f2a91c0]: results/runs/new; version 2``."""
        name = f"{self.codec} [{self.codec_id}]" if self.codec_id else self.codec
        told = [f"{key} {_short(value)}" for key, value in [*self.differs.items()][:SHOWN]]
        more = len(self.differs) - SHOWN
        told += [f"{more} more {'setting' if more == 1 else 'settings'}"] if more > 0 else []
        return f"{name}: {', '.join(self.tables)}" + (f"; {', '.join(told)}" if told else "")


def versions(paths: Iterable[str | Path], records: pd.DataFrame, shown: Iterable[str]) -> list[Version]:
    """The versions behind names that an identity tells apart.

    Args:
        paths: the tables, as given to ``bench.tables.read``.
        records: what was read from them, with a system each.
        shown: systems of which names are shown.
    """
    several = records.groupby(["dataset", "codec"])["codec_id"].transform("nunique") > 1
    rows = records[several & records["system"].isin(set(shown))]
    wanted = list(rows[["codec", "codec_id"]].drop_duplicates().itertuples(index=False, name=None))
    if not wanted:
        return []
    where: dict[tuple[str, str], list[str]] = {}
    known: dict[tuple[str, str], dict[str, str]] = {}
    for path in dict.fromkeys(map(str, paths)):
        table = tables.read([path])[["codec", "codec_id"]].drop_duplicates()
        for version in table.itertuples(index=False, name=None):
            where.setdefault(version, []).append(path)
        known |= _identities(Path(path))
    found = []
    for codec, codec_id in wanted:
        alike = [known[one] for one in wanted if one[0] == codec and one in known]
        mine = known.get((codec, codec_id))
        keys = sorted({key for one in alike for key in one}) if mine is not None else []
        differs = {key: (mine or {}).get(key, "none") for key in keys if len({one.get(key) for one in alike}) > 1}
        found.append(Version(codec, codec_id, tuple(where.get((codec, codec_id), ())), differs))
    return found


def _identities(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Settings by name and id of the codecs, from ``run.json`` of a run folder or the JSON file beside a table."""
    from bench.chain_state import identity_id

    folder = path if path.is_dir() else path.parent
    file = folder / "run.json" if path.is_dir() or path.name in tables.FILES else path.with_suffix(".json")
    try:
        codecs = json.loads(file.read_bytes())["codecs"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return {}
    found = {}
    for one in codecs.values() if isinstance(codecs, dict) else codecs if isinstance(codecs, list) else []:
        if isinstance(one, dict) and isinstance(one.get("identity"), dict) and isinstance(one.get("name"), str):
            codec_id = str(one.get("codec_id") or identity_id(one["name"], one["identity"]))
            found[one["name"], codec_id] = _flat(one["identity"])
    return found


def _flat(identity: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Settings with those inside of others named ``outer.inner``, as text."""
    flat: dict[str, str] = {}
    for key, value in identity.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{key}.")
        else:
            flat[f"{before}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _short(value: str) -> str:
    """A sha256 by its first digits, which tell it from others."""
    return value[:12] if re.fullmatch("[0-9a-f]{32,}", value) else value
