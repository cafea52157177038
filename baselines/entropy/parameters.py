"""The networks behind h_s in fixed point: raw scale and mean of every latent, everywhere at once or in wavefronts.

Both ways give the same integers (see ``fixedpoint``), and both take apart what is linear before its rounding: the part
of the first layer that sees h_s is evaluated without waiting for latents. Of the context model's taps, a step of the
sweep waits only for those that were decoded one step before; the others are evaluated for two or four steps together,
which passes their weights through the processor half or a quarter as often.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.entropy.fixedpoint import CHUNK, FixedConv, gathered, leaky_relu_, rounded
from baselines.entropy.hyperprior import CONTEXT_KERNEL
from baselines.entropy.integers import IntegerMatrix, operand
from baselines.entropy.prior import LatentPrior
from baselines.entropy.wavefront import STRIDE, rows_of, steps, wavefronts

HALF = CONTEXT_KERNEL // 2
TAPS = [(at // CONTEXT_KERNEL - HALF, at % CONTEXT_KERNEL - HALF) for at in range(CONTEXT_KERNEL**2 // 2)]
"""(dy, dx) of what a position sees, in raster order."""

TOGETHER = (4, 2, 1)
"""Numbers of steps that are evaluated together, for taps that lie at least so many steps back."""

USUAL_DIGITS = 2
"""Of what the context model sees."""


class Parameters:
    """Context model and parameter network of one entropy model.

    Args:
        model: trained; it is copied into fixed point here.
        device: where they are evaluated.
    """

    def __init__(self, model: LatentPrior, device: torch.device) -> None:
        layers = [layer for layer in model.entropy_parameters if isinstance(layer, torch.nn.Conv2d)]
        self.layers = [FixedConv(layer.weight.to(device), _bias(layer).to(device)) for layer in layers]
        self.context: FixedConv | None = None
        if model.config.context:
            conv = model.context_prediction
            weight = conv.weight.flatten(2)[:, :, : len(TAPS), None]
            self.context = FixedConv(weight.to(device), _bias(conv).to(device))
            self.inputs = conv.in_channels
            first = self.layers[0].weight
            parts = first.split((first.shape[1] - conv.out_channels, conv.out_channels), 1)
            self.from_hyper, self.from_context = (IntegerMatrix(part) for part in parts)
            self.groups = [self._group(together) for together in TOGETHER]

    def _group(self, together: int) -> tuple[int, list[_Run], IntegerMatrix]:
        """``together``, the taps that so many steps share, and their weights."""
        assert self.context is not None
        chosen = [k for k, tap in enumerate(TAPS) if _together(tap) == together]
        weight = self.context.weight.unflatten(1, (len(TAPS), self.inputs))
        return together, _runs([TAPS[k] for k in chosen]), IntegerMatrix(weight[:, chosen].flatten(1))

    def everywhere(self, features: Tensor, seen: Tensor | None) -> Tensor:
        """At all positions.

        Args:
            features: (h, w, C) of h_s.
            seen: (h, w, M) what the context model sees of the latents; None where there is none.

        Returns:
            (h * w, 2M) multiples of 1/1024, scales first.
        """
        if not self.layers:
            return features.flatten(0, 1)
        height, width = features.shape[:2]
        rows = max(1, CHUNK // width)
        out = features.new_empty(height * width, len(self.layers[-1].weight))
        plane = None if seen is None else operand(F.pad(seen, (0, 0, HALF, HALF, HALF, 0)))
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            x = features[top:bottom].flatten(0, 1)
            if plane is None or self.context is None:
                found = self.layers[0].rows(x)
            else:
                taps = gathered(plane, TAPS, (HALF + top, HALF + bottom), (HALF, HALF + width))
                found = self.from_both(self.hyper_part(x), self.context.sums(taps))
            out[top * width : bottom * width] = self.rest(found)
        return out

    def hyper_part(self, features: Tensor) -> Tensor:
        """(K, C) of h_s -> what they add to the first layer, (K, O), not rounded."""
        first = self.layers[0]
        return self.from_hyper.add_products(first.offset, operand(features), first.step)

    def from_both(self, part: Tensor, context: Tensor) -> Tensor:
        """The first layer of ``hyper_part`` and the context model's sums."""
        return rounded(self.from_context.add_products(part, operand(rounded(context)), self.layers[0].step))

    def rest(self, x: Tensor) -> Tensor:
        """The first layer's output -> the last one's; changes its argument."""
        for layer in self.layers[1:]:
            x = layer.rows(leaky_relu_(x))
        return x


class Sweep:
    """One pass over B images in wavefronts: ask for a step with ``at``, answer with ``reveal``, in order.

    The images are evaluated side by side, which passes the weights through the processor once for all of them.

    Args:
        networks: with a context model.
        features: (B, h, w, C) of h_s.
    """

    def __init__(self, networks: Parameters, features: Tensor) -> None:
        self.networks = networks
        self.images, self.height, self.width, _ = features.shape
        first = self.height * self.width * np.arange(self.images)[:, None]
        order = np.concatenate([(first + step).ravel() for step in wavefronts(self.height, self.width, True)])
        rows = features.flatten(0, 2)[torch.from_numpy(order).to(features.device)]
        self.part = torch.cat([networks.hyper_part(part) for part in rows.split(CHUNK)])
        self.done = 0
        self.stride = self.width + 2 * HALF
        plane = self.part.new_zeros(self.images, (self.height + HALF) * self.stride, networks.inputs)
        self.plane = operand(plane, USUAL_DIGITS)
        self.ahead: dict[int, tuple[int, Tensor]] = {}
        """Sums of the groups so far: top row, and (B, steps, rows, O)."""

    def at(self, step: int) -> Tensor:
        """Raw scales and means (B * K, 2M) at the positions of a step: image after image, from top to bottom."""
        networks = self.networks
        assert networks.context is not None
        top, end = rows_of(step, self.height, self.width)
        total = networks.context.offset
        for together, runs, matrix in networks.groups:
            if step % together == 0:
                last = min(step + together, steps(self.height, self.width)) - 1
                bottom = rows_of(last, self.height, self.width)[1]
                seen = torch.cat([self._view(step, last, top, bottom, *run) for run in runs], 4).flatten(1, 3)
                result = matrix.add_products(total.new_zeros(()), seen, networks.context.step)
                self.ahead[together] = top, result.view(self.images, last + 1 - step, bottom - top, -1)
            first, result = self.ahead[together]
            total = total + result[:, step % together, top - first : end - first]
        part = self.part[self.done : self.done + self.images * (end - top)]
        return networks.rest(networks.from_both(part, total.flatten(0, 1)))

    def reveal(self, step: int, seen: Tensor) -> None:
        """What the context model sees (B * K, M) of the latents of a step."""
        digits = operand(seen, len(self.plane))
        if len(digits) > len(self.plane):
            more = self.plane.new_zeros(len(digits) - len(self.plane), *self.plane.shape[1:])
            self.plane = torch.cat((self.plane, more))
        view = self._view(step, step, *rows_of(step, self.height, self.width), (0, 0), 1)
        view[:, :, 0] = digits.unflatten(1, (self.images, -1))
        self.done += len(seen)

    def _view(self, step: int, last: int, top: int, bottom: int, tap: tuple[int, int], count: int) -> Tensor:
        """(D, B, steps, rows, count * M): what ``count`` taps from ``tap`` on to the right see.

        In a padded plane position (i, t - 3 i) lies (stride - 3) i + t after the first; what lies to its right is next.
        """
        row, m = self.stride - STRIDE, self.networks.inputs
        start = (HALF + tap[0]) * self.stride + HALF + tap[1] + step + top * row
        size = (self.plane.shape[0], self.images, last + 1 - step, bottom - top, count * m)
        strides = (self.plane.stride(0), self.plane.stride(1), m, row * m, 1)
        return self.plane.as_strided(size, strides, start * m)


_Run = tuple[tuple[int, int], int]


def _runs(taps: list[tuple[int, int]]) -> list[_Run]:
    """Taps in raster order as runs of neighbours: the first, and how many."""
    found: list[_Run] = []
    for dy, dx in taps:
        (first, count) = found[-1] if found else ((0, 0), 0)
        if count and (dy, dx) == (first[0], first[1] + count):
            found[-1] = first, count + 1
        else:
            found.append(((dy, dx), 1))
    return found


def _together(tap: tuple[int, int]) -> int:
    lag = -tap[1] - STRIDE * tap[0]
    return next(number for number in TOGETHER if lag >= number)


def _bias(conv: torch.nn.Conv2d) -> Tensor:
    return conv.bias if conv.bias is not None else torch.zeros(conv.out_channels)
