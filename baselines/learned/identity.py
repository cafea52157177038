"""Feature identity: a decoded image that is coded again is to have the latents it was decoded from.

Where it does, in all latents and hyper-latents to within half a step, the second stream is the first one and a chain
of generations is at rest. A distortion alone does not ask for that: a decoder learns to smooth what quantisation did,
which an encoder that sees its output does not undo, and the deviation grows from generation to generation. Source:
the feature identity loss of Kim et al., Instability of successive deep image compression (ACM MM 2020), which squares
all of a deviation of the latents; here what rounding takes away anyway costs nothing, and the decoder keeps that room
for the quality of generation 1. The hyper-latents are asked for as well: without them images came to rest while their
rate rose to five times as much, as what is left of a deviation below the rounding can be nothing to the latents and
much to the hyper-analysis.
"""

from __future__ import annotations

from torch import Tensor

FREE = 0.25
"""Steps that a latent may deviate by at no cost; rounding forgives half a step."""


def as_pixels(x_hat: Tensor) -> Tensor:
    """x_hat in [0, 1] as an 8-bit image carries it, clamped and rounded, with the gradient of x_hat."""
    return x_hat + ((x_hat.clamp(0, 1) * 255).round() / 255 - x_hat).detach()


def latent_deviation(again: Tensor, y_hat: Tensor, pixels: int) -> Tensor:
    """(B,), squared steps beyond FREE a pixel, between latents and those of the image decoded from them.

    Args:
        again: (B, M, h, w), latents or hyper-latents of the decoded image, not quantised.
        y_hat: (B, M, h, w), what it was decoded from; taken as given, without gradient.
        pixels: H * W.
    """
    return ((again - y_hat.detach()).abs() - FREE).relu().square().sum((1, 2, 3)) / pixels
