"""Recipes: what they say is what the cards say, and a training that was stopped goes on."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tiny_training import draw_photographs, train_tiny

from baselines import average, recipe, train
from baselines.checkpoint import load_checkpoint
from baselines.learned.files import SHIPPED
from baselines.learned.system import system
from bench.codec import BenchError
from bench.experiment import FOLDER

RECIPES = recipe.read()

OWN_STEPS_BEFORE = {"sft-compact": 1, "iat-long": 4}
"""Trainings before the last that a card counts apart and the recipe does not; an average counts both of its own."""


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.safetensors")))
def test_a_recipe_says_what_the_card_says(name: str) -> None:
    steps = recipe.steps(RECIPES[name][1], Path("out") / name, more=["--data", "photographs"])
    last = [step for step in steps if step[0] == "train"][-1]
    args = train.parser().parse_args(last[1:])
    chosen = system(args.system)
    config, _ = train.configuration(args, chosen)
    card = json.loads((SHIPPED / f"{name}.json").read_text())
    recorded = card["training"]["options"]
    said = asdict(train.training_options(args, chosen, config))
    compared = recorded.keys() - {"bfloat16"}  # by default what the processor is quick at
    assert {key: said[key] for key in compared} == {key: recorded[key] for key in compared}
    assert json.loads(json.dumps(config.to_dict())) == card["config"]
    if args.iterations:
        assert args.iterations == card["training"]["iterations"]
        return
    minutes = sum(train.parser().parse_args(step[1:]).minutes for step in steps if step[0] == "train")
    part, spent = card["training"], card["training"]["minutes"]
    for _ in range(OWN_STEPS_BEFORE.get(name, 0)):
        part = part["before"]
        spent += part["minutes"]
        part = part["before"] if "average" in part else part  # whose minutes the average counts
    assert minutes == pytest.approx(spent, abs=0.5)  # each ends a few seconds late


@pytest.mark.parametrize("name", RECIPES)
def test_all_steps_are_commands(name: str) -> None:
    for step in recipe.steps(RECIPES[name][1], Path("out"), 0.5, ["--data", "photographs"]):
        tool = {"train": train, "average": average}[step[0]]
        tool.parser().parse_args(step[1:] if step[0] == "average" else [*step[1:], "--finish"])


def test_experiments_name_checkpoints_that_are_shipped_and_can_be_trained_again() -> None:
    named = set(re.findall(r"checkpoint=([^],]+)", "".join(path.read_text() for path in FOLDER.glob("*.toml"))))
    assert {"iat-equal", "ainn-full", "ainn-no-pdm", "ainn-no-cfrm", "ainn-no-pdm-cfrm", "ainn-no-fdsm"} <= named
    assert named <= {path.stem for path in SHIPPED.glob("*.safetensors")} & RECIPES.keys()


@pytest.fixture
def two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    train_tiny(monkeypatch)
    file = tmp_path / "recipes.toml"
    one = "{out}/1/iat-compact.safetensors"
    file.write_text(
        'short = "--batch 1 --crop 64 --entropy-first 0 --no-bfloat16"\n[two]\nabout = "x"\nsteps = [\n'
        '"train iat --iterations 400 {short} --out {out}/1",\n'
        f'"average {one} {one} --share 0.5 --out {{out}}/a.safetensors",\n'
        '"train iat --iterations 200 --weights {out}/a.safetensors {short} --out {out}"]\n'
    )
    monkeypatch.setattr(recipe, "read", lambda: RECIPES | _read(file))
    photographs = draw_photographs(tmp_path / "photographs")
    return ["two", "--data", str(photographs), "--scale", "0.01", "--threads", "1", "--device", "cpu"]


_read = recipe.read


def _iterations(folder: str) -> int:
    with Path("training-runs", "two", folder, "log.csv").open(newline="") as file:
        return int(list(csv.DictReader(file))[-1]["iteration"])


def test_the_steps_are_taken_once(two_steps: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert recipe.main(two_steps) == 0
    assert (_iterations("1"), _iterations("")) == (4, 2)
    card = load_checkpoint(Path("training-runs/two/iat-compact.safetensors"))[1]
    assert card["training"]["start"].startswith("the weights of a.safetensors")
    capsys.readouterr()
    assert recipe.main(two_steps) == 0
    assert capsys.readouterr().out == ""
    with pytest.raises(BenchError, match="did you mean two"):
        recipe.main(["tow"])


def test_what_was_stopped_goes_on_with_the_rest_of_its_budget(
    two_steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = train.Trainer.step

    def stopping(self: train.Trainer, rate_only: bool = False) -> Any:
        values = step(self, rate_only)
        self.stopped = self.iteration == 3
        return values

    set_rates, progress = train.Trainer._set_rates, []

    def noting(self: train.Trainer, share: float) -> None:
        progress.append(share)
        set_rates(self, share)

    monkeypatch.setattr(train.Trainer, "step", stopping)
    monkeypatch.setattr(train.Trainer, "_set_rates", noting)
    assert recipe.main(two_steps) == 130
    assert _iterations("1") == 3
    assert not Path("training-runs/two/a.safetensors").exists()
    assert recipe.main(two_steps) == 0
    assert (_iterations("1"), _iterations("")) == (4, 2)
    assert progress == [0, 0.25, 0.5, 0.75, 0, 0.5]


def test_iterations_are_whole_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps = recipe.steps(["train iat --iterations 1500001 --out {out}"], tmp_path, 2.0)
    assert steps == [["train", "iat", "--iterations", "3000002", "--out", str(tmp_path)]]
    (tmp_path / "state.pt").touch()
    (tmp_path / "log.csv").write_text("iteration,minutes\n1,0.1\n")
    monkeypatch.setattr(train, "main", lambda argv: train.parser().parse_args([*argv, "--data", "x"]).iterations)
    assert recipe._take(steps[0]) == 3000002


def test_a_folder_is_of_one_plan(two_steps: list[str], tmp_path: Path) -> None:
    """A rehearsal leaves states behind that a whole training must not take for its own."""
    assert recipe.main([*two_steps, "--scale", "0.005"]) == 0
    before = Path("training-runs/two/iat-compact.safetensors").read_bytes()
    for other in (two_steps, [*two_steps, "--scale", "0.005", "--data", str(tmp_path)]):
        with pytest.raises(
            BenchError, match=r"two was begun with another --scale, --data or recipe .*another --out\.$"
        ):
            recipe.main(other)
    assert recipe.main([*two_steps, "--out", "other"]) == 0
    assert recipe.main([*two_steps, "--scale", "0.005", "--threads", "2"]) == 0  # with other threads it is the same
    assert recipe.main([*two_steps, "--scale", "0.005", "--out", str(Path("training-runs").resolve())]) == 0
    assert Path("training-runs/two/iat-compact.safetensors").read_bytes() == before


def test_what_was_noted_is_whole_or_told_to_be_damaged(two_steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[list[str]] = []
    monkeypatch.setattr(recipe, "_take", lambda step: taken.append(step) or 0)
    assert recipe.main(two_steps) == 0
    done, plan = (Path("training-runs/two", name) for name in ("steps-done.json", "plan.json"))
    noted, planned = done.read_text(), plan.read_text()
    for damaged in (noted[:40], "", "{}"):
        done.write_text(damaged)
        assert recipe.main(two_steps) == 0
        assert done.read_text() == noted
    names = json.loads(noted)
    assert taken == 4 * taken[: len(names)]
    assert [step[0] for step in names] == [step[0] for step in taken[: len(names)]]
    assert "{out}" in noted
    plan.write_text(planned[:40])
    with pytest.raises(BenchError, match=r"plan\.json, which tells what .*two was begun with, is damaged: delete it"):
        recipe.main(two_steps)
    plan.unlink()

    def full(self: Path, data: str, *_: Any, **__: Any) -> None:
        self.write_bytes(data[:40].encode())
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            recipe.main(two_steps)
    assert not plan.exists()
    assert recipe.main(two_steps) == 0
    assert plan.read_text() == planned


def test_a_checkpoint_that_was_not_written_after_its_state_is_written_then(two_steps: list[str]) -> None:
    assert recipe.main(two_steps) == 0
    made = Path("training-runs/two/1/iat-compact.safetensors")
    whole = load_checkpoint(made)[0]
    made.unlink()
    Path("training-runs/two/steps-done.json").unlink()
    assert recipe.main(two_steps) == 0
    again = load_checkpoint(made)[0]
    assert all(again[name].equal(value) for name, value in whole.items())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--data", "nowhere"], "No folder of training photographs at nowhere"),
        (["--threads", "abc"], "Argument --threads: expected a whole number"),
        (["--device", "tpu"], "--device must be cpu, cuda or"),
    ],
)
def test_a_slip_binds_nobody(wrong: list[str], said: str, two_steps: list[str]) -> None:
    with pytest.raises(BenchError, match=said):
        recipe.main([*two_steps, *wrong])
    assert not Path("training-runs").exists()


def test_a_plan_that_nothing_was_made_of_is_written_over(
    two_steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(recipe, "_take", lambda step: 130)
    assert recipe.main([*two_steps, "--scale", "3"]) == 130
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    plan = Path("training-runs/two/plan.json")
    recipe._check_plan(plan.parent, [["train"]], tmp_path)
    assert json.loads(plan.read_text())["steps"] == [["train"]]
