"""A-INN's network: two streams through four invertible levels that couple them.

Source: Gao et al., IEEE TIP 2025, and the authors' code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.ainn.config import AINNConfig
from baselines.ainn.denoising import UNET_GAIN, Denoiser, UNet
from baselines.ainn.frequency import Decomposition, Synthesis
from baselines.ainn.refinement import MultiScaleRefinement, Refinement
from baselines.entropy.hyperprior import EntropyModel
from baselines.inn.blocks import Invertible1x1, Subnet, channel_expand, channel_squeeze, log_scale, squeeze, unsqueeze
from baselines.inn.levels import CHANNELS, KERNELS
from baselines.inn.start import orthonormal_start, quantiser_gain
from baselines.learned.model import LatentModel

Streams = tuple[Tensor, Tensor]


class CrossCoupling(nn.Module):
    """y1 = x1 exp(s(G2(x2))) + H2(x2); y2 = x2 exp(s(G1(y1))) + H1(y1), on two streams of C channels each."""

    def __init__(self, channels: int, kernel: int, hidden: int) -> None:
        super().__init__()
        self.G1, self.G2, self.H1, self.H2 = (Subnet(channels, channels, kernel, hidden) for _ in range(4))

    def forward(self, x1: Tensor, x2: Tensor) -> Streams:
        y1 = torch.addcmul(self.H2(x2), x1, torch.exp(log_scale(self.G2(x2))))
        return y1, torch.addcmul(self.H1(y1), x2, torch.exp(log_scale(self.G1(y1))))

    def inverse(self, y1: Tensor, y2: Tensor) -> Streams:
        x2 = (y2 - self.H1(y1)) * torch.exp(-log_scale(self.G1(y1)))
        return (y1 - self.H2(x2)) * torch.exp(-log_scale(self.G2(x2))), x2


class CrossLevel(nn.Module):
    """Squeeze both streams, one invertible 1x1 for both, three couplings across them."""

    def __init__(self, channels: int, kernel: int, hidden: int) -> None:
        super().__init__()
        self.mix = Invertible1x1(channels)
        self.couplings = nn.ModuleList(CrossCoupling(channels, kernel, hidden) for _ in range(3))

    def forward(self, x1: Tensor, x2: Tensor) -> Streams:
        x1, x2 = self.mix(squeeze(x1)), self.mix(squeeze(x2))
        for coupling in self.couplings:
            x1, x2 = coupling(x1, x2)
        return x1, x2

    def inverse(self, x1: Tensor, x2: Tensor) -> Streams:
        for coupling in reversed(self.couplings):
            x1, x2 = coupling.inverse(x1, x2)  # type: ignore[operator]
        return unsqueeze(self.mix.inverse(x1)), unsqueeze(self.mix.inverse(x2))


class AINN(LatentModel):
    """Gao et al. 2025, Figure 2. It does not look at the level."""

    entropy: EntropyModel

    def __init__(self, config: AINNConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.coupling_hidden or CHANNELS
        self.levels = nn.ModuleList(CrossLevel(c, k, h) for c, k, h in zip(CHANNELS, KERNELS, hidden, strict=True))
        if config.fdsm:
            self.decompose, self.compose = Decomposition(), Synthesis(config.mask)
        if config.cfrm:
            self.refine = nn.ModuleList(Refinement(config.latent, CHANNELS[3]) for _ in range(2))
        if config.ms_cfrm:
            self.refine_again = nn.ModuleList(
                MultiScaleRefinement(config.latent, CHANNELS[2], config.ms_width) for _ in range(2)
            )
        # denoise[i] follows the inverse of level i + 2, that is on CHANNELS[i] channels
        self.denoise = nn.ModuleList(
            nn.ModuleList(Denoiser(config.pdm, c, w) for _ in range(2))
            for c, w in zip(CHANNELS[:3], config.pdm_widths, strict=True)
        )
        self.entropy = EntropyModel(config.entropy())

    def analysis(self, x: Tensor, prepared: Any) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        low, high = self.decompose(x) if self.config.fdsm else (x, x)
        for level in self.levels:
            low, high = level(low, high)
        return channel_squeeze(torch.cat((low, high), 1), self.config.latent)

    def hyper_analysis(self, y: Tensor, prepared: Any) -> Tensor:
        return self.entropy.hyper_analysis(y)

    def synthesis(self, y_hat: Tensor, z_hat: Tensor, prepared: Any) -> Tensor:
        if self.config.cfrm:
            low, high = (refine(y_hat) for refine in self.refine)
        else:
            low = high = channel_expand(y_hat, CHANNELS[3])
        for i in (3, 2, 1, 0):
            low, high = self.levels[i].inverse(low, high)  # type: ignore[operator]
            if i:
                denoise: Any = self.denoise[i - 1]
                low, high = denoise[0](low), denoise[1](high)
            if i == 3 and self.config.ms_cfrm:
                low, high = (refine(f, y_hat) for refine, f in zip(self.refine_again, (low, high), strict=True))
        return self.compose(low, high) if self.config.fdsm else 0.5 * (low + high)


@torch.no_grad()
def start(model: AINN, blocks: Tensor, lagrangian: float) -> None:
    """Begin as an orthonormal block transform, the same in both streams, with the step that suits ``lagrangian``.

    The refinement makes up for the U-Nets' gain; without it they begin too bright and training has to find out.

    Args:
        model: changed in place.
        blocks: (K, 3, 16, 16) training blocks in [0, 1].
        lagrangian: lambda of the loss.
    """
    mixes = [level.mix for level in model.levels]
    orthonormal_start(mixes, blocks, model.config.latent)  # type: ignore[arg-type]
    mixes[3].weight.mul_(quantiser_gain(lagrangian))  # type: ignore[union-attr, operator]
    if model.config.fdsm:
        model.decompose.close()
    for module in model.modules():
        if isinstance(module, UNet):
            module.close()
    if model.config.cfrm:
        gain = UNET_GAIN ** -len(model.denoise) if model.config.pdm == "unet" else 1.0
        for refine in model.refine:
            refine.close(gain)  # type: ignore[operator]
