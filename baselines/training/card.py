"""The card of a checkpoint: what made it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from baselines.learned.budget import budget
from baselines.learned.config import ModelConfig
from baselines.learned.identity import FREE
from baselines.learned.lagrangian import TAU, THETA
from baselines.training.loop import Trainer
from bench import provenance

LOSS = f"bpp + 255^2 mean(Lambda (x - x_hat)^2), Lambda = {THETA} exp({TAU} L)"
SINGLE_RATE_LOSS = "bpp + 255^2 lambda mean((x - x_hat)^2)"

IDENTITY = " + {:g} relu(|y(x_hat) - y_hat| - {:g})^2 / pixels, and so for z"


def card(trainer: Trainer, system: str, preset: str, config: ModelConfig) -> dict[str, Any]:
    """System, preset, configuration; start, loss, options, time spent (and in all), data, machine, history."""
    options = trainer.options
    device = (
        torch.cuda.get_device_name(trainer.device)
        if trainer.device.type == "cuda"
        else provenance.machine()["processor"]
    )
    training = {
        "loss": (SINGLE_RATE_LOSS if options.lagrangian else LOSS)
        + (IDENTITY.format(options.identity, FREE) if options.identity else ""),
        "options": asdict(options),
        "iterations": trainer.iteration,
        "images_seen": trainer.images,
        "minutes": round(trainer.seconds / 60, 1),
        "device": device,
        "threads": torch.get_num_threads(),
        "photographs": len(trainer.data.offsets),
        "data_digest": trainer.data.digest,
        "torch": torch.__version__.split("+")[0],
        "commit": provenance.git_commit() or "unknown",
        "history": trainer.history,
        **trainer.began,
    }
    training["in_all"] = budget({"training": training})["in_all"]
    return {"system": system, "preset": preset, "config": config.to_dict(), "training": training}
