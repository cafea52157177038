"""Sizes of Song et al.'s model: the ``paper`` and ``compact`` presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.learned.config import LARGEST, ModelConfig
from bench.codec import BenchError


@dataclass(frozen=True)
class SFTConfig(ModelConfig):
    """Everything that shapes the network. The defaults are the published model.

    Attributes:
        latent: M, channels of y, 1 to 1024.
        width: N, channels of z and of the inner stages; the outer ones have N/4, N/2, N, N.
        prior: channels of the condition that drives the feature transforms.
        prior_hidden: widths of the two convolutions that start each condition; None takes 4 and 2 times ``prior``.
        hidden: width inside each feature transform.
        domain: see ``baselines.iat.config``.
    """

    latent: int = 192
    width: int = 192
    prior: int = 64
    prior_hidden: tuple[int, int] | None = None
    hidden: int = 128
    domain: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if not 1 <= self.latent <= LARGEST:
            raise BenchError(f"SFT: latent (M) must be 1 to {LARGEST}, got {self.latent}; change it with --latent.")

    @property
    def context(self) -> bool:
        """There is no context model."""
        return False


PAPER = SFTConfig()
"""The published shapes: 27.57 M parameters."""

COMPACT = SFTConfig(latent=192, width=128, prior=12, prior_hidden=(24, 12), hidden=16, domain="log")
"""The same structure with reduced widths: one direction costs at most 80 kMAC per pixel."""

PRESETS = {"paper": PAPER, "compact": COMPACT}
