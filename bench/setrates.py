"""Rates measured while the qualities of a set are chosen, kept as they come: planning that was killed goes on.

A line a rate, each with a checksum of its own: what was cut off in the middle of a line is measured again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


class Rates:
    """The mean bpp over a set, by generation and quality.

    Args:
        path: the file it is kept in; None: in memory only. What can be read of it is taken over.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[tuple[int, float], float] = {}
        if path is not None and path.exists():
            for line in path.read_bytes().split(b"\n"):
                check, _, text = line.partition(b" ")
                if text and check == _check(text):
                    generation, quality, bpp = json.loads(text)
                    self._known[generation, quality] = bpp

    def get(self, generation: int, quality: float) -> float | None:
        """The rate, None where it was not measured yet."""
        return self._known.get((generation, quality))

    def put(self, generation: int, quality: float, bpp: float) -> None:
        """Keep a rate."""
        self._known[generation, quality] = bpp
        if self._path is not None:
            text = json.dumps([generation, quality, bpp]).encode()
            with self._path.open("ab") as file:  # after half a line of a killed run, a line of its own
                file.write(b"\n" + _check(text) + b" " + text)

    def forget(self) -> None:
        """Remove the file: the plan is made."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _check(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()
