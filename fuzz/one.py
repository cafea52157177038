"""One target under atheris: ``python -m fuzz.one NAME CORPUS [libFuzzer options]``, as ``python -m fuzz`` starts it."""

from __future__ import annotations

import functools
import sys

import atheris

with atheris.instrument_imports(include=["bench", "baselines"]):
    from bench import registry
    from fuzz import target

    found = target(sys.argv[1])

registry.entries = functools.cache(registry.entries)  # parsers are tried here, not the search for packages

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], found.run)
    atheris.Fuzz()
