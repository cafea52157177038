"""``python -m baselines.train``: train a learned codec for some time or iterations, or go on where it stopped."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from baselines.checkpoint import save_checkpoint
from baselines.learned.arithmetic import float32_convolutions
from baselines.learned.config import ModelConfig, choose
from baselines.learned.device import check_device, missing
from baselines.learned.files import located, nearest
from baselines.learned.lagrangian import THETA
from baselines.learned.model import LatentModel
from baselines.learned.system import System, system
from baselines.training.arguments import VARIANTS, parser
from baselines.training.beginning import Sources, continued, earlier, take_entropy, take_transform, taken_from
from baselines.training.card import card
from baselines.training.data import Photographs, files_in, load_photographs
from baselines.training.loop import Trainer
from baselines.training.options import Budget, TrainingOptions
from baselines.training.state import alone_in, restore
from bench.cli import INTERRUPTED, OK, run
from bench.codec import BenchError


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    files_in(args.data)
    budget, chosen = _budget(args), _system(args)
    config, suffix = configuration(args, chosen)
    options = training_options(args, chosen, config)
    sources = _sources(args)
    name = f"{args.system}-{args.preset}{suffix}"
    folder = args.out or Path("training-runs") / name
    path = folder / f"{name}.safetensors"
    with _enough_memory(), alone_in(folder):  # first of all: another training may be about to write there
        stopped_there = (folder / "state.pt").exists()
        resumed = stopped_there and (args.resume or args.finish)
        torch.manual_seed(options.seed)
        begin = sources.weights if not resumed else None
        model = continued(begin, chosen, config, options.lagrangian) if begin else chosen.build(config)
        train, held_back = _photographs(args)
        began = {} if resumed else _begin(model, chosen, sources, args.random_start, train, options)
        _check_names(model, options.only)
        if stopped_there and not resumed:
            raise BenchError(
                f"{folder} holds a training already: --resume goes on with it, --out chooses another folder."
            )
        trainer = Trainer(model, train.to(torch.device(args.device)), held_back, folder, options)
        trainer.began = began
        if resumed:
            budget = _resume(trainer, args, budget)
            trainer.began = trainer.began or earlier(path)
        print(
            f"{args.system} {args.preset}: {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, "
            f"{len(train.offsets)} photographs, from iteration {trainer.iteration} on {trainer.device}",
            flush=True,
        )
        _train(trainer, budget, args.evaluate_every, path, lambda: card(trainer, args.system, args.preset, config))
    print(f"checkpoint {path}")
    return INTERRUPTED if trainer.stopped else OK


def _train(
    trainer: Trainer, budget: Budget, evaluate_every: float, path: Path, made: Callable[[], dict[str, Any]]
) -> None:
    """Train, and write the checkpoint at every evaluation, with the card that ``made`` gives then."""

    def export() -> None:
        save_checkpoint(path, trainer.averaged(), made())

    with float32_convolutions():
        trainer.run(budget, evaluate_every, export)
        state = trainer.folder / "state.pt"
        if not path.is_file() or path.stat().st_mtime < state.stat().st_mtime:  # killed between the two
            export()


def _system(args: argparse.Namespace) -> System:
    """The system to be trained, options that hang on it and on the device being looked at; sets the threads."""
    if args.crop % 64 or (args.system == "sft" and args.crop < 128):
        least = ", and at least 128 for its reflect padding" if args.system == "sft" else ""
        raise BenchError(f"--crop must be a multiple of 64{least}, got {args.crop}.")
    if args.threads:
        torch.set_num_threads(args.threads)
    if reason := missing(check_device(args.device, args.system)):
        raise BenchError(f"{args.system}: {reason}")
    if not abs(args.seed or 0) < 1 << 63:
        raise BenchError(f"--seed must be a whole number below 2^63, got {args.seed}.")
    return system(args.system)


def _resume(trainer: Trainer, args: argparse.Namespace, budget: Budget) -> Budget:
    """Take up the state in the trainer's folder; returns the budget with what of it was used before."""
    restore(trainer)
    if args.finish:
        return replace(budget, seconds_before=trainer.seconds, iterations_before=trainer.iteration)
    if args.entropy_first is None and trainer.joint:  # the transform's gradients mean something by now
        trainer.options = replace(trainer.options, entropy_first=0.0)
    return budget


def _begin(
    model: LatentModel, chosen: System, sources: Sources, random: bool, train: Photographs, options: TrainingOptions
) -> dict[str, Any]:
    """Fill a model that was built, or comes from ``sources.weights``; returns for the card what it begins with."""
    start = {"start": "random" if random else "KLT of 16x16x3 training blocks, quantiser gain"}
    if sources.weights:
        return taken_from(sources.weights, "weights")
    if sources.transform:
        take_transform(model, sources.transform, chosen, options.lagrangian)
        return taken_from(sources.transform, "transform")
    if not random:
        blocks = train.crops(25000, 16, torch.Generator().manual_seed(options.seed))
        chosen.start(model, blocks, options.lagrangian or THETA)
    if not sources.entropy:
        return start
    take_entropy(model, sources.entropy)
    taken = taken_from(sources.entropy, "entropy model")
    return taken | {"start": f"{start['start']}; {taken['start']}"}


def _photographs(args: argparse.Namespace) -> tuple[Photographs, Photographs]:
    """Those to train on, and those held back."""
    everything = load_photographs(args.data, args.cache)
    if (count := len(everything.offsets)) < 4:
        raise BenchError(f"--data must hold at least 4 photographs, of which a quarter is held back; got {count}.")
    return everything.split(min(48, count // 4))


@contextmanager
def _enough_memory() -> Iterator[None]:
    """One sentence where memory runs out, on the device or beside it, or a matrix has no inverse any more."""
    try:
        yield
    except torch.linalg.LinAlgError as error:
        raise BenchError(
            "A matrix of the transform has no inverse: choose a --lambda nearer to the papers' 0.0016 to 0.05, or "
            "smaller steps by --lr-mix."
        ) from error
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise BenchError(
            "There is not enough memory for this training: choose a smaller --batch, --crop or --pool, or name a "
            "folder of fewer photographs with --data."
        ) from error


def _budget(args: argparse.Namespace) -> Budget:
    given = {name: value for name in ("minutes", "iterations") if (value := getattr(args, name)) is not None}
    if not given:
        raise BenchError("How long to train is not said: give --minutes, --iterations, or both.")
    for name, value in given.items():
        if not 0 < value < math.inf:
            raise BenchError(f"--{name} must be a number above 0, got {value:g}.")
    if not args.evaluate_every >= 0:
        raise BenchError(f"--evaluate-every must be a number of minutes, at least 0, got {args.evaluate_every:g}.")
    return Budget(**given)


def _check_names(model: LatentModel, only: str) -> None:
    """Raise BenchError where --only names something that the model has not."""
    names = [name for name, _ in model.named_parameters()]
    for part in only.split(",") if only else []:
        if not part.strip():
            raise BenchError(f"--only {only}: expected names between the commas, got an empty one; leave out a comma.")
        if not any(name.startswith(part) for name in names):
            parts = ", ".join(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
            raise BenchError(f"--only {part}: nothing in this model is called so; it has {parts}.")


def _sources(args: argparse.Namespace) -> Sources:
    """The checkpoints that the options name; raises BenchError where they contradict each other."""
    if args.weights and args.transform:
        raise BenchError("--weights and --transform both say what to begin with; leave one out.")
    if args.random_start and (option := "weights" if args.weights else "transform" if args.transform else ""):
        raise BenchError(f"--random-start and --{option} both say what to begin with; leave one out.")
    if args.entropy and (args.weights or args.transform):
        raise BenchError("--entropy is for a model that begins anew: leave out --weights and --transform.")
    return Sources(*(_source(args, option) for option in ("weights", "transform", "entropy")))


def _source(args: argparse.Namespace, option: str) -> Path | None:
    """The checkpoint that an option names."""
    name = getattr(args, option)
    if name is None:
        return None
    path = located(name)
    if not path.is_file():
        hint = f"{meant} Name" if (meant := nearest(path)) else "; name"
        raise BenchError(f"No checkpoint at {path}{hint} another with --{option}.")
    return path


def configuration(args: argparse.Namespace, chosen: System) -> tuple[ModelConfig, str]:
    """The preset with the variants asked for, and what they add to the checkpoint's name."""
    config = choose(chosen.presets, args.preset, args.system)
    changes: dict[str, Any] = {}
    suffix = ""
    for option in (*VARIANTS, "level", "pdm", "latent"):
        value = getattr(args, option.replace("-", "_"))
        field = {"nonlocal": "non_local", "ms-cfrm": "ms_cfrm"}.get(option, option)
        if value is None:
            continue
        if field not in config.__dataclass_fields__:
            raise BenchError(f"{args.system} has no option --{option}.")
        if option == "latent" and args.system == "sft" and 0 < value < 8:  # its start would divide by none
            raise BenchError(f"--latent of sft must be at least 8, got {value}.")
        if value != getattr(config, field):
            changes[field] = value
            plain = option.replace("-", "")
            suffix += f"-{plain if value is True else f'no{plain}' if value is False else f'{plain}{value}'}"
    if args.lagrangian:
        suffix += f"-{args.lagrangian:g}"
    return replace(config, **changes), suffix


def training_options(args: argparse.Namespace, chosen: System, config: ModelConfig) -> TrainingOptions:
    """The options of the command line, made consistent with the system."""
    if (args.lagrangian or 0) < 0 or bool(args.lagrangian) == chosen.variable_rate:
        wanted = "is for single-rate systems" if chosen.variable_rate else "must be given, above 0, such as 0.01"
        raise BenchError(f"--lambda {wanted}: {args.system} trains one model for {_rates(chosen)}.")
    given = {f.name: getattr(args, f.name) for f in fields(TrainingOptions)}
    options = TrainingOptions(**{name: value for name, value in given.items() if value is not None})
    if options.lagrangian and options.curriculum:
        raise BenchError(f"--curriculum widens levels, of which {args.system} has one: leave it out.")
    if options.identity and options.distortion != "mse":
        raise BenchError("--identity goes with --distortion mse: leave one of them out.")
    if options.identity and options.bfloat16 and args.bfloat16 is not None:
        raise BenchError("--identity looks at fractions of a step, which bfloat16 has not: leave out --bfloat16.")
    if args.bfloat16 and not chosen.in_bfloat16:
        raise BenchError(f"--bfloat16: every layer of {args.system} carries the image, which it spoils: leave it out.")
    if args.bfloat16 is None:
        quick = quick_bfloat16(torch.device(args.device)) and chosen.in_bfloat16 and not options.identity
        options = replace(options, bfloat16=quick)
    if not any(
        part.startswith("entropy.") or "entropy.".startswith(part) for part in options.only.split(",")
    ):  # nothing to learn from the rate alone
        if args.entropy_first:
            raise BenchError(f"--entropy-first trains the entropy model, which --only {options.only} leaves out.")
        options = replace(options, entropy_first=0.0, entropy_extra=0)
    if args.entropy_first is None and args.weights:
        options = replace(options, entropy_first=0.0)
    if options.lagrangian:
        return replace(options, balance=0.0)
    return replace(options, uniform=1.0) if getattr(config, "level", "map") == "scalar" else options


def quick_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is worth it there: without instructions for it, a CPU takes twice as long as in float32."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _rates(chosen: System) -> str:
    return "all rates" if chosen.variable_rate else "each rate"


if __name__ == "__main__":
    run(main)
