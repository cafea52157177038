"""The table that a run finds in its folder: what is said where one of other codecs or another command replaces it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.own_code import changed
from bench.store import Store

WITHOUT_EFFECT = {
    "--quiet": 0,
    "--dry-run": 0,
    "--out": 1,
    "--jobs": 1,
    "--backend": 1,
    "--scheduler": 1,
    "--codec-timeout": 1,
    "--snapshots": 1,
}
"""Options that change nothing in a table, and how many values each takes."""


@dataclass(frozen=True)
class EarlierTable:
    """A table that is to be replaced.

    Attributes:
        root: its run folder.
        ids: of its codecs, by name; empty where there is no table.
        codecs: name and identity by id, those that ``run.json`` still tells.
    """

    root: Path
    ids: Mapping[str, set[str]] = field(default_factory=dict)
    codecs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> EarlierTable:
        """What is in a run folder; a table that can't be read counts for none."""
        import pyarrow.parquet as pq

        from bench.chain_state import identity_id

        path = store.root / "generations.parquet"
        if not path.exists():
            return cls(store.root)
        ids: dict[str, set[str]] = {}
        with suppress(OSError, ValueError, KeyError):
            table = pq.read_table(path, columns=["codec", "codec_id"])
            for name, one in zip(table["codec"].to_pylist(), table["codec_id"].to_pylist(), strict=True):
                ids.setdefault(name, set()).add(one)
        codecs = {}
        told = store.read_run().get("codecs")
        for codec in told if isinstance(told, list) else ():
            with suppress(KeyError, TypeError):
                codecs[identity_id(codec["name"], codec["identity"])] = codec
        return cls(store.root, ids, codecs)

    def changes(self, identities: Iterable[Mapping[str, Any]]) -> list[str]:
        """A sentence for each codec that was another when the table was made.

        Args:
            identities: name and identity of the codecs of the run.
        """
        from bench.chain_state import identity_id

        now = {identity_id(one["name"], one["identity"]): one for one in identities}
        names: dict[str, set[str]] = {}
        for one, codec in now.items():
            names.setdefault(codec["name"], set()).add(one)
        sentences = []
        for name, new in names.items():
            gone, come = self.ids.get(name, set()) - new, new - self.ids.get(name, set())
            if not gone or not come:
                continue
            known = self.codecs.get(min(gone)) if len(gone) == len(come) == 1 else None
            what = f" ({changed(known, now[min(come)])})" if known is not None else ""
            sentences.append(
                f"{name} has changed{what} since the table in {self.root} was made; its old chains are kept but are "
                "not in the new table."
            )
        return sentences

    def replaced(self, before: str | None, command: str, unchanged: bool) -> str:
        """A sentence where the table was that of another command, or ""; the table has been replaced.

        Args:
            before: the command that made it, None where that is not known.
            command: that of the run.
            unchanged: whether its codecs are still what they were.
        """
        if not self.ids or before is None or essence(before) == essence(command):
            return ""
        kept = "its chains are kept, and it makes the table again" if unchanged else "its chains are kept"
        return f"The table in {self.root} was that of another command and is replaced; {kept}: {before}"


def essence(command: str) -> list[str]:
    """The words of a command that say what is in its table, sorted."""
    try:
        words = iter(shlex.split(command))
    except ValueError:
        return [command]
    kept = []
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if option not in WITHOUT_EFFECT:
            kept += [option, value] if equals else [option]
        elif WITHOUT_EFFECT[option] and not equals:
            next(words, None)
    return sorted(kept)
