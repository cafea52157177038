"""Shapes of the hyperprior with context model, as the systems' configurations have them: published where None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from baselines.entropy.hyperprior import EntropyConfig
from baselines.entropy.prior import Domain
from baselines.learned.config import ModelConfig
from bench.codec import BenchError


class Shapes(Protocol):
    """What ``entropy_config`` reads; see ``HyperpriorConfig``."""

    @property
    def latent(self) -> int: ...

    @property
    def hyper_latent(self) -> int | None: ...

    @property
    def hyper_width(self) -> int | None: ...

    @property
    def hyper_outputs(self) -> int | None: ...

    @property
    def context(self) -> bool: ...

    @property
    def context_outputs(self) -> int | None: ...

    @property
    def parameter_widths(self) -> tuple[int, int] | None: ...

    @property
    def domain(self) -> Domain: ...


def entropy_config(config: Shapes, middle: int, non_local: bool = False) -> EntropyConfig:
    """The entropy model's shapes, with the published defaults filled in.

    Args:
        config: of a system.
        middle: width of the second half of h_s, in which the systems differ.
        non_local: whether the hyper-analysis ends in a non-local attention block.
    """
    m = config.latent
    return EntropyConfig(
        latent=m,
        hyper_latent=config.hyper_latent or m,
        hyper_width=config.hyper_width or m,
        hyper_middle=middle,
        hyper_outputs=config.hyper_outputs or 2 * m,
        context=config.context,
        context_outputs=config.context_outputs or 2 * m,
        parameter_widths=config.parameter_widths or (10 * m // 3, 8 * m // 3),
        domain=config.domain,
        non_local=non_local,
    )


@dataclass(frozen=True)
class HyperpriorConfig(ModelConfig):
    """What Xie et al. and A-INN, whose entropy models are the same, have in common.

    Attributes:
        latent: M, channels of y; must divide 768. 128 for low rates.
        hyper_latent: N, channels of z; None takes M, as published.
        hyper_width: width inside h_a and the first half of h_s; None takes M.
        hyper_middle: width of the second half of h_s; None takes 3M/2.
        hyper_outputs, context, context_outputs, parameter_widths, domain: see ``baselines.iat.config``.
    """

    latent: int = 192
    hyper_latent: int | None = None
    hyper_width: int | None = None
    hyper_middle: int | None = None
    hyper_outputs: int | None = None
    context: bool = True
    context_outputs: int | None = None
    parameter_widths: tuple[int, int] | None = None
    domain: Domain = "linear"

    def __post_init__(self) -> None:
        if self.latent < 1 or 768 % self.latent:
            system = type(self).__name__.removesuffix("Config")
            raise BenchError(f"{system}: latent (M) must divide 768, got {self.latent}; change it with --latent.")

    def entropy(self) -> EntropyConfig:
        """Shapes of the entropy model."""
        return entropy_config(self, self.hyper_middle or 3 * self.latent // 2)
