"""``python -m baselines.calibrate``: fit where rate control begins with a checkpoint, and write it into its card."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from baselines.learned.codec import LearnedCodec
from baselines.learned.files import card_of
from baselines.learned.ratehint import RateModel, features
from baselines.training.data import files_in, read_pixels
from bench.cli import Parser, positive_int, run
from bench.codec import BenchError
from bench.registry import create

LEVELS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0)


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m baselines.calibrate", description=__doc__)
    p.add_argument("codec", help="a learned codec of variable rate, with its checkpoint: iat, sft[checkpoint=FILE]")
    p.add_argument("--data", type=Path, required=True, help="folder of photographs, searched with its subfolders")
    p.add_argument("--photographs", type=positive_int, default=40, help="how many, spread over the folder")
    p.add_argument("--side", type=positive_int, default=512, help="their middle is cut to this many pixels a side")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    codec = create(args.codec)
    if not isinstance(codec, LearnedCodec) or codec.quality.integer:
        raise BenchError(f"{args.codec} has no level to calibrate; name a learned codec of variable rate, such as iat.")
    card = codec.path.with_suffix(".json")
    if not card.is_file():
        raise BenchError(f"There is no card {card} beside the checkpoint to write into.")
    written = card_of(codec.path)
    files = files_in(args.data)
    if len(files) < 8 or args.photographs < 8:
        counts = f"{args.data} has {len(files)}, --photographs says {args.photographs}"
        raise BenchError(f"A fit takes at least 8 photographs; {counts}.")
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, min(args.photographs, len(files))).astype(int)]
    known, rates = [], []
    for path in tqdm(chosen, unit="photograph"):
        image = read_pixels(path)
        top, left = (max(0, (size - args.side) // 2) for size in image.shape[:2])
        image = np.ascontiguousarray(image[top : top + args.side, left : left + args.side])
        pixels = image.shape[0] * image.shape[1]
        known.append(features(image))
        rates.append([8 * len(codec.encode(image, level)) / pixels for level in LEVELS])
    model = RateModel.fit(LEVELS, np.array(known), np.array(rates))
    written["rate_hint"] = model.to_dict()
    card.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")
    print(f"{card}: rates predicted to {100 * model.residual:.1f} % over {model.photographs} photographs")
    return 0


if __name__ == "__main__":
    run(main)
