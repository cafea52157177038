"""Checkpoint files: where one is, which belong together, and the card beside it."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bench.codec import BenchError

SHIPPED = Path(__file__).parent.parent / "checkpoints"


def located(checkpoint: str) -> Path:
    """The file of a checkpoint given by its path, or by the name of a shipped one."""
    path, shipped = Path(checkpoint), SHIPPED / f"{checkpoint}.safetensors"
    # the names of shipped checkpoints may hold a point, as in xie-compact-0.01
    return path if path.is_file() or (path.suffix and not shipped.is_file()) else shipped


def nearest(checkpoint: Path) -> str:
    """The question whether a shipped checkpoint was meant, for the end of a clause on one that is not there; or ""."""
    shipped = [path.stem for path in SHIPPED.glob("*.safetensors")]
    close = get_close_matches(checkpoint.name.removesuffix(".safetensors"), shipped, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def family(checkpoint: str) -> list[Path]:
    """The files of ``located``, or the shipped ones that are called so and end in a lambda, lowest first."""
    path = located(checkpoint)
    if path.is_file():
        return [path]
    rates = {}
    for file in SHIPPED.glob("*.safetensors"):
        with suppress(ValueError):
            if file.stem.startswith(f"{checkpoint}-"):
                rates[float(file.stem.removeprefix(f"{checkpoint}-"))] = file
    return [rates[rate] for rate in sorted(rates)] or [path]


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_pytorch(path: Path) -> bool:
    """Whether a file begins as what PyTorch writes: a zip archive, or a pickle as of before 1.6."""
    with path.open("rb") as file:
        return file.read(2)[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def card_of(path: Path) -> dict[str, Any]:
    """The card beside a checkpoint of ours; the authors' files have none."""
    file = path.with_suffix(".json")
    if path.suffix != ".safetensors" or not file.is_file():
        return {}
    try:
        card = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BenchError(f"{file}, the card of {path.name}, can't be read as JSON: put it right.") from error
    return card if isinstance(card, dict) else {}
