"""Latents kept for training the entropy model alone: an analysis is paid for once and learned from several times.

A model of many generations codes its own output far more often than photographs. Its entropy model has to know such
latents, which lie near whole numbers, or the rate rises from the second generation on. A share of the pool is
therefore made of images that were coded once before.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.learned.model import LatentModel

LEVEL_SHIFT = 0.05
"""Half of the images that are coded again are so at a level up to this far from their first."""


class LatentPool:
    """A ring of latents and of the levels they were made at, on the device they come from.

    Args:
        capacity: number of crops kept; older ones are overwritten.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity, self.count = capacity, 0
        self.y, self.level = torch.empty(0), torch.empty(0)
        self.own = torch.zeros(capacity, dtype=torch.bool)

    def __len__(self) -> int:
        return min(self.count, self.capacity)

    @property
    def coded_once(self) -> float:
        """The share of what is kept that was coded once before; 0 of nothing."""
        return float(self.own[: len(self)].double().mean()) if len(self) else 0.0

    def short_of(self, share: float, batch: int) -> bool:
        """Whether ``share`` is met best if the next ``batch`` to be added is of images that were coded once."""
        left = self.own.clone()
        left[torch.arange(self.count, self.count + batch) % self.capacity] = False
        return float(left.sum()) + batch / 2 < share * min(self.count + batch, self.capacity)

    def add(self, y: Tensor, level: Tensor, coded_once: bool = False) -> None:
        """Keep y (B, M, h, w) and its quality maps (B, 1, H, W), which are pooled to the size of y; of more than the
        capacity the last ones. Values that are not finite are not kept."""
        if not bool(torch.isfinite(y).all()):
            return
        y, level = y.detach().float(), F.adaptive_avg_pool2d(level, (y.shape[2], y.shape[3]))
        y, level = y[-self.capacity :], level[-self.capacity :]
        if not len(self.y):
            self.y = torch.zeros(self.capacity, *y.shape[1:], device=y.device)
            self.level = torch.zeros(self.capacity, *level.shape[1:], device=y.device)
        at = torch.arange(self.count, self.count + len(y)) % self.capacity
        self.y[at.to(y.device)], self.level[at.to(y.device)] = y, level
        self.own[at] = coded_once
        self.count += len(y)

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """y (batch, M, h, w), channels last, and levels (batch, 1, h, w), drawn at random with repetition."""
        at = torch.randint(0, len(self), (batch,), generator=generator).to(self.y.device)
        return self.y[at].contiguous(memory_format=torch.channels_last), self.level[at]

    def state(self) -> dict[str, Tensor]:
        """What ``restore`` takes."""
        return {"y": self.y, "level": self.level, "count": torch.tensor(self.count), "own": self.own}

    def restore(self, state: dict[str, Tensor], side: int) -> None:
        """Take up what ``state`` gave, but for a pool of another capacity or of latents of another side, in latents."""
        y = state["y"]
        if y.dim() == 4 and (len(y), *y.shape[2:]) == (self.capacity, side, side):
            self.y, self.level = y, state["level"]
            self.count, self.own = int(state["count"]), state["own"].cpu()


@torch.no_grad()
def coded_once(
    model: LatentModel, x: Tensor, level: Tensor, generator: torch.Generator, shift: bool
) -> tuple[Tensor, Tensor]:
    """Latents of decoded images, coded again.

    Args:
        x: (B, 3, H, W) in [0, 1].
        level: (B, 1, H, W), at which they are coded the first time.
        generator: of the levels the second time.
        shift: whether these may differ, see ``LEVEL_SHIFT``.

    Returns:
        y (B, M, h, w), float32, and the levels of the second time.
    """
    y, z = model.encode(x, level)
    x_hat = model.decode(torch.round(y), model.entropy.quantise_hyper(z), level)
    x_hat = (x_hat.clamp(0, 1) * 255).round() / 255
    if shift:
        moved = (torch.rand(len(x), 1, 1, 1, generator=generator) * 2 - 1) * LEVEL_SHIFT
        moved = moved * (torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5)
        level = (level + moved.to(level.device)).clamp(0, 1)
    prepared = model.prepare(level, (x.shape[2], x.shape[3]))
    return model.analysis(x_hat.contiguous(memory_format=torch.channels_last), prepared), level
