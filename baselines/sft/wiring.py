"""Weights that pass something on as it is, for the start of Song et al.'s network."""

from __future__ import annotations

from typing import Any

from torch import nn

from baselines.sft.model import CARRIERS

UNIT = 64.0
"""The hyper-latents that carry the level are UNIT times it; their mean tells it to 1 / (UNIT sqrt(12 CARRIERS))."""


def zero(layer: Any, outputs: int | None = None) -> None:
    """Nothing comes out of the first channels, or of all."""
    layer.weight[:outputs] = 0
    layer.bias[:outputs] = 0


def pass_first(layer: Any) -> None:
    """Output channel 0 is input channel 0, of the pixel at the same place."""
    middle = layer.kernel_size[0] // 2
    if isinstance(layer, nn.ConvTranspose2d):
        layer.weight[:, 0] = 0
        layer.weight[0, 0, middle : middle + 2, middle : middle + 2] = 1
    else:
        layer.weight[0] = 0
        layer.weight[0, 0, middle, middle] = 1
    layer.bias[0] = 0


def read_level(entry: Any) -> None:
    """A transposed convolution of the hyper-latents: channel 0 is the level, the others do not see it."""
    level = entry.weight[0, 0] / (UNIT * CARRIERS)
    entry.weight[:CARRIERS] = 0
    entry.weight[:CARRIERS, 0] = level
