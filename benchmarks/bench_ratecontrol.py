"""How close rate control comes to a target, and in how many encodings.

    python -m benchmarks.bench_ratecontrol --codec jpeg,webp,avif --bpp 0.25,0.5,0.791,1 --dataset kodak

For every codec and rate: each image once from nothing ("cold"), then its decoded image once more, begun from what the
first search found ("warm", as in a chain). Printed are the misses (signed, percent) and the encodings per hit, over
images, and how many targets are out of reach.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

import numpy as np

from bench import ratecontrol
from bench.cli import OK, Parser, run
from bench.datasets import load
from bench.registry import create, parse_specs


def line(name: str, found: list[ratecontrol.Found]) -> str:
    """Misses and encodings of some hits as text."""
    if not found:
        return f"  {name}  none"
    miss = 100 * np.array([each.miss for each in found])
    encodes = np.array([each.encodes for each in found])
    inside = np.mean(np.abs(miss) <= 100 * ratecontrol.TOLERANCE)
    counts = " ".join(f"{number}:{count}" for number, count in sorted(Counter(encodes.tolist()).items()))
    return (
        f"  {name}  miss % median {np.median(np.abs(miss)):.2f}, 90 % {np.quantile(np.abs(miss), 0.9):.2f}, "
        f"worst {miss[np.argmax(np.abs(miss))]:+.2f}, mean {miss.mean():+.2f}; within 0.5 %: {inside:.0%}; "
        f"encodes mean {encodes.mean():.2f}, most {encodes.max()} ({counts})"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = Parser(
        prog="python -m benchmarks.bench_ratecontrol",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--codec", default="jpeg,webp,avif")
    parser.add_argument("--bpp", default="0.25,0.5,0.791,1")
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--data-root")
    parser.add_argument("--side", choices=ratecontrol.SIDES, default="nearest")
    options = parser.parse_args(argv)
    images = [ref.load().pixels for ref in load(options.dataset, options.data_root)]
    for spec in parse_specs(options.codec):
        codec = create(spec)
        for target in map(float, options.bpp.split(",")):
            cold, warm, out = [], [], 0
            for image in images:
                try:
                    first = ratecontrol.hit(codec, image, target, side=options.side)
                    cold.append(first.found)
                    again = codec.decode(first.stream)
                    warm.append(ratecontrol.hit(codec, again, target, start=first.found.next, side=options.side).found)
                except ratecontrol.RateError:
                    out += 1
            print(f"{spec.label}, {target:g} bpp, {len(images)} images, {out} out of reach")
            print(line("cold", cold))
            print(line("warm", warm), flush=True)
    return OK


if __name__ == "__main__":
    run(main)
