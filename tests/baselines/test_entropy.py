"""The entropy model: densities against scipy, fixed point against float, wavefronts, and the coder."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from baselines.entropy import integers
from baselines.entropy.bottleneck import FactorizedBottleneck
from baselines.entropy.fixedpoint import ONE, FixedConv, FixedSequence
from baselines.entropy.gaussian import SCALE_MAX, SCALE_MIN, gaussian_likelihood
from baselines.entropy.header import Header, pack, unpack
from baselines.entropy.hyperprior import EntropyConfig, EntropyModel, MaskedConv2d
from baselines.entropy.latents import LatentCoder
from baselines.entropy.non_local import NonLocalAttention
from baselines.entropy.parameters import Sweep
from baselines.entropy.prior import (
    LOG_MEAN_LIMIT,
    LOG_SCALE_MAX,
    LOG_SCALE_MIN,
    compress_range,
    expand_range,
)
from baselines.entropy.tables import HIGHEST, LOWEST, MEAN_LIMIT
from baselines.entropy.wavefront import rows_of, steps, wavefronts
from bench.codec import BitstreamError

GOLDEN = {
    (True, "log", False): "85d9aed2fc5ecc06",
    (True, "log", True): "fb4b839a805ea394",
    (True, "linear", False): "65a27f2318847503",
    (True, "linear", True): "7d43b12959018644",
    (False, "log", False): "5f6b809a85758f94",
    (False, "log", True): "e961dcf2c65c605a",
    (False, "linear", False): "8bf8b40b56bb1951",
    (False, "linear", True): "854eb8982d988de2",
}
"""Context, domain, centred quantisation -> sha256 of the stream of one model and some latents."""


def small_model(context: bool = True, domain: str = "log") -> EntropyModel:
    torch.manual_seed(1)
    config = EntropyConfig(12, 5, 10, 10, 14, context, 16, (20, 18), domain)  # type: ignore[arg-type]
    model = EntropyModel(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
        if domain == "linear":  # scales near 2, so that no symbol falls to the floor of the likelihood
            model.entropy_parameters[-1].bias[:12] += 2
    return model


def test_gaussian_likelihood_against_scipy() -> None:
    rng = np.random.default_rng(0)
    y, mean, scale = rng.integers(-9, 10, 500), rng.normal(0, 3, 500), rng.uniform(0.11, 20, 500)
    ours = gaussian_likelihood(*(torch.from_numpy(v.astype(np.float64)) for v in (y, scale, mean))).numpy()
    theirs = norm.cdf((y + 0.5 - mean) / scale) - norm.cdf((y - 0.5 - mean) / scale)
    np.testing.assert_allclose(ours, np.maximum(theirs, 1e-9), atol=1e-12)


def test_bottleneck_is_a_distribution_and_its_tables_agree_with_its_likelihood() -> None:
    torch.manual_seed(0)
    model = FactorizedBottleneck(4)
    tables = model.tables(127)
    np.testing.assert_allclose(tables.sum(1), 1, atol=1e-6)
    z = torch.arange(-20, 21).float().reshape(1, 1, 1, -1).expand(1, 4, 1, 41)
    likelihood = model.likelihood(z)[0, :, 0].detach().numpy()
    np.testing.assert_allclose(likelihood, tables[:, 127 - 20 : 127 + 21], rtol=1e-4, atol=1e-7)


def test_range_compression_inverts() -> None:
    x = torch.linspace(-900, 900, 1001, dtype=torch.float64)
    torch.testing.assert_close(expand_range(compress_range(x)), x)


def test_the_coder_has_the_limits_that_training_has() -> None:
    assert pytest.approx((np.log(SCALE_MIN), np.log(SCALE_MAX)), abs=5e-5) == (LOG_SCALE_MIN, LOG_SCALE_MAX)
    assert [limit / ONE for limit in (LOWEST, HIGHEST, MEAN_LIMIT)] == pytest.approx(
        [LOG_SCALE_MIN, LOG_SCALE_MAX, LOG_MEAN_LIMIT], abs=0.5 / ONE
    )
    assert (LOWEST, HIGHEST, MEAN_LIMIT) == (-2260, 5678, 7782)  # of all streams so far


def test_masked_convolution_sees_only_what_is_decoded() -> None:
    torch.manual_seed(0)
    conv = MaskedConv2d(2, 3)
    x = torch.randn(1, 2, 7, 8, requires_grad=True)
    conv(x)[0, :, 4, 3].sum().backward()
    seen = x.grad[0].abs().sum(0) > 0
    expected = torch.zeros(7, 8, dtype=torch.bool)
    expected[2:4, 1:6] = True
    expected[4, 1:3] = True
    assert torch.equal(seen, expected)
    # and it is the ordinary convolution with the kernel masked
    full = torch.nn.functional.conv2d(x, conv.weight * conv.mask, conv.bias, padding=2)
    torch.testing.assert_close(conv(x), full)


@pytest.mark.parametrize(("h", "w"), [(1, 1), (1, 9), (9, 1), (4, 4), (8, 12)])
def test_wavefronts_cover_all_positions_after_what_they_see(h: int, w: int) -> None:
    fronts = wavefronts(h, w, True)
    order = np.concatenate(fronts)
    assert sorted(order) == list(range(h * w))
    assert len(fronts) == w + 3 * (h - 1) - sum(
        1 for s in range(w + 3 * (h - 1)) if not any((s - 3 * i) in range(w) for i in range(h))
    )
    when = np.empty(h * w, int)
    for t, positions in enumerate(fronts):
        when[positions] = t
    for i in range(h):
        for j in range(w):
            for di, dj in [(-2, d) for d in range(-2, 3)] + [(-1, d) for d in range(-2, 3)] + [(0, -2), (0, -1)]:
                if i + di >= 0 and 0 <= j + dj < w:
                    assert when[(i + di) * w + j + dj] < when[i * w + j]
    if w >= 3:  # as latents are; then no step is empty
        assert len(fronts) == steps(h, w)
        for step, positions in enumerate(fronts):
            assert [i * w + step - 3 * i for i in range(*rows_of(step, h, w))] == positions.tolist()
    assert len(wavefronts(h, w, False)) == 1


def test_fixed_convolution_is_exact_in_any_order_and_close_to_float() -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(64, 8, 3, padding=1)
    fixed = FixedConv(conv.weight, conv.bias)
    x = torch.randint(-(1 << 20), 1 << 20, (1, 64, 6, 6)).double()
    out = fixed(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    # arbitrary-precision integers as the reference
    one = round(1 / fixed.step)
    # the weights' columns are in the order (kh, kw, I); the offset holds the half step of the rounding
    weight, offset = fixed.weight.numpy().astype(object), (fixed.offset * one).numpy().astype(object)
    padded = np.pad(x[0].numpy().astype(np.int64), ((0, 0), (1, 1), (1, 1))).astype(object)
    for i, j in ((0, 0), (2, 3), (5, 5)):
        patch = padded[:, i : i + 3, j : j + 3].transpose(1, 2, 0)
        for o in range(8):
            products = (int(a) * int(b) for a, b in zip(weight[o], patch.ravel(), strict=True))
            expected = (sum(products) + int(offset[o])) // one
            expected = max(-(1 << 24), min(1 << 24, expected))
            assert int(out[0, o, i, j]) == expected
    float_out = conv((x / ONE).float()).detach().double()
    clamped = float_out.clamp(-(1 << 14), 1 << 14)
    assert float((out / ONE - clamped).abs().max()) < 2e-3 * float(clamped.abs().max())


def test_fixed_networks_follow_the_float_ones() -> None:
    model = small_model()
    z = torch.randint(-5, 6, (1, 5, 3, 4)).double()
    fixed = FixedSequence(model.h_s, torch.device("cpu"))(z.permute(0, 2, 3, 1) * ONE).permute(0, 3, 1, 2) / ONE
    floating = model.h_s(z.float()).double()
    assert fixed.shape == floating.shape == (1, 14, 12, 16)
    assert float((fixed - floating).abs().max()) < 0.01


@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("domain", ["log", "linear"])
def test_coder_round_trip_and_rate(context: bool, domain: str) -> None:
    model = small_model(context, domain)
    coder = LatentCoder(model, torch.device("cpu"))
    rng = np.random.default_rng(0)
    y = np.round(rng.normal(0, 2, (12, 8, 12))).astype(np.int32)
    y[3, 2, 5] = 4095  # far outside what the model expects, still codable
    z = rng.integers(-3, 4, (5, 2, 3)).astype(np.int32)
    data, bits = coder.encode(y, z)
    assert bits == 12
    np.testing.assert_array_equal(coder.decode(data, bits, 8, 12), y)
    # a second coder, as in another process
    np.testing.assert_array_equal(LatentCoder(model, torch.device("cpu")).decode(data, bits, 8, 12), y)
    y[3, 2, 5] = 0
    data, bits = coder.encode(y, z)
    estimate = 0.0
    with torch.no_grad():
        y_hat, z_hat = torch.from_numpy(y)[None].float(), torch.from_numpy(z)[None].float()
        scale, mean = model.parameters_of(y_hat, z_hat)
        estimate -= float(torch.log2(gaussian_likelihood(y_hat, scale, mean)).sum())
        estimate -= float(torch.log2(model.bottleneck.likelihood(z_hat)).sum())
    assert 8 * len(data) == pytest.approx(estimate, rel=0.01, abs=64)


@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("domain", ["log", "linear"])
def test_centred_quantisation_rounds_the_distance_to_the_mean(context: bool, domain: str) -> None:
    model = small_model(context, domain)
    coder = LatentCoder(model, torch.device("cpu"))
    rng = np.random.default_rng(3)
    y, z = rng.normal(0, 1.5, (12, 8, 12)), rng.integers(-3, 4, (5, 2, 3)).astype(np.int32)
    data, bits = coder.encode(y, z, centred=True)
    y_hat, z_hat = LatentCoder(model, torch.device("cpu")).decode_both(data, bits, 8, 12, centred=True)
    np.testing.assert_array_equal(z_hat, z)
    assert np.abs(y_hat - y).max() <= 0.5
    # the symbols are whole steps from the means that the float networks predict from what was decoded
    with torch.no_grad():
        scale, mean = model.parameters_of(torch.from_numpy(y_hat)[None].float(), torch.from_numpy(z)[None].float())
    distance = y_hat - mean[0].numpy()
    assert np.abs(distance - np.round(distance)).max() < 0.05
    assert 0.1 < np.abs(y_hat - np.round(y_hat)).mean() < 0.4  # not whole numbers themselves
    symbols = torch.from_numpy(np.round(distance))[None]
    with torch.no_grad():
        estimate = -float(torch.log2(gaussian_likelihood(symbols, scale.double(), torch.zeros_like(symbols))).sum())
        estimate -= float(torch.log2(model.bottleneck.likelihood(torch.from_numpy(z)[None].float())).sum())
    assert 8 * len(data) == pytest.approx(estimate, rel=0.02, abs=64)


def test_fixed_transposed_convolution_follows_the_float_one() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.ConvTranspose2d(6, 4, 5, 2, 2, output_padding=1),
        torch.nn.LeakyReLU(0.01),
        torch.nn.Conv2d(4, 3, 3, padding=1),
    )
    x = torch.randint(-9, 10, (1, 6, 3, 5)).double()
    fixed = FixedSequence(network, torch.device("cpu"))(x.permute(0, 2, 3, 1) * ONE).permute(0, 3, 1, 2)
    assert torch.equal(fixed, fixed.round())
    with torch.no_grad():
        floating = network.double()(x)
    assert fixed.shape == floating.shape == (1, 3, 6, 10)
    assert float((fixed / ONE - floating).abs().max()) < 0.01


def test_non_local_attention_lets_every_position_see_all_others() -> None:
    torch.manual_seed(0)
    attention = NonLocalAttention(4)
    z = torch.randn(1, 4, 9, 20, requires_grad=True)
    (gradient,) = torch.autograd.grad(attention(z)[0, :, 0, 0].sum(), z)
    assert bool((gradient[0].abs().sum(0) > 0).all())
    config = EntropyConfig(12, 5, 10, 10, 14, False, 16, (20, 18), "log", True)
    assert EntropyModel(config).hyper_analysis(torch.randn(1, 12, 8, 12)).shape == (1, 5, 2, 3)


def test_encoder_in_one_go_agrees_with_decoder_in_wavefronts_for_any_thread_count() -> None:
    model = small_model()
    y = np.random.default_rng(1).integers(-4, 5, (12, 16, 20)).astype(np.int32)
    z = np.zeros((5, 4, 5), np.int32)
    threads = torch.get_num_threads()
    try:
        streams = []
        for n in (1, 2):
            torch.set_num_threads(n)
            coder = LatentCoder(model, torch.device("cpu"))
            data, bits = coder.encode(y, z)
            streams.append(data)
            np.testing.assert_array_equal(coder.decode(data, bits, 16, 20), y)
        assert streams[0] == streams[1]
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("domain", ["log", "linear"])
@pytest.mark.parametrize("size", [(4, 4), (4, 40), (40, 4), (12, 20)])
def test_sweep_of_two_images_gives_the_same_integers_as_all_positions_at_once(
    domain: str, size: tuple[int, int]
) -> None:
    coder = LatentCoder(small_model(True, domain), torch.device("cpu"))
    rng = np.random.default_rng(5)
    z = rng.integers(-9, 10, (2, 5, size[0] // 4, size[1] // 4)).astype(np.int32)
    features = coder.hyper_features(list(z))
    for one, both in zip(z, features, strict=True):
        assert torch.equal(coder.hyper_features([one])[0], both)
    seen = coder.tables.seen(torch.from_numpy(rng.integers(-4095, 4096, (2, *size, 12))), False)
    expected = torch.stack([coder.parameters.everywhere(*each) for each in zip(features, seen, strict=True)])
    assert torch.equal(expected, expected.round())
    assert len(expected.unique()) > 100
    sweep = Sweep(coder.parameters, features)
    for step, positions in enumerate(wavefronts(*size, True)):
        assert torch.equal(sweep.at(step), expected[:, positions].flatten(0, 1))
        sweep.reveal(step, seen.flatten(1, 2)[:, positions].flatten(0, 1))


@pytest.mark.parametrize("in_bytes", [False, True])
@pytest.mark.parametrize("case", GOLDEN)
def test_streams_made_by_earlier_versions_are_still_made_and_decoded(
    case: tuple[bool, str, bool], in_bytes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The golden hashes are those of the first coder, which evaluated everything in another order and in float64."""
    if in_bytes and not integers.bytes_are_exact():
        pytest.skip("this processor does not sum products of bytes exactly")
    monkeypatch.setattr(integers, "bytes_pay", lambda: in_bytes)
    context, domain, centred = case
    model, rng = small_model(context, domain), np.random.default_rng(7)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(rng.normal(0, 0.15, p.shape)))
        model.entropy_parameters[-1].bias[:12] += 2 if domain == "linear" else 0
    z = rng.integers(-9, 10, (5, 3, 2)).astype(np.int32)
    y = rng.integers(-40, 41, (12, 12, 8)).astype(np.int32)
    coder = LatentCoder(model, torch.device("cpu"))
    data, bits = coder.encode(y + 0.375 if centred else y, z, centred)
    assert hashlib.sha256(data).hexdigest()[:16] == GOLDEN[case]
    decoded = coder.decode(data, bits, 12, 8, centred)
    assert np.abs(decoded - y).max() <= (0.875 if centred else 0)


def test_damaged_latents_are_refused() -> None:
    coder = LatentCoder(small_model(), torch.device("cpu"))
    y = np.random.default_rng(2).integers(-4, 5, (12, 8, 8)).astype(np.int32)
    data, bits = coder.encode(y, np.zeros((5, 2, 2), np.int32))
    for bad in (data[:-4], data[:-1], data + b"\0\0\0\1", data[:40] + bytes([data[40] ^ 8]) + data[41:]):
        with pytest.raises(BitstreamError):
            coder.decode(bad, bits, 8, 8)


@pytest.mark.parametrize("centred", [False, True])
def test_a_device_whose_networks_say_otherwise_refuses_the_stream(centred: bool) -> None:
    """One of 24 parameters of a position off by 1/1024, the least there is: never other latents."""
    model = small_model()
    y, z = np.random.default_rng(4).normal(0, 2, (12, 8, 12)), np.zeros((5, 2, 3), np.int32)
    data, bits = LatentCoder(model, torch.device("cpu")).encode(
        y if centred else np.rint(y).astype(np.int32), z, centred
    )
    for channel in (3, 12 + 3):  # a scale, a mean
        other = LatentCoder(model, torch.device("cpu"))
        other.parameters.layers[-1].offset[channel] += 1
        with pytest.raises(BitstreamError, match="latents"):
            other.decode(data, bits, 8, 12, centred)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("domain", ["log", "linear"])
def test_streams_are_the_same_on_a_gpu_and_decode_on_both(domain: str, centred: bool) -> None:
    model = small_model(domain=domain)
    here, there = LatentCoder(model, torch.device("cpu")), LatentCoder(model, torch.device("cuda"))
    y, z = np.random.default_rng(4).normal(0, 2, (12, 8, 12)), np.zeros((5, 2, 3), np.int32)
    y = y if centred else np.rint(y).astype(np.int32)
    data, bits = here.encode(y, z, centred)
    assert there.encode(y, z, centred) == (data, bits)
    np.testing.assert_array_equal(there.decode(data, bits, 8, 12, centred), here.decode(data, bits, 8, 12, centred))


def test_header_round_trip_and_refusals() -> None:
    header = Header(512, 70000 // 100, 0.25, 7, b"\x12\x34")
    stream = pack(header, b"payload")
    assert len(stream) - 7 <= 19
    assert unpack(stream, "iat", b"\x12\x34") == (header, b"payload")
    centred = replace(header, bits=12, centred=True)
    assert unpack(pack(centred, b""), "iat", b"\x12\x34") == (centred, b"")
    with pytest.raises(BitstreamError, match="another checkpoint"):
        unpack(stream, "iat", b"\x12\x35")
    for position in range(len(stream)):
        for bit in range(8):
            bad = bytearray(stream)
            bad[position] ^= 1 << bit
            with pytest.raises(BitstreamError):
                unpack(bytes(bad), "iat", b"\x12\x34")
        with pytest.raises(BitstreamError):
            unpack(stream[:position], "iat", b"\x12\x34")
    with pytest.raises(BitstreamError, match="announces"):
        unpack(pack(Header(1 << 20, 1 << 20, 0.5, 3, b"\0\0"), b""), "iat", b"\0\0")
