"""Fuzz targets: every parser of this project that reads what others may have written.

A target takes bytes, hands them to a parser, and lets only what is no BenchError out: that is a finding. ``python -m
fuzz`` runs them under a coverage-guided fuzzer; the test suite runs each for a moment on mutated seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

MODULES = {
    "fuzz.learned": ("header", "latents", "checkpoint", "authors", "card"),
    "fuzz.programs": ("envelope", "y4m", "ppm"),
    "fuzz.everyday": ("jpeg", "jpeg2000", "webp", "avif", "jpegxl", "heic", "null"),
    "fuzz.pictures": ("png", "image"),
    "fuzz.records": ("chain", "report", "parquet", "csv", "published"),
    "fuzz.options": ("spec", "edits", "schedule", "experiment"),
}
"""Names of targets by the module that defines them; a module is imported when one of its targets is run."""

NAMES = tuple(name for names in MODULES.values() for name in names)


@dataclass(frozen=True)
class Target:
    """One parser under test.

    Attributes:
        run: parses bytes; raises nothing but for a finding.
        seeds: real inputs to begin with.
        largest: bytes of the largest input worth trying.
    """

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    largest: int = 4096


def target(name: str) -> Target:
    """The target of that name; raises KeyError where there is none."""
    module = next((module for module, names in MODULES.items() if name in names), None)
    if module is None:
        raise KeyError(name)
    made: Target = import_module(module).make(name)
    return made
