"""Checkpoints: weights as safetensors, what made them as a JSON card inside and beside the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from baselines.storage import pack, unpack
from bench.codec import BenchError


def save_checkpoint(
    path: Path,
    tensors: dict[str, Tensor],
    card: dict[str, Any],
    steps: Mapping[str, float] | None = None,
    base: Path | None = None,
    option: str = "--out",
) -> None:
    """Write ``path`` (safetensors, card in its metadata) and ``path`` with suffix .json, each atomically.

    Args:
        path, tensors, card: what goes where.
        steps: store the weights as ``baselines.storage`` says, in these steps; otherwise they are kept exactly.
        base: a checkpoint beside ``path``, whose tensors are not stored again; only with ``steps``.
        option: what chooses ``path`` on the command line.

    Raises:
        BenchError: ``path`` can't be written; a base that it can't lean on, see ``base_of``.
    """
    held: dict[str, Tensor] = {}
    card = {key: value for key, value in card.items() if key != "base"}  # of the file that the weights came from
    if base:
        held, digest = base_of(path, base)
        card = card | {"base": {"file": base.name, "sha256": digest}}
    card_text = json.dumps(card, indent=1, sort_keys=True)
    if steps is None:
        stored = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    else:
        stored = pack(tensors, steps, held)
    data = save(stored, {"card": card_text})
    for target, content in ((path, data), (path.with_suffix(".json"), (card_text + "\n").encode())):
        temporary = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(target)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            reason = (error.strerror or str(error)).rstrip(".").lower()
            raise BenchError(
                f"{target} can't be written: {reason}; choose another place for it by {option}."
            ) from error


def base_of(path: Path, base: Path) -> tuple[dict[str, Tensor], str]:
    """Tensors and sha256 of a checkpoint that ``path``, not written yet, is to lean on.

    Raises:
        BenchError: it is the same file, lies in another folder, or leans on a base itself.
    """
    if path.resolve() == base.resolve():
        raise BenchError(f"{path.name} would be written over its own --base; choose another name with --name.")
    if path.parent.resolve() != base.parent.resolve():
        raise BenchError(
            f"--base {base} must lie in the folder that {path.name} is written to, {path.parent}; "
            "choose that one with --into, or name a base that lies there."
        )
    tensors, card, digest = load_checkpoint(base)
    if "base" in card:
        raise BenchError(
            f"--base {base.name} holds only what differs from {card['base']['file']}; name that or another whole one."
        )
    return tensors, digest


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Read a checkpoint without executing anything in it.

    Returns:
        float32 tensors by name, the card, and the sha256 of the file.

    Raises:
        BenchError: the file is missing, damaged, or holds no card.
    """
    if not path.is_file():
        raise BenchError(f"No checkpoint at {path}; name a file that is there, or a shipped checkpoint.")
    try:
        with safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {}).get("card", "null"))
            held = _base(path, card["base"]) if "base" in (card or {}) else {}
            stored = unpack({key: file.get_tensor(key) for key in file.keys()}, held)  # noqa: SIM118
            tensors = {key: _float(value) for key, value in stored.items()}
    except (SafetensorError, ValueError, OSError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise BenchError(
            f"{path} is not a readable safetensors checkpoint ({error}); name another checkpoint."
        ) from error
    if not isinstance(card, dict) or "config" not in card:
        raise BenchError(f"{path} has no card that says which model it is; name another checkpoint.")
    return tensors, card, hashlib.sha256(path.read_bytes()).hexdigest()


def _base(path: Path, base: dict[str, str]) -> dict[str, Tensor]:
    """The tensors of the checkpoint beside ``path`` that it leans on."""
    file = path.with_name(Path(base["file"]).name)
    if not file.is_file():
        raise BenchError(f"{path.name} holds only what differs from {file.name}, which is not beside it: put it there.")
    tensors, card, digest = load_checkpoint(file) if file != path else ({}, {"base": file}, "")
    if digest != base["sha256"] or "base" in card:
        raise BenchError(
            f"{path.name} holds only what differs from {file.name}, but not from the one beside it: "
            f"expected sha256 {base['sha256'][:16]}, found {digest[:16] or 'none'}."
        )
    return tensors


def _float(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() and tensor.dtype != torch.float64 else tensor
