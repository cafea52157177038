"""``python -m baselines.ship``: put a checkpoint among the shipped ones, and its measured RD table into its card.

    python -m baselines.ship training-runs/iat-compact/iat-compact.safetensors
    python -m bench.results rd
    python -m baselines.ship iat-compact --rd results/kodak/rd.parquet

The weights are stored in steps as coarse as leave PSNR within 0.01 dB and the rate within 0.5 %, measured on the four
sample photographs, which takes one to five minutes (``baselines.steps``, ``baselines.storage``). With ``--base`` only
what differs from another file is stored, which must lie beside it. The card beside them has the RD table; it is not in
the file, whose sha256 is the codec's identity in that very table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from baselines.checkpoint import base_of, load_checkpoint, save_checkpoint
from baselines.learned.files import SHIPPED, card_of, located
from baselines.learned.system import system_of
from baselines.learned.weights import load_model
from baselines.steps import measured_steps
from bench.cli import Parser
from bench.codec import BenchError
from bench.datasets import load

CROP = 256
"""Side of the crops that steps are measured on."""

COLUMNS = {"bpp": 4, "psnr": 3, "ms_ssim": 4, "ms_ssim_db": 4, "delta_e": 4}
"""What the card keeps of a table, and to how many digits."""


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m baselines.ship", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("checkpoint", help="file to ship, or the name of a shipped checkpoint")
    p.add_argument("--name", help="what to call it (default: the file's name)")
    p.add_argument("--base", help="shipped checkpoint whose tensors are not stored again, such as iat-compact")
    p.add_argument("--into", type=Path, default=SHIPPED, help="folder (default: the shipped checkpoints)")
    p.add_argument("--rd", type=Path, help="table of bench.results: means go into the card")
    p.add_argument("--replace", action="store_true", help="write over a checkpoint of that name")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.rd:
        add_table(located(args.checkpoint), args.rd)
        return 0
    source, base = located(args.checkpoint), located(args.base) if args.base else None
    tensors, card, _ = load_checkpoint(source)
    chosen = system_of(card, source)
    if wrong := next((name for name, value in tensors.items() if not value.isfinite().all()), None):
        raise BenchError(f"{source} can't be shipped: {wrong} has values that are not finite; ship another checkpoint.")
    target = args.into / f"{args.name or source.stem}.safetensors"
    held = base_of(target, base)[0] if base else {}
    _check_free(target, args.replace)
    model = load_model(source, chosen)
    steps, change = measured_steps(model, tensors, held, sample_crops(), not chosen.variable_rate)
    card["stored"] = {
        "how": "root mean square changes over crops of the sample photographs and over levels",
        "psnr_change_db": round(change.psnr, 4),
        "rate_change": round(change.rate, 5),
    }
    save_checkpoint(target, tensors, card, steps, base, option="--into")
    sizes = f"{target.stat().st_size / 1e6:.1f} MB (was {source.stat().st_size / 1e6:.1f})"
    if not steps:
        print("No steps leave PSNR and the rate where they were, so that all weights are stored exactly.")
    print(f"{target}: {sizes}; changes: PSNR {change.psnr:.4f} dB, rate {100 * change.rate:.3f} %")
    return 0


def _check_free(target: Path, replace: bool) -> None:
    """Raise BenchError where a checkpoint would be lost, or others that hold only what differs from it."""
    if not target.exists():
        return
    others = [path.stem for path in sorted(target.parent.glob("*.safetensors")) if _base_name(path) == target.name]
    if others:
        raise BenchError(
            f"{target} is there, and {', '.join(others)} hold only what differs from it: choose another name by --name."
        )
    if not replace:
        raise BenchError(f"{target} is there already: choose another name by --name, or add --replace.")


def _base_name(path: Path) -> str | None:
    base = card_of(path).get("base")
    return base["file"] if isinstance(base, dict) else None


def sample_crops() -> Tensor:
    """(4, 3, 256, 256) in [0, 1]: the middle of each sample photograph."""
    crops = []
    for ref in load("sample"):
        pixels = torch.tensor(ref.load().pixels)
        top, left = ((size - CROP) // 2 for size in pixels.shape[:2])
        crops.append(pixels[top : top + CROP, left : left + CROP].permute(2, 0, 1).float() / 255)
    return torch.stack(crops).contiguous(memory_format=torch.channels_last)


def add_table(checkpoint: Path, records: Path) -> None:
    """Write means over images of generation 1 into the card beside ``checkpoint``.

    Args:
        checkpoint: a shipped file.
        records: NAME.parquet as ``bench.results`` writes it, with the codecs' identities in NAME.json beside it.

    Raises:
        BenchError: no card, no table, or no row of the table was coded with this very file.
    """
    card_file, book = checkpoint.with_suffix(".json"), records.with_suffix(".json")
    if not card_file.is_file():
        raise BenchError(f"There is no card {card_file} beside the checkpoint; ship it first, without --rd.")
    if not records.is_file() or not book.is_file():
        raise BenchError(f"There is no table {records} with its {book.name}; name one of bench.results with --rd.")
    card, digest = card_of(checkpoint), load_checkpoint(checkpoint)[2]
    try:
        codecs, table = json.loads(book.read_text())["codecs"], pd.read_parquet(records)
        table = table[(table["generation"] == 1) & (table["status"] == "ok")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"{records} and {book.name} are no table of bench.results: name its .parquet file with --rd."
        ) from error
    found = {}
    for key, codec in codecs.items():
        files = codec["identity"].get("sha256", [])
        if digest in files:  # of one file a string, of one a rate a list
            mine = table["codec_id"] == key
            if not isinstance(files, str):
                mine &= table["quality"] == files.index(digest) + 1
            if mine.any():
                found[key] = table[mine]
    if not found:
        raise BenchError(f"{records} has no record of generation 1 coded with {checkpoint.name}, sha256 {digest[:12]}.")
    if len(found) > 1:
        names = ", ".join(codecs[key]["name"] for key in found)
        raise BenchError(
            f"{records} has {checkpoint.name} in {len(found)} codecs, {names}: name a table of one of them with --rd."
        )
    (rows,) = found.values()
    means = rows.groupby("quality")[list(COLUMNS)].mean()
    levels: list[dict[str, Any]] = [
        {"level": float(level)} | {name: round(float(row[name]), digits) for name, digits in COLUMNS.items()}
        for level, row in means.iterrows()
    ]
    how = f"mean over {rows['image'].nunique()} images of per-image values, generation 1, real streams"
    card["kodak_rd"] = {"how": how, "levels": levels}
    card_file.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    print(f"{card_file}: {len(levels)} levels over {rows['image'].nunique()} images")


if __name__ == "__main__":
    from bench.cli import run

    run(main)
