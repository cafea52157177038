"""Where the time of a training goes: what is not the model's own computation should not be seen.

    python -m benchmarks --only training

IAT compact from its shipped weights, a batch as ``baselines.train`` makes it by default, one thread, CPU time.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import torch

from baselines.learned.files import located
from baselines.learned.system import system
from baselines.learned.weights import load_model
from baselines.train import quick_bfloat16
from baselines.training.data import Photographs
from baselines.training.loop import Trainer
from baselines.training.options import TrainingOptions
from benchmarks.bench_overhead import picture
from benchmarks.row import Row, cpu, interleaved, seconds

IMAGES = 8
SIZE = (512, 768)


def rows(quick: bool = False) -> list[Row]:
    """Data and entropy-only steps beside a full step, and bfloat16 where the processor has instructions for it."""
    torch.set_num_threads(1)
    repeats = 3 if quick else 7
    options = TrainingOptions(bfloat16=False)
    trainer, files = _trainer(options), _files()
    times = interleaved(
        {
            "data": trainer._batch,
            "files": lambda: _from_files(files, options),
            "full": trainer.step,
        },
        repeats,
    )
    entropy = _mean(lambda: trainer.step(rate_only=True), 8 * options.reuse)  # with the filling up of the pool
    made = [
        Row(
            "training: data of a step",
            100 * times["data"] / times["full"],
            f"crops and maps {seconds(times['data'])}",
            f"a full step {seconds(times['full'])}",
            better="low",
            target=2.0,
            unit="%",
        ),
        Row(
            "training: crops from memory",
            times["files"] / times["data"],
            seconds(times["data"]),
            f"{seconds(times['files'])} by opening the photographs at every step",
        ),
        Row(
            "training: step of the entropy model alone",
            times["full"] / entropy,
            seconds(entropy),
            f"a full step {seconds(times['full'])}",
        ),
    ]
    if quick_bfloat16(torch.device("cpu")):
        other = _trainer(replace(options, bfloat16=True))
        both = interleaved({"float32": trainer.step, "bfloat16": other.step}, repeats)
        made.append(
            Row(
                "training: full step in bfloat16",
                both["float32"] / both["bfloat16"],
                seconds(both["bfloat16"]),
                f"in float32 {seconds(both['float32'])}",
            )
        )
    return made


def _mean(work: Callable[[], object], calls: int) -> float:
    work()
    start = cpu()
    for _ in range(calls):
        work()
    return (cpu() - start) / calls


def _trainer(options: TrainingOptions) -> Trainer:
    images = [np.roll(picture(*SIZE), 31 * shift, 1) for shift in range(IMAGES)]
    sizes = torch.tensor([SIZE] * IMAGES)
    offsets = torch.arange(IMAGES) * SIZE[0] * SIZE[1]
    pixels = torch.from_numpy(np.concatenate([image.reshape(-1, 3) for image in images]))
    photographs = Photographs(pixels, offsets, sizes, "0" * 64)
    torch.manual_seed(0)
    model = load_model(located("iat-compact"), system("iat")).train().requires_grad_(True)
    return Trainer(model, photographs, photographs, Path(), options)


def _files() -> list[bytes]:
    """The photographs as PNG files, in memory: no disk is measured."""
    files = []
    for shift in range(IMAGES):
        file = io.BytesIO()
        PIL.Image.fromarray(np.roll(picture(*SIZE), 31 * shift, 1)).save(file, "PNG")
        files.append(file.getvalue())
    return files


def _from_files(files: list[bytes], options: TrainingOptions) -> torch.Tensor:
    """A batch the obvious way: each photograph opened, decoded and cropped."""
    rng = np.random.default_rng(0)
    crops = []
    for index in rng.integers(0, len(files), options.batch):
        image = np.asarray(PIL.Image.open(io.BytesIO(files[index])).convert("RGB"))
        top, left = rng.integers(0, SIZE[0] - options.crop), rng.integers(0, SIZE[1] - options.crop)
        crops.append(image[top : top + options.crop, left : left + options.crop])
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div_(255)
