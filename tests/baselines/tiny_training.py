"""A model that trains in seconds, and photographs for it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from baselines.iat.config import PRESETS, IATConfig
from baselines.training.options import TrainingOptions

TINY = IATConfig(
    latent=24,
    hyper_latent=4,
    hyper_width=8,
    hyper_outputs=8,
    context_outputs=8,
    parameter_widths=(16, 16),
    coupling_hidden=((2, 2), (2, 2), (4, 4), (4, 4)),
    activation_hidden=((4, 4),) * 4,
    enhancement=(4, 2),
    domain="log",
)
OPTIONS = TrainingOptions(batch=2, crop=64, entropy_first=0.0, warmup=2, bfloat16=False)


def train_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compact preset be TINY, and evaluations be on small crops."""
    monkeypatch.setitem(PRESETS, "compact", TINY)
    monkeypatch.setattr("baselines.training.loop.VALIDATION", 64)


def draw_photographs(target: Path) -> Path:
    """Five soft images of noise, the largest 300 pixels wide, in a new folder."""
    rng = np.random.default_rng(0)
    target.mkdir()
    for i, (h, w) in enumerate([(70, 90), (300, 280), (260, 300), (128, 64), (280, 260)]):
        small = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        small.resize((w, h), Image.Resampling.BICUBIC).save(target / f"{i}.png")
    return target
