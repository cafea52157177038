"""A count of finished generations, kept over processes, for the progress bar."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bench.store import Store


class Meter:
    """Counts generations as they are finished in any process: each appends a byte to a file, a thread watches it."""

    def __init__(self, store: Store, report: Callable[[int], None] | None) -> None:
        self.path = store.root / f".progress-{os.getpid()}.tmp" if report is not None else None
        self._report = report or (lambda generations: None)
        self._stop = threading.Event()
        self._seen = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Meter:
        if self.path is not None:
            self.path.write_bytes(b"")
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            self._stop.set()
            self._thread.join()
            self._look()
            self.path.unlink(missing_ok=True)

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            self._look()

    def _look(self) -> None:
        with suppress(OSError):
            size = self.path.stat().st_size if self.path is not None else 0
            if size > self._seen:
                self._report(size - self._seen)
                self._seen = size


def advance(meter: Path | None, generations: int) -> None:
    """Count generations as finished, from any process; without a meter nobody counts."""
    if meter is None:
        return
    with suppress(OSError), open(meter, "ab") as file:  # a full disk must not look like a failure of the codec
        file.write(b"." * generations)
