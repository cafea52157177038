"""The authors' IAT checkpoints: their state-dict names mapped to ours.

Source of the names: CaiShilv/HiFi-VRIC, and CompressAI's entropy bottleneck in its older and newer spellings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from baselines.iat.config import IATConfig
from bench.codec import BenchError

RULES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"enh\.forw_enh\.(.+)", r"transform.enhance.\1"),
    (r"enh\.back_enh\.(.+)", r"transform.restore.\1"),
    (r"inv\.SFTlevel_(\d)\.(.+)", lambda m: f"transform.activations.{int(m[1]) - 1}.{m[2]}"),
    (r"inv\.operations(\d)\.1\.weight", lambda m: f"transform.levels.{int(m[1]) - 1}.mix.weight"),
    (
        r"inv\.operations(\d)\.([234])\.(.+)",
        lambda m: f"transform.levels.{int(m[1]) - 1}.couplings.{int(m[2]) - 2}.{m[3]}",
    ),
    (r"((?:h_a|h_s|context_prediction|entropy_parameters)\.(?:.+\.)?(?:weight|bias))", r"entropy.\1"),
    (r"entropy_bottleneck\.(matrices|biases|factors)\.(\d)", r"entropy.bottleneck.\1.\2"),
    (r"entropy_bottleneck\._matri(?:x|ces\.)(\d)", r"entropy.bottleneck.matrices.\1"),
    (r"entropy_bottleneck\._bias(?:es\.)?(\d)", r"entropy.bottleneck.biases.\1"),
    (r"entropy_bottleneck\._factors?\.?(\d)", r"entropy.bottleneck.factors.\1"),
]

RECOMPUTED = re.compile(
    r"gaussian_conditional\..*|context_prediction\.mask"
    r"|entropy_bottleneck\.(_quantized_cdf|_offset|_cdf_length|target|likelihood_lower_bound\.bound)"
)
"""Tables and constants that are computed here, not read: those stored differ between library versions."""


def config_of(tensors: Mapping[str, Tensor]) -> IATConfig:
    """Sizes and variant, read off the shapes; raises BenchError where the file holds no IAT model."""
    try:
        latent, hyper = tensors["h_a.0.weight"].shape[1], tensors["h_a.8.weight"].shape[0]
    except KeyError as error:
        raise BenchError(f"This is not an IAT checkpoint of its authors: it has no {error.args[0]}.") from error
    return IATConfig(latent=latent, hyper_latent=hyper, context="context_prediction.weight" in tensors)


def from_official(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a state dict of the authors for ``IAT.load_state_dict``.

    Raises:
        BenchError: a key that no rule knows.
    """
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if RECOMPUTED.fullmatch(key):
            continue
        if key == "entropy_bottleneck.quantiles":
            renamed["entropy.bottleneck.medians"] = tensor[:, 0, 1].clone()
            continue
        for pattern, name in RULES:
            match = re.fullmatch(pattern, key)
            if match:
                renamed[name(match) if callable(name) else match.expand(name)] = tensor
                break
        else:
            raise BenchError(f"The checkpoint has a key that IAT does not know: {key}.")
    return renamed
