"""``python -m benchmarks``: every figure as a ratio in one run, beside what it was when it was last saved.

    python -m benchmarks --quick            under two minutes on two idle cores
    python -m benchmarks --only metrics     one group: a file bench_GROUP.py with a function rows
    python -m benchmarks --save             append to benchmarks/history.csv

Both sides of a ratio run on one thread in turns, in CPU time, unless benchmarks/README.md says otherwise.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before numpy and torch are imported
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402

from bench.cli import OK, SOME_FAILED, Parser, run  # noqa: E402
from bench.codec import BenchError  # noqa: E402
from benchmarks import history  # noqa: E402
from benchmarks.row import Row  # noqa: E402

GROUPS = tuple(
    path.stem.removeprefix("bench_")
    for path in sorted(Path(__file__).parent.glob("bench_*.py"))
    if "\ndef rows(" in path.read_text(encoding="utf-8")
)
HEAD = f"{'':<44}{'ratio':>9}{'before':>9}   ours, and against what"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 where a target is missed or something has become slower."""
    parser = Parser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repeats and smaller images")
    parser.add_argument(
        "--only", default=",".join(GROUPS), help=f"groups, with commas between (default: {','.join(GROUPS)})"
    )
    parser.add_argument("--save", action="store_true", help=f"append to {history.FILE.name}")
    options = parser.parse_args(argv)
    wanted = options.only.split(",")
    unknown = [group for group in wanted if group not in GROUPS]
    if unknown:
        raise BenchError(f"There is no group {unknown[0]!r} of benchmarks; there are {', '.join(GROUPS)}.")
    mode, entries, where = "quick" if options.quick else "full", history.read(), history.machine()
    print(f"{where}; commit {history.commit() or 'unknown'}; {mode}\n{HEAD}", flush=True)
    rows, worse = [], []
    for row in measured(wanted, options.quick):
        rows.append(row)
        entry = history.last(entries, row.name, mode, where)
        before = float(entry["ratio"]) if entry else None
        if before is not None and history.slower(row, before):
            worse.append(f"{row.name}: {row.ratio:.3g} {row.unit}, was {before:.3g} at {entry['commit']}")  # type: ignore[index]
        print(line(row, before), flush=True)
    missed = [f"{row.name}: {row.ratio:.3g} {row.unit}, the target is {row.target:g}" for row in rows if not row.met]
    for title, sentences in (("Targets missed", missed), ("Worse than before", worse)):
        print("".join(f"\n{title}: {sentence}" for sentence in sentences), end="\n" if sentences else "")
    if options.save:
        history.append(rows, mode)
        print(f"\n{len(rows)} figures appended to {Path(history.FILE).name}.")
    return SOME_FAILED if missed or worse else OK


def measured(groups: Sequence[str], quick: bool) -> Iterator[Row]:
    """The figures of the groups, as they come."""
    for group in groups:
        yield from import_module(f"benchmarks.bench_{group}").rows(quick)


def line(row: Row, before: float | None) -> str:
    """A row as text."""
    earlier = "-" if before is None else f"{before:.3g}"
    return f"{row.name:<44}{row.ratio:>7.3g} {row.unit}{earlier:>9}   {row.ours} / {row.against}"


if __name__ == "__main__":
    run(main)
