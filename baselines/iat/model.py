"""The IAT network as a whole: transforms and entropy model, for training and as the core of the codec."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.entropy.hyperprior import EntropyConfig, EntropyModel
from baselines.iat.config import IATConfig
from baselines.iat.transform import Transform


@dataclass
class Forward:
    """What a training step needs: x_hat (B, 3, H, W) not clamped; bits of y and z, each (B,); latents y."""

    x_hat: Tensor
    y_bits: Tensor
    z_bits: Tensor
    y: Tensor


def entropy_config(config: IATConfig) -> EntropyConfig:
    """The entropy model's shapes, with the published defaults filled in."""
    m = config.latent
    width = config.hyper_width or m
    return EntropyConfig(
        latent=m,
        hyper_latent=config.hyper_latent,
        hyper_width=width,
        hyper_middle=width,
        hyper_outputs=config.hyper_outputs or 2 * m,
        context=config.context,
        context_outputs=config.context_outputs or 2 * m,
        parameter_widths=config.parameter_widths or (10 * m // 3, 8 * m // 3),
        domain=config.domain,
    )


class IAT(nn.Module):
    """Cai et al. 2022. H and W of its inputs are multiples of 64."""

    def __init__(self, config: IATConfig) -> None:
        super().__init__()
        self.config = config
        self.transform = Transform(config)
        self.entropy = EntropyModel(entropy_config(config))

    def forward(self, x: Tensor, level: Tensor | float, noise: bool = True, rate_only: bool = False) -> Forward:
        """Encode and decode without a stream.

        Args:
            x: images (B, 3, H, W) in [0, 1].
            level: quality map (B, 1, H, W) in [0, 1], or one number for all.
            noise: see ``EntropyModel.bits``. The decoder always sees rounded latents, with straight-through gradients.
            rate_only: leave out the synthesis (x_hat is x) and the transform's gradients.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not rate_only):
            modulations = self.transform.modulations(level, (x.shape[2], x.shape[3]))
            y = self.transform.analysis(x, modulations).float()
        y_hat = y + (torch.round(y) - y).detach()
        y_bits, z_bits = self.entropy.bits(y, y_hat, noise)
        x_hat = x if rate_only else self.transform.synthesis(y_hat, modulations)
        return Forward(x_hat, y_bits, z_bits, y)
