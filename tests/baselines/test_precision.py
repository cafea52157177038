"""Training in bfloat16: what carries the image stays in float32, so that gradients are those of float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imsave
from torch import Tensor

from baselines.learned.arithmetic import float32_convolutions
from baselines.learned.files import located
from baselines.learned.system import SYSTEMS, system
from baselines.learned.weights import load_model
from baselines.ship import sample_crops
from baselines.train import main
from baselines.training.losses import rate_distortion
from bench.codec import BenchError

LEVEL = 0.9
SHIPPED = {"iat": "iat-compact", "xie": "xie-compact-0.0075", "ainn": "ainn-compact-0.0075"}


def step(name: str, quick: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Latents and the gradients of one training step of a shipped model."""
    torch.manual_seed(0)
    model = load_model(located(SHIPPED[name]), system(name)).requires_grad_(True)
    x = sample_crops()[:2, :, :128, :128]
    level = torch.full((2, 1, 128, 128), LEVEL)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=quick):
        result = model(x, level)
    loss, _, _ = rate_distortion(x, result.x_hat, result.y_bits + result.z_bits, level, 0.4)
    loss.backward()
    return result.y.detach(), {key: p.grad for key, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", SHIPPED)
def test_latents_and_gradients_in_bfloat16_are_those_of_float32(name: str) -> None:
    y, gradients = step(name, False)
    y_quick, quick = step(name, True)
    assert not torch.equal(y, y_quick)  # something is in bfloat16
    assert (y_quick - y).abs().max() < 0.25  # of latents of up to 150, which would be whole numbers
    assert quick.keys() == gradients.keys()
    for part in {key.partition(".")[0] for key in gradients}:
        both = [torch.cat([g[key].flatten() for key in g if key.startswith(part)]) for g in (gradients, quick)]
        assert torch.cosine_similarity(both[0], both[1], 0) > 0.97, part


def test_where_every_layer_carries_the_image_bfloat16_is_refused(tmp_path: Path) -> None:
    assert [name for name in SYSTEMS if not system(name).in_bfloat16] == ["sft"]
    imsave(tmp_path / "one.png", np.zeros((300, 300, 3), np.uint8), check_contrast=False)
    with pytest.raises(BenchError, match="--bfloat16: every layer of sft carries the image"):
        main(["sft", "--data", str(tmp_path), "--minutes", "1", "--bfloat16"])


def test_training_does_not_round_to_tf32() -> None:
    before = torch.backends.cudnn.allow_tf32
    with float32_convolutions():
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before
