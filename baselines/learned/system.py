"""A learned system as the codec, the trainer and the checkpoint reader see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor

from baselines.learned.config import ModelConfig
from baselines.learned.model import LatentModel
from bench.codec import BenchError

SYSTEMS = ("ainn", "iat", "sft", "xie")


@dataclass(frozen=True)
class System:
    """What each system's ``system.py`` declares as ``SYSTEM``.

    Attributes:
        name: registry name.
        config: its configuration class.
        presets: configurations by name.
        build: makes the model of a configuration.
        read_official: state dict of its authors -> configuration and state dict of ``build``'s model.
        start: initialises the transform from (K, 3, 16, 16) training blocks and a Lagrangian.
        variable_rate: whether one model serves all levels; otherwise one model is trained for one Lagrangian.
        in_bfloat16: whether some of its networks may be trained in bfloat16, see ``baselines.inn.precision``.
    """

    name: str
    config: type[ModelConfig]
    presets: Mapping[str, Any]
    build: Callable[[Any], LatentModel]
    read_official: Callable[[Mapping[str, Tensor]], tuple[Any, dict[str, Tensor]]]
    start: Callable[[Any, Tensor, float], None]
    variable_rate: bool
    in_bfloat16: bool = True


def system(name: str) -> System:
    """The system of that name; raises BenchError where there is none."""
    if name not in SYSTEMS:
        raise BenchError(f"There is no learned system {name!r}; there are {', '.join(SYSTEMS)}.")
    found: System = import_module(f"baselines.{name}.system").SYSTEM
    return found


def system_of(card: Mapping[str, Any], path: Path) -> System:
    """The system that the card of the checkpoint ``path`` names; raises BenchError where it names none."""
    if not isinstance(name := card.get("system"), str):
        raise BenchError(f"The card in {path} does not say which system it is of; name one that baselines.train wrote.")
    return system(name)
