"""Training: data, maps and losses as stated, exact resumption, and a step that learns."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_training_systems import TINY as TINY_SYSTEMS
from tiny_training import OPTIONS, TINY, draw_photographs, train_tiny

from baselines.checkpoint import load_checkpoint
from baselines.iat.model import IAT
from baselines.learned.lagrangian import lagrangian
from baselines.learned.system import system
from baselines.learned.weights import load_model
from baselines.train import main
from baselines.training import evaluation
from baselines.training.data import Photographs, load_photographs
from baselines.training.live import LiveLine, averaged
from baselines.training.loop import Trainer
from baselines.training.losses import rate_distortion
from baselines.training.maps import quality_maps
from baselines.training.state import restore, save
from bench import provenance
from bench.codec import BenchError
from bench.images import load_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_photographs(tmp_path / "photographs")


def test_crops_are_pieces_of_the_photographs(folder: Path) -> None:
    photographs = load_photographs(folder)
    crops = photographs.crops(6, 64, torch.Generator().manual_seed(0), flip=False)
    assert crops.shape == (6, 3, 64, 64)
    images = [np.asarray(Image.open(p)) for p in sorted(folder.iterdir())]
    for crop in (crops * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy():
        found = False
        for image in images:
            corners = np.argwhere((image[: image.shape[0] - 63, : image.shape[1] - 63] == crop[0, 0]).all(2))
            found |= any(np.array_equal(image[y : y + 64, x : x + 64], crop) for y, x in corners)
        assert found


def test_cache_and_split(folder: Path, tmp_path: Path) -> None:
    a = load_photographs(folder, tmp_path / "cache")
    b = load_photographs(folder, tmp_path / "cache")
    assert a.digest == b.digest
    assert torch.equal(a.pixels, b.pixels)
    train, held_back = a.split(2)
    assert sorted(train.offsets.tolist() + held_back.offsets.tolist()) == a.offsets.tolist()
    with pytest.raises(BenchError, match="choose a smaller --crop"):
        a.crops(1, 512, torch.Generator())
    with pytest.raises(BenchError, match="--data"):
        load_photographs(tmp_path / "nowhere")


@pytest.mark.parametrize(("kept", "side"), [((128, 64), 64), ((200, 300), 192), ((600, 300), 256)], ids=str)
def test_held_back_photographs_may_be_smaller_than_the_crop(kept: tuple[int, int], side: int, tmp_path: Path) -> None:
    trainer = Trainer(IAT(TINY), photograph(300, 300), photograph(*kept), tmp_path, replace(OPTIONS, crop=256))
    assert trainer.validation.shape == (16, 3, side, side)


@pytest.mark.parametrize(("system_name", "least"), [("iat", 64), ("sft", 128)])
def test_held_back_photographs_that_are_too_small_are_told(system_name: str, least: int, tmp_path: Path) -> None:
    model = system(system_name).build(TINY_SYSTEMS[system_name])
    said = rf"^None of the photographs held back for evaluation \(1 of .* --data\) is {least} pixels a side: add larger"
    with pytest.raises(BenchError, match=said):
        Trainer(model, photograph(300, 300), photograph(least - 1, 300), tmp_path, OPTIONS)


def photograph(height: int, width: int) -> Photographs:
    pixels = torch.zeros(height * width, 3, dtype=torch.uint8)
    return Photographs(pixels, torch.tensor([0]), torch.tensor([[height, width]]), "0")


def test_quality_maps_have_the_stated_shares() -> None:
    maps = quality_maps(1000, 16, torch.Generator().manual_seed(0), uniform=0.3, ramp=0.3)
    assert maps.shape == (1000, 1, 16, 16)
    assert float(maps.min()) >= 0
    assert float(maps.max()) <= 1
    flat = (maps.amax((1, 2, 3)) - maps.amin((1, 2, 3))) < 1e-6
    lines = ((maps - maps[:, :, :1]).abs().amax((1, 2, 3)) < 1e-6) ^ (
        (maps - maps[..., :1]).abs().amax((1, 2, 3)) < 1e-6
    )
    assert abs(float(flat.float().mean()) - 0.3) < 0.05
    assert abs(float(lines.float().mean()) - 0.3) < 0.05
    bumps = maps[~flat & ~lines]
    assert float(bumps.amax((1, 2, 3)).min()) >= 0.499


def test_loss_is_the_rd_loss_for_a_uniform_level() -> None:
    torch.manual_seed(0)
    x, x_hat, bits = torch.rand(3, 3, 8, 8), torch.rand(3, 3, 8, 8), torch.tensor([10.0, 20.0, 60.0])
    loss, bpp, error = rate_distortion(x, x_hat, bits, torch.full((3, 1, 8, 8), 0.4))
    weight = 0.0012 * np.exp(4.382 * 0.4)
    mse = ((x - x_hat) ** 2).mean().item()
    assert loss.item() == pytest.approx(bits.mean().item() / 64 + 255**2 * weight * mse, rel=1e-5)
    assert bpp.tolist() == pytest.approx([10 / 64, 20 / 64, 60 / 64])
    assert error.mean().item() == pytest.approx(mse, rel=1e-6)
    assert lagrangian(1.0).item() == pytest.approx(0.096, rel=2e-3)


def trainer_in(folder: Path, photographs: Photographs, seed: int = 0) -> Trainer:
    torch.manual_seed(seed)
    train, held_back = photographs.split(1)
    return Trainer(IAT(TINY), train, held_back, folder, OPTIONS)


def test_resumption_is_exact(folder: Path, tmp_path: Path) -> None:
    photographs = load_photographs(folder)
    straight = trainer_in(tmp_path / "a", photographs)
    values = []
    for i in range(6):
        straight._set_rates(0.0)
        values.append(straight.step(rate_only=i % 2 == 0))

    first = trainer_in(tmp_path / "b", photographs)
    for i in range(3):
        first._set_rates(0.0)
        first.step(rate_only=i % 2 == 0)
    save(first)
    second = trainer_in(tmp_path / "b", photographs, seed=99)
    restore(second)
    assert second.iteration == 3
    resumed = []
    for i in range(3, 6):
        second._set_rates(0.0)
        resumed.append(second.step(rate_only=i % 2 == 0))
    assert resumed == values[3:]
    for a, b in zip(straight.averaged().values(), second.averaged().values(), strict=True):
        assert torch.equal(a, b)


def test_a_step_with_a_bad_gradient_changes_nothing(folder: Path, tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path, load_photographs(folder))
    trainer.step()
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    parameter = next(trainer.model.entropy.h_a.parameters())  # type: ignore[union-attr]
    handle = parameter.register_hook(lambda g: g * float("nan"))
    trainer.step()
    handle.remove()
    assert trainer.skipped == 1
    assert all(torch.equal(v, before[k]) for k, v in trainer.model.state_dict().items())


def test_images_are_counted_where_the_model_sees_them(folder: Path, tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path, load_photographs(folder))
    trainer.step()
    assert trainer.images == OPTIONS.batch
    while len(trainer.pool) < 8 * OPTIONS.batch:  # filled first
        trainer.step(rate_only=True)
    seen = trainer.images
    assert seen == 8 * OPTIONS.batch
    trainer.step(rate_only=True)
    assert trainer.images == seen
    save(trainer)
    again = trainer_in(tmp_path, load_photographs(folder))
    restore(again)
    assert again.images == seen


def test_the_line_tells_speed_and_psnr_at_three_levels(capsys: pytest.CaptureFixture[str]) -> None:
    history = [{"psnr_10": 28.123, "psnr_50": 32.456, "psnr_90": 36.789}]
    with LiveLine(torch.device("cpu"), images=0) as line:
        line.update(0.5, 20, [(1.5, 0.75, 1e-3)] * 20, 40, history)
        told = line.bar.postfix
    assert "loss 1.500 bpp 0.750 psnr 30.00 held back 28.12/32.46/36.79 dB" in told
    assert "images/s" in told
    assert "busy" in told
    capsys.readouterr()
    with LiveLine(torch.device("cpu"), images=0) as line:
        line.update(0.5, 20, [(1.5, 0.75, 0.0)], 40, [])
        assert "psnr" not in line.bar.postfix


def test_steps_of_the_entropy_model_alone_are_not_averaged_in(capsys: pytest.CaptureFixture[str]) -> None:
    full, alone, skipped = (1.5, 0.75, 1e-3), (0.5, 0.5, 0.0), (math.nan, math.nan, math.nan)
    with LiveLine(torch.device("cpu"), images=0) as line:
        line.update(0.5, 20, [full, alone, alone, skipped] * 5, 40, [])
        assert "loss 1.500 bpp 0.750 psnr 30.00" in line.bar.postfix
    assert averaged([alone, skipped]) == alone
    assert all(math.isnan(value) for value in averaged([skipped]))


def test_training_lowers_the_loss(folder: Path, tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path, load_photographs(folder))
    losses = []
    for _ in range(40):
        trainer._set_rates(0.0)
        losses.append(trainer.step())
    full = [v[0] for v in losses if v[2] > 0]
    assert np.mean(full[-5:]) < 0.8 * np.mean(full[:5])


def test_command_line_trains_stops_and_resumes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train_tiny(monkeypatch)
    arguments = ["iat", "--data", str(folder), "--out", str(tmp_path / "run"), "--batch", "1", "--crop", "64"]
    arguments += ["--minutes", "0.01", "--device", "cpu", "--threads", "1", "--no-bfloat16"]
    assert main(arguments) == 0
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert main([*arguments, "--resume"]) == 0
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["iteration"] > state["iteration"]
    assert (tmp_path / "run" / "iat-compact.safetensors").exists()
    card = json.loads((tmp_path / "run" / "iat-compact.json").read_text())
    assert card["training"]["start"].startswith("KLT")
    with pytest.raises(BenchError, match="--minutes must be a number above 0, got 0"):
        main([*arguments, "--minutes", "0"])
    without = [each for each in arguments if each not in ("--minutes", "0.01")]
    with pytest.raises(BenchError, match="--iterations must be a number above 0, got -3"):
        main([*without, "--iterations", "-3"])
    with pytest.raises(BenchError, match="give --minutes, --iterations, or both"):
        main(without)
    with pytest.raises(BenchError, match=r"run holds a training already: --resume goes on with it, --out chooses"):
        main([*without, "--iterations", "7"])
    other = ["--out", str(tmp_path / "other"), "--entropy-first", "0", "--entropy-extra", "0"]
    assert main([*without, *other, "--iterations", "7"]) == 0
    training = json.loads((tmp_path / "other" / "iat-compact.json").read_text())["training"]
    assert (training["iterations"], training["images_seen"]) == (7, 7)
    assert training["device"] == provenance.machine()["processor"]
    with pytest.raises(BenchError, match=r"run is another model than the options ask for: .* repeat the options"):
        main([*arguments, "--resume", "--no-context"])
    for option, value in (("--lr-entropy", "-1"), ("--warmup", "0"), ("--minutes", "nan")):
        with pytest.raises(BenchError, match=f"{option} must be a number"):
            main([*arguments, option, value])
    for device in ("nowhere", "meta", "mps"):
        with pytest.raises(BenchError, match=f"iat: --device must be cpu, cuda or, .* as cuda:1, got '{device}'"):
            main([*arguments, "--device", device])
    with pytest.raises(BenchError, match="--crop must be a multiple of 64"):
        main([*arguments, "--crop", "100"])


def test_training_goes_on_from_a_checkpoint(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train_tiny(monkeypatch)
    arguments = ["iat", "--data", str(folder), "--batch", "1", "--crop", "64", "--device", "cpu", "--threads", "1"]
    assert main([*arguments, "--minutes", "0.01", "--no-bfloat16", "--out", "first"]) == 0
    weights = Path("first/iat-compact.safetensors")
    before = load_checkpoint(weights)[0]
    more = [*arguments, "--weights", str(weights), "--out", "second", "--lr-transform", "0", "--lr-mix", "0"]
    assert main([*more, "--minutes", "0.001", "--no-bfloat16"]) == 0
    after, card, _ = load_checkpoint(Path("second/iat-compact.safetensors"))
    assert "weights of iat-compact.safetensors (sha256" in card["training"]["start"]
    assert card["training"]["options"]["entropy_first"] == 0
    transform = [key for key in before if not key.startswith("entropy.")]
    assert all(torch.equal(before[key], after[key]) for key in transform)
    assert any(not torch.equal(before[key], after[key]) for key in before)
    other = ["--no-context", "--transform", str(weights), "--entropy-first", "1", "--out", "third", "--no-bfloat16"]
    assert main([*arguments, *other, "--minutes", "0.005"]) == 0
    third, card, _ = load_checkpoint(Path("third/iat-compact-nocontext.safetensors"))
    assert card["training"]["start"].startswith("the transform of iat-compact.safetensors (sha256 ")
    assert all(torch.equal(before[key], third[key]) for key in transform)
    taken = ["--entropy", str(weights), "--lr-entropy", "0", "--out", "fourth", "--no-bfloat16", "--minutes", "0.001"]
    assert main([*arguments, *taken]) == 0
    fourth, card, _ = load_checkpoint(Path("fourth/iat-compact.safetensors"))
    start = "KLT of 16x16x3 training blocks, quantiser gain; the entropy model of iat-compact.safetensors (sha256 "
    assert card["training"]["start"].startswith(start)
    assert card["training"]["before"]["iterations"] > 0
    assert all(torch.equal(before[key], fourth[key]) for key in before if key.startswith("entropy."))
    with pytest.raises(BenchError, match="has another entropy model than the options ask for"):
        main([*arguments, "--no-context", "--entropy", str(weights), "--minutes", "1"])
    with pytest.raises(BenchError, match="leave out --weights and --transform"):
        main([*more, "--entropy", str(weights), "--minutes", "1"])
    scalar = ["--level", "scalar", "--transform", str(weights), "--entropy-first", "1", "--out", "fifth"]
    assert main([*arguments, *scalar, "--minutes", "0.001", "--no-bfloat16"]) == 0
    models = (load_model(path, system("iat")) for path in (weights, Path("fifth/iat-compact-levelscalar.safetensors")))
    one, other = (model.prepare(0.3, (640, 640))[3] for model in models)
    for found, of_a_map in zip(other, one, strict=True):
        assert torch.allclose(found, of_a_map[:, :, 20:21, 20:21], atol=1e-5)
    with pytest.raises(BenchError, match="another transform than the options ask for"):
        main([*arguments, "--transform", str(weights), "--latent", "12", "--minutes", "1"])
    with pytest.raises(BenchError, match="leave one out"):
        main([*more, "--transform", str(weights), "--minutes", "1"])
    with pytest.raises(BenchError, match="non_local = False instead of True"):
        main([*more, "--minutes", "1", "--nonlocal"])
    with pytest.raises(BenchError, match="No checkpoint at"):
        main([*arguments, "--minutes", "1", "--weights", "nothing.safetensors"])
    with pytest.raises(BenchError, match=r"No checkpoint at .*nothing.*; name another with --entropy"):
        main([*arguments, "--minutes", "1", "--entropy", "nothing"])
    few = tmp_path / "few"
    few.mkdir()
    for name in ("1", "2", "3"):
        shutil.copy(folder / f"{name}.png", few)
    with pytest.raises(BenchError, match=r"--data must hold at least 4 photographs, .* got 3"):
        main([*arguments, "--minutes", "1", "--data", str(few)])
    spoilt = tmp_path / "spoilt"
    spoilt.mkdir()
    (spoilt / "text.png").write_text("no image")
    with pytest.raises(
        BenchError, match=r"text\.png: not an image in a format .* or leave it out of the folder of --data\.$"
    ):
        main(["iat", "--data", str(spoilt), "--minutes", "1"])


def test_a_damaged_cache_is_made_anew(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    whole = load_photographs(folder, cache)
    (stored,) = cache.iterdir()
    for name, content in (("sizes.npy", b""), ("pixels.npy", (stored / "pixels.npy").read_bytes()[:1000])):
        (stored / name).write_bytes(content)
        again = load_photographs(folder, cache)
        assert torch.equal(again.pixels, whole.pixels)
        assert torch.equal(load_photographs(folder, cache).sizes, whole.sizes)
    assert list(cache.iterdir()) == [stored]


def test_a_cache_is_not_that_of_other_pixels(folder: Path, tmp_path: Path) -> None:
    """Of the same names and sizes of files, as uncompressed ones have."""
    for path in folder.iterdir():
        Image.fromarray(np.full((64, 64, 3), 50, np.uint8)).save(path.with_suffix(".bmp"))
        path.unlink()
    first = load_photographs(folder, tmp_path / "cache")
    elsewhere = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    assert load_photographs(elsewhere, tmp_path / "cache").digest == first.digest
    assert len(list((tmp_path / "cache").iterdir())) == 1
    for path in folder.iterdir():
        Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(path)
    assert set(load_photographs(folder, tmp_path / "cache").pixels.flatten().tolist()) == {200}


def test_hidden_files_are_no_photographs(folder: Path) -> None:
    before = load_photographs(folder)
    (folder / "._0.png").write_bytes(b"\0\5\x16\7 what macOS leaves beside it")
    assert load_photographs(folder).digest == before.digest


def test_a_crop_that_comes_back_exactly_is_no_divergence() -> None:
    black = torch.zeros(2, 3, 64, 64)
    black[1, 0, 0, 0] = 1
    found = evaluation._psnr(torch.zeros(2, 3, 64, 64), black)
    assert found == pytest.approx(100 + 10 * math.log10(3 * 64 * 64))
    assert math.isnan(evaluation._psnr(torch.full((1, 3, 4, 4), math.nan), torch.zeros(1, 3, 4, 4)))


def test_photographs_are_read_as_everywhere(tmp_path: Path) -> None:
    """Of 16 bits a sample too, which Pillow's own conversion would clip to white."""
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    found = load_photographs(tmp_path).pixels
    assert torch.equal(found.reshape(256, 256, 3), torch.tensor(load_image(tmp_path / "grey.png").pixels))
    assert 120 < float(found.float().mean()) < 135


def test_a_cache_that_is_stopped_while_written_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", stopped)
        with pytest.raises(KeyboardInterrupt):
            load_photographs(folder, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    load_photographs(folder, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1
