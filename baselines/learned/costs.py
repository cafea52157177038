"""What a learned system costs: parameters, and multiplications a pixel, counted without making weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from baselines.learned.config import ModelConfig
from baselines.learned.system import system

SIDE = 256


def costs(name: str, config: ModelConfig) -> dict[str, float]:
    """Size and cost of a model.

    Args:
        name: of the system, such as "iat".
        config: its shapes.

    Returns:
        parameters (millions), encode and decode (kMAC per pixel of the transforms and all entropy networks, each run
        once over the image).
    """
    with torch.device("meta"):
        model: Any = system(name).build(config).eval()
        x = torch.rand(1, 3, SIDE, SIDE)
        forward, (y, z) = _kilomacs(lambda: model.encode(x, 0.5))
        entropy, _ = _kilomacs(lambda: model.entropy.parameters_of(y, z))
        backward, _ = _kilomacs(lambda: model.decode(y, z, 0.5))
    millions = sum(each.numel() for each in model.parameters()) / 1e6
    return {"parameters": millions, "encode": forward + entropy, "decode": backward + entropy}


def _kilomacs(work: Callable[[], Any]) -> tuple[float, Any]:
    # With gradients: without, 1x1 convolutions go to oneDNN, which the counter does not know.
    with FlopCounterMode(display=False) as counter:
        result = work()
    return counter.get_total_flops() / 2 / SIDE**2 / 1e3, result
