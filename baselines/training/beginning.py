"""What a training begins with where that is a checkpoint, and how its card tells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.checkpoint import load_checkpoint
from baselines.inn.start import quantiser_gain
from baselines.learned.config import ModelConfig
from baselines.learned.files import sha256_of
from baselines.learned.model import LatentModel
from baselines.learned.system import SYSTEMS, System, system
from baselines.learned.weights import load_model, mismatch
from bench.codec import BenchError


@dataclass(frozen=True)
class Sources:
    """The checkpoints to begin with, each under its option; None where it is not given."""

    weights: Path | None
    transform: Path | None
    entropy: Path | None


def continued(weights: Path, chosen: System, config: ModelConfig, lagrangian: float) -> LatentModel:
    """The model of a checkpoint, to be trained on.

    Args:
        weights: the checkpoint, ours or its authors'.
        chosen: its system.
        config: the configuration asked for.
        lagrangian: lambda asked for, 0 for a variable-rate model. A model of another rate gets the quantiser step of
            this one.

    Raises:
        BenchError: it is another model than the one asked for.
    """
    model = load_model(weights, chosen)
    settings: Any = model.config
    found, wanted = _sizes(settings), _sizes(config)
    other = [key for key in wanted if found.get(key) != wanted[key]]
    if other:
        told = ", ".join(f"{key} = {found.get(key)} instead of {wanted[key]}" for key in other)
        raise BenchError(f"--weights {weights.name} is another model than the options ask for: {told}.")
    _to_rate(model, weights, lagrangian)
    return model.train().requires_grad_(True)


def _sizes(config: ModelConfig) -> dict[str, Any]:
    """A configuration with what None stands for."""
    found = config.to_dict()
    return found | ({"hyper_latent": found["latent"]} if found.get("hyper_latent", 0) is None else {})


def _to_rate(model: LatentModel, source: Path, lagrangian: float) -> None:
    """Give a transform of a checkpoint the quantiser step of another rate, if it was trained for one."""
    trained_for = _card(source)[0].get("training", {}).get("options", {}).get("lagrangian")
    if lagrangian and trained_for:
        last: Any = model.levels[3]  # type: ignore[index]
        with torch.no_grad():
            last.mix.weight.mul_(quantiser_gain(lagrangian) / quantiser_gain(trained_for))


def take_transform(model: LatentModel, checkpoint: Path, chosen: System, lagrangian: float = 0.0) -> None:
    """Fill everything but the entropy model; raises BenchError where the two transforms are not of one shape.

    That of a model of another rate gets the quantiser step of this one, as in ``continued``. IAT of a scalar level
    takes the networks of a quality map as they act on a uniform one, away from its border.
    """
    source, own = (
        {key: value for key, value in each.state_dict().items() if not key.startswith("entropy.")}
        for each in (load_model(checkpoint, chosen), model)
    )
    if getattr(model.config, "level", None) == "scalar":
        source = {key: on_uniform_map(value) if "mlp_" in key else value for key, value in source.items()}
    if problem := mismatch(own, source):
        raise BenchError(f"--transform {checkpoint.name} has another transform than the options ask for: {problem}.")
    model.load_state_dict(source, strict=False)
    _to_rate(model, checkpoint, lagrangian)


def on_uniform_map(weight: Tensor) -> Tensor:
    """Kernels (O, I, k, k) -> (O, I, 1, 1) with the same effect where the input is the same at all positions."""
    return weight.sum((2, 3), keepdim=True) if weight.dim() == 4 else weight


def take_entropy(model: LatentModel, checkpoint: Path) -> None:
    """Fill the entropy model from a checkpoint of ours, of whatever system; raises BenchError where it does not fit."""
    card, _ = _card(checkpoint)
    if card.get("system") not in SYSTEMS:
        raise BenchError(f"--entropy {checkpoint.name} is of no system known here; give a checkpoint of ours.")
    source, own = (
        {key: value for key, value in each.items() if key.startswith("entropy.")}
        for each in (load_model(checkpoint, system(card["system"])).state_dict(), model.state_dict())
    )
    if problem := mismatch(own, source):
        raise BenchError(f"--entropy {checkpoint.name} has another entropy model than the options ask for: {problem}.")
    model.load_state_dict(source, strict=False)


def taken_from(source: Path, what: str) -> dict[str, Any]:
    """For the card: ``what`` came from a checkpoint, and how that was trained."""
    card, digest = _card(source)
    before = {key: value for key, value in card.get("training", {}).items() if key not in ("history", "in_all")}
    return {"start": f"the {what} of {source.name} (sha256 {digest[:16]}), with a fresh optimiser", "before": before}


def _card(checkpoint: Path) -> tuple[dict[str, Any], str]:
    """The card in a checkpoint, empty in the authors' files, and the sha256 of the file."""
    if checkpoint.suffix != ".safetensors":
        return {}, sha256_of(checkpoint)
    return load_checkpoint(checkpoint)[1:]


def earlier(path: Path) -> dict[str, Any]:
    """For the card: what a training had begun with whose state, of an earlier version, does not tell."""
    card = path.with_suffix(".json")
    training = json.loads(card.read_text())["training"] if card.is_file() else {}
    return {key: training[key] for key in ("start", "before") if key in training} or {"start": "not recorded"}
