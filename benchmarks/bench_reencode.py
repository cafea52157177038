"""How fast a run is against the obvious way to do it, in the same run: JPEG, quality 75, 50 generations.

    python benchmarks/bench_reencode.py --dataset kodak --data-root DIR

The obvious way: one process, Pillow to save and load, numpy for PSNR, pytorch-msssim for MS-SSIM, every generation
computed. Ours: ``python -m bench.reencode`` from the shell, start-up, snapshots and figures included. Prints the
ratio, how far the figures agree, and what part of a chain's time is neither codec nor metrics.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
    from bench import chain as module
    from bench.images import load_image
    from bench.metrics import Reference
    from bench.schedule import FixedQuality

    inside = 0.0

    def timed(function):
        def call(*args):
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
    mse, module.mse = module.mse, timed(module.mse)
    start = time.perf_counter()
    module.run_chain([codec], source.pixels, FixedQuality(quality), generations, reference=reference)
    total = time.perf_counter() - start
    module.mse = mse
    return 1 - inside / total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--data-root")
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--generations", type=int, default=50)
    options = parser.parse_args()
    dataset = load(options.dataset, options.data_root)

    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "bench.reencode", "--codec", "jpeg", "--quality", str(options.quality),
            "--generations", str(options.generations), "--dataset", options.dataset, "--out", folder, "--quiet",
        ]  # fmt: skip
        command += ["--data-root", options.data_root] if options.data_root else []
        start = time.perf_counter()
        subprocess.run(command, check=True)
        ours = time.perf_counter() - start
        start = time.perf_counter()
        subprocess.run(command, check=True)
        again = time.perf_counter() - start
        table = pd.read_parquet(Path(folder, "generations.parquet")).set_index(["image", "generation"]).sort_index()

    start = time.perf_counter()
    rows = {ref.name: naive(ref.path, options.quality, options.generations) for ref in dataset}
    obvious = time.perf_counter() - start
    keys = [(image, n) for image in rows for n in range(1, options.generations + 1)]
    expected = np.array([row for image in rows for row in rows[image]])
    found = table.loc[keys, ["bytes", "psnr", "ms_ssim"]].to_numpy(np.float64)
    worst = np.abs(found - expected).max(axis=0)

    print(f"{len(dataset)} images x {options.generations} generations, JPEG quality {options.quality}")
    print(f"  obvious loop   {obvious:8.1f} s")
    print(f"  bench.reencode {ours:8.1f} s   {obvious / ours:.1f} times as fast")
    print(f"  the same again {again:8.1f} s   nothing coded")
    print(f"  generations filled in exactly: {table['filled'].mean():.0%}")
    print(f"  largest difference: {worst[0]:.0f} bytes, PSNR {worst[1]:.1e} dB, MS-SSIM {worst[2]:.1e}")
    share = overhead(dataset.images[0].path, options.quality, options.generations)
    print(f"  time outside codec and metrics, every generation coded: {share:.1%} of a chain")


if __name__ == "__main__":
    main()
