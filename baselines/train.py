"""``python -m baselines.train``: train a learned codec for a given time, or go on where it stopped."""

from __future__ import annotations

import argparse
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from baselines.checkpoint import save_checkpoint
from baselines.iat.config import PRESETS, preset
from baselines.iat.model import IAT
from baselines.iat.start import start
from baselines.training.data import load_photographs
from baselines.training.loop import Trainer, TrainingOptions
from baselines.training.losses import TAU, THETA
from bench.codec import BenchError

LOSS = f"bpp + 255^2 mean(Lambda (x - x_hat)^2), Lambda = {THETA} exp({TAU} L)"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m baselines.train", description=__doc__)
    p.add_argument("system", choices=["iat"])
    p.add_argument("--preset", default="compact", choices=sorted(PRESETS))
    p.add_argument("--context", action=argparse.BooleanOptionalAction, default=True, help="spatial context model")
    p.add_argument("--data", type=Path, required=True, help="folder of training photographs")
    p.add_argument("--cache", type=Path, default=Path("training-runs/cache"), help="decoded photographs are kept here")
    p.add_argument("--out", type=Path, help="run folder (default: training-runs/SYSTEM-PRESET)")
    p.add_argument("--minutes", type=float, required=True, help="stop after this time")
    p.add_argument("--resume", action="store_true", help="go on from the run folder's state where there is one")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    p.add_argument("--evaluate-every", type=float, default=5.0, metavar="MINUTES")
    p.add_argument("--random-start", action="store_true", help="leave out the orthonormal block-transform start")
    for field in fields(TrainingOptions):
        kind = type(field.default)
        name = "--" + field.name.replace("_", "-")
        if kind is bool:
            p.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            p.add_argument(name, type=kind, default=field.default)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.minutes <= 0:
        raise BenchError(f"--minutes must be above 0, got {args.minutes:g}.")
    if args.crop % 64:
        raise BenchError(f"--crop must be a multiple of 64, got {args.crop}.")
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    options = TrainingOptions(**{f.name: getattr(args, f.name) for f in fields(TrainingOptions)})
    folder = args.out or Path("training-runs") / f"{args.system}-{args.preset}"
    torch.manual_seed(options.seed)
    config = preset(args.preset, args.context)
    model = IAT(config)
    everything = load_photographs(args.data, args.cache)
    train, held_back = everything.split(min(48, len(everything.offsets) // 4))
    resumed = args.resume and (folder / "state.pt").exists()
    if not args.random_start and not resumed:
        start(model, train.crops(25000, 16, torch.Generator().manual_seed(options.seed)))
    trainer = Trainer(model, train.to(device), held_back, folder, options)
    if resumed:
        trainer.restore()
    print(
        f"{args.system} {args.preset}: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, "
        f"{len(train.offsets)} photographs, from iteration {trainer.iteration} on {device}",
        flush=True,
    )
    path = folder / f"{args.system}-{args.preset}{'' if args.context else '-nocontext'}.safetensors"

    def export() -> None:
        save_checkpoint(path, trainer.averaged(), card(args, trainer, config.to_dict(), options, train.digest))

    trainer.run(args.minutes, args.evaluate_every, export)
    print(f"checkpoint {path}")
    return 0


def card(
    args: argparse.Namespace, trainer: Trainer, config: dict[str, Any], options: TrainingOptions, data: str
) -> dict[str, Any]:
    """What made the checkpoint."""
    device = (
        torch.cuda.get_device_name(trainer.device)
        if trainer.device.type == "cuda"
        else platform.processor() or platform.machine()
    )
    return {
        "system": args.system,
        "preset": args.preset,
        "config": config,
        "training": {
            "loss": LOSS,
            "options": asdict(options),
            "start": "random"
            if args.random_start
            else "orthonormal block transform (KLT of 16x16x3 training blocks), gain exp(tau L / 2)",
            "iterations": trainer.iteration,
            "images_seen": trainer.iteration * options.batch,
            "minutes": round(trainer.seconds / 60, 1),
            "device": device,
            "threads": torch.get_num_threads(),
            "photographs": len(trainer.data.offsets),
            "data_digest": data,
            "torch": torch.__version__.split("+")[0],
            "commit": commit(),
            "history": trainer.history,
        },
    }


def commit() -> str:
    """The git commit of the code, or "unknown" outside a checkout."""
    done = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    from bench.cli import run

    run(main)
