"""The invertible blocks: exact reshapes, inverses, and the orthonormal start."""

import numpy as np
import pytest
import torch

from baselines.inn.bands import in_bands
from baselines.inn.blocks import (
    AffineCoupling,
    Invertible1x1,
    channel_expand,
    channel_squeeze,
    squeeze,
    unsqueeze,
)
from baselines.inn.dense import convolved
from baselines.inn.enhancement import Enhancement
from baselines.inn.pointwise import coding
from baselines.inn.start import group_rotation, karhunen_loeve, orthonormal_start, packet_matrices


def randomise(module: torch.nn.Module, scale: float = 0.1) -> None:
    with torch.no_grad():
        for p in module.parameters():
            p.add_(scale * torch.randn_like(p) / max(1, p[0].numel()) ** 0.5)


def test_squeeze_orders_channels_dy_dx_c() -> None:
    x = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    y = squeeze(x)
    assert y.shape == (2, 12, 2, 3)
    for dy in range(2):
        for dx in range(2):
            for c in range(3):
                assert torch.equal(y[:, (2 * dy + dx) * 3 + c], x[:, c, dy::2, dx::2])
    assert torch.equal(unsqueeze(y), x)


def test_channel_squeeze_is_the_mean_over_groups_and_expand_repeats() -> None:
    x = torch.randn(2, 12, 3, 5)
    y = channel_squeeze(x, 4)
    torch.testing.assert_close(y, (x[:, :4] + x[:, 4:8] + x[:, 8:]) / 3)
    assert torch.equal(channel_expand(y, 12), torch.cat((y, y, y), 1))


@pytest.mark.parametrize(("channels", "kernel", "hidden"), [(12, 5, None), (48, 3, (8, 10))])
def test_coupling_inverts(channels: int, kernel: int, hidden: tuple[int, int] | None) -> None:
    torch.manual_seed(0)
    coupling = AffineCoupling(channels, kernel, hidden)
    x = torch.randn(1, channels, 8, 9)
    assert torch.equal(coupling(x), x)  # zero last convolutions: the identity
    randomise(coupling, 0.5)
    with torch.no_grad():
        y = coupling(x)
    assert float((y - x).abs().max()) > 0.1
    torch.testing.assert_close(coupling.inverse(y), x, atol=1e-5, rtol=0)


def test_invertible_1x1_starts_orthogonal_and_follows_its_weight() -> None:
    torch.manual_seed(0)
    mix = Invertible1x1(48)
    torch.testing.assert_close(mix.weight @ mix.weight.T, torch.eye(48), atol=1e-5, rtol=0)
    x = torch.randn(1, 48, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(mix.inverse(mix(x)), x, atol=1e-5, rtol=0)
        first = mix._inverse_weight()
        assert mix._inverse_weight() is first  # computed once
        mix.weight.mul_(2)
        torch.testing.assert_close(mix.inverse(mix(x)), x, atol=1e-5, rtol=0)


def test_enhancement_starts_as_the_identity_and_passes_gradients() -> None:
    torch.manual_seed(0)
    net = Enhancement(8, 4)
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(net(x), x)
    net(x).square().sum().backward()
    assert float(net.layers[4].conv5.weight.grad.abs().max()) > 0


def test_group_rotation_is_orthogonal_with_a_constant_first_column() -> None:
    for groups in (2, 3, 4, 6):
        r = group_rotation(groups)
        torch.testing.assert_close(r @ r.T, torch.eye(groups, dtype=torch.float64))
        torch.testing.assert_close(r[:, 0], torch.full((groups,), groups**-0.5, dtype=torch.float64))
    for m in packet_matrices():
        torch.testing.assert_close(m @ m.T, torch.eye(len(m), dtype=torch.float64))


@pytest.mark.parametrize("latent", [192, 256, 384])
def test_orthonormal_start_keeps_the_strongest_klt_coefficients(latent: int) -> None:
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(2000, 3, 5, 5), size=(16, 16), mode="bicubic")
    blocks = (smooth + 0.02 * torch.rand(2000, 3, 16, 16)).clamp(0, 1)
    mixes = [Invertible1x1(c) for c in (12, 48, 192, 768)]
    orthonormal_start(mixes, blocks, latent)

    x = torch.rand(1, 3, 32, 32)
    y = x
    for mix in mixes:
        y = mix(squeeze(y))
    latents = channel_squeeze(y, latent)

    # independently: project each 16x16x3 block with numpy onto the leading eigenvectors
    flat = blocks.double().reshape(len(blocks), -1).numpy()
    _, vectors = np.linalg.eigh(np.cov(flat.T))
    leading = vectors[:, ::-1][:, :latent]
    for i in range(2):
        for j in range(2):
            block = x[0, :, 16 * i : 16 * i + 16, 16 * j : 16 * j + 16].double().numpy().ravel()
            ours = latents[0, :, i, j].double().detach().numpy()
            np.testing.assert_allclose(np.abs(ours), np.abs(leading.T @ block), atol=2e-4)

    # and back: the projection onto those eigenvectors
    back = channel_expand(latents, 768)
    with torch.no_grad():
        for mix in reversed(mixes):
            back = unsqueeze(mix.inverse(back))
    block = x[0, :, :16, :16].double().numpy().ravel()
    np.testing.assert_allclose(back[0, :, :16, :16].numpy().ravel(), leading @ (leading.T @ block), atol=2e-4)
    assert karhunen_loeve(blocks).shape == (768, 768)


@pytest.mark.parametrize(("size", "widths"), [((97, 704), (16, 8)), ((200, 352), (64, 32)), ((145, 480), (16, 16))])
def test_enhancement_in_bands_gives_the_same_bits_for_one_and_two_threads(
    size: tuple[int, int], widths: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    network = Enhancement(*widths).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    network.layers[-1].conv5.weight.normal_(0, 0.1)
    x = torch.rand(1, 3, *size).contiguous(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    try:
        found = []
        for n in (1, 2):
            torch.set_num_threads(n)
            with torch.inference_mode():
                assert in_bands(x)
                found += [network(x), x + 0.2 * network.layers(x)]
        assert all(torch.equal(found[0], each) for each in found[1:])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("inputs", "outputs"), [((3, 32, 32), 32), ((64, 32), 3), ((16, 8, 8), 8), ((5,), 7)])
@pytest.mark.parametrize("rows", [0, 1])
def test_a_convolution_by_parts_is_that_of_the_concatenation(inputs: tuple[int, ...], outputs: int, rows: int) -> None:
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(sum(inputs), outputs, 3, padding=(rows, 1)).requires_grad_(False)
    parts = [torch.rand(2, c, 9, 14).contiguous(memory_format=torch.channels_last) for c in inputs]
    wanted = convolution(torch.cat(parts, 1))
    with torch.inference_mode():
        assert coding(parts[0])
        found = convolved(parts, convolution, rows)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_without_pytorchs_own_operator_the_sums_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(96, 32, 3).requires_grad_(False)
    parts = [torch.rand(1, c, 20, 30).contiguous(memory_format=torch.channels_last) for c in (32, 64)]
    with torch.inference_mode():
        wanted = convolved(parts, convolution)
        monkeypatch.setattr("baselines.inn.dense.FUSED", False)
        assert torch.equal(convolved(parts, convolution), wanted)


def test_the_enhancement_gives_when_coding_what_it_gives_in_training() -> None:
    torch.manual_seed(0)
    network = Enhancement(64, 32).to(memory_format=torch.channels_last)
    torch.nn.init.normal_(network.layers[-1].conv5.weight, std=0.1)
    x = torch.rand(1, 3, 200, 352).contiguous(memory_format=torch.channels_last)
    wanted = network(x).detach()
    with torch.inference_mode():
        assert in_bands(x)
        torch.testing.assert_close(network(x), wanted, rtol=1e-4, atol=1e-5)
