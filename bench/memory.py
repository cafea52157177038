"""Memory: what is left of it, and what codecs say they need, so that an image too large is refused in a sentence
instead of the process being killed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bench.codec import CodecError, EstimatesMemory

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
"""Of a container, whose limit may lie below what the machine has."""


def available() -> int | None:
    """Bytes that can still be had without swapping, None where this can't be told (outside Linux)."""
    known = [found for found in (_of_machine(), _of_container()) if found is not None]
    return min(known, default=None)


def check(codec: object, height: int, width: int) -> None:
    """Raise CodecError where a codec says that an image of this size takes more memory than there is."""
    free = available() if isinstance(codec, EstimatesMemory) else None
    if free is None or not isinstance(codec, EstimatesMemory):
        return
    needed, there = codec.memory_needed(height, width), free + _own()
    if needed > there:
        name = getattr(codec, "name", type(codec).__name__)
        raise CodecError(
            f"{name}: {width}x{height} takes about {gibibytes(needed)} of memory and {gibibytes(there)} are available; "
            f"use smaller images, fewer --jobs, or a machine with more memory."
        )


def fitting(needs: Iterable[int], jobs: int) -> int:
    """How many of ``jobs`` processes may work at once, at least 1, when the largest ones of ``needs`` (bytes) meet."""
    free = available()
    largest = sorted(needs, reverse=True)[:jobs]
    if free is None:
        return jobs
    while len(largest) > 1 and sum(largest) > free:
        largest.pop()
        jobs = len(largest)
    return jobs


def gibibytes(count: int) -> str:
    """``count`` bytes for people."""
    return f"{count / 2**30:.1f} GiB"


def _of_machine() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):
        return None


def _of_container() -> int | None:
    try:
        limit = int((CGROUP / "memory.max").read_text())  # "max" where there is none
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return limit - int((CGROUP / "memory.current").read_text()) + int(stat["inactive_file"])
    except (OSError, ValueError, KeyError):
        return None


def _own() -> int:
    """Bytes this process holds already, which estimates include."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
