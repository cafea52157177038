"""IAT's transforms: enhancement, four invertible levels, each followed by an activation transform.

Source: Cai et al., ACM MM 2022, Figure 2, and the authors' code where the two differ (no attention block).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.iat.activation import ActivationTransform
from baselines.iat.config import IATConfig
from baselines.inn.blocks import channel_expand, channel_squeeze
from baselines.inn.enhancement import Enhancement
from baselines.inn.levels import CHANNELS, levels


class Transform(nn.Module):
    """Analysis (N, 3, H, W) -> (N, M, H/16, W/16) and synthesis back; H and W are multiples of 16."""

    def __init__(self, config: IATConfig) -> None:
        super().__init__()
        self.latent = config.latent
        width, growth = config.enhancement
        self.enhance = Enhancement(width, growth)
        self.restore = Enhancement(width, growth)
        self.levels = levels(config.coupling_hidden)
        widths = config.activation_hidden or ((None, None),) * 4
        features = (*CHANNELS[:3], config.latent)
        scalar = config.level == "scalar"
        self.activations = nn.ModuleList(
            ActivationTransform(c, *w, scalar=scalar) for c, w in zip(features, widths, strict=True)
        )

    def modulations(self, level: Tensor | float, size: tuple[int, int]) -> list[tuple[Tensor, Tensor]]:
        """The (scale, shift) of the four levels for images of ``size``; one evaluation serves both directions."""
        return [
            module.modulation(level, (size[0] >> i + 1, size[1] >> i + 1))  # type: ignore[operator]
            for i, module in enumerate(self.activations)
        ]

    def analysis(self, x: Tensor, modulations: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Images in [0, 1] -> latents y, not quantised."""
        x = self.enhance(x.contiguous(memory_format=torch.channels_last))
        for i, (level, (scale, shift)) in enumerate(zip(self.levels, modulations, strict=True)):
            x = level(x)
            if i == 3:
                x = channel_squeeze(x, self.latent)
            x = torch.addcmul(shift, x, scale)
        return x

    def synthesis(self, y: Tensor, modulations: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Quantised latents -> images, not clamped."""
        x = y
        for i in (3, 2, 1, 0):
            scale, shift = modulations[i]
            x = (x - shift) / scale
            if i == 3:
                x = channel_expand(x, CHANNELS[3])
            x = self.levels[i].inverse(x)  # type: ignore[operator]
        return self.restore(x)
