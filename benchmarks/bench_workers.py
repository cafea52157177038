"""From one worker process to two, and a finished run once more: ``python -m bench.reencode`` from the shell.

    python -m benchmarks --only workers

Two workers are measured in wall time, the only sense it makes: on a machine that is busy with other things the figure
says how much of a second core was free. The finished run is measured in CPU time.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.row import Row, cpu, seconds


def clocked(command: list[str]) -> tuple[float, float]:
    """Seconds of wall time and of CPU time of a command and its children."""
    start, spent = time.perf_counter(), cpu()
    subprocess.run(command, check=True)
    return time.perf_counter() - start, cpu() - spent


def rows(quick: bool = False) -> list[Row]:
    """Speed-up of two workers over one, and of a finished run over the first time."""
    generations = 8 if quick else 60
    with tempfile.TemporaryDirectory() as folder:

        def command(jobs: int, out: str) -> list[str]:
            given = ["--codec", "webp:80,webp:60", "--dataset", "sample", "--generations", str(generations), "--quiet"]
            run = ["--jobs", str(jobs), "--snapshots", "none", "--out", str(Path(folder, out))]
            return [sys.executable, "-m", "bench.reencode", *given, *run]

        one = clocked(command(1, "one"))
        two = clocked(command(2, "two"))
        again = clocked(command(1, "one"))
    wall = f"{seconds(two[0])} of wall time with two workers", f"{seconds(one[0])} with one"
    return [
        Row("two workers over one", one[0] / two[0], *wall),
        Row("a finished run again", one[1] / again[1], seconds(again[1]), f"{seconds(one[1])} the first time"),
    ]
