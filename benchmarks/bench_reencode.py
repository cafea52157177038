"""How fast a run is against the obvious way to do it, in the same run: JPEG, quality 75, 50 generations.

    python -m benchmarks.bench_reencode --dataset kodak --data-root DIR

The obvious way: one process, Pillow to save and load, numpy for PSNR, pytorch-msssim for MS-SSIM, every generation
computed. Ours: ``python -m bench.reencode`` from the shell, start-up, snapshots and figures included. Prints the
ratio and how far the figures agree. Ours is run before and
after the obvious loop, and CPU time stands beside wall time: on a machine that is busy with other things the two runs
differ, wall times compare what else went on, and the CPU times of one thread each are the ones to look at
(``--one-thread`` keeps torch from using, and waiting for, more).
"""

from __future__ import annotations

import argparse
import functools
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bench.cli import OK, Parser, run
from bench.datasets import load
from benchmarks.row import Row, cpu, seconds

Coder = Callable[[np.ndarray], tuple[np.ndarray, int]]
"""Pixels to decoded pixels and bytes."""


def pillow(name: str, quality: int) -> Coder:
    """A format as anyone would save and load it."""

    def code(pixels: np.ndarray) -> tuple[np.ndarray, int]:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, name, quality=quality)
        return np.array(Image.open(stream).convert("RGB")), stream.tell()

    return code


def shipped(level: float) -> Coder:
    """IAT through its codec class."""
    from bench.registry import create

    codec = create("iat")

    def code(pixels: np.ndarray) -> tuple[np.ndarray, int]:
        stream = codec.encode(pixels, level)
        return codec.decode(stream), len(stream)

    return code


def naive(path: Path, code: Coder, generations: int) -> list[tuple[int, float, float]]:
    """Bytes, PSNR and MS-SSIM of every generation of one image."""
    import torch
    from pytorch_msssim import ms_ssim

    def tensor(pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]

    source = np.array(Image.open(path).convert("RGB"))
    pixels, rows = source, []
    for _ in range(generations):
        pixels, size = code(pixels)
        error = np.mean((pixels.astype(np.float64) - source.astype(np.float64)) ** 2)
        similarity = ms_ssim(tensor(pixels), tensor(source), data_range=255).item()
        rows.append((size, 10 * np.log10(255**2 / error), similarity))
    return rows


def rows(quick: bool = False) -> list[Row]:
    """Whole runs of JPEG, WebP and IAT against the obvious loop, in CPU time, start-up and figures included."""
    import torch

    torch.set_num_threads(1)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        photograph = Image.open(next(ref for ref in load("sample") if ref.name == "coffee").path)
        paths = {size: Path(folder, f"{size[0]}.png") for size in ((768, 512), (256, 192))}
        for size, path in paths.items():
            photograph.resize(size).save(path)
        plans = (
            ("jpeg", "75", pillow("JPEG", 75), (768, 512), 10 if quick else 50),
            ("webp", "80", pillow("WEBP", 80), (768, 512), 10 if quick else 50),
            ("iat", "0.5", shipped(0.5), (256, 192), 5 if quick else 50),
        )
        for codec, quality, code, size, generations in plans:
            path = paths[size]
            command = [
                sys.executable, "-m", "bench.reencode", "--codec", codec, "--quality", quality, "--quiet",
                "--jobs", "1", "--generations", str(generations), "--dataset", str(path), "--out", f"{folder}/{codec}",
            ]  # fmt: skip
            obvious = clocked(functools.partial(naive, path, code, generations))[1]
            ours = clocked(functools.partial(subprocess.run, command, check=True))[1]
            what = f"{seconds(obvious)} the obvious loop, {generations} generations of {size[0]}x{size[1]}"
            found.append(Row(f"a whole run of {codec}", obvious / ours, seconds(ours), what))
    return found


def clocked(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall time, and of CPU time in this process and those it waited for."""

    start, spent = time.perf_counter(), cpu()
    work()
    return time.perf_counter() - start, cpu() - spent


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = Parser(
        prog="python -m benchmarks.bench_reencode",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--data-root")
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--generations", type=int, default=50)
    parser.add_argument("--images", type=int, help="only the first so many")
    parser.add_argument("--one-thread", action="store_true", help="torch in the obvious loop gets one thread")
    options = parser.parse_args(argv)
    dataset = load(options.dataset, options.data_root)
    images = dataset.images[: options.images]
    if options.one_thread:
        import torch

        torch.set_num_threads(1)

    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "bench.reencode", "--codec", "jpeg", "--quality", str(options.quality), "--quiet",
            "--generations", str(options.generations), "--dataset", ",".join(str(ref.path) for ref in images), "--out",
        ]  # fmt: skip
        before = clocked(lambda: subprocess.run([*command, f"{folder}/1"], check=True))
        again = clocked(lambda: subprocess.run([*command, f"{folder}/1"], check=True))
        rows: dict[str, list[tuple[int, float, float]]] = {}
        obvious = clocked(
            lambda: rows.update(
                {ref.path.stem: naive(ref.path, pillow("JPEG", options.quality), options.generations) for ref in images}
            )
        )
        after = clocked(lambda: subprocess.run([*command, f"{folder}/2"], check=True))
        table = (
            pd.read_parquet(Path(folder, "1", "generations.parquet")).set_index(["image", "generation"]).sort_index()
        )

    keys = [(image, n) for image in rows for n in range(1, options.generations + 1)]
    expected = np.array([row for image in rows for row in rows[image]])
    found = table.loc[keys, ["bytes", "psnr", "ms_ssim"]].to_numpy(np.float64)
    worst = np.abs(found - expected).max(axis=0)

    print(f"{len(images)} images x {options.generations} generations, JPEG quality {options.quality}")
    print("                              wall s     CPU s   obvious / ours: wall   CPU")
    for name, (wall, used) in (
        ("obvious loop", obvious), ("bench.reencode, before", before), ("bench.reencode, after", after),
        ("the same again", again),
    ):  # fmt: skip
        print(f"  {name:24}{wall:10.1f}{used:10.1f}{obvious[0] / wall:22.1f}{obvious[1] / used:8.1f}")
    print(f"  generations filled in exactly: {table['filled'].mean():.0%}")
    print(f"  largest difference: {worst[0]:.0f} bytes, PSNR {worst[1]:.1e} dB, MS-SSIM {worst[2]:.1e}")
    return OK


if __name__ == "__main__":
    run(main)
