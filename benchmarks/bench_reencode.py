"""How fast a run is against the obvious way to do it, in the same run: JPEG, quality 75, 50 generations.

    python benchmarks/bench_reencode.py --dataset kodak --data-root DIR

The obvious way: one process, Pillow to save and load, numpy for PSNR, pytorch-msssim for MS-SSIM, every generation
computed. Ours: ``python -m bench.reencode`` from the shell, start-up, snapshots and figures included. Prints the
ratio, how far the figures agree, and what part of a chain's time is neither codec nor metrics. Ours is run before and
after the obvious loop, and CPU time stands beside wall time: on a machine that is busy with other things the two runs
differ, wall times compare what else went on, and the CPU times of one thread each are the ones to look at
(``--one-thread`` keeps torch from using, and waiting for, more).
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from bench.datasets import load


def naive(path: Path, quality: int, generations: int) -> list[tuple[int, float, float]]:
    """Bytes, PSNR and MS-SSIM of every generation of one image."""
    import torch
    from pytorch_msssim import ms_ssim

    def tensor(pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]

    source = np.array(Image.open(path).convert("RGB"))
    pixels, rows = source, []
    for _ in range(generations):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
        pixels = np.array(Image.open(stream).convert("RGB"))
        error = np.mean((pixels.astype(np.float64) - source.astype(np.float64)) ** 2)
        similarity = ms_ssim(tensor(pixels), tensor(source), data_range=255).item()
        rows.append((stream.tell(), 10 * np.log10(255**2 / error), similarity))
    return rows


def overhead(path: Path, quality: int, generations: int) -> float:
    """Share of a chain's time that is neither in the codec nor in the metrics; no cycles, no snapshots."""
    from baselines.classical.jpeg import JPEGCodec
    from bench.chain import run_chain
    from bench.images import load_image
    from bench.metrics import Reference
    from bench.schedule import FixedQuality

    inside = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal inside
            start = time.perf_counter()
            try:
                return function(*args)
            finally:
                inside += time.perf_counter() - start

        return call

    codec = JPEGCodec()
    codec.deterministic = False
    codec.encode, codec.decode = timed(codec.encode), timed(codec.decode)  # type: ignore[method-assign]
    source = load_image(path)
    reference = Reference(source.pixels)
    reference.compare = timed(reference.compare)  # type: ignore[method-assign]
    start = time.perf_counter()
    run_chain([codec], source.pixels, FixedQuality(quality), generations, reference=reference)
    total = time.perf_counter() - start
    return 1 - inside / total


def clocked(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall time, and of CPU time in this process and those it waited for."""

    def cpu() -> float:
        used = os.times()
        return used.user + used.system + used.children_user + used.children_system

    start, spent = time.perf_counter(), cpu()
    work()
    return time.perf_counter() - start, cpu() - spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--data-root")
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--generations", type=int, default=50)
    parser.add_argument("--images", type=int, help="only the first so many")
    parser.add_argument("--one-thread", action="store_true", help="torch in the obvious loop gets one thread")
    options = parser.parse_args()
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
                {ref.path.stem: naive(ref.path, options.quality, options.generations) for ref in images}
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
    for name, (wall, cpu) in (
        ("obvious loop", obvious), ("bench.reencode, before", before), ("bench.reencode, after", after),
        ("the same again", again),
    ):  # fmt: skip
        print(f"  {name:24}{wall:10.1f}{cpu:10.1f}{obvious[0] / wall:22.1f}{obvious[1] / cpu:8.1f}")
    print(f"  generations filled in exactly: {table['filled'].mean():.0%}")
    print(f"  largest difference: {worst[0]:.0f} bytes, PSNR {worst[1]:.1e} dB, MS-SSIM {worst[2]:.1e}")
    share = overhead(images[0].path, options.quality, options.generations)
    print(f"  time outside codec and metrics, every generation coded: {share:.1%} of a chain")


if __name__ == "__main__":
    main()
