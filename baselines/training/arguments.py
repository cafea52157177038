"""The options of ``python -m baselines.train``."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import torch

from baselines.learned.device import MOST_THREADS
from baselines.learned.system import SYSTEMS
from baselines.training.options import TrainingOptions
from bench.cli import Parser, positive_int

VARIANTS = {
    "context": "spatial context model",
    "nonlocal": "non-local attention in the hyper-analysis (iat)",
    "fdsm": "frequency decomposition and synthesis (ainn)",
    "cfrm": "cascaded feature recovery: refinement of the latents (ainn)",
    "ms-cfrm": "multi-scale refinement before level 3 (ainn)",
}
"""Parts of a model that can be switched on and off, by option name."""

OPTIMISATION = {
    "batch": "images a step",
    "crop": "their side in pixels, a multiple of 64",
    "lr_entropy": "peak learning rate of the entropy model",
    "lr_transform": "peak learning rate of the transform's networks",
    "lr_mix": "peak learning rate of the 1x1 matrices and whatever else needs small steps",
    "warmup": "iterations over which the learning rates rise",
    "decay": "share of the budget, at its end, over which they fall to a twentieth",
    "entropy_first": "share of the budget, at its start, that trains the entropy model alone (default: 0.3; 0 with "
    "--weights and, with --resume, once the transform was trained)",
    "entropy_extra": "iterations that train the entropy model alone after each full one",
    "pool": "crops whose latents are kept for these iterations",
    "reuse": "how often such latents are learned from, on average",
    "again": "share of the pool that comes from images coded once before",
    "balance": "exponent by which high levels are kept from drowning low ones; 0 is the papers' loss",
    "uniform": "share of quality maps that are uniform",
    "curriculum": "share of the budget, at its start, over which levels widen from one to all; 0 takes all at once",
    "curriculum_from": "the level that they widen from",
    "clip": "norm that longer gradients are shortened to; 0 leaves them",
    "ema": "decay of the averaged weights, which are evaluated and written",
    "bfloat16": "the transform's small networks in bfloat16 (default: where the device has instructions for it)",
    "seed": "of crops, quality maps and initial weights",
}
"""Of ``TrainingOptions``, in the order of the help."""

DECIDED_LATER = ("entropy_first", "bfloat16")
"""Their defaults hang on other options."""


def _threads(text: str) -> int:
    value = positive_int(text)
    if value > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_THREADS}, got {text}")
    return value


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m baselines.train", description="Train a learned codec, or go on where it stopped.")
    p.add_argument("system", choices=SYSTEMS, help="IAT, or that of Xie et al., Song et al. (sft), Gao et al. (ainn)")
    _model(p.add_argument_group("model"))
    _beginning(p.add_argument_group("what to begin with"))
    _budget(p.add_argument_group("budget"))
    _optimisation(p.add_argument_group("optimisation"))
    _places(p.add_argument_group("data, output, device"))
    return p


def _model(p: argparse._ArgumentGroup) -> None:
    p.add_argument(
        "--preset", default="compact", choices=["compact", "paper"], help="for a CPU, or the published sizes"
    )
    for option, text in VARIANTS.items():
        p.add_argument(f"--{option}", action=argparse.BooleanOptionalAction, help=f"{text}; default: the preset's")
    p.add_argument(
        "--level", choices=["map", "scalar"], help="quality as a map or one number an image (iat); default: map"
    )
    p.add_argument(
        "--pdm", choices=["unet", "residual", "dense", "none"], help="progressive denoising (ainn); default: unet"
    )
    p.add_argument("--latent", type=int, metavar="M", help="channels of the latents; default: the preset's")


def _beginning(p: argparse._ArgumentGroup) -> None:
    p.add_argument("--weights", help="a checkpoint: a file, or the name of a shipped one such as iat-compact")
    p.add_argument("--transform", help="the transform of a checkpoint, and a new entropy model")
    p.add_argument("--entropy", help="the entropy model of a checkpoint, which may be another system's")
    p.add_argument("--random-start", action="store_true", help="random weights instead of a block transform")
    going_on = p.add_mutually_exclusive_group()
    going_on.add_argument(
        "--resume", action="store_true", help="go on from the run folder's state, if there is one, for another budget"
    )
    going_on.add_argument(
        "--finish", action="store_true", help="go on from there within the budget, of which what was used before counts"
    )


def _budget(p: argparse._ArgumentGroup) -> None:
    p.add_argument("--minutes", type=float, help="stop after this time")
    p.add_argument(
        "--iterations", type=int, help="stop after so many steps, for comparisons; --minutes, --iterations or both"
    )
    p.add_argument(
        "--evaluate-every", type=float, default=5.0, metavar="MINUTES", help="from one evaluation to the next"
    )


def _optimisation(p: argparse._ArgumentGroup) -> None:
    p.add_argument(
        "--lambda",
        dest="lagrangian",
        type=float,
        metavar="L",
        help="weight of the distortion; required for xie and ainn",
    )
    p.add_argument(
        "--distortion",
        choices=["mse", "jacobian"],
        default="mse",
        help="squared error of rounded latents, or of latents that are not, and what rounding adds to first order",
    )
    p.add_argument(
        "--identity",
        type=float,
        default=0.0,
        metavar="X",
        help="weight of what latents deviate by when the output is coded again, such as 100",
    )
    p.add_argument("--only", metavar="NAME,...", help="train these parameters alone, such as transform.restore")
    kinds = {field.name: type(field.default) for field in fields(TrainingOptions)}
    for name, text in OPTIMISATION.items():
        option = "--" + name.replace("_", "-")
        default = None if name in DECIDED_LATER else getattr(TrainingOptions, name)
        if kinds[name] is bool:
            p.add_argument(option, action=argparse.BooleanOptionalAction, default=default, help=text)
        else:
            metavar = "N" if kinds[name] is int else "X"
            p.add_argument(option, type=kinds[name], default=default, metavar=metavar, help=text)


def _places(p: argparse._ArgumentGroup) -> None:
    p.add_argument("--data", type=Path, required=True, help="folder of training photographs")
    p.add_argument("--cache", type=Path, default=Path("training-runs/cache"), help="decoded photographs are kept here")
    p.add_argument("--out", type=Path, help="run folder (default: training-runs/SYSTEM-PRESET)")
    p.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda or, of several, cuda:1"
    )
    p.add_argument("--threads", type=_threads, metavar="N", help="CPU threads (default: all cores)")
