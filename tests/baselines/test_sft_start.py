"""The start of Song et al.'s network is a working codec of variable rate before any training."""

import pytest
import torch
from skimage.data import astronaut

from baselines.entropy.gaussian import gaussian_likelihood
from baselines.sft.config import COMPACT
from baselines.sft.model import CARRIERS, SFT
from baselines.sft.start import start
from baselines.sft.wiring import UNIT


@pytest.fixture(scope="module")
def model_and_image() -> tuple[SFT, torch.Tensor]:
    torch.manual_seed(0)
    model = SFT(COMPACT)
    image = torch.from_numpy(astronaut().copy()).permute(2, 0, 1).float() / 255
    blocks = image.unfold(1, 16, 16).unfold(2, 16, 16).permute(1, 2, 0, 3, 4).reshape(-1, 3, 16, 16)
    start(model, blocks)
    return model.eval(), image[None, :, :128, 128:256]


def coded(model: SFT, image: torch.Tensor, level: float) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Rounded y and z, and the PSNR in dB of what they decode to."""
    with torch.no_grad():
        map_ = torch.full_like(image[:, :1], level)
        y = model.analysis(image, map_)
        z = torch.round(model.hyper_analysis(y, map_))
        y = torch.round(y)
        error = ((model.synthesis(y, z, map_) - image) ** 2).mean()
    return y, z, float(-10 * torch.log10(error))


def test_rate_and_quality_follow_the_level(model_and_image: tuple[SFT, torch.Tensor]) -> None:
    results = [coded(*model_and_image, level) for level in (0.0, 0.3, 0.6, 0.9)]
    psnr = [each[2] for each in results]
    magnitude = [float(each[0].abs().log1p().sum()) for each in results]
    assert psnr == sorted(psnr)
    assert psnr[0] > 24
    assert psnr[3] > 32
    assert magnitude == sorted(magnitude)
    assert magnitude[3] > 2 * magnitude[0]


def test_the_decoder_is_told_the_level(model_and_image: tuple[SFT, torch.Tensor]) -> None:
    z = coded(*model_and_image, 0.6)[1]
    assert torch.equal(z[:, :CARRIERS], torch.full_like(z[:, :CARRIERS], round(0.6 * UNIT)))


def test_a_wrong_level_at_the_decoder_is_seen(model_and_image: tuple[SFT, torch.Tensor]) -> None:
    model, image = model_and_image
    y, z, psnr = coded(model, image, 0.6)
    z[:, :CARRIERS] = round(0.4 * UNIT)
    with torch.no_grad():
        error = ((model.synthesis(y, z, image[:, :1]) - image) ** 2).mean()
    assert float(-10 * torch.log10(error)) < psnr - 1


def test_the_hyper_latents_tell_how_far_the_latents_spread(model_and_image: tuple[SFT, torch.Tensor]) -> None:
    model = model_and_image[0]
    image = torch.from_numpy(astronaut()[:384, :384].copy()).permute(2, 0, 1)[None].float() / 255
    for level in (0.2, 0.8):
        with torch.no_grad():
            map_ = torch.full_like(image[:, :1], level)
            y = model.analysis(image, map_)
            z = model.entropy.quantise_hyper(model.hyper_analysis(y, map_))
            scale, mean = model.entropy.parameters_of(torch.round(y), z)
            y = torch.round(y)
            told = -torch.log2(gaussian_likelihood(y, scale, mean)).sum()
            spread = y.pow(2).mean((0, 2, 3), keepdim=True).sqrt().clamp_min(0.11).expand_as(y)
            fixed = -torch.log2(gaussian_likelihood(y, spread, torch.zeros_like(y))).sum()
        assert told < 0.95 * fixed
