"""IAT's transforms: enhancement, four invertible levels, each followed by an activation transform.

Source: Cai et al., ACM MM 2022, Figure 2, and the authors' code where the two differ (no attention block).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.iat.activation import ActivationTransform
from baselines.iat.config import IATConfig
from baselines.inn.blocks import AffineCoupling, Invertible1x1, channel_expand, channel_squeeze, squeeze, unsqueeze
from baselines.inn.enhancement import Enhancement

KERNELS = (5, 5, 3, 3)
CHANNELS = (12, 48, 192, 768)


class Level(nn.Module):
    """Squeeze, invertible 1x1, three couplings."""

    def __init__(self, channels: int, kernel: int, hidden: tuple[int, int] | None) -> None:
        super().__init__()
        self.mix = Invertible1x1(channels)
        self.couplings = nn.ModuleList(AffineCoupling(channels, kernel, hidden) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix(squeeze(x))
        for coupling in self.couplings:
            x = coupling(x)
        return x

    def inverse(self, x: Tensor) -> Tensor:
        for coupling in reversed(self.couplings):
            x = coupling.inverse(x)  # type: ignore[operator]
        return unsqueeze(self.mix.inverse(x))


class Transform(nn.Module):
    """Analysis (N, 3, H, W) -> (N, M, H/16, W/16) and synthesis back; H and W are multiples of 16."""

    def __init__(self, config: IATConfig) -> None:
        super().__init__()
        self.latent = config.latent
        width, growth = config.enhancement
        self.enhance = Enhancement(width, growth)
        self.restore = Enhancement(width, growth)
        hidden = config.coupling_hidden or (None,) * 4
        self.levels = nn.ModuleList(Level(c, k, h) for c, k, h in zip(CHANNELS, KERNELS, hidden, strict=True))
        widths = config.activation_hidden or ((None, None),) * 4
        features = (*CHANNELS[:3], config.latent)
        self.activations = nn.ModuleList(ActivationTransform(c, *w) for c, w in zip(features, widths, strict=True))

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
