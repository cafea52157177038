"""Sizes of Xie et al.'s model: the ``paper`` and ``compact`` presets."""

from __future__ import annotations

from dataclasses import dataclass

from baselines.entropy.shapes import HyperpriorConfig
from baselines.inn.levels import Hidden


@dataclass(frozen=True)
class XieConfig(HyperpriorConfig):
    """Everything that shapes the network. The defaults are the published model for high rates (N = M = 192).

    Attributes:
        coupling_hidden: per level, hidden widths of the coupling subnets; None as published.
        enhancement: (width, growth) of the enhancement networks.
        attention_hidden: width inside the attention's residual units; None takes M/2.
    """

    coupling_hidden: Hidden | None = None
    enhancement: tuple[int, int] = (64, 32)
    attention_hidden: int | None = None


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
