"""``benchmarks/history.csv``: figures by date, commit and machine, and what has become slower since."""

from __future__ import annotations

import csv
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.row import Row

FILE = Path(__file__).parent / "history.csv"
COLUMNS = ("date", "commit", "machine", "mode", "name", "ratio")
TOLERANCE = 0.2
"""Ratios move by a tenth or so from run to run on a busy machine; a fifth is worth a word."""


def machine() -> str:
    """The processor and its number of cores: figures of one machine are compared with each other only."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{model}, {_cores()} cores"


def _cores() -> int:
    import joblib

    return int(joblib.cpu_count())


def commit() -> str:
    """The short hash of HEAD, with ``+`` where the work tree differs from it; empty outside a checkout."""
    folder = Path(__file__).parent
    try:
        head, changes = (
            subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{head}+" if changes else head


def read(path: Path = FILE) -> list[dict[str, str]]:
    """All entries, oldest first; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append(rows: Iterable[Row], mode: str, path: Path = FILE) -> None:
    """Add an entry for each row."""
    entry = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "commit": commit(),
        "machine": machine(),
        "mode": mode,
    }
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows({**entry, "name": row.name, "ratio": f"{row.ratio:.4g}"} for row in rows)


def last(entries: Sequence[Mapping[str, str]], name: str, mode: str, where: str) -> Mapping[str, str] | None:
    """The newest entry of that name and mode on that machine."""
    fitting = (one for one in reversed(entries) if (one["name"], one["mode"], one["machine"]) == (name, mode, where))
    return next(fitting, None)


def slower(row: Row, before: float) -> bool:
    """Whether a figure is worse than it was, by more than TOLERANCE."""
    worse = before / row.ratio if row.better == "high" else row.ratio / before
    return worse > 1 + TOLERANCE
