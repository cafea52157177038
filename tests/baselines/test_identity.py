"""Feature identity: the loss as stated, a decoder that learns it alone, and the options of the command line."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from tiny_training import OPTIONS, TINY, draw_photographs, train_tiny

from baselines.checkpoint import load_checkpoint
from baselines.iat.model import IAT
from baselines.learned.identity import as_pixels, latent_deviation
from baselines.train import main
from baselines.training.data import load_photographs
from baselines.training.loop import Trainer
from baselines.training.losses import rate_distortion
from bench.chain import run_chain
from bench.codec import BenchError
from bench.registry import create
from bench.schedule import FixedQuality


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_photographs(tmp_path / "photographs")


def test_pixels_are_those_of_an_8_bit_image_and_pass_the_gradient() -> None:
    x = torch.tensor([-0.2, 0.1, 0.5004, 1.3], requires_grad=True)
    pixels = as_pixels(x)
    assert (pixels * 255).tolist() == pytest.approx([0, 26, 128, 255], abs=1e-4)
    pixels.sum().backward()
    assert x.grad.tolist() == [1, 1, 1, 1]


def test_deviation_is_in_squared_steps_a_pixel_and_part_of_the_loss() -> None:
    y_hat = torch.zeros(2, 4, 2, 2, requires_grad=True)
    again = torch.zeros(2, 4, 2, 2)
    again[0, 0, 0, 0], again[1, 0, 0, 0], again[1, 3, 1, 1] = 0.2, 2.0, -1.0
    deviation = latent_deviation(again.requires_grad_(), y_hat, 1024)
    assert deviation.tolist() == pytest.approx([0, (1.75**2 + 0.75**2) / 1024])
    deviation.sum().backward()
    assert y_hat.grad is None
    x, bits, level = torch.rand(2, 3, 32, 32), torch.tensor([64.0, 128.0]), torch.full((2, 1, 32, 32), 0.5)
    without, _, _ = rate_distortion(x, x, bits, level)
    loss, bpp, error = rate_distortion(x, x, bits, level, deviation=10 * deviation.detach())
    assert float(loss - without) == pytest.approx(10 * float(deviation.mean()), rel=1e-3)
    assert bpp.tolist() == [64 / 1024, 128 / 1024]
    assert error.tolist() == [0, 0]


def test_the_last_network_of_the_decoder_learns_to_be_undone(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = IAT(TINY)
    with torch.no_grad():
        for each in (model.transform.enhance, model.transform.restore):
            torch.nn.init.normal_(each.layers[-1].conv5.weight, std=0.05)
            torch.nn.init.constant_(each.layers[-1].conv5.bias, 0.3)
        for i, scale in enumerate((1, 1, 1, 30)):
            model.transform.activations[i].mlp_gamma[-1].weight.zero_()
            model.transform.activations[i].mlp_gamma[-1].bias.fill_(scale - 1)
    train, held_back = load_photographs(folder).split(1)
    options = replace(OPTIONS, identity=1e4, only="transform.restore", lr_transform=5e-3)
    trainer = Trainer(model, train, held_back, tmp_path / "run", options)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    x = held_back.crops(4, 64, torch.Generator().manual_seed(3))
    first = model(x, 0.5, noise=False, identity=True).deviation.detach()
    for _ in range(60):
        trainer._set_rates(0.0)
        trainer.step()
    last = model(x, 0.5, noise=False, identity=True).deviation.detach()
    assert float(last.mean()) < 0.5 * float(first.mean())
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert all(key.startswith("transform.restore.") for key in changed)
    kept = {key for key in before if key not in changed}
    assert all(torch.equal(trainer.averaged()[key], before[key]) for key in kept)


def test_the_command_line_trains_a_part_and_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train_tiny(monkeypatch)
    arguments = ["iat", "--data", str(folder), "--batch", "1", "--crop", "64", "--device", "cpu", "--threads", "1"]
    assert main([*arguments, "--iterations", "2", "--no-bfloat16", "--out", "first"]) == 0
    weights = Path("first/iat-compact.safetensors")
    more = [*arguments, "--weights", str(weights), "--iterations", "3", "--warmup", "1", "--out", "second"]
    assert main([*more, "--identity", "10", "--only", "transform.restore"]) == 0
    before, (after, card, _) = load_checkpoint(weights)[0], load_checkpoint(Path("second/iat-compact.safetensors"))
    changed = {key.split(".")[1] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"restore"}
    training = card["training"]
    assert training["loss"].endswith(" + 10 relu(|y(x_hat) - y_hat| - 0.25)^2 / pixels, and so for z")
    told = {key: training["options"][key] for key in ("identity", "only", "bfloat16", "entropy_first", "entropy_extra")}
    assert told == {
        "identity": 10,
        "only": "transform.restore",
        "bfloat16": False,
        "entropy_first": 0,
        "entropy_extra": 0,
    }
    with Path("second/log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert 0 < float(row["psnr_later_50"]) < 100
    assert 0 < float(row["bpp_later_50"]) < 24
    same = ["--identity", "10", "--only", "transform.restore", "--resume"]
    assert main([*more, *same]) == 0
    card = json.loads(Path("second/iat-compact.json").read_text())
    assert card["training"]["iterations"] == 6

    for wrong, said in (
        (["--resume"], "What is in second was trained with --only transform.restore and can't go on with no --only"),
        (
            ["--only", "transform.restore,decoder"],
            "--only decoder: nothing in this model is called so; it has ",
        ),
        (["--identity", "-1"], "--identity must be a number of at least 0, got -1"),
        (["--identity", "1", "--distortion", "jacobian"], "goes with --distortion mse"),
        (["--identity", "1", "--bfloat16"], "leave out --bfloat16"),
        (["--only", "transform.restore", "--entropy-first", "1"], "--entropy-first trains the entropy model, which"),
    ):
        with pytest.raises(BenchError, match=said):
            main([*more, *wrong])


@pytest.mark.parametrize(("name", "level"), [("iat", 0.8), ("sft", 0.3)])
def test_the_shipped_decoders_are_undone_by_their_encoders(name: str, level: float) -> None:
    source = np.ascontiguousarray(astronaut()[:192, 128:320])
    before, stable = (
        run_chain([create(spec)], source, FixedQuality(level), 10).records
        for spec in (f"{name}[checkpoint={name}-compact]", f"{name}[checkpoint={name}-stable]")
    )
    assert stable[0]["bytes"] == before[0]["bytes"]
    assert before[0]["psnr"] - before[-1]["psnr"] > 1
    assert stable[0]["psnr"] - stable[-1]["psnr"] < 0.2
    assert stable[-1]["bytes"] == pytest.approx(stable[0]["bytes"], rel=0.02)
    assert stable[-1]["fixed_point"]
