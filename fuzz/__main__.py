"""``python -m fuzz [TARGET ...] --minutes M``: every target under a coverage-guided fuzzer, each for M minutes.

Needs Linux and the extra ``fuzz`` (atheris). Inputs that make a parser crash, hang or take more memory than it may are
kept in the folder --findings; ``python -m fuzz --replay FILE TARGET`` shows what one does.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.cli import OK, SOME_FAILED, Parser, run
from bench.codec import BenchError
from fuzz import NAMES, target

SECONDS, MEGABYTES = 25, 3072
"""What one input may take."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 where something was found."""
    parser = Parser(prog="python -m fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"default: all: {', '.join(NAMES)}")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--findings", type=Path, default=Path("fuzz", "findings"), help="folder for what was found")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run the targets on this input instead")
    options = parser.parse_args(argv)
    unknown = [name for name in options.targets if name not in NAMES]
    if unknown:
        raise BenchError(f"There is no target {unknown[0]!r}; there are {', '.join(NAMES)}.")
    if options.replay:
        for name in options.targets:
            target(name).run(options.replay.read_bytes())
        return OK
    if importlib.util.find_spec("atheris") is None:
        raise BenchError("The fuzzer needs atheris: pip install -c requirements.txt 'reencode-bench[fuzz]' (Linux).")
    print(f"{'target':<12}{'executions':>12}{'per s':>8}{'edges':>8}{'MB':>7}   findings", flush=True)
    found = [fuzz(name, options.minutes, options.findings) for name in options.targets or NAMES]
    return SOME_FAILED if any(found) else OK


def fuzz(name: str, minutes: float, findings: Path) -> bool:
    """Run a target, print a line, and return whether something was found."""
    with tempfile.TemporaryDirectory() as corpus:
        wanted = target(name)
        if not wanted.seeds:
            print(f"{name:<12}{'not installed here':>20}", flush=True)
            return False
        for number, seed in enumerate(wanted.seeds):
            Path(corpus, f"seed{number}").write_bytes(seed)
        findings.mkdir(parents=True, exist_ok=True)
        before = set(findings.iterdir())
        limits = [f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={wanted.largest}"]
        time = [f"-max_total_time={max(1, round(60 * minutes))}", f"-artifact_prefix={findings}/{name}-"]
        command = [sys.executable, "-m", "fuzz.one", name, corpus, *limits, *time, "-print_final_stats=1"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    new = sorted(path for path in set(findings.iterdir()) - before)
    said = done.stdout
    edges = re.findall(r"cov: (\d+)", said)
    figures = [_figure(said, key) for key in ("number_of_executed_units", "average_exec_per_sec", "peak_rss_mb")]
    line = f"{name:<12}{figures[0]:>12}{figures[1]:>8}{edges[-1] if edges else '-':>8}{figures[2]:>7}"
    print(line, "  ", ", ".join(map(str, new)) or ("none" if done.returncode == 0 else "FAILED"), flush=True)
    if done.returncode:
        shown = [text for text in said.splitlines() if not re.match(r"#\d+|INFO|stat::", text)]
        print("\n".join(shown[-25:]), flush=True)
    return bool(new) or done.returncode != 0


def _figure(said: str, key: str) -> str:
    found = re.search(rf"stat::{key}:\s*(\d+)", said)
    return found[1] if found else "-"


if __name__ == "__main__":
    run(main)
