"""A good start for Song et al.'s network: a cascade of Karhunen-Loeve transforms whose gain already follows the level.

Everything starts linear: the normalisations hardly divide, the residual blocks add nothing, the feature transforms
change nothing but by the level. Stage by stage, the strided convolutions take the 2 x 2 pixels of each of their inputs
to the strongest principal components of training blocks, and the transposed ones take them back. Before the last
stage, all but the strongest component (the local mean) are multiplied by exp(TAU L / 2), as the loss wants; the decoder
knows the level from hyper-latents that carry it, and divides. What the start does not use keeps its random weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from baselines.inn.start import quantiser_gain
from baselines.learned.lagrangian import TAU, THETA
from baselines.sft.hyperstart import expect
from baselines.sft.layers import GDN1, FeatureTransform, TransformedBlock
from baselines.sft.model import CARRIERS, SFT
from baselines.sft.wiring import UNIT, pass_first, read_level, zero

GREY = 0.5
"""Taken off first and put back last: the smaller the local means, the less a step of training can spoil them."""

GAMMA = 1e-6
"""Of the normalisations: they divide by 1 + GAMMA |x|."""

MEAN_LEVEL = 0.5
"""The local mean is quantised as this level wants it, at all levels: an error of its gain would be seen."""


@torch.no_grad()
def start(model: SFT, blocks: Tensor, lagrangian: float = THETA) -> None:
    """Initialise the transform.

    Args:
        model: changed in place.
        blocks: (K, 3, 16, 16) training blocks in [0, 1].
        lagrangian: Lambda at L = 0.
    """
    for module in model.modules():
        if isinstance(module, GDN1):
            module.gamma.copy_(torch.sqrt(GAMMA * torch.eye(len(module.gamma))))
        elif isinstance(module, FeatureTransform):
            _neutral(module)
        elif isinstance(module, TransformedBlock):
            zero(module.convs[1])
    parts: Any = model  # of whose layers mypy knows the base class only
    spread = _cascade(parts, blocks)
    gain = quantiser_gain(lagrangian)
    parts.g_a.convs[-1].weight.mul_(gain)
    parts.g_s.ups[0].weight.div_(gain)
    _carry_level(parts)
    mean = math.exp(TAU / 2 * MEAN_LEVEL)
    _set_gain(parts.g_a.transforms[-1], TAU / 2, mean)
    _set_gain(parts.g_s.transforms[0], -TAU / 2, 1 / mean)
    spread[0] *= mean
    expect(parts, gain * spread, mean)


def _cascade(model: Any, blocks: Tensor) -> Tensor:
    """The strided convolutions as principal components, the transposed ones as their transposes.

    Returns:
        root mean square of each latent, (M,).
    """
    first, last = model.g_a.convs[0], model.g_s.last
    colours = min(3, len(first.weight))
    zero(first, colours)
    zero(last)
    for colour in range(colours):
        first.weight[colour, colour, 2, 2] = last.weight[colour, colour, 2, 2] = 1
    first.bias[:colours] = -GREY
    last.bias[:] = GREY
    x = blocks[:, :colours].double() - GREY
    for convolve, grow in zip(model.g_a.convs[1:], reversed(model.g_s.ups), strict=True):
        count, channels, height, width = x.shape
        pairs = x.reshape(count, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
        vectors = pairs.reshape(-1, 4 * channels)
        _, basis = torch.linalg.eigh(vectors.T @ vectors / len(vectors))
        kept = min(4 * channels, len(convolve.weight))
        basis = basis.T.flip(0)[:kept]
        taps = basis.reshape(kept, channels, 2, 2).float()
        zero(convolve, kept)
        convolve.weight[:kept, :channels, 2:4, 2:4] = taps
        grow.weight[:, :channels] = 0
        grow.weight[:kept, :channels, 2:4, 2:4] = taps
        grow.bias[:channels] = 0
        x = (vectors @ basis.T).reshape(count, height // 2, width // 2, kept).permute(0, 3, 1, 2)
    used = x.pow(2).mean((0, 2, 3)).sqrt().float()
    return torch.cat((used, torch.zeros(len(convolve.weight) - len(used))))


def _carry_level(model: Any) -> None:
    """The level through channel 0 of every condition, and from the encoder to the decoder in the hyper-latents."""
    prior = model.entropy
    for condition in (*model.g_a.conditions, *prior.conditions, *model.g_s.conditions, model.g_s.hyper_condition):
        for layer in condition:
            if not isinstance(layer, nn.LeakyReLU):
                pass_first(layer)
    read_level(model.g_s.hyper_condition[0])
    carried = slice(CARRIERS)
    for convolve in prior.convs[1:]:
        zero(convolve, CARRIERS)
    for channel in range(CARRIERS):
        prior.convs[2].weight[channel, channel, 2, 2] = 1
    shift = prior.transforms[1].shift
    weights, bias = _fit(prior.transforms[1], lambda level: UNIT * level)
    shift.weight[carried, :, 1, 1] = weights
    shift.bias[carried] = bias


def _set_gain(transform: Any, rate: float, mean: float) -> None:
    """exp(rate L) for all channels but the first, which is multiplied by ``mean``."""
    weights, bias = _fit(transform, lambda level: torch.expm1(rate * level))
    transform.scale.weight[1:, :, 1, 1] = weights
    transform.scale.bias[1:] = bias
    transform.scale.bias[0] = mean - 1


def _neutral(transform: Any) -> None:
    """x stays x; half of what lies between are ramps of channel 0 of the condition with knots spread over [0, 1]."""
    zero(transform.scale)
    zero(transform.shift)
    ramps = len(transform.shared.weight) // 2
    zero(transform.shared, ramps)
    transform.shared.weight[:ramps, 0, 1, 1] = 1
    transform.shared.bias[:ramps] = -torch.linspace(0, 1, ramps + 1)[:-1]


def _fit(transform: Any, target: Callable[[Tensor], Tensor]) -> tuple[Tensor, float]:
    """Weights of the ramps, zero for the rest, and the bias, that give a function of the level in [0, 1]."""
    level = torch.linspace(0, 1, 201, dtype=torch.float64)
    ramps = len(transform.shared.weight) // 2
    knots = torch.linspace(0, 1, ramps + 1, dtype=torch.float64)[:-1]
    features = torch.cat((torch.relu(level[:, None] - knots), torch.ones_like(level)[:, None]), 1)
    solution = torch.linalg.lstsq(features, target(level)[:, None]).solution[:, 0]
    solution = solution.round(decimals=9).float()  # its last digits depend on where in memory the features lie
    weights = torch.zeros(len(transform.shared.weight))
    weights[:ramps] = solution[:-1]
    return weights, float(solution[-1])
