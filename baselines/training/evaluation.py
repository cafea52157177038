"""What the training log tells: rate and PSNR on held-back crops, at three levels, and some generations later."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.learned.identity import as_pixels
from baselines.learned.model import LatentModel

LATER = 5
"""The generation that is looked at beside the first."""

LEVELS = {"_10": 0.1, "_50": 0.5, "_90": 0.9}
"""Of a variable-rate model, by what its keys end in."""


@torch.no_grad()
def evaluate(model: LatentModel, crops: Tensor, single_rate: bool, later: bool) -> dict[str, float]:
    """bpp and PSNR in dB with rounded latents; the rate is an estimate.

    Args:
        model: in evaluation mode.
        crops: (B, 3, H, W) in [0, 1].
        single_rate: no level; keys are those of LEVELS otherwise.
        later: also bpp_later and psnr_later, those of generation LATER.
    """
    out: dict[str, float] = {}
    for key, level in ({"": 0.0} if single_rate else LEVELS).items():
        sums = dict.fromkeys(("bpp", "psnr", *(("bpp_later", "psnr_later") if later else ())), 0.0)
        for part in crops.split(4):
            result = model(part, level, noise=False)
            sums["bpp"] += float((result.y_bits + result.z_bits).sum())
            sums["psnr"] += _psnr(result.x_hat.clamp(0, 1), part)
            if later:
                bits, images = _generation_later(model, result.x_hat, level)
                sums["bpp_later"] += bits
                sums["psnr_later"] += _psnr(images, part)
        for name, value in sums.items():
            out[name + key] = value / (crops[:, 0].numel() if name.startswith("bpp") else len(crops))
    return out


def _generation_later(model: LatentModel, x_hat: Tensor, level: float) -> tuple[float, Tensor]:
    """Bits in all, and images, of generation LATER, from the images of generation 1, not clamped."""
    for _ in range(LATER - 1):
        result = model(as_pixels(x_hat).contiguous(memory_format=torch.channels_last), level, noise=False)
        x_hat = result.x_hat
    return float((result.y_bits + result.z_bits).sum()), as_pixels(x_hat)


def _psnr(x_hat: Tensor, x: Tensor) -> float:
    """Sum of the images' PSNR in dB, at most 100 each: a black crop comes back exactly. Both (B, 3, H, W) in [0, 1]."""
    return float((-10 * torch.log10(((x_hat - x) ** 2).mean((1, 2, 3)).clamp_min(1e-10))).sum())
