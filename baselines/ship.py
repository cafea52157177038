"""``python -m baselines.ship``: put a checkpoint among the shipped ones, and its measured RD table into its card.

    python -m baselines.ship training-runs/iat-compact/iat-compact.safetensors
    python -m bench.results rd
    python -m baselines.ship iat-compact --rd results/kodak/rd.parquet

The weights are stored as ``baselines.storage`` says; with ``--base`` only those that differ from another file's, which
must lie beside it. The card beside them has the RD table; it is not in the file, whose sha256 is the codec's identity
in that very table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.learned.files import SHIPPED, located
from bench.cli import Parser
from bench.codec import BenchError

COLUMNS = {"bpp": 4, "psnr": 3, "ms_ssim": 4, "ms_ssim_db": 4, "delta_e": 4}
"""What the card keeps of a table, and to how many digits."""


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m baselines.ship", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("checkpoint", help="file to ship, or the name of a shipped checkpoint with --rd")
    p.add_argument("--name", help="what to call it (default: the file's name)")
    p.add_argument("--base", help="shipped checkpoint whose tensors are not stored again, such as iat-compact")
    p.add_argument("--into", type=Path, default=SHIPPED, help="folder (default: the shipped checkpoints)")
    p.add_argument("--rd", type=Path, help="table of bench.results: means go into the card")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.rd:
        add_table(located(args.checkpoint), args.rd)
        return 0
    source = Path(args.checkpoint)
    tensors, card, _ = load_checkpoint(source)
    target = args.into / f"{args.name or source.stem}.safetensors"
    save_checkpoint(target, tensors, card, small=True, base=located(args.base) if args.base else None)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB (was {source.stat().st_size / 1e6:.1f})")
    return 0


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
    digest = load_checkpoint(checkpoint)[2]
    found = {}
    for key, codec in json.loads(book.read_text())["codecs"].items():
        files = codec["identity"].get("sha256", [])
        if digest in files:  # of one file a string, of one a rate a list
            found[key] = None if isinstance(files, str) else files.index(digest) + 1
    table = pd.read_parquet(records)
    rows = table[(table["generation"] == 1) & table["codec_id"].isin(list(found)) & (table["status"] == "ok")]
    if single := [quality for quality in found.values() if quality]:
        rows = rows[rows["quality"] == single[0]]
    if rows.empty:
        raise BenchError(f"{records} has no record of generation 1 coded with {checkpoint.name}, sha256 {digest[:12]}.")
    means = rows.groupby("quality")[list(COLUMNS)].mean()
    levels: list[dict[str, Any]] = [
        {"level": float(level)} | {name: round(float(row[name]), digits) for name, digits in COLUMNS.items()}
        for level, row in means.iterrows()
    ]
    card = json.loads(card_file.read_text())
    how = f"mean over {rows['image'].nunique()} images of per-image values, generation 1, real streams"
    card["kodak_rd"] = {"how": how, "levels": levels}
    card_file.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    print(f"{card_file}: {len(levels)} levels over {rows['image'].nunique()} images")


if __name__ == "__main__":
    from bench.cli import run

    run(main)
