"""The checkpoints of Song et al.: their state-dict names mapped to ours. Source: micmic123/QmapCompression.

Their layers are numbered through each network: in g_a, convolution, normalisation and transform take turns (0, 1, 2,
then 3, 4, 5, ...); in g_s, two blocks come first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from baselines.learned.official import BOTTLENECK, Rule, rename, shape_of
from baselines.sft.config import SFTConfig

_TURN = {"g_a": ("convs", "gdns", "transforms"), "g_s": ("ups", "gdns", "transforms")}
_OURS = {"mlp_shared.0": "shared", "mlp_gamma": "scale", "mlp_beta": "shift"}


def _inside(name: str) -> str:
    """Names below a layer."""
    for theirs, ours in _OURS.items():
        name = name.replace(theirs, ours)
    return re.sub(r"^conv_(\d)", r"convs.\1", re.sub(r"^norm_(\d)", r"norms.\1", name))


def _layer(match: re.Match[str]) -> str:
    network, number, rest = match[1], int(match[2]), _inside(match[3])
    if network == "g_a" and number > 12:
        place = f"blocks.{number - 13}"
    elif network == "g_s" and number < 2:
        place = f"blocks.{number}"
    elif network == "g_s" and number == 14:
        place = "last"
    else:
        index, kind = divmod(number - (2 if network == "g_s" else 0), 3)
        place = f"{_TURN[network][kind]}.{index}"
    return f"{network}.{place}.{rest}"


def _hyper_layer(match: re.Match[str]) -> str:
    number, rest = int(match[1]), _inside(match[2])
    if number > 6:
        return f"entropy.blocks.{number - 7}.{rest}"
    return f"entropy.{('convs', 'transforms')[number % 3]}.{number // 3}.{rest}"


RULES: list[Rule] = [
    (r"(g_[as])(\d+)\.(.+)", _layer),
    (r"h_a(\d)\.(.+)", _hyper_layer),
    (r"h_s\.(.+)", r"entropy.h_s.\1"),
    (r"qmap_feature_gs0\.(.+)", r"g_s.hyper_condition.\1"),
    (r"qmap_feature_gs(\d)\.(.+)", lambda m: f"g_s.conditions.{int(m[1]) - 1}.{m[2]}"),
    (r"qmap_feature_g(\d)\.(.+)", lambda m: f"g_a.conditions.{int(m[1]) - 1}.{m[2]}"),
    (r"qmap_feature_h(\d)\.(.+)", lambda m: f"entropy.conditions.{int(m[1]) - 1}.{m[2]}"),
    *BOTTLENECK,
]

CONSTANTS = r".*_reparam\..*"
"""Of the normalisations' parametrisation."""


def read(tensors: Mapping[str, Tensor]) -> tuple[SFTConfig, dict[str, Tensor]]:
    """Configuration, sizes from the shapes, and renamed state dict; raises BenchError where it is none of theirs."""
    width, latent = shape_of(tensors, "h_a0.weight", "Song et al.")[:2]
    hidden, prior = shape_of(tensors, "g_a2.mlp_shared.0.weight", "Song et al.")[:2]
    outer, inner = (shape_of(tensors, f"qmap_feature_g1.{i}.weight", "Song et al.")[0] for i in (0, 2))
    standard = (outer, inner) == (4 * prior, 2 * prior)
    config = SFTConfig(latent, width, prior, None if standard else (outer, inner), hidden)
    return config, rename(tensors, RULES, "Song et al.", CONSTANTS)
