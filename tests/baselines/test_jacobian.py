"""The distortion through the Jacobian against exact Jacobians, and against quantisation itself."""

from __future__ import annotations

import pytest
import torch

from baselines.ainn.config import AINNConfig
from baselines.ainn.model import AINN
from baselines.learned.jacobian import quantisation_noise
from baselines.learned.lagrangian import level_of
from baselines.training.losses import rate_distortion

TINY = AINNConfig(
    latent=24,
    hyper_latent=4,
    hyper_width=8,
    hyper_middle=8,
    hyper_outputs=8,
    context_outputs=8,
    parameter_widths=(16, 16),
    coupling_hidden=(2, 2, 3, 3),
    mask=2,
    pdm="residual",
    pdm_widths=((4,), (4,), (4,)),
    ms_cfrm=True,
    ms_width=2,
    domain="log",
)


def tiny() -> AINN:
    torch.manual_seed(0)
    model = AINN(TINY).double().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("weight") and not bool(p.abs().max() > 0):
                p.normal_(0, 0.05)  # nothing stays at a start that would make the transform linear
    return model


def test_estimate_of_the_norm_against_the_exact_jacobian() -> None:
    model = tiny()
    y = torch.randn(1, 24, 1, 1, dtype=torch.float64)
    # the exact Jacobian column by column, by central differences: nothing of autograd is in the reference
    with torch.no_grad():
        steps = 1e-5 * torch.eye(24, dtype=torch.float64)[:, :, None, None]
        columns = (model.synthesis(y + steps, y, 0.0) - model.synthesis(y - steps, y, 0.0)) / 2e-5
    expected = float(columns.square().sum()) / 12 / (3 * 16 * 16)
    y.requires_grad_()
    x = model.synthesis(y, y, 0.0)
    assert float(quantisation_noise(x, y, probes=25).detach()) == pytest.approx(expected, rel=0.2)
    single = torch.stack([quantisation_noise(x, y)[0].detach() for _ in range(25)])
    assert float(single.mean()) == pytest.approx(expected, rel=0.2)  # one probe is unbiased too
    assert float(single.std()) > 0


def test_hyper_latents_stay_where_the_synthesis_reads_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding y does not change z: its noise is that of a synthesis whose z is fixed."""
    model = tiny().float()
    monkeypatch.setattr(model, "synthesis", lambda y, z, _: 2 * y + 100 * z.mean())
    torch.manual_seed(1)
    found = model(torch.rand(1, 3, 64, 64), 0.0, distortion="jacobian")
    assert found.noise_power is not None
    assert float(found.noise_power.detach()) == pytest.approx(4 / 12, rel=1e-5)  # of 2 y: four times that of y


def test_samples_are_estimated_apart() -> None:
    torch.manual_seed(0)
    weight = torch.randn(7, 5, dtype=torch.float64)
    y = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    gains = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    noise = quantisation_noise(gains[:, None] * (y @ weight.T), y, probes=1000).detach()
    expected = gains**2 * weight.square().sum() / 12 / 7
    torch.testing.assert_close(noise, expected, rtol=0.1, atol=0)


def test_it_predicts_what_rounding_noise_does() -> None:
    """|g(y) - x|^2 + |J|^2 / 12 against g at y + uniform noise, for noise small enough that g is linear in it."""
    model = tiny()
    y = torch.randn(1, 24, 2, 2, dtype=torch.float64, requires_grad=True)
    g = model.synthesis(y, y, 0.0)
    predicted = float(quantisation_noise(g, y, probes=30).detach())
    step = 1e-3
    with torch.no_grad():
        noise = step * (torch.rand(60, 24, 2, 2, dtype=torch.float64) - 0.5)
        measured = float((model.synthesis(y + noise, y, 0.0) - g).square().mean()) / step**2
    assert predicted == pytest.approx(measured, rel=0.15)


def test_loss_has_gradients_through_the_jacobian() -> None:
    model = tiny().float()
    x = torch.rand(2, 3, 64, 64)
    torch.manual_seed(1)
    result = model(x, 0.0, distortion="jacobian")
    assert result.noise_power is not None
    assert result.noise_power.shape == (2,)
    level = torch.full((2, 1, 64, 64), level_of(0.01))
    bits = result.y_bits + result.z_bits
    loss, bpp, error = rate_distortion(x, result.x_hat, bits, level, 0.0, result.noise_power)
    mse = (x - result.x_hat).square().mean((1, 2, 3)) + result.noise_power
    torch.testing.assert_close(error, mse)
    torch.testing.assert_close(loss, (bpp + 255**2 * 0.01 * mse).mean())
    (gradient,) = torch.autograd.grad(result.noise_power.sum(), [model.levels[3].mix.weight], retain_graph=True)
    assert float(gradient.abs().max()) > 0
    loss.backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in model.parameters())
