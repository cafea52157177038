"""``python -m baselines.recipe NAME``: train a checkpoint of ours again, all its steps in one command.

    python -m baselines.recipe                                       lists the recipes
    python -m baselines.recipe iat-equal --data PHOTOGRAPHS
    python -m baselines.recipe iat-compact --data PHOTOGRAPHS --scale 10   ten times the budget
    python -m baselines.recipe sft-compact --show                    prints the commands; nothing is trained

Recipes are in ``baselines/recipes.toml``, a step a command line of ``baselines.train`` or ``baselines.average``. What
was stopped, by Ctrl-C, SIGTERM or worse, goes on where its state was last saved when the same command is started again.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bench.cli import OK, Parser, run
from bench.codec import BenchError

FILE = Path(__file__).with_name("recipes.toml")

BUDGETS = {"--minutes", "--iterations"}
"""Options of baselines.train that end a step."""


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m baselines.recipe", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("name", nargs="?", help="of a recipe; none lists them")
    p.add_argument("--data", type=Path, help="folder of training photographs")
    p.add_argument("--out", type=Path, default=Path("training-runs"), help="the recipe gets a folder of its name there")
    p.add_argument("--scale", type=float, default=1.0, help="of all budgets, such as 0.01 for a rehearsal")
    p.add_argument("--device", help="see baselines.train")
    p.add_argument("--threads", help="see baselines.train")
    p.add_argument("--show", action="store_true", help="print the commands and train nothing")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    recipes = read()
    if args.name is None:
        print("\n".join(f"{name:<20} {about}" for name, (about, _) in recipes.items()))
        return OK
    if args.name not in recipes:
        close = get_close_matches(args.name, recipes, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise BenchError(f"Unknown recipe {args.name!r}: {hint}python -m baselines.recipe lists them.")
    if not 0 < args.scale < math.inf:
        raise BenchError(f"--scale must be a number above 0, got {args.scale:g}.")
    if args.data is None and not args.show:
        raise BenchError("Which photographs to train on is not said: name their folder with --data.")
    folder = args.out / args.name
    more = ["--data", str(args.data or "PHOTOGRAPHS"), "--cache", str(args.out / "cache")]
    for option in ("device", "threads"):
        if (value := getattr(args, option)) is not None:
            more += [f"--{option}", value]
    done = folder / "steps-done.json"
    planned = steps(recipes[args.name][1], folder, args.scale, more)
    if args.show:
        print("\n".join("python -m baselines." + shlex.join(step) for step in planned))
        return OK
    _check_options(planned, args.data)
    plan = steps(recipes[args.name][1], Path("{out}"), args.scale)  # wherever it lies, and whatever it runs on
    _check_plan(folder, plan, args.data)
    for step, named in zip(planned, plan, strict=True):
        finished = _taken(done)
        if named in finished:
            continue
        code = _take(step)
        if code != OK:
            return code
        _write(done, [*finished, named])
    return OK


def _check_options(planned: list[list[str]], data: Path) -> None:
    """Raise BenchError where a training would refuse its options, before anything is written."""
    from baselines.learned.device import check_device, missing
    from baselines.train import parser as parser_of_train
    from baselines.training.data import files_in

    files_in(data)
    for args in (parser_of_train().parse_args(step[1:]) for step in planned if step[0] == "train"):
        if reason := missing(check_device(args.device, args.system)):
            raise BenchError(f"{args.system}: {reason}")


def _check_plan(folder: Path, planned: list[list[str]], data: Path) -> None:
    """Note in the folder what is to be made in it; raise BenchError where that was begun with something else."""
    file, plan = folder / "plan.json", {"steps": planned, "data": str(data.resolve())}
    if not file.is_file() or not any(path != file for path in folder.rglob("*") if path.is_file()):
        _write(file, plan)  # what nothing was made of binds nobody
        return
    try:
        begun = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BenchError(
            f"{file}, which tells what {folder} was begun with, is damaged: delete it if --scale, --data and recipe "
            "are those of then, or choose another --out."
        ) from error
    if begun != plan:
        raise BenchError(
            f"{folder} was begun with another --scale, --data or recipe ({file.name} tells): repeat these, or choose "
            "another --out."
        )


def _taken(file: Path) -> list[list[str]]:
    """The steps that a file says are done; none where it is damaged, as taking a step again changes nothing."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _write(file: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".part")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(file)


def read(file: Path = FILE) -> dict[str, tuple[str, list[str]]]:
    """What each recipe makes, and its steps with the file's abbreviations filled in, by name."""
    found = tomllib.loads(file.read_text(encoding="utf-8"))
    short = {name: text for name, text in found.items() if isinstance(text, str)}

    def whole(step: str) -> str:
        for name, text in short.items():
            step = step.replace(f"{{{name}}}", text)
        return step

    return {
        name: (recipe["about"], [whole(step) for step in recipe["steps"]])
        for name, recipe in found.items()
        if name not in short
    }


def steps(lines: Sequence[str], folder: Path, scale: float = 1.0, more: Sequence[str] = ()) -> list[list[str]]:
    """The steps of a recipe as words: a tool of ``baselines`` and its arguments.

    Args:
        lines: as in the file.
        folder: what ``{out}`` stands for.
        scale: of budgets.
        more: arguments of every training.
    """
    found = []
    for line in lines:
        words = [word.replace("{out}", str(folder)) for word in line.split()]
        for option in BUDGETS & set(words):
            at = words.index(option) + 1
            budget = float(words[at]) * scale
            words[at] = str(max(1, round(budget))) if option == "--iterations" else f"{budget:g}"
        found.append(words + (list(more) if words[0] == "train" else []))
    return found


def _take(step: list[str]) -> int:
    """Take one step, a training from where it was stopped on; return its exit code."""
    from baselines import average, train

    print("python -m baselines." + shlex.join(step), flush=True)
    return average.main(step[1:]) if step[0] == "average" else train.main([*step[1:], "--finish"])


if __name__ == "__main__":
    run(main)
