"""Sizes of Xie et al.'s model: the ``paper`` and ``compact`` presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.inn.levels import Hidden
from baselines.learned.config import ModelConfig
from bench.codec import BenchError


@dataclass(frozen=True)
class XieConfig(ModelConfig):
    """Everything that shapes the network. The defaults are the published model for high rates (N = M = 192).

    Attributes:
        latent: M, channels of y; must divide 768. 128 for low rates.
        hyper_latent: N, channels of z; None takes M, as published.
        hyper_width: width inside h_a and the first half of h_s; None takes M.
        hyper_middle: width of the second half of h_s; None takes 3M/2.
        hyper_outputs, context, context_outputs, parameter_widths, domain: see ``baselines.iat.config``.
        coupling_hidden: per level, hidden widths of the coupling subnets; None as published.
        enhancement: (width, growth) of the enhancement networks.
        attention_hidden: width inside the attention's residual units; None takes M/2.
    """

    latent: int = 192
    hyper_latent: int | None = None
    hyper_width: int | None = None
    hyper_middle: int | None = None
    hyper_outputs: int | None = None
    context: bool = True
    context_outputs: int | None = None
    parameter_widths: tuple[int, int] | None = None
    coupling_hidden: Hidden | None = None
    enhancement: tuple[int, int] = (64, 32)
    attention_hidden: int | None = None
    domain: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if self.latent < 1 or 768 % self.latent:
            raise BenchError(f"Xie: latent (M) must divide 768, got {self.latent}; change it with --latent.")


PAPER = XieConfig()
"""The published shapes at N = M = 192: 50.03 M parameters."""

COMPACT = XieConfig(
    latent=384,
    hyper_latent=64,
    hyper_width=128,
    hyper_middle=128,
    hyper_outputs=192,
    context_outputs=192,
    parameter_widths=(384, 320),
    coupling_hidden=((6, 6), (12, 12), (32, 32), (48, 48)),
    enhancement=(16, 8),
    attention_hidden=48,
    domain="log",
)
"""The same structure with reduced widths: one direction costs at most 80 kMAC per pixel."""

PRESETS = {"paper": PAPER, "compact": COMPACT}
