"""Xie et al.'s network: enhancement, four invertible levels, channel squeeze, attention; and the mirror."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.entropy.hyperprior import EntropyModel
from baselines.inn.attention import Attention
from baselines.inn.blocks import channel_expand, channel_squeeze
from baselines.inn.enhancement import Enhancement
from baselines.inn.levels import CHANNELS, levels
from baselines.inn.start import orthonormal_start, quantiser_gain
from baselines.learned.model import LatentModel
from baselines.xie.config import XieConfig


class Xie(LatentModel):
    """Xie et al. 2021, Figure 2. It does not look at the level."""

    entropy: EntropyModel

    def __init__(self, config: XieConfig) -> None:
        super().__init__()
        self.config = config
        self.enhance = Enhancement(*config.enhancement)
        self.restore = Enhancement(*config.enhancement)
        self.levels = levels(config.coupling_hidden)
        self.attend = Attention(config.latent, config.attention_hidden)
        self.unattend = Attention(config.latent, config.attention_hidden)
        self.entropy = EntropyModel(config.entropy())

    def analysis(self, x: Tensor, prepared: Any) -> Tensor:
        x = self.enhance(x.contiguous(memory_format=torch.channels_last))
        for level in self.levels:
            x = level(x)
        return self.attend(channel_squeeze(x, self.config.latent))

    def hyper_analysis(self, y: Tensor, prepared: Any) -> Tensor:
        return self.entropy.hyper_analysis(y)

    def synthesis(self, y_hat: Tensor, z_hat: Tensor, prepared: Any) -> Tensor:
        x = channel_expand(self.unattend(y_hat), CHANNELS[3])
        for level in reversed(self.levels):
            x = level.inverse(x)  # type: ignore[operator]
        return self.restore(x)


@torch.no_grad()
def start(model: Xie, blocks: Tensor, lagrangian: float) -> None:
    """Begin as an orthonormal block transform with the quantiser step that suits ``lagrangian``.

    Args:
        model: changed in place.
        blocks: (K, 3, 16, 16) training blocks in [0, 1].
        lagrangian: lambda of the loss.
    """
    mixes = [level.mix for level in model.levels]
    orthonormal_start(mixes, blocks, model.config.latent)  # type: ignore[arg-type]
    mixes[3].weight.mul_(quantiser_gain(lagrangian))  # type: ignore[union-attr, operator]
    model.attend.close()
    model.unattend.close()
