"""What the authors' own code computes for weights filled by a rule: arrays, names, and the rule.

``data/NAME.npz`` and ``data/NAME_keys.json`` hold an input, what each authors' code returns for it, and the names and
shapes of its state dict. Weights are uniform numbers from a counter-based generator.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from baselines.entropy.bottleneck import FactorizedBottleneck
from baselines.learned.model import LatentModel

DATA = Path(__file__).parent / "data"


def counter_numbers(stream: int, count: int) -> np.ndarray:
    """Uniform numbers in [-1, 1) of the fixtures' counter-based generator."""
    u64 = np.uint64
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=u64) + u64(stream) * u64(0x9E3779B97F4A7C15)
        z *= u64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z ^= z >> u64(shift)
            z *= u64(factor)
        z ^= z >> u64(31)
    return 2 * ((z >> u64(11)).astype(np.float64) * 2**-53) - 1


def filled(name: str, gain: float = 0.5) -> dict[str, torch.Tensor]:
    """The state dict of a model of the authors, filled by the rule, under their names."""
    keys = json.loads((DATA / f"{name}_keys.json").read_text())["filled_keys"]
    out = {}
    for i, (key, shape) in enumerate(sorted(keys.items())):
        u = counter_numbers(i + 1, int(np.prod(shape))).reshape(shape)
        if len(shape) == 4:
            u = u * gain * np.sqrt(3 / np.prod(shape[1:]))
        elif len(shape) == 2:
            u = np.eye(shape[0]) + 0.02 * u
        else:
            u = 0.02 * u
        out[key] = torch.from_numpy(u.astype(np.float32))
    return out


def bottleneck(channels: int, style: str = "_matrix{}") -> dict[str, torch.Tensor]:
    """Parameters and tables of an entropy bottleneck as a CompressAI model of its time saves them."""
    torch.manual_seed(0)
    ours = FactorizedBottleneck(channels)
    new, old = {"matrices": "matrix", "biases": "bias", "factors": "factor"}, style == "_matrix{}"
    out = {}
    for key, value in ours.state_dict().items():
        if key == "medians":
            continue
        kind, number = key.split(".")
        out[f"entropy_bottleneck._{new[kind]}{number}" if old else f"entropy_bottleneck._{kind}.{number}"] = value
    out["entropy_bottleneck.quantiles"] = torch.tensor([[[-10.0, 0.25, 10.0]]]).repeat(channels, 1, 1)
    out["entropy_bottleneck._quantized_cdf"] = torch.zeros(channels, 40, dtype=torch.int32)
    out["entropy_bottleneck.target"] = torch.zeros(3)
    out["gaussian_conditional.scale_table"] = torch.zeros(64)
    return out


def loaded(model: LatentModel, tensors: dict[str, torch.Tensor], may_lack: str) -> LatentModel:
    """``model`` with renamed fixture weights; whatever they lack begins with one of ``may_lack``."""
    result = model.load_state_dict(tensors, strict=False)
    assert not result.unexpected_keys
    assert all(key.startswith(tuple(may_lack.split())) for key in result.missing_keys)
    return model.eval().requires_grad_(False)


def arrays(name: str) -> dict[str, torch.Tensor]:
    with np.load(DATA / f"{name}.npz") as f:
        return {key: torch.from_numpy(f[key]) for key in f}


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Largest difference against the largest value."""
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < tolerance
