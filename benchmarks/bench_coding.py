"""Learned coding against the same model, same weights, written the obvious way (``plain``): see benchmarks/README.md.

    python -m benchmarks --only coding               one thread, CPU time
    python -m benchmarks.bench_coding --threads 2    wall and CPU time of every part, with what the machine allows

One image, 768x512. The latents of both are compared: where a value lies at half a step, float32 decides otherwise in
another order of summation.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.costs import parts
from baselines.entropy.latents import HYPER_BOUND, LATENT_BITS, LatentCoder
from baselines.iat.config import PRESETS
from baselines.iat.model import IAT
from baselines.inn.blocks import Subnet
from baselines.learned.config import choose
from bench.cli import OK, Parser, run
from bench.codec import Image
from bench.images import load_image
from benchmarks.bench_overhead import picture
from benchmarks.history import machine
from benchmarks.plain import Plain
from benchmarks.row import Row, cpu, seconds

LEVEL = 0.5
SIZE = (512, 768)
CONTEXT_TARGET, WHOLE_TARGET = 20.0, 3.5
"""How many times faster context coding, and compression and decompression as a whole, should be at the paper preset."""


@dataclass
class Times:
    """Wall and CPU seconds of the parts of one side."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        """Do ``work``, and keep the shortest time of several calls of that name."""
        start, spent = time.perf_counter(), cpu()
        result = work()
        self.wall[name] = min(self.wall.get(name, np.inf), time.perf_counter() - start)
        self.cpu[name] = min(self.cpu.get(name, np.inf), cpu() - spent)
        return result

    def total(self, parts: tuple[str, ...], clock: str) -> float:
        """Sum of some parts, ``clock`` being wall or cpu."""
        found: dict[str, float] = getattr(self, clock)
        return sum(found[part] for part in parts)


CONTEXT = ("compress", "decompress")
WHOLE = ("analysis", *CONTEXT, "synthesis")
TRANSFORMS = ("analysis", "synthesis")


def untrained(preset: str) -> IAT:
    """Random weights; couplings, which start as the identity, are given some, and latents some steps of spread."""
    torch.manual_seed(0)
    model = IAT(PRESETS[preset]).eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, Subnet):
            module.conv3.weight.normal_(0, 0.2 / module.conv3.weight[0].numel() ** 0.5)
    last: Any = model.transform.levels[3]
    last.mix.weight.mul_(8)
    return model


def measure(preset: str, image: Image, turns: int) -> tuple[Times, Times, float]:
    """Times of ours (twice a turn) and of the obvious way (once), and the share of latents that differ."""
    plain, model = Plain(untrained(preset), LEVEL), untrained(preset)
    coder = LatentCoder(model.entropy, torch.device("cpu"))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float().div(255).contiguous()
    medians, bound = model.entropy.bottleneck.medians[:, None, None], (1 << LATENT_BITS) - 1
    height, width = image.shape[0] // 16, image.shape[1] // 16
    ours, theirs, differ = Times(), Times(), 0.0

    def compress(y: Tensor) -> tuple[bytes, int]:
        z = torch.round(model.hyper_analysis(y, LEVEL)[0] - medians).clamp(-HYPER_BOUND, HYPER_BOUND)
        symbols = torch.round(y[0]).clamp(-bound, bound).numpy().astype(np.int32)
        return coder.encode(symbols, z.numpy().astype(np.int32))

    with torch.inference_mode():
        prepared = model.prepare(LEVEL, (image.shape[0], image.shape[1]))
        for turn in range(2 * turns):
            y = ours.run("analysis", lambda: model.analysis(x, prepared))
            data, bits = ours.run("compress", lambda y=y: compress(y))
            decoded = ours.run("decompress", lambda d=data, b=bits: coder.decode_both(d, b, height, width))
            y_hat, z_hat = (torch.from_numpy(part).float()[None] for part in decoded)
            y_hat = y_hat.contiguous(memory_format=torch.channels_last)
            ours.run("synthesis", lambda y_hat=y_hat, z_hat=z_hat: model.synthesis(y_hat, z_hat + medians, prepared))
            if turn % 2:
                y = theirs.run("analysis", lambda: plain.analysis(x))
                streams = theirs.run("compress", lambda y=y: plain.compress(y))
                found = theirs.run("decompress", lambda s=streams: plain.decompress(*s, height, width))
                theirs.run("synthesis", lambda found=found: plain.synthesis(found))
                if not torch.equal(found, torch.round(y)):
                    raise AssertionError("The obvious codec does not decode its own stream.")
                differ = float((found != y_hat).float().mean())
    return ours, theirs, differ


@torch.inference_mode()
def convolution_rate(clock: str) -> float:
    """GFLOP/s of a well-laid-out float32 convolution here: 3x3, 128 to 128 channels, channels-last."""
    x = torch.rand(1, 128, 128, 192).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.rand(128, 128, 3, 3).contiguous(memory_format=torch.channels_last), torch.rand(128)
    times = Times()
    for _ in range(6):
        times.run("conv", lambda: F.conv2d(x, weight, bias, padding=1))
    return 2 * 128 * 128 * 9 * 128 * 192 / times.total(("conv",), clock) / 1e9


def transform_flops(preset: str, pixels: int) -> float:
    """Floating-point operations of both transforms, without the entropy networks."""
    found = parts("iat", PRESETS[preset])
    return 2e3 * (found["analysis"][1] + found["synthesis"][1]) * pixels


def table(preset: str, image: Image, turns: int, clock: str) -> list[Row]:
    """The rows of one preset; ``clock`` is cpu or wall."""
    ours, theirs, differ = measure(preset, image, turns)
    size = f"{image.shape[1]}x{image.shape[0]}"
    print(f"  IAT {preset}, {size}: {100 * differ:.3f} % of the latents differ; seconds of {clock}, ours and obvious:")
    for part in WHOLE:
        print(f"    {part:<12}{ours.total((part,), clock):8.3f}{theirs.total((part,), clock):8.3f}")
    reached = transform_flops(preset, image.shape[0] * image.shape[1]) / ours.total(TRANSFORMS, clock) / 1e9
    limit = convolution_rate(clock)
    paper = preset == "paper" and image.shape[:2] == SIZE
    rows = []
    for name, included, target in (("context coding", CONTEXT, CONTEXT_TARGET), ("whole", WHOLE, WHOLE_TARGET)):
        mine, other = ours.total(included, clock), theirs.total(included, clock)
        aim = target if paper else None
        rows.append(Row(f"IAT {preset}: {name}", other / mine, seconds(mine), seconds(other), target=aim))
    said = f"{reached:.0f} GFLOP/s", f"{limit:.0f} of a 3x3 convolution, 128 channels"
    return [*rows, Row(f"IAT {preset}: transforms' arithmetic", 100 * reached / limit, *said, unit="%")]


def rows(quick: bool = False) -> list[Row]:
    """Paper and compact presets, one thread, CPU time; a quarter of the image where ``quick``."""
    torch.set_num_threads(1)
    image = picture(*SIZE)
    if quick:
        return table("compact", image[:256, :384], 1, "cpu")
    return [*table("paper", image, 1, "cpu"), *table("compact", image, 2, "cpu")]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 0."""
    name, form = "python -m benchmarks.bench_coding", argparse.RawDescriptionHelpFormatter
    parser = Parser(prog=name, description=__doc__, formatter_class=form)
    parser.add_argument("--image", help="image file (default: coffee from scikit-image, resized to 768x512)")
    parser.add_argument("--preset", default="paper,compact", help="which, with commas between")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=1, help="ours twice and the obvious way once, each (default: 1)")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    image = load_image(options.image).pixels if options.image else picture(*SIZE)
    versions = f"torch {torch.__version__}, constriction {version('constriction')}, numpy {np.__version__}"
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{machine()}, {options.threads} threads; {versions}; load {load}", flush=True)
    for preset in options.preset.split(","):
        choose(PRESETS, preset, "IAT")
        for row in table(preset, image, options.turns, options.clock):
            print(f"{row.name:<40}{row.ratio:8.1f} {row.unit}   {row.ours} / {row.against}", flush=True)
    return OK


if __name__ == "__main__":
    run(main)
