"""How coarse the stored weights may be: what the steps of each tensor do to rate and PSNR, measured on photographs.

Some tensors can be off by a third of their size and no pixel changes, of others a thousandth shows: steps that are the
same for all waste the room of the ones or the quality of the others. For small steps of size s the squared change of
rate and PSNR is A s^2, A found with one trial; the bits of n values, n log2(1 / s), are fewest in all where each tensor
causes a change in proportion to its n. That is reverse water-filling (Cover and Thomas, Elements of Information Theory,
10.3.3), with measured sensitivities in the place of variances.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.learned.model import LatentModel
from baselines.storage import is_stepped, on_steps

PSNR, RATE = 0.01, 0.005
"""What the weights as stored may change: dB, and share of the rate; root mean squares over crops and levels."""

LEVELS = (0.1, 0.5, 0.9)
"""Of a variable-rate model."""

TRIAL, COARSEST = 0.3, 1.0
"""Step of a first trial, and the coarsest step, as shares of a tensor's root mean square."""

LARGE = 2**15
"""Tensors of fewer values are tried all at once, at one share."""

STEEP, RETRIES = 30.0, 6
"""A trial that changes more than so many times what is allowed is made again with smaller steps, at most so often."""

ENOUGH, TRIES = 0.6, 8
"""Share of what is allowed that the steps should use, and how often they are changed towards it."""


@dataclass(frozen=True, slots=True)
class Change:
    """What weights on steps do, as root mean squares over crops and levels: PSNR in dB, and share of the rate."""

    psnr: float
    rate: float

    @property
    def square(self) -> float:
        """1 where it is all that is allowed."""
        return (self.psnr / PSNR) ** 2 + (self.rate / RATE) ** 2


@torch.no_grad()
def measured_steps(
    model: LatentModel, tensors: Mapping[str, Tensor], base: Mapping[str, Tensor], crops: Tensor, single_rate: bool
) -> tuple[dict[str, float], Change]:
    """Steps for ``baselines.storage.pack``, as coarse as ``PSNR`` and ``RATE`` allow.

    Args:
        model: with ``tensors`` as its weights, in evaluation mode; it has them again at the end.
        tensors, base: by name; steps are those of differences where the base has a tensor of that shape.
        crops: (B, 3, H, W) in [0, 1], H and W multiples of 64.
        single_rate: the model has no level.

    Returns:
        the step of each tensor that is to be stored in steps, and what all of them change together.
    """
    trials = _Trials(model, tensors, base, crops, (0.0,) if single_rate else LEVELS)
    groups = trials.groups()
    slopes = [trials.slope(names) for names in groups]
    counts = [trials.count(names) for names in groups]
    budget = 1.0
    best: tuple[float, dict[str, float], Change] = (0.0, {}, Change(0.0, 0.0))
    for _ in range(TRIES if groups else 0):
        steps: dict[str, float] = {}
        for names, steepness, count in zip(groups, slopes, counts, strict=True):
            share = min(math.sqrt(budget * count / sum(counts) / max(steepness, 1e-30)), COARSEST)
            steps |= trials.steps(names, share)
        found = trials.change(steps)
        if found.square <= 1 and budget > best[0]:
            best = budget, steps, found
        if ENOUGH <= found.square <= 1:
            break
        budget *= 0.8 / max(found.square, 1e-3)
    return best[1:]


class _Trials:
    """What steps change, tried on a model: arguments as of ``measured_steps``, and the levels to try them at."""

    def __init__(
        self,
        model: LatentModel,
        tensors: Mapping[str, Tensor],
        base: Mapping[str, Tensor],
        crops: Tensor,
        levels: tuple[float, ...],
    ) -> None:
        self.model, self.tensors, self.base, self.crops, self.levels = model, tensors, base, crops, levels
        self.whole = _marks(model, crops, levels)
        self.large = {name: value for name, value in tensors.items() if is_stepped(value, base.get(name))}

    def groups(self) -> list[list[str]]:
        """Names of tensors that are tried together."""
        found = [[name] for name, value in self.large.items() if value.numel() >= LARGE]
        if small := [name for name, value in self.large.items() if value.numel() < LARGE]:
            found.append(small)
        return found

    def count(self, names: list[str]) -> int:
        """How many values the tensors have together."""
        return sum(self.large[name].numel() for name in names)

    def steps(self, names: list[str], share: float) -> dict[str, float]:
        """Steps that are one share of each tensor's root mean square."""
        return {name: share * float(self.large[name].float().square().mean().sqrt()) for name in names}

    def change(self, steps: Mapping[str, float]) -> Change:
        """What the model changes by with its weights on these steps; it has its own again afterwards."""
        coarse = {name: self._stored(name, step) for name, step in steps.items()}
        self.model.load_state_dict(coarse, strict=False)
        found = _marks(self.model, self.crops, self.levels) - self.whole
        self.model.load_state_dict({name: self.tensors[name] for name in steps}, strict=False)
        return Change(*found.square().mean((0, 1)).sqrt().tolist())

    def slope(self, names: list[str]) -> float:
        """What a share squared costs, found at one that costs little enough for that."""
        share = TRIAL
        for _ in range(RETRIES):
            steps = self.steps(names, share)
            found = self.change(steps).square
            if found <= STEEP:
                break
            share *= max(math.sqrt(STEEP / 3 / found), 0.03)
        # steps coarser than a difference leave it out, an error less than such steps otherwise make: a twelfth of their
        # square on average
        errors = [self._stored(name, steps[name]) - self.large[name] for name in names]
        squares = sum(float(error.square().sum()) for error in errors)
        return found / max(12 * squares / sum(float(self.large[name].square().sum()) for name in names), 1e-30)

    def _stored(self, name: str, step: float) -> Tensor:
        return on_steps(self.tensors[name], self.base.get(name), step)


def _marks(model: LatentModel, crops: Tensor, levels: tuple[float, ...]) -> Tensor:
    """(levels, crops, 2): PSNR in dB of rounded latents, and the natural logarithm of the estimated bits."""
    found = []
    for level in levels:
        for crop in crops.split(1):
            result = model(crop, level, noise=False)
            error = (result.x_hat.clamp(0, 1) - crop).square().mean()
            found.append(torch.stack((-10 * torch.log10(error), (result.y_bits + result.z_bits)[0].log())))
    return torch.stack(found).view(len(levels), len(crops), 2).double()
