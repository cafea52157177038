"""One target under atheris: ``python -m fuzz.one NAME CORPUS [libFuzzer options]``, as ``python -m fuzz`` starts it."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["bench", "baselines"]):
    from fuzz import target

    found = target(sys.argv[1])

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], found.run)
    atheris.Fuzz()
