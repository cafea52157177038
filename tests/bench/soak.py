"""``make soak``: a run folder is put through faults at random moments for some minutes, and every promise is checked.

Each round: one to four faults on one folder, then the rerun, which must come to the table of an undisturbed run.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from faults import BAD, Victim

from bench.cli import Parser, run


def main(argv: Sequence[str] | None = None) -> int:
    """Soak; return 0, or raise ``faults.Broken`` with the folder left as it is."""
    parser = Parser(prog="tests/bench/soak.py", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args(argv)
    desk = Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"Seed {options.seed}, in {desk}.", flush=True)
    end = time.monotonic() + 60 * options.minutes
    victim = Victim(desk / "desk", options.seed)
    draw = victim.random
    seconds = {True: victim.undisturbed_s}
    victim.processes = False
    seconds[False] = victim.undisturbed(desk / "desk" / "undisturbed-alone")
    print(f"An undisturbed run takes {seconds[True]:.1f} s, in one process {seconds[False]:.1f} s.", flush=True)
    rounds = 0
    while time.monotonic() < end:
        victim.again()
        # Most rounds do without worker processes: a run starts sooner, and more happens in the time there is.
        victim.processes = draw.random() < 0.3
        victim.undisturbed_s = seconds[victim.processes]
        for _ in range(draw.randint(1, 4)):
            fault = draw.choice(
                [victim.killed] * 4
                + [victim.worker_killed] * 6 * victim.processes
                + [victim.two_at_once, victim.disk_full, victim.read_only, victim.clock_back]
            )
            print(f"  {fault.__name__}", flush=True)
            fault()
            if draw.random() < 0.2:
                kind = draw.choice([kind for kind in sorted(BAD) if victim.processes or kind != "kills its process"])
                print(f"  codec {kind}", flush=True)
                victim.bad_codec(kind)
        victim.completes()
        for _ in range(2):
            victim.damage()
            victim.completes()
        rounds += 1
        print(f"{rounds} rounds, {sum(victim.faults.values())} faults: nothing lost.", flush=True)
    for kind, count in sorted(victim.faults.items()):
        print(f"{count:5d}  {kind}")
    print(f"{sum(victim.faults.values())} faults in {rounds} rounds, seed {options.seed}: nothing lost.")
    return 0


if __name__ == "__main__":
    run(main)
