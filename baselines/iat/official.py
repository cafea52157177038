"""The authors' IAT checkpoints: their state-dict names mapped to ours.

Source of the names: CaiShilv/HiFi-VRIC.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from baselines.iat.config import IATConfig
from baselines.learned.official import CONTEXT_MODEL, Rule, rename, shape_of

RULES: list[Rule] = [
    (r"enh\.forw_enh\.(.+)", r"transform.enhance.\1"),
    (r"enh\.back_enh\.(.+)", r"transform.restore.\1"),
    (r"inv\.SFTlevel_(\d)\.(.+)", lambda m: f"transform.activations.{int(m[1]) - 1}.{m[2]}"),
    (r"inv\.operations(\d)\.1\.weight", lambda m: f"transform.levels.{int(m[1]) - 1}.mix.weight"),
    (
        r"inv\.operations(\d)\.([234])\.(.+)",
        lambda m: f"transform.levels.{int(m[1]) - 1}.couplings.{int(m[2]) - 2}.{m[3]}",
    ),
    *CONTEXT_MODEL,
]


def config_of(tensors: Mapping[str, Tensor]) -> IATConfig:
    """Sizes and variant, read off the shapes; raises BenchError where the file holds no IAT model."""
    latent = shape_of(tensors, "h_a.0.weight", "IAT")[1]
    hyper = shape_of(tensors, "h_a.8.weight", "IAT")[0]
    return IATConfig(latent=latent, hyper_latent=hyper, context="context_prediction.weight" in tensors)


def from_official(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a state dict of the authors for ``IAT.load_state_dict``; raises BenchError for a key no rule knows."""
    return rename(tensors, RULES, "IAT")


def read(tensors: Mapping[str, Tensor]) -> tuple[IATConfig, dict[str, Tensor]]:
    """Configuration and renamed state dict."""
    return config_of(tensors), from_official(tensors)
