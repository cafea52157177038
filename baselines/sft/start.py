"""A good start for Song et al.'s network: a cascade of Karhunen-Loeve transforms whose gain already follows the level.

Everything starts linear: the normalisations hardly divide, the residual blocks add nothing, the feature transforms
change nothing but by the level. Stage by stage, the strided convolutions take the 2 x 2 pixels of each of their inputs
to the strongest principal components of training blocks, and the transposed ones take them back. Before the last
stage, all but the strongest component (the local mean) are multiplied by exp(TAU L / 2), as the loss wants; the decoder
knows the level from hyper-latents that carry it, and divides. The entropy model expects of each latent its spread over
the training blocks. What the start does not use keeps its random weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from baselines.entropy.gaussian import SCALE_MIN
from baselines.inn.start import quantiser_gain
from baselines.sft.layers import GDN1, FeatureTransform, TransformedBlock
from baselines.sft.model import CARRIERS, SFT
from baselines.training.losses import TAU, THETA

GREY = 0.5
"""Taken off first and put back last: the smaller the local means, the less a step of training can spoil them."""

GAMMA = 1e-6
"""Of the normalisations: they divide by 1 + GAMMA |x|."""

UNIT = 64.0
"""The hyper-latents that carry the level are UNIT times it; their mean tells it to 1 / (UNIT sqrt(12 CARRIERS))."""

STEPS = 4.0
"""Hyper-latents a unit of log(1 + |y|)."""

SLOPE, OFFSET, KNOTS = 1.44, -0.23, {1.16: 0.51, 0.6: 1.55, 0.25: 3.4}
"""The logarithm of a Laplace distribution's standard deviation as a function of u, its mean of log(1 + |y|):
SLOPE u + OFFSET - sum of slope max(0, knot - u). With b = sigma / sqrt(2), u = exp(1 / b) E1(1 / b)."""

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
            _zero(module.convs[1])
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
    _expect(parts, gain * spread)


def _cascade(model: Any, blocks: Tensor) -> Tensor:
    """The strided convolutions as principal components, the transposed ones as their transposes.

    Returns:
        root mean square of each latent, (M,).
    """
    first, last = model.g_a.convs[0], model.g_s.last
    colours = min(3, len(first.weight))
    _zero(first, colours)
    _zero(last)
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
        _zero(convolve, kept)
        convolve.weight[:kept, :channels, 2:4, 2:4] = taps
        grow.weight[:, :channels] = 0
        grow.weight[:kept, :channels, 2:4, 2:4] = taps
        grow.bias[:channels] = 0
        x = (vectors @ basis.T).reshape(count, height // 2, width // 2, kept).permute(0, 3, 1, 2)
    used = x.pow(2).mean((0, 2, 3)).sqrt().float()
    return torch.cat((used, torch.zeros(len(convolve.weight) - len(used))))


def _expect(model: Any, spread: Tensor) -> None:
    """The entropy model begins with the spread that each latent has over the training blocks."""
    last = model.entropy.h_s[4]
    latents = len(spread)
    _zero(last)
    if model.entropy.config.domain == "log":
        _measure_spread(model, spread)
    else:
        last.bias[:latents] = (math.exp(TAU / 2 * MEAN_LEVEL) * spread).clamp_min(SCALE_MIN)
        last.bias[0] = spread[0]


def _measure_spread(model: Any, spread: Tensor) -> None:
    """The hyper-latents are the mean log(1 + |y|) of 4 x 4 latents of the strongest channels, and tell their scale.

    Of the first channel, the local mean, they tell the mean instead. The weaker channels follow the last of these.
    """
    prior = model.entropy
    inputs, outputs, latents = len(prior.convs[0].weight), prior.h_s[2].weight.shape[1], len(spread)
    count = min(inputs // 2, inputs - CARRIERS - 1, latents - 2, (outputs - 2) // (1 + len(KNOTS)))
    for convolve in prior.convs:
        _zero(convolve)
    for channel in range(CARRIERS):
        prior.convs[2].weight[channel, channel, 2, 2] = 1
    # |y| as max(y, 0) + max(-y, 0), averaged twice over 2 x 2; the last row is of the first channel's negative part
    sources = [(0, [0]), *((j, [2 * j, 2 * j + 1]) for j in range(1, count)), (count, [1])]
    for j in range(count):
        prior.convs[0].weight[2 * j, j, 1, 1], prior.convs[0].weight[2 * j + 1, j, 1, 1] = 1, -1
    for row, parts in sources:
        prior.convs[1].weight[CARRIERS + row, parts, 2:4, 2:4] = 0.25
        prior.convs[2].weight[CARRIERS + row, CARRIERS + row, 2:4, 2:4] = 0.25 * STEPS
    prior.bottleneck.widen(slice(CARRIERS, None), 1.5 * STEPS)

    first, middle, last = (prior.h_s[i] for i in (0, 2, 4))
    _pass_first(first)
    _read_level(first)
    first.weight[CARRIERS:] /= STEPS
    told = slice(1, count + 2)
    first.weight[:, told], first.bias[told] = 0, 0
    middle.weight[:, : 1 + (count + 1) * (1 + len(KNOTS))] = 0
    _pass_first(middle)
    for row, _ in sources:
        first.weight[CARRIERS + row, 1 + row, 2:4, 2:4] = 1 / STEPS
        middle.weight[1 + row, 1 + row, 2:4, 2:4] = 1
        middle.bias[1 + row] = 0
    bends = torch.zeros(count, middle.weight.shape[1])
    for row in range(1, count):
        bends[row, 1 + row] = SLOPE
        for k, (knot, slope) in enumerate(KNOTS.items()):
            channel = count + 2 + (row - 1) * len(KNOTS) + k
            middle.weight[1 + row, channel, 2:4, 2:4] = -1
            middle.bias[channel] = knot
            bends[row, channel] = -slope
    weakest = slice(max(1, 3 * count // 4), count)
    beyond = torch.log(spread.clamp_min(SCALE_MIN)) - torch.log(spread[weakest].clamp_min(SCALE_MIN)).mean()
    last.weight[1:count, :, 1, 1], last.bias[1:count] = bends[1:], OFFSET
    last.weight[count:latents, :, 1, 1] = bends[weakest].mean(0)
    last.bias[count:latents] = OFFSET + beyond[count:]
    last.bias[0] = torch.log(spread[0] / 3)
    last.weight[latents, 1, 1, 1], last.weight[latents, 1 + count, 1, 1] = 1, -1


def _carry_level(model: Any) -> None:
    """The level through channel 0 of every condition, and from the encoder to the decoder in the hyper-latents."""
    prior = model.entropy
    for condition in (*model.g_a.conditions, *prior.conditions, *model.g_s.conditions, model.g_s.hyper_condition):
        for layer in condition:
            if not isinstance(layer, nn.LeakyReLU):
                _pass_first(layer)
    _read_level(model.g_s.hyper_condition[0])
    carried = slice(CARRIERS)
    for convolve in prior.convs[1:]:
        _zero(convolve, CARRIERS)
    for channel in range(CARRIERS):
        prior.convs[2].weight[channel, channel, 2, 2] = 1
    shift = prior.transforms[1].shift
    weights, bias = _fit(prior.transforms[1], lambda level: UNIT * level)
    shift.weight[carried, :, 1, 1] = weights
    shift.bias[carried] = bias


def _read_level(entry: Any) -> None:
    """A transposed convolution of the hyper-latents: channel 0 is the level, the others do not see it."""
    level = entry.weight[0, 0] / (UNIT * CARRIERS)
    entry.weight[:CARRIERS] = 0
    entry.weight[:CARRIERS, 0] = level


def _set_gain(transform: Any, rate: float, mean: float) -> None:
    """exp(rate L) for all channels but the first, which is multiplied by ``mean``."""
    weights, bias = _fit(transform, lambda level: torch.expm1(rate * level))
    transform.scale.weight[1:, :, 1, 1] = weights
    transform.scale.bias[1:] = bias
    transform.scale.bias[0] = mean - 1


def _neutral(transform: Any) -> None:
    """x stays x; half of what lies between are ramps of channel 0 of the condition with knots spread over [0, 1]."""
    _zero(transform.scale)
    _zero(transform.shift)
    ramps = len(transform.shared.weight) // 2
    _zero(transform.shared, ramps)
    transform.shared.weight[:ramps, 0, 1, 1] = 1
    transform.shared.bias[:ramps] = -torch.linspace(0, 1, ramps + 1)[:-1]


def _fit(transform: Any, target: Callable[[Tensor], Tensor]) -> tuple[Tensor, float]:
    """Weights of the ramps, zero for the rest, and the bias, that give a function of the level in [0, 1]."""
    level = torch.linspace(0, 1, 201, dtype=torch.float64)
    ramps = len(transform.shared.weight) // 2
    knots = torch.linspace(0, 1, ramps + 1, dtype=torch.float64)[:-1]
    features = torch.cat((torch.relu(level[:, None] - knots), torch.ones_like(level)[:, None]), 1)
    solution = torch.linalg.lstsq(features, target(level)[:, None]).solution[:, 0].float()
    weights = torch.zeros(len(transform.shared.weight))
    weights[:ramps] = solution[:-1]
    return weights, float(solution[-1])


def _pass_first(layer: Any) -> None:
    """Output channel 0 is input channel 0, of the pixel at the same place."""
    middle = layer.kernel_size[0] // 2
    if isinstance(layer, nn.ConvTranspose2d):
        layer.weight[:, 0] = 0
        layer.weight[0, 0, middle : middle + 2, middle : middle + 2] = 1
    else:
        layer.weight[0] = 0
        layer.weight[0, 0, middle, middle] = 1
    layer.bias[0] = 0


def _zero(layer: Any, outputs: int | None = None) -> None:
    """Nothing comes out of the first channels, or of all."""
    layer.weight[:outputs] = 0
    layer.bias[:outputs] = 0
