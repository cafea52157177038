"""The exact state of a training: written at every evaluation, and taken up where it was left."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from baselines.learned.official import mismatch
from bench.codec import BenchError

if TYPE_CHECKING:
    from baselines.training.loop import Trainer


def save(trainer: Trainer) -> None:
    """Write the exact state (atomically) and the log."""
    trainer.folder.mkdir(parents=True, exist_ok=True)
    state = {
        "model": trainer.model.state_dict(),
        "average": trainer.average,
        "optimizer": trainer.optimizer.state_dict(),
        "crops": trainer.generator.get_state(),
        "noise": torch.get_rng_state(),
        "iteration": trainer.iteration,
        "joint": trainer.joint,
        "images": trainer.images,
        "seconds": trainer.seconds,
        "skipped": trainer.skipped,
        "pool": trainer.pool.state(),
        "worn": trainer.worn,
        "history": json.dumps(trainer.history),
        "options": json.dumps(asdict(trainer.options)),
    }
    if trainer.device.type == "cuda":
        state["noise_cuda"] = torch.cuda.get_rng_state(trainer.device)
    temporary = trainer.folder / "state.pt.part"
    torch.save(state, temporary)
    temporary.replace(trainer.folder / "state.pt")
    with (trainer.folder / "log.csv").open("w", newline="") as file:
        names = dict.fromkeys(name for row in trainer.history for name in row)
        writer = csv.DictWriter(file, list(names) or ["iteration"])
        writer.writeheader()
        writer.writerows(trainer.history)


def restore(trainer: Trainer) -> None:
    """Continue exactly where ``save`` left off (on the same kind of device).

    Raises:
        BenchError: another model, or other parameters of it, were trained there.
    """
    state: dict[str, Any] = torch.load(trainer.folder / "state.pt", map_location=trainer.device, weights_only=True)
    only = json.loads(state["options"]).get("only", "")
    if only != trainer.options.only:
        told = [f"--only {each}" if each else "no --only" for each in (only, trainer.options.only)]
        raise BenchError(
            f"What is in {trainer.folder} was trained with {told[0]} and can't go on with {told[1]}: "
            "repeat the option, or begin with its checkpoint by --weights and another --out."
        )
    if problem := mismatch(trainer.model.state_dict(), state["model"]):
        raise BenchError(
            f"What is in {trainer.folder} is another model than the options ask for: {problem}; "
            "repeat the options it was trained with, or choose another --out."
        )
    trainer.model.load_state_dict(state["model"])
    trainer.average = state["average"]
    asked = [{key: group[key] for key in ("peak", "entropy")} for group in trainer.optimizer.param_groups]
    trainer.optimizer.load_state_dict(state["optimizer"])
    for group, own in zip(trainer.optimizer.param_groups, asked, strict=True):
        group.update(own)  # the rates asked for now, not those of before
    trainer.generator.set_state(state["crops"].cpu())
    torch.set_rng_state(state["noise"].cpu())
    if "noise_cuda" in state and trainer.device.type == "cuda":
        torch.cuda.set_rng_state(state["noise_cuda"].cpu(), trainer.device)
    trainer.iteration, trainer.seconds, trainer.skipped = state["iteration"], state["seconds"], state["skipped"]
    # states of before had neither
    trainer.joint = state.get("joint", trainer.iteration)
    trainer.images = state.get("images", trainer.iteration * trainer.options.batch)
    trainer.pool.restore(state["pool"])
    trainer.worn = state["worn"]
    trainer.history = json.loads(state["history"])
