"""A checkpoint file, ours or its authors', as a loaded model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from baselines.checkpoint import load_checkpoint
from baselines.learned.model import LatentModel
from baselines.learned.official import named, read_state_dict
from baselines.learned.system import System
from bench.codec import BenchError


def load_model(path: Path, system: System) -> LatentModel:
    """Build the model that a file describes and fill it; in evaluation mode, without gradients.

    Args:
        path: .safetensors with a card, as ``baselines.train`` writes it; anything else is read as a PyTorch file of the
            system's authors, sizes and variants taken from the shapes.
        system: which system's.

    Raises:
        BenchError: missing, unreadable, of another system, with keys that don't fit or values that are not finite; the
            sentence names them.
    """
    if not path.is_file():
        raise BenchError(f"No checkpoint at {path}; name a file that is there, or a shipped checkpoint.")
    if path.suffix == ".safetensors":
        tensors, card, _ = load_checkpoint(path)
        if card.get("system", system.name) != system.name:
            raise BenchError(f"{path} holds {card['system']}, not {system.name}; name another checkpoint.")
        config = system.config.from_dict(card["config"])
    else:
        found = read_state_dict(path)
        try:
            config, tensors = system.read_official(found)
        except BenchError as error:
            raise BenchError(f"{path}: {error}") from error
    try:
        model = system.build(config)
    except BenchError:
        raise
    except Exception as error:
        raise BenchError(f"{path}: its configuration makes no model of {system.name} ({error}).") from error
    problem = mismatch(model.state_dict(), tensors)
    if problem:
        raise BenchError(f"{path} does not fit the model {system.name}: {problem}.")
    if wrong := next((name for name, value in tensors.items() if not _finite(value)), None):
        raise BenchError(f"{path}: {wrong} has values that are not finite; name another checkpoint.")
    model.load_state_dict(tensors, strict=False)
    return model.eval().requires_grad_(False)


def mismatch(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Which keys don't fit, as the end of a sentence; "" where all do."""
    parts = []
    missing = [key for key in expected if key not in found and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in found if key not in expected]
    shapes = [
        f"{key} is {tuple(found[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in found and found[key].shape != expected[key].shape
    ]
    if missing:
        parts.append(f"it lacks {named(missing, 'key')}")
    if unexpected:
        parts.append(f"it has {named(unexpected, 'unknown key')}")
    if shapes:
        parts.append(", ".join(shapes[:3]) + (f" and {len(shapes) - 3} more" if len(shapes) > 3 else ""))
    return "; ".join(parts)


def _finite(value: Tensor) -> bool:
    """Whether all values are; the extremes tell, at an eighth of the time that looking at each one takes."""
    return not value.numel() or all(bool(end.isfinite()) for end in value.aminmax())
