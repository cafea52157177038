"""The line that tells how a training goes while it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch
from tqdm import tqdm

from baselines.training.evaluation import LEVELS

BAR = "{percentage:3.0f}% |{bar}| {elapsed}<{remaining} {postfix}"

EVERY = 20
"""Iterations from one refreshing to the next, and over which loss, rate and PSNR are averaged."""


class LiveLine:
    """Progress; loss, bpp and PSNR of the last steps; PSNR on held-back crops, at three levels; speed; how busy.

    ``images/s`` are photographs' crops that went through the model; ``busy`` is, on a CPU, the share of its threads'
    time that was used, and on a GPU what its driver says of the last second.

    Args:
        device: that trains.
        images: seen before.
    """

    def __init__(self, device: torch.device, images: int) -> None:
        self.device, self.images = device, images
        self.wall, self.cpu = time.monotonic(), time.process_time()

    def __enter__(self) -> LiveLine:
        self.bar = tqdm(total=1000, bar_format=BAR, mininterval=1, dynamic_ncols=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def update(
        self,
        progress: float,
        iteration: int,
        steps: Sequence[tuple[float, float, float]],
        images: int,
        history: Sequence[dict[str, Any]],
    ) -> None:
        """Refresh the line, the figures every EVERY iterations.

        Args:
            progress: share of the budget.
            iteration: how many there were.
            steps: loss, bpp and mean squared error of each so far.
            images: seen so far.
            history: evaluations so far.
        """
        self.bar.update(max(0, round(1000 * progress) - self.bar.n))
        if iteration % EVERY or not steps:
            return
        loss, bpp, error = averaged(steps[-EVERY:])
        told = [f"it {iteration}", f"loss {loss:.3f}", f"bpp {bpp:.3f}"]
        if error:  # none where the entropy model alone is trained
            told.append(f"psnr {-10 * math.log10(error):.2f}")
        if history:
            held_back = [history[-1][key] for key in ("psnr", *(f"psnr{end}" for end in LEVELS)) if key in history[-1]]
            told.append(f"held back {'/'.join(f'{psnr:.2f}' for psnr in held_back)} dB")
        now, cpu = time.monotonic(), time.process_time()
        told.append(f"{(images - self.images) / (now - self.wall):.1f} images/s")
        busy = _gpu_busy(self.device) if self.device.type == "cuda" else self._cpu_busy(now, cpu)
        if busy is not None:
            told.append(f"busy {busy:.0%}")
        self.bar.set_postfix_str(" ".join(told))
        self.wall, self.cpu, self.images = now, cpu, images

    def _cpu_busy(self, now: float, cpu: float) -> float:
        return (cpu - self.cpu) / (now - self.wall) / torch.get_num_threads()


def averaged(steps: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Mean loss, bpp and squared error of steps of one kind: those that trained all of the model, where there are any.

    A step of the entropy model alone has a squared error of 0. Steps whose loss is not finite were skipped and do not
    count; not a number where there are no others.
    """
    learned = [step for step in steps if math.isfinite(step[0])]
    kind = [step for step in learned if step[2]] or learned
    loss, bpp, error = (sum(values) / len(kind) for values in zip(*kind, strict=True)) if kind else (math.nan,) * 3
    return loss, bpp, error


def _gpu_busy(device: torch.device) -> float | None:
    """Share of the last second in which the GPU worked; None where its driver or nvidia-ml-py do not tell."""
    try:
        return torch.cuda.utilization(device) / 100
    except Exception:  # errors of the driver's library are a family of their own; a training does not end for a figure
        return None
