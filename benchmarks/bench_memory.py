"""Peak memory of the learned codecs on a 2048x1365 image, against what they should stay under.

    python -m benchmarks --only memory
    python -m benchmarks.bench_memory --codec xie,sft --preset paper

Every codec runs in a process of its own, one at a time, with random weights: it encodes the image, decodes the stream,
and says what it held at most (resident set, Python and PyTorch included).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from baselines.learned.system import SYSTEMS, system
from bench.cli import OK, Parser, run
from benchmarks.row import Row

LIMITS = {"compact": 4.0, "paper": 12.0}
"""GiB."""

SIZE = (1365, 2048)

CHILD = """
import resource, sys
from pathlib import Path
import torch
from bench.registry import create
from benchmarks.bench_overhead import picture
torch.set_num_threads(1)
name, checkpoint, height, width = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
codec = create(f"{name}[checkpoint={checkpoint}]")
image = picture(height, width)
decoded = codec.decode(codec.encode(image, codec.quality.default))
assert decoded.shape == image.shape
status = Path("/proc/self/status")
if status.is_file():
    (most,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    print(int(most) / (1 << 20))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 30 if sys.platform == "darwin" else 1 << 20))
"""
"""On Linux ru_maxrss is at least what the process was forked from, VmHWM is the process' own."""

SAVE = """
import sys
from pathlib import Path
import torch
from baselines.checkpoint import save_checkpoint
from baselines.learned.system import system
name, preset, path = sys.argv[1:]
torch.manual_seed(0)
config = system(name).presets[preset]
card = {"system": name, "preset": preset, "config": config.to_dict()}
save_checkpoint(Path(path), system(name).build(config).state_dict(), card)
"""


def peak(name: str, preset: str, size: tuple[int, int]) -> float:
    """GiB that encoding and decoding an image of ``size`` (height, width) takes at most."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "weights.safetensors"))
        subprocess.run([sys.executable, "-c", SAVE, name, preset, path], check=True)
        command = [sys.executable, "-c", CHILD, name, path, *map(str, size)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measured(names: list[str], presets: list[str], size: tuple[int, int]) -> Iterator[Row]:
    """A row each, as they come."""
    for preset in presets:
        for name in names:
            limit = LIMITS[preset] * size[0] * size[1] / SIZE[0] / SIZE[1]
            found = peak(name, preset, size)
            said = f"{found:.2f} GiB at {size[1]}x{size[0]}", f"{limit:.2f} GiB"
            aim = 100.0 if size == SIZE else None
            yield Row(f"{name} {preset}: memory", 100 * found / limit, *said, better="low", target=aim, unit="%")


def rows(quick: bool = False) -> Iterator[Row]:
    """All systems and presets; the compact presets on a quarter of the image where ``quick``."""
    if quick:
        return measured(list(SYSTEMS), ["compact"], (SIZE[0] // 2, SIZE[1] // 2))
    return measured(list(SYSTEMS), list(LIMITS), SIZE)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = Parser(
        prog="python -m benchmarks.bench_memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--codec", default=",".join(SYSTEMS), help="systems, with commas between")
    parser.add_argument("--preset", default=",".join(LIMITS), help="presets, with commas between")
    options = parser.parse_args(argv)
    for name in options.codec.split(","):
        system(name)
    for row in measured(options.codec.split(","), options.preset.split(","), SIZE):
        print(f"{row.name:<24}{row.ratio:6.0f} %   {row.ours} / {row.against}", flush=True)
    return OK


if __name__ == "__main__":
    run(main)
