"""The checkpoints of A-INN: their state-dict names mapped to ours. Source: sdu-visual/LIC-AINNCompress.

Their ``inv.denoising<i>_<j>`` works on the channels of level i, stream j. Each 1x1 matrix is stored twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from baselines.ainn.config import AINNConfig
from baselines.learned.official import CONTEXT_MODEL, Rule, rename, shape_of

_MASK = {"conv4": "last", "bottleneck": "middle"}


def _denoiser(match: re.Match[str]) -> str:
    body = f"denoise.{int(match[1]) - 1}.{int(match[2]) - 1}.body"
    kind, number, rest = match[3], match[4], match[5]
    if kind == "outc":
        return f"{body}.last.{rest.removeprefix('conv.')}"
    rest = rest.removeprefix("maxpool_conv.1.").removeprefix("conv.").removeprefix("double_conv.")
    return f"{body}.first.{rest}" if kind == "inc" else f"{body}.{kind}s.{int(number) - 1}.{rest}"


def _mask(match: re.Match[str]) -> str:
    name = match[1]
    if name not in _MASK:
        kind, number = name[:-1], int(name[-1]) - 1
        return f"compose.{'ups' if kind == 'deconv' else 'downs'}.{number}.{match[2]}"
    return f"compose.{_MASK[name]}.{match[2]}"


RULES: list[Rule] = [
    (r"inv\.inv_conv_(\d)\.weight", lambda m: f"levels.{int(m[1]) - 1}.mix.weight"),
    (r"inv\.operations(\d)\.([234])\.(.+)", lambda m: f"levels.{int(m[1]) - 1}.couplings.{int(m[2]) - 2}.{m[3]}"),
    (r"inv\.denoising(\d)_(\d)\.(inc|outc|down|up)(\d?)\.(.+)", _denoiser),
    (r"inv\.freq_D\.conv1x1_([lh])\.(.+)", lambda m: f"decompose.mix_{_stream(m[1])}.{m[2]}"),
    (r"inv\.freq_D\.resblock_([lh])\.(.+)", lambda m: f"decompose.{_stream(m[1])}.{m[2]}"),
    (r"inv\.freq_S\.masknet\.(\w+)\.(weight|bias)", _mask),
    (r"inv\.rdb_last_(\d)\.layers\.(\d)\.conv\.(.+)", lambda m: f"refine.{int(m[1]) - 1}.layers.{m[2]}.{m[3]}"),
    (r"inv\.rdb_last_(\d)\.lff\.(.+)", lambda m: f"refine.{int(m[1]) - 1}.fuse.{m[2]}"),
    (r"inv\.rdb_last_(\d)\.skip\.(.+)", lambda m: f"refine.{int(m[1]) - 1}.skip.{m[2]}"),
    *CONTEXT_MODEL,
]

TWICE = r"inv\.operations\d\.1\.weight"
"""The other copy of the 1x1 matrices; PyTorch keeps the one loaded last, which is ``inv_conv``."""


def _stream(letter: str) -> str:
    return {"l": "low", "h": "high"}[letter]


def read(tensors: Mapping[str, Tensor]) -> tuple[AINNConfig, dict[str, Tensor]]:
    """Configuration, sizes from the shapes, and renamed state dict; raises BenchError where it is none of theirs."""
    latent = shape_of(tensors, "inv.rdb_last_1.skip.weight", "A-INN")[1]
    hyper = shape_of(tensors, "h_a.8.weight", "A-INN")[0] if "h_a.8.weight" in tensors else None
    config = AINNConfig(latent=latent, hyper_latent=hyper)
    return config, rename(tensors, RULES, "A-INN", TWICE)
