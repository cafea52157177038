"""Options of ``python -m baselines.train`` that mean nothing are refused in a sentence, others do what they say."""

from __future__ import annotations

import hashlib
import re
import signal
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_training_systems import TINY as TINY_SYSTEMS
from tiny_training import draw_photographs

import baselines.iat.config
import baselines.xie.config
from baselines.learned.files import located
from baselines.learned.system import system
from baselines.learned.weights import load_model
from baselines.train import main
from baselines.training import beginning
from baselines.training.arguments import DECIDED_LATER, OPTIMISATION, parser
from baselines.training.loop import Trainer
from baselines.training.options import TrainingOptions
from bench.codec import BenchError


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(baselines.iat.config.PRESETS, "compact", TINY_SYSTEMS["iat"])
    monkeypatch.setitem(baselines.xie.config.PRESETS, "compact", TINY_SYSTEMS["xie"])
    monkeypatch.setattr(Trainer, "evaluate", lambda self: {})
    draw_photographs(tmp_path / "photographs")
    given = ["--data", "photographs", "--batch", "1", "--crop", "64", "--threads", "1", "--iterations", "1"]
    return [*given, "--device", "cpu", "--no-bfloat16"]


def test_every_option_has_a_line_of_help_and_its_default() -> None:
    actions = [action for action in parser()._actions if action.dest != "help"]
    assert all(action.help for action in actions)
    told = " ".join(parser().format_help().split())
    for field in fields(TrainingOptions):
        assert field.name in OPTIMISATION or field.name in ("lagrangian", "distortion", "identity", "only")
        (action,) = (action for action in actions if action.dest == field.name)
        assert action.option_strings[0] in told
        if field.name in OPTIMISATION and field.name not in DECIDED_LATER:
            assert f"{OPTIMISATION[field.name]} (default: {field.default})" in told
    assert f"default: {TrainingOptions.entropy_first};" in OPTIMISATION["entropy_first"]
    assert "--lambda L weight of the distortion; required for xie and ainn" in told


def test_the_photographs_are_looked_for_first(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match="No images under empty; name another folder with --data"):
        main(["iat", "--data", "empty"])


@pytest.mark.parametrize("only", ["entropy.,", ",entropy.", "entropy.,,transform.", ","])
def test_an_empty_name_does_not_mean_everything(only: str, arguments: list[str]) -> None:
    with pytest.raises(BenchError, match=f"--only {only}: expected names between the commas, got an empty one"):
        main(["iat", *arguments, "--random-start", "--only", only])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["iat", "--random-start", "--weights", "iat-compact"], "--random-start and --weights both say what to begin"),
        (["iat", "--random-start", "--transform", "iat-compact"], "--random-start and --transform both say what to"),
        (
            ["sft", "--crop", "128", "--latent", "0"],
            r"SFT: latent \(M\) must be 1 to 1024, got 0; change it",
        ),
        (["sft", "--crop", "128", "--latent", "-5"], r"SFT: latent \(M\) must be 1 to 1024, got -5"),
        (["sft", "--crop", "128", "--latent", "2000"], r"SFT: latent \(M\) must be 1 to 1024, got 2000"),
    ],
    ids=" ".join,
)
def test_options_that_mean_nothing(argv: list[str], said: str, arguments: list[str]) -> None:
    with pytest.raises(BenchError, match=said):
        main([argv[0], *arguments, *argv[1:]])


def test_the_jacobian_reaches_what_is_trained_alone(arguments: list[str]) -> None:
    alone = ["--lambda", "0.01", "--distortion", "jacobian", "--only", "restore.", "--random-start", "--out", "run"]
    assert main(["xie", *arguments, *alone, "--iterations", "2"]) == 0
    assert torch.load("run/state.pt", weights_only=True)["skipped"] == 0


def test_a_clip_of_zero_leaves_gradients_as_they_are(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = torch.optim.Adam.step

    def noting(self: torch.optim.Adam) -> None:
        gradients = [p.grad.norm() for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.stack(gradients).norm()))
        step(self)

    monkeypatch.setattr(torch.optim.Adam, "step", noting)
    for clip in ("0", "1e9", "0.001"):
        assert main(["iat", *arguments, "--random-start", "--entropy-first", "0", "--clip", clip, "--out", clip]) == 0
    assert norms[0] == norms[1] > 1
    assert norms[2] == pytest.approx(0.001, rel=1e-3)


def test_signals_are_given_back(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer.step

    def stopping(self: Trainer, rate_only: bool = False) -> tuple[float, float, float]:
        signal.raise_signal(signal.SIGINT)
        return step(self, rate_only)

    monkeypatch.setattr(Trainer, "step", stopping)
    before = [signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)]
    assert main(["iat", *arguments, "--random-start", "--iterations", "9", "--out", "run"]) == 130
    assert [signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_training_that_has_diverged_writes_nothing(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["iat", *arguments, "--random-start", "--out", "run"]
    assert main([*given, "--iterations", "1"]) == 0
    before = {path: path.read_bytes() for path in Path("run").iterdir()}
    step = Trainer.step

    def diverging(self: Trainer, rate_only: bool = False) -> tuple[float, float, float]:
        found = step(self, rate_only)
        next(self.model.parameters()).data.fill_(float("nan"))
        return found

    monkeypatch.setattr(Trainer, "step", diverging)
    with pytest.raises(
        BenchError, match=r"^The training has diverged by iteration 2 \(.* not finite\), and nothing was"
    ):
        main([*given, "--iterations", "1", "--resume"])
    assert {path: path.read_bytes() for path in Path("run").iterdir()} == before


def test_a_training_that_learned_nothing_writes_nothing(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer._rate_and_distortion
    monkeypatch.setattr(Trainer, "_rate_and_distortion", lambda self: tuple(float("nan") * each for each in step(self)))
    with pytest.raises(BenchError, match=r"^None of 1 steps had a finite gradient, and nothing was learned: choose"):
        main(["iat", *arguments, "--random-start", "--entropy-first", "0", "--out", "run"])
    assert not Path("run").exists()


def test_a_training_begins_with_a_file_of_the_authors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "checkpoint.pth.tar"
    file.write_bytes(b"read by load_model")
    config = TINY_SYSTEMS["iat"]
    monkeypatch.setattr(beginning, "load_model", lambda path, chosen: chosen.build(config))
    model = beginning.continued(file, system("iat"), config, 0.0)
    assert all(parameter.requires_grad for parameter in model.parameters())
    digest = hashlib.sha256(b"read by load_model").hexdigest()[:16]
    assert beginning.taken_from(file, "transform") == {
        "start": f"the transform of checkpoint.pth.tar (sha256 {digest}), with a fresh optimiser",
        "before": {},
    }
    with pytest.raises(BenchError, match=r"--entropy checkpoint\.pth\.tar is of no system known here"):
        beginning.take_entropy(model, file)


def test_sizes_that_are_the_same_said_otherwise_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authors' files of Xie et al. tell how many hyper-latents there are; the preset says as many as latents."""
    said = replace(TINY_SYSTEMS["xie"], hyper_latent=TINY_SYSTEMS["xie"].latent)
    file = tmp_path / "low.pth"
    file.write_bytes(b"read by load_model")
    monkeypatch.setattr(beginning, "load_model", lambda path, chosen: chosen.build(said))
    assert beginning.continued(file, system("xie"), replace(said, hyper_latent=None), 0.01)
    with pytest.raises(BenchError, match="latent = "):
        beginning.continued(file, system("xie"), replace(said, hyper_latent=said.latent + 1), 0.01)


def test_a_transform_of_another_rate_gets_the_step_of_its_own() -> None:
    steps = {}
    for option in (beginning.continued, beginning.take_transform):
        source, chosen = located("xie-compact-0.0032"), system("xie")
        if option is beginning.continued:
            model = beginning.continued(source, chosen, chosen.presets["compact"], 0.045)
        else:
            model = chosen.build(chosen.presets["compact"])
            beginning.take_transform(model, source, chosen, 0.045)
        last: Any = model.levels[3]  # type: ignore[index]
        steps[option.__name__] = float(last.mix.weight.detach().norm())
    assert steps["take_transform"] == pytest.approx(steps["continued"])
    unscaled: Any = load_model(located("xie-compact-0.0032"), system("xie")).levels[3]  # type: ignore[index]
    assert steps["continued"] > 3 * float(unscaled.mix.weight.norm())


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["iat", "--threads", "-1"], "Argument --threads: expected a whole number of at least 1, got '-1'"),
        (["iat", "--threads", "100000"], "Argument --threads: expected at most 1024, got 100000"),
        (["iat", "--seed", str(1 << 64)], "--seed must be a whole number below 2^63"),
        (["sft", "--crop", "128", "--latent", "4"], "--latent of sft must be at least 8, got 4."),
        (["iat", "--latent", "0"], "IAT: latent (M) must divide 768, got 0; change it with --latent."),
        (["iat", "--evaluate-every", "nan"], "--evaluate-every must be a number of minutes, at least 0, got nan."),
        (["iat", "--evaluate-every", "-1"], "--evaluate-every must be a number of minutes, at least 0, got -1."),
        (["iat", "--decay", "2"], "--decay is a share and must lie between 0 and 1, got 2.0."),
        (["iat", "--entropy-first", "2"], "--entropy-first is a share and must lie between 0 and 1, got 2.0."),
        (["iat", "--ema", "1.5"], "--ema is a share and must lie between 0 and 1, got 1.5."),
        (["iat", "--batch", "1000000000"], "--batch must be at most 4096, got 1000000000."),
        (["xie", "--lambda", "nan"], "--lambda must be a number of at least 0, got nan."),
        (["xie", "--lambda", "0.01", "--curriculum", "0.5"], "--curriculum widens levels, of which xie has one: leave"),
    ],
)
def test_numbers_out_of_their_range(argv: list[str], said: str, arguments: list[str]) -> None:
    with pytest.raises(BenchError, match=f"^{re.escape(said)}"):
        main([argv[0], *arguments, *argv[1:]])


@pytest.mark.parametrize("taken", [lambda: torch.empty(1 << 55), lambda: np.empty(1 << 55)], ids=["torch", "numpy"])
def test_memory_that_runs_out_is_one_sentence(
    taken: Callable[[], object], arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "step", lambda self, rate_only: taken())
    with pytest.raises(BenchError, match=r"^There is not enough memory for this training: choose a smaller --batch, "):
        main(["iat", *arguments, "--random-start", "--out", "run"])


def test_an_error_that_is_not_about_memory_keeps_its_traceback(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Trainer, rate_only: bool = False) -> tuple[float, float, float]:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(Trainer, "step", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        main(["iat", *arguments, "--random-start", "--out", "run"])


def test_a_matrix_without_inverse_is_one_sentence(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def singular(self: Trainer, rate_only: bool = False) -> Any:
        return torch.linalg.inv(torch.zeros(2, 2))

    monkeypatch.setattr(Trainer, "step", singular)
    with pytest.raises(BenchError, match=r"^A matrix of the transform has no inverse: choose a --lambda nearer"):
        main(["xie", *arguments, "--lambda", "1e-300", "--out", "run"])


def test_one_latent_channel_is_enough(arguments: list[str]) -> None:
    assert main(["xie", *arguments, "--latent", "1", "--lambda", "0.01", "--random-start", "--out", "run"]) == 0


@pytest.mark.parametrize("option", ["--out", "--cache"])
def test_a_file_in_the_place_of_a_folder(option: str, arguments: list[str]) -> None:
    Path("taken").write_text("")
    with pytest.raises(BenchError, match=rf"^taken can't be .*: file exists; choose another .*{option}\.$"):
        main(["iat", *arguments, "--random-start", option, "taken"])


def test_a_folder_called_like_an_image_is_none(arguments: list[str]) -> None:
    Path("photographs/folder.png").mkdir()
    assert main(["iat", *arguments, "--random-start", "--out", "run"]) == 0


def test_a_training_that_learns_nothing_any_more_ends(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    step = Trainer._rate_and_distortion

    def diverging(self: Trainer) -> Any:
        return tuple((1.0 if self.iteration < 2 else float("nan")) * each for each in step(self))

    monkeypatch.setattr(Trainer, "_rate_and_distortion", diverging)
    monkeypatch.setattr("baselines.training.loop.MOST_SKIPPED", 3)
    more = ["--random-start", "--entropy-first", "0", "--entropy-extra", "0", "--iterations", "9", "--out", "run"]
    with pytest.raises(BenchError, match=r"^The last 3 steps had no finite gradient: go on from what was saved by"):
        main(["iat", *arguments, *more])


def test_levels_widen(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """From one level to all of them, over the first half of the budget."""
    seen: list[tuple[float, float]] = []
    levels = Trainer._levels

    def noting(self: Trainer) -> torch.Tensor:
        found = levels(self)
        seen.append((float(found.min()), float(found.max())))
        return found

    monkeypatch.setattr(Trainer, "_levels", noting)
    monkeypatch.setattr(Trainer, "_refill", lambda self: None)
    more = ["--random-start", "--entropy-first", "0", "--entropy-extra", "0", "--iterations", "8", "--batch", "4"]
    assert main(["iat", *arguments, *more, "--curriculum", "0.5", "--curriculum-from", "1", "--out", "run"]) == 0
    assert len(seen) == 8
    for step, (low, high) in enumerate(seen):
        assert max(0.0, 1 - step / 4) - 1e-6 <= low <= high <= 1
    assert seen[0] == (1.0, 1.0)
    assert min(low for low, _ in seen[4:]) < 0.2
