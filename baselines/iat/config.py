"""Sizes and variants of IAT: the ``paper`` and ``compact`` presets, and what a checkpoint stores of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baselines.learned.config import ModelConfig
from bench.codec import BenchError


@dataclass(frozen=True)
class IATConfig(ModelConfig):
    """Everything that shapes the network. The defaults are the published model (N = M = 192).

    Attributes:
        latent: M, channels of y; must divide 768.
        hyper_latent: N, channels of z.
        hyper_width: width inside h_a and h_s; None takes M, as published.
        hyper_outputs: channels that h_s hands to the parameter network; None takes 2M.
        context: whether the masked 5x5 context model is used.
        context_outputs: channels of the context model; None takes 2M.
        parameter_widths: the two hidden widths of the parameter network; None takes 10M/3 and 8M/3.
        coupling_hidden: per level, hidden widths of the coupling subnets towards (C/4, 3C/4); None as published.
        activation_hidden: per level, (shared, branch) widths of the quality-map networks; None takes (2c, c).
        enhancement: (width, growth) of the enhancement networks.
        domain: ``linear`` as published, or ``log``: the entropy networks see sign(y) log(1 + |y|) and return the
            logarithm of the scale and the mean in the same compressed form. One network then serves a 1:9 range of
            quantiser gains; it trains faster.
        level: ``map`` as published, or ``scalar``, the paper's ablation: one L an image, channel-wise weights only.
        non_local: a non-local attention block in the hyper-analysis, as in the paper's model without context.
    """

    latent: int = 192
    hyper_latent: int = 192
    hyper_width: int | None = None
    hyper_outputs: int | None = None
    context: bool = True
    context_outputs: int | None = None
    parameter_widths: tuple[int, int] | None = None
    coupling_hidden: tuple[tuple[int, int], ...] | None = None
    activation_hidden: tuple[tuple[int, int], ...] | None = None
    enhancement: tuple[int, int] = (64, 32)
    domain: Literal["linear", "log"] = "linear"
    level: Literal["map", "scalar"] = "map"
    non_local: bool = False

    def __post_init__(self) -> None:
        if self.latent < 1 or 768 % self.latent:
            raise BenchError(f"IAT: latent (M) must divide 768, got {self.latent}; change it with --latent.")


PAPER = IATConfig()
"""The published shapes: 49.57 M parameters."""

COMPACT = IATConfig(
    latent=384,
    hyper_latent=64,
    hyper_width=128,
    hyper_outputs=192,
    context_outputs=192,
    parameter_widths=(384, 320),
    coupling_hidden=((6, 6), (12, 12), (32, 32), (48, 48)),
    activation_hidden=((16, 16), (16, 16), (16, 16), (16, 16)),
    enhancement=(16, 8),
    domain="log",
)
"""The same structure with reduced widths: one direction costs at most 80 kMAC per pixel."""

PRESETS = {"paper": PAPER, "compact": COMPACT}
