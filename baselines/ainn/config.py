"""Sizes and variants of A-INN: the ``paper`` and ``compact`` presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.entropy.shapes import HyperpriorConfig
from bench.codec import BenchError

Denoising = Literal["unet", "residual", "dense", "none"]
Widths = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class AINNConfig(HyperpriorConfig):
    """Everything that shapes the network. The defaults are the published model for high rates (N = M = 192).

    Attributes:
        coupling_hidden: hidden width of the coupling subnets of each level; None as published.
        fdsm: frequency decomposition before and synthesis after the INN. Without it both streams start as the image,
            and the image is their mean.
        mask: width of the synthesis' mask network.
        pdm: structure of the progressive denoising modules. The released code has ``unet``; ``residual`` and
            ``dense`` are those of the paper's figure, in our own shapes.
        pdm_widths: of the modules for 12, 48 and 192 channels: of each scale of the U-Net; the others use the first.
        cfrm: cascaded feature recovery, dense refinement of the latents towards each stream; without it they are
            repeated.
        ms_cfrm: the multi-scale variant before the inverse of level 3. The paper's figure has one and the released code
            none; this one is our design, see ``refinement``.
        ms_width: width of its branches.
    """

    coupling_hidden: tuple[int, int, int, int] | None = None
    fdsm: bool = True
    mask: int = 32
    pdm: Denoising = "unet"
    pdm_widths: Widths = ((96, 192, 384, 384), (192, 384, 384), (384, 384))
    cfrm: bool = True
    ms_cfrm: bool = False
    ms_width: int = 48

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pdm not in ("unet", "residual", "dense", "none"):
            raise BenchError(f"A-INN: pdm must be unet, residual, dense or none, got {self.pdm!r}; see --pdm.")


PAPER = AINNConfig()
"""The published shapes at N = M = 192."""

COMPACT = AINNConfig(
    latent=384,
    hyper_latent=64,
    hyper_width=128,
    hyper_middle=128,
    hyper_outputs=192,
    context_outputs=192,
    parameter_widths=(384, 320),
    coupling_hidden=(2, 4, 8, 14),
    mask=4,
    pdm_widths=((8, 8, 16, 16), (16, 24, 24), (32, 32)),
    ms_width=8,
    domain="log",
)
"""The same structure with reduced widths: either direction costs at most 80 kMAC per pixel."""

PRESETS = {"paper": PAPER, "compact": COMPACT}
