"""``python -m baselines.average``: the average of two checkpoints of one model that share a beginning.

    python -m baselines.average iat-compact more/iat-compact.safetensors --share 0.35 --out both/iat-compact.safetensors

Between the weights before and after some training on other data lie some that serve both: what was learned is kept, and
what was known is not lost. Source: Wortsman et al., Robust fine-tuning of zero-shot models (CVPR 2022).
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.learned.budget import budget
from baselines.learned.files import located
from baselines.learned.system import system_of
from bench.cli import Parser
from bench.codec import BenchError


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m baselines.average", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("first", help="checkpoint: a file, or the name of a shipped one")
    p.add_argument("second", help="another, with the same configuration")
    p.add_argument("--share", type=float, required=True, help="of the second in the average, 0 to 1")
    p.add_argument(
        "--only", default="", metavar="NAME,...", help="average these parameters alone; others are the first's"
    )
    p.add_argument("--out", type=Path, required=True, help="file to write (.safetensors)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if not 0 <= args.share <= 1:
        raise BenchError(f"--share must lie between 0 and 1, got {args.share:g}.")
    if args.out.suffix != ".safetensors":
        raise BenchError(f"--out names a .safetensors file, got {args.out}.")
    paths = [located(name) for name in (args.first, args.second)]
    (first, one, _), (second, other, _) = (load_checkpoint(path) for path in paths)
    configs = [
        system_of(card, path).config.from_dict(card["config"]) for card, path in zip((one, other), paths, strict=True)
    ]
    if configs[0] != configs[1] or first.keys() != second.keys():
        raise BenchError(f"{paths[0]} and {paths[1]} are not of one configuration; an average takes two of one model.")
    parts = tuple(args.only.split(","))
    for part in parts if args.only else ():
        if not part.strip():
            raise BenchError(
                f"--only {args.only}: expected names between the commas, got an empty one; leave out a comma."
            )
        if not any(name.startswith(part) for name in first):
            raise BenchError(
                f"--only {part}: nothing in this model is called so; its names begin as {next(iter(first))}."
            )
    mean = {
        name: value.lerp(second[name], args.share) if value.is_floating_point() and name.startswith(parts) else value
        for name, value in first.items()
    }
    save_checkpoint(args.out, mean, joint_card(one, other, paths, args.share, args.only))
    print(f"{args.out}: {1 - args.share:g} of {paths[0]} and {args.share:g} of {paths[1]}{_of(args.only)}")
    return 0


def _of(only: str) -> str:
    return f" in {only}" if only else ""


def joint_card(
    one: dict[str, Any], other: dict[str, Any], paths: list[Path], share: float, only: str = ""
) -> dict[str, Any]:
    """The second's card with the training of both: ``before`` is that of the first."""
    earlier, training = one.get("training", {}), dict(other.get("training", {}))
    for key in ("iterations", "images_seen", "minutes"):
        if key in earlier and key in training:
            training[key] = round(earlier[key] + training[key], 1)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in paths]
    told = [f"{path.name} (sha256 {digest})" for path, digest in zip(paths, digests, strict=True)]
    on = ", trained on from these" if digests[0] in training.get("start", "") else ""
    training["average"] = f"{1 - share:g} of the weights of {told[0]}, {share:g} of {told[1]}{_of(only)}{on}"
    training["before"] = {key: value for key, value in earlier.items() if key != "in_all"}
    training["in_all"] = budget({"training": training})["in_all"]
    return other | {"training": training}


if __name__ == "__main__":
    from bench.cli import run

    run(main)
