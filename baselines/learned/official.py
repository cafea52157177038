"""The authors' checkpoints: read without executing anything in them, and renamed by explicit rules.

The names of the entropy model's parts are CompressAI's, which Xie et al., IAT and A-INN share; its bottleneck is found
in an older, a middle and today's spelling.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.codec import BenchError

Rule = tuple[str, str | Callable[[re.Match[str]], str]]
"""A pattern that matches a whole name, and its replacement."""

BOTTLENECK: list[Rule] = [
    (r"entropy_bottleneck\.(matrices|biases|factors)\.(\d)", r"entropy.bottleneck.\1.\2"),
    (r"entropy_bottleneck\._matri(?:x|ces\.)(\d)", r"entropy.bottleneck.matrices.\1"),
    (r"entropy_bottleneck\._bias(?:es\.)?(\d)", r"entropy.bottleneck.biases.\1"),
    (r"entropy_bottleneck\._factors?\.?(\d)", r"entropy.bottleneck.factors.\1"),
]

CONTEXT_MODEL: list[Rule] = [
    (r"((?:h_a|h_s|context_prediction|entropy_parameters)\.(?:.+\.)?(?:weight|bias))", r"entropy.\1"),
    *BOTTLENECK,
]
"""Hyperprior and context model of Xie et al., IAT and A-INN."""

RECOMPUTED = re.compile(
    r"gaussian_conditional\..*|context_prediction\.mask"
    r"|entropy_bottleneck\.(_quantized_cdf|_offset|_cdf_length|target|likelihood_lower_bound\.bound)"
)
"""Tables and constants that are computed here, not read: those stored differ between library versions."""


def rename(
    tensors: Mapping[str, Tensor], rules: Sequence[Rule], name: str, constants: str | None = None
) -> dict[str, Tensor]:
    """The state dict under our names.

    Args:
        tensors: under the authors' names.
        rules: tried in turn.
        name: whose checkpoint it is, for messages.
        constants: pattern of further names that are no weights, left out.

    Raises:
        BenchError: a key that no rule knows, or quantiles that are not (C, 1, 3).
    """
    renamed: dict[str, Tensor] = {}
    unknown = []
    for key, tensor in tensors.items():
        if RECOMPUTED.fullmatch(key) or (constants and re.fullmatch(constants, key)):
            continue
        if key == "entropy_bottleneck.quantiles":
            if tensor.shape[1:] != (1, 3):
                raise BenchError(f"The checkpoint has {key} of shape {tuple(tensor.shape)}; {name} has (C, 1, 3).")
            renamed["entropy.bottleneck.medians"] = tensor[:, 0, 1].clone()
            continue
        for pattern, replacement in rules:
            match = re.fullmatch(pattern, key)
            if match:
                renamed[replacement(match) if callable(replacement) else match.expand(replacement)] = tensor
                break
        else:
            unknown.append(key)
    if unknown:
        raise BenchError(f"The checkpoint has {named(unknown, 'key')} that {name} does not know.")
    return renamed


def shape_of(tensors: Mapping[str, Tensor], key: str, name: str) -> tuple[int, ...]:
    """The shape of a convolution's weights that tell a size; raises BenchError where the file lacks them."""
    if key not in tensors:
        raise BenchError(f"This is not a checkpoint of {name} by its authors: it has no {key}.")
    shape = tuple(tensors[key].shape)
    if len(shape) != 4:
        raise BenchError(f"This is not a checkpoint of {name} by its authors: {key} has the shape {shape}.")
    return shape


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch file (.pt, .pth, .pth.tar), which may hold them under state_dict, network or model.

    Raises:
        BenchError: unreadable, or it holds objects that only running code from it would restore.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise ValueError("compressed: torch.save never does that, and a few bytes could fill the memory")
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not _is_pytorch(path):
            raise BenchError(f"{path} is not a PyTorch file; name another checkpoint.") from error
        raise BenchError(
            f"{path} holds more than tensors, and code from a checkpoint is never run ({_reason(error)}); save its "
            f"state dict alone with torch.save(model.state_dict(), FILE)."
        ) from error
    except Exception as error:  # the reader of damaged files raises nearly anything
        raise BenchError(f"{path} is not a readable PyTorch checkpoint; name another checkpoint.") from error
    for key in ("state_dict", "model_state_dict", "network", "model", "net"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(isinstance(v, Tensor) for v in content.values()):
        raise BenchError(f"{path} holds no state dict; name another checkpoint.")
    tensors = {str(key).removeprefix("module."): value for key, value in content.items() if isinstance(value, Tensor)}
    size = path.stat().st_size
    for key, tensor in tensors.items():
        # one number may be repeated by strides of 0, and a file without data ask for tensors without bound
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.numel() > size:
            raise BenchError(f"{path}: {key} is no plain tensor that the file holds; name another checkpoint.")
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}


def _is_pytorch(path: Path) -> bool:
    """Whether a file begins as PyTorch's do, as a zip archive or a pickle: web pages and pointers of Git LFS don't."""
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02")


def _reason(error: Exception) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f"it asks for {found[1]}" if found else "it was refused"


def named(keys: Sequence[str], noun: str) -> str:
    """Some keys of a state dict, or how many and the first of them, for a sentence."""
    shown = ", ".join(sorted(keys)[:4])
    return (
        f"the {noun} {shown}" if len(keys) == 1 else f"{len(keys)} {noun}s ({shown}{', ...' if len(keys) > 4 else ''})"
    )
