"""One line of the table, and how its two sides are timed."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Row:
    """A figure that does not depend on how fast the machine is: ours against the obvious alternative, in one run.

    Attributes:
        name: stable, since the history compares figures by it.
        ratio: the figure; a factor, or per cent where ``unit`` says so.
        ours, against: the two sides for people, with units.
        better: which end is.
        target: what the figure should reach, or None.
        unit: "x" or "%".
    """

    name: str
    ratio: float
    ours: str
    against: str
    better: Literal["high", "low"] = "high"
    target: float | None = None
    unit: Literal["x", "%"] = "x"

    @property
    def met(self) -> bool:
        """Whether the target is reached; True where there is none."""
        if self.target is None:
            return True
        return self.ratio >= self.target if self.better == "high" else self.ratio <= self.target


def cpu() -> float:
    """Seconds of CPU time of this process and of those it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def interleaved(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each call, taken in turns after one turn to warm up: what else runs disturbs all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            start = cpu()
            call()
            if turn:
                times[name].append(cpu() - start)
    return {name: float(np.median(found)) for name, found in times.items()}


def seconds(value: float) -> str:
    """``value`` seconds as text of three digits."""
    return f"{value:.3g} s" if value >= 0.1 else f"{1e3 * value:.3g} ms"
