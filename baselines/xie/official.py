"""The checkpoints of Xie et al.: their state-dict names mapped to ours. Source of the names: xyq7/InvCompress."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from baselines.learned.official import CONTEXT_MODEL, Rule, rename, shape_of
from baselines.xie.config import XieConfig


def _operation(match: re.Match[str]) -> str:
    """All levels' operations in one list of five each: squeeze, 1x1, three couplings."""
    level, place = divmod(int(match[1]), 5)
    return f"levels.{level}.mix.weight" if place == 1 else f"levels.{level}.couplings.{place - 2}.{match[2]}"


RULES: list[Rule] = [
    (r"enh\.forw_enh\.(.+)", r"enhance.\1"),
    (r"enh\.back_enh\.(.+)", r"restore.\1"),
    (r"attention\.forw_att\.(.+)", r"attend.\1"),
    (r"attention\.back_att\.(.+)", r"unattend.\1"),
    (r"inv\.operations\.(\d+)\.((?:[GH][12]\.conv\d\.)?(?:weight|bias))", _operation),
    *CONTEXT_MODEL,
]


def read(tensors: Mapping[str, Tensor]) -> tuple[XieConfig, dict[str, Tensor]]:
    """Configuration, sizes from the shapes, and renamed state dict; raises BenchError where it is none of theirs."""
    latent = shape_of(tensors, "h_a.0.weight", "Xie et al.")[1]
    hyper = shape_of(tensors, "h_a.8.weight", "Xie et al.")[0]
    config = XieConfig(latent=latent, hyper_latent=hyper, context="context_prediction.weight" in tensors)
    return config, rename(tensors, RULES, "Xie et al.")
