"""A good start for the entropy model of Song et al.: hyper-latents that measure how far the latents spread.

Song et al. have no context model: what the decoder expects of a latent it knows from the hyper-latents alone. With
random weights these tell nothing at first, and while they learn to they run away to values that whole images do not
have. Here they begin as means of log(1 + |y|) over 4 x 4 latents, which the decoder turns into standard deviations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.entropy.gaussian import SCALE_MIN
from baselines.sft.model import CARRIERS
from baselines.sft.wiring import pass_first, read_level, zero

STEPS = 4.0
"""Hyper-latents a unit of log(1 + |y|)."""

SLOPE, OFFSET, KNOTS = 1.44, -0.23, {1.16: 0.51, 0.6: 1.55, 0.25: 3.4}
"""The logarithm of a Laplace distribution's standard deviation as a function of u, its mean of log(1 + |y|):
SLOPE u + OFFSET - sum of slope max(0, knot - u). With b = sigma / sqrt(2), u = exp(1 / b) E1(1 / b)."""


@torch.no_grad()
def expect(model: Any, spread: Tensor, middle: float) -> None:
    """Initialise hyper-analysis and hyper-synthesis.

    Args:
        model: Song et al.'s, changed in place.
        spread: (M,), root mean square of each latent over training blocks at L = 0; of the first, at all levels.
        middle: gain of the other latents at a middle level, for networks that cannot follow the level.
    """
    last = model.entropy.h_s[4]
    latents = len(spread)
    zero(last)
    if model.entropy.config.domain == "log":
        _measure_spread(model, spread)
    else:
        last.bias[:latents] = (middle * spread).clamp_min(SCALE_MIN)
        last.bias[0] = spread[0]


def _measure_spread(model: Any, spread: Tensor) -> None:
    """The hyper-latents are the mean log(1 + |y|) of 4 x 4 latents of the strongest channels, and tell their scale.

    Of the first channel, the local mean, they tell the mean instead. The weaker channels follow the last of these.
    """
    prior = model.entropy
    inputs, outputs, latents = len(prior.convs[0].weight), prior.h_s[2].weight.shape[1], len(spread)
    count = min(inputs // 2, inputs - CARRIERS - 1, latents - 2, (outputs - 2) // (1 + len(KNOTS)))
    for convolve in prior.convs:
        zero(convolve)
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
    pass_first(first)
    read_level(first)
    first.weight[CARRIERS:] /= STEPS
    told = slice(1, count + 2)
    first.weight[:, told], first.bias[told] = 0, 0
    middle.weight[:, : 1 + (count + 1) * (1 + len(KNOTS))] = 0
    pass_first(middle)
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
