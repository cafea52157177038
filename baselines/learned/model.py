"""The interface of every learned model: what the training loop and the stream coder ask of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from baselines.entropy.prior import LatentPrior
from baselines.inn.precision import exact
from baselines.learned.identity import as_pixels, latent_deviation
from baselines.learned.jacobian import quantisation_noise


@dataclass
class Forward:
    """What a training step needs.

    Attributes:
        x_hat: (B, 3, H, W), not clamped.
        y_bits, z_bits: (B,) each, bits of latents and hyper-latents.
        y: latents, not quantised.
        noise_power: (B,), where x_hat was made of y instead of y_hat: the mean squared error that rounding would add.
        deviation: (B,), where it was asked for: see ``baselines.learned.identity``.
    """

    x_hat: Tensor
    y_bits: Tensor
    z_bits: Tensor
    y: Tensor
    noise_power: Tensor | None = None
    deviation: Tensor | None = None


class LatentModel(nn.Module, ABC):
    """A transform and an entropy model. H and W of its inputs are multiples of 64; the latents are 16 times smaller.

    A level is a quality map (B, 1, H, W) in [0, 1] or one number for all; single-rate models do not look at it.
    """

    entropy: LatentPrior
    careful_parts: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of parameters that small steps of training already upset."""
    smallest_side: ClassVar[int] = 64
    """Of its inputs, in pixels."""

    def prepare(self, level: Tensor | float, size: tuple[int, int]) -> Any:
        """What analysis and synthesis need of the level for images of ``size``; the level itself by default."""
        return level

    def hold_gradients(self) -> None:
        """Forget, after a backward pass, gradients of parameters that are not to be trained; none by default."""

    @abstractmethod
    def analysis(self, x: Tensor, prepared: Any) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] -> y (B, M, H/16, W/16), not quantised."""

    @abstractmethod
    def hyper_analysis(self, y: Tensor, prepared: Any) -> Tensor:
        """y -> z (B, N, H/64, W/64), not quantised.

        ``prepared`` is what ``prepare`` gave, or, where y comes without its image, the level at the size of y.
        """

    @abstractmethod
    def synthesis(self, y_hat: Tensor, z_hat: Tensor, prepared: Any) -> Tensor:
        """Quantised latents and hyper-latents -> images, not clamped."""

    def encode(self, x: Tensor, level: Tensor | float) -> tuple[Tensor, Tensor]:
        """Images -> y and z."""
        prepared = self.prepare(level, (x.shape[2], x.shape[3]))
        y = self.analysis(x, prepared)
        return y, self.hyper_analysis(y, prepared)

    def decode(self, y_hat: Tensor, z_hat: Tensor, level: Tensor | float) -> Tensor:
        """Quantised y and z -> images, not clamped."""
        return self.synthesis(y_hat, z_hat, self.prepare(level, (16 * y_hat.shape[2], 16 * y_hat.shape[3])))

    def forward(
        self,
        x: Tensor,
        level: Tensor | float,
        noise: bool = True,
        distortion: str = "mse",
        identity: bool = False,
    ) -> Forward:
        """Encode and decode without a stream.

        Args:
            x: (B, 3, H, W) in [0, 1].
            level: see above.
            noise: see ``LatentPrior.bits_given``. The decoder always sees rounded latents, with straight-through
                gradients.
            distortion: ``mse``, or ``jacobian``: x_hat is made of latents that are not rounded, and ``noise_power``
                tells what rounding would add; see ``baselines.learned.jacobian``.
            identity: code the decoded image again, for ``deviation``; not with ``jacobian``.
        """
        prepared = self.prepare(level, (x.shape[2], x.shape[3]))
        y = self.analysis(x, prepared).float()
        y_hat = straight_through(y)
        with exact(x.device):
            z = self.hyper_analysis(y, prepared).float()
            y_bits, z_bits = self.entropy.bits_given(z, y, y_hat, noise)
        z_hat = self.entropy.quantise_hyper(z)
        if distortion == "jacobian":
            if not y.requires_grad:  # nothing of the analysis is trained
                y.requires_grad_()
            # z, which the synthesis may read too, does not change where y is rounded: the gradient is that of y alone
            given = y.view_as(y)
            x_hat = self.synthesis(given, z_hat, prepared).float()
            return Forward(x_hat, y_bits, z_bits, y, quantisation_noise(x_hat, given))
        x_hat = self.synthesis(y_hat, z_hat, prepared)
        if identity:
            again = self.analysis(as_pixels(x_hat), prepared)
            z_again = self.hyper_analysis(again, prepared)
            pixels = x[0, 0].numel()
            deviation = latent_deviation(again, y_hat, pixels) + latent_deviation(z_again, z_hat, pixels)
            return Forward(x_hat, y_bits, z_bits, y, deviation=deviation)
        return Forward(x_hat, y_bits, z_bits, y)


def straight_through(y: Tensor) -> Tensor:
    """round(y), with the gradient of y."""
    return y + (torch.round(y) - y).detach()
