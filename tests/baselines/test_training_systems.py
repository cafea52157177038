"""``python -m baselines.train`` for every system and variant, with models small enough to take a few steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut, chelsea, coffee, rocket
from skimage.io import imsave

import baselines.ainn.config
import baselines.iat.config
import baselines.sft.config
import baselines.xie.config
from baselines.learned.config import ModelConfig
from baselines.learned.system import system
from baselines.train import main
from baselines.training.data import load_photographs
from baselines.training.loop import Trainer
from baselines.training.options import TrainingOptions
from bench.codec import BenchError
from bench.registry import create

SMALL = {
    "hyper_latent": 4,
    "hyper_width": 8,
    "hyper_outputs": 8,
    "context_outputs": 8,
    "parameter_widths": (16, 16),
    "latent": 24,
}
HIDDEN = ((2, 2), (2, 2), (4, 4), (4, 4))
TINY: dict[str, ModelConfig] = {
    "iat": replace(
        baselines.iat.config.COMPACT,
        **SMALL,
        coupling_hidden=HIDDEN,
        activation_hidden=((4, 4),) * 4,
        enhancement=(4, 2),
    ),
    "xie": replace(
        baselines.xie.config.COMPACT,
        **SMALL,
        hyper_middle=8,
        coupling_hidden=HIDDEN,
        enhancement=(4, 2),
        attention_hidden=4,
    ),
    "sft": replace(
        baselines.sft.config.COMPACT, latent=8, width=8, prior=2, prior_hidden=(4, 2), hidden=4, domain="log"
    ),
    "ainn": replace(
        baselines.ainn.config.COMPACT,
        **SMALL,
        hyper_middle=8,
        coupling_hidden=(2, 2, 2, 2),
        mask=2,
        pdm_widths=((4, 4, 4, 4), (4, 4, 4), (4, 4)),
        ms_width=2,
    ),
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for i, image in enumerate((astronaut(), coffee(), chelsea(), rocket())):
        imsave(folder / f"{i}.png", image, check_contrast=False)
    return folder


RUNS = [
    ("iat", "--random-start --level scalar", "iat-compact-levelscalar"),
    ("iat", "--random-start --no-context --nonlocal", "iat-compact-nocontext-nonlocal"),
    ("xie", "--lambda 0.01", "xie-compact-0.01"),
    ("sft", "", "sft-compact"),
    (
        "ainn",
        "--random-start --lambda 0.01 --distortion jacobian --pdm residual --no-fdsm",
        "ainn-compact-nofdsm-pdmresidual-0.01",
    ),
    ("ainn", "--random-start --lambda 0.02 --ms-cfrm", "ainn-compact-mscfrm-0.02"),
]


@pytest.mark.parametrize(("system", "options", "name"), RUNS)
def test_trains_and_exports_a_working_codec(
    system: str, options: str, name: str, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = {"iat": baselines.iat, "xie": baselines.xie, "sft": baselines.sft, "ainn": baselines.ainn}[system]
    monkeypatch.setitem(module.config.PRESETS, "compact", TINY[system])
    size = "--crop 128" if system == "sft" else "--crop 64"
    arguments = [system, "--data", str(photographs), *options.split(), *size.split(), "--batch", "1", "--threads", "1"]
    arguments += ["--minutes", "0.02", "--device", "cpu", "--no-bfloat16", "--entropy-first", "1"]
    assert main(arguments) == 0
    checkpoint = tmp_path / "training-runs" / name / f"{name}.safetensors"
    card = json.loads(checkpoint.with_suffix(".json").read_text())
    assert card["training"]["iterations"] > 0
    single = system in ("xie", "ainn")
    assert ("bpp" in card["training"]["history"][0]) == single
    assert card["training"]["loss"].startswith("bpp + 255^2 " + ("lambda" if single else "mean(Lambda"))
    codec = create(f"{system}[checkpoint={checkpoint}]")
    image = np.ascontiguousarray(astronaut()[:40, :50])
    assert codec.decode(codec.encode(image, codec.quality.default)).shape == image.shape


def test_the_entropy_model_alone_leaves_the_images_alone(photographs: Path, tmp_path: Path) -> None:
    loaded = load_photographs(photographs)
    for name in ("sft", "iat"):
        torch.manual_seed(0)
        options = TrainingOptions(batch=1, crop=128, pool=4, bfloat16=False, lr_entropy=1e-2, warmup=1)
        model = system(name).build(TINY[name])
        system(name).start(model, loaded.crops(100, 16, torch.Generator().manual_seed(0)), 0.0012)
        trainer = Trainer(model, loaded, loaded, tmp_path / name, options)
        groups = [len(group["params"]) for group in trainer.optimizer.param_groups]
        assert sum(groups) == len(list(trainer.model.parameters()))
        x = trainer.validation[:1]
        with torch.no_grad():
            before = trainer.model(x, 0.5, noise=False)
            for _ in range(2):
                with torch.enable_grad():
                    trainer.step(rate_only=True)
            after = trainer.model(x, 0.5, noise=False)
        assert torch.equal(after.x_hat, before.x_hat), name
        assert not torch.equal(after.y_bits, before.y_bits), name


def test_options_that_do_not_belong_together(photographs: Path) -> None:
    common = ["--data", str(photographs), "--minutes", "1"]
    with pytest.raises(BenchError, match="--lambda must be given"):
        main(["xie", *common])
    with pytest.raises(BenchError, match="--lambda is for single-rate systems"):
        main(["sft", "--lambda", "0.01", *common])
    with pytest.raises(BenchError, match="sft has no option --pdm"):
        main(["sft", "--pdm", "dense", *common])
    with pytest.raises(BenchError, match="crop must be a multiple of 64, and at least 128"):
        main(["sft", "--crop", "64", *common])
