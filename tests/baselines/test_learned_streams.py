"""Streams of every learned system: alike for any number of threads, and refused where they are not its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from skimage.data import coffee

from baselines.ainn.model import AINN
from baselines.checkpoint import save_checkpoint
from baselines.entropy.header import pack, unpack
from baselines.inn.blocks import Subnet, squeeze
from baselines.learned.batches import batches
from baselines.learned.codec import LearnedCodec
from baselines.learned.system import SYSTEMS, system
from baselines.xie.model import Xie
from bench.codec import BitstreamError
from bench.registry import create

IMAGE = np.ascontiguousarray(coffee()[100:170, 200:290])


def untrained(name: str, strength: float = 0.2) -> torch.nn.Module:
    """A compact model with random weights, in the couplings as well, of the given standard deviation."""
    torch.manual_seed(0)
    model = system(name).build(system(name).presets["compact"]).eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, Subnet):
            module.conv3.weight.normal_(0, strength / module.conv3.weight[0].numel() ** 0.5)
    return model


@pytest.fixture(scope="module", params=SYSTEMS)
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LearnedCodec]:
    name, path = request.param, tmp_path_factory.mktemp("weights") / "random.safetensors"
    model = untrained(name)
    for key, weight in model.state_dict().items():
        if key.endswith(("levels.3.mix.weight", "g_a.blocks.1.convs.1.weight")):
            weight.mul_(8)
    card = {"system": name, "preset": "compact", "config": system(name).presets["compact"].to_dict()}
    save_checkpoint(path, model.state_dict(), card)
    threads = torch.get_num_threads()
    yield create(f"{name}[checkpoint={path}]")  # type: ignore[misc]
    torch.set_num_threads(threads)


def test_same_bytes_and_pixels_for_one_and_two_threads(codec: LearnedCodec) -> None:
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        stream = codec.encode(IMAGE, codec.quality.default)
        found.append((stream, codec.decode(stream).tobytes()))
    assert found[0] == found[1]


def test_damaged_latents_are_refused_whatever_the_checksum_says(codec: LearnedCodec) -> None:
    stream = codec.encode(IMAGE, codec.quality.default)
    header, payload = unpack(stream, codec.name, stream[2:4])
    assert len(payload) > 200
    for place in (0, len(payload) // 2, len(payload) - 6):
        damaged = payload[:place] + bytes([payload[place] ^ 0x55]) + payload[place + 1 :]
        with pytest.raises(BitstreamError, match="latents"):
            codec.decode(pack(header, damaged))


@pytest.mark.parametrize("quantisation", ["straight", "centred"])
def test_batches_give_the_bytes_and_pixels_of_one_by_one(codec: LearnedCodec, quantisation: str) -> None:
    images = [np.ascontiguousarray(image) for image in (IMAGE[:64, :60], IMAGE[:66, :40], IMAGE[9:59, 9:64])]
    batching = type(codec)(str(codec.path), quantisation=quantisation)  # type: ignore[arg-type]
    streams = [batching.encode(image, codec.quality.default) for image in images]
    assert batching.encode_many(images, codec.quality.default) == streams
    for stream, each in zip(streams, codec.decode_many(streams), strict=True):
        np.testing.assert_array_equal(each, codec.decode(stream))
    assert codec.encode_many([], codec.quality.default) == codec.decode_many([]) == []


def test_a_damaged_stream_among_others_is_named(codec: LearnedCodec) -> None:
    streams = [codec.encode(IMAGE[:side, :side], codec.quality.default) for side in (20, 64, 50)]
    header, payload = unpack(streams[1], codec.name, streams[1][2:4])
    damaged = pack(header, payload[:40] + bytes([payload[40] ^ 0x55]) + payload[41:])
    for bad in (damaged, streams[1][:-4]):
        with pytest.raises(BitstreamError) as alone:
            codec.decode(bad)
        with pytest.raises(BitstreamError) as among:
            codec.decode_many([streams[0], bad, streams[2]])
        assert str(among.value) == f"Stream 2 of 3: {alone.value}"


def test_batches_are_of_one_kind_and_bounded() -> None:
    assert batches([], []) == []
    assert batches("abacb", [9, 1, 9, 4, 1]) == [[0, 2], [1, 4], [3]]
    assert [len(each) for each in batches("a" * 20, [1 << 16] * 20)] == [8, 8, 4]
    assert [len(each) for each in batches("a" * 5, [3 << 19] * 5)] == [2, 2, 1]
    assert [len(each) for each in batches("aa", [1 << 24] * 2)] == [1, 1]


def test_streams_of_another_checkpoint_are_refused(codec: LearnedCodec) -> None:
    stream = codec.encode(IMAGE[:8, :8], codec.quality.default)
    header, payload = unpack(stream, codec.name, stream[2:4])
    foreign = dataclasses.replace(header, fingerprint=bytes(255 - byte for byte in header.fingerprint))
    with pytest.raises(BitstreamError, match="made with another checkpoint"):
        codec.decode(pack(foreign, payload))


@torch.no_grad()
def test_couplings_and_levels_of_xie_and_ainn_invert_in_float32() -> None:
    x = torch.from_numpy(coffee()[:64, :64].copy()).permute(2, 0, 1)[None].float() / 255
    xie, ainn = untrained("xie", 2.0), untrained("ainn", 2.0)
    assert isinstance(xie, Xie)
    assert isinstance(ainn, AINN)
    y = x
    for level in xie.levels:
        y = level(y)
    assert float((y - _identity(xie, x)).abs().max()) > 0.005  # the couplings do something
    for level in reversed(xie.levels):
        y = level.inverse(y)  # type: ignore[operator]
    assert float((y - x).abs().max()) < 1e-4
    low, high = x, x.flip(3)
    for level in ainn.levels:
        low, high = level(low, high)
    for level in reversed(ainn.levels):
        low, high = level.inverse(low, high)  # type: ignore[operator]
    assert float(torch.maximum((low - x).abs(), (high - x.flip(3)).abs()).max()) < 1e-4


def _identity(model: Xie, x: torch.Tensor) -> torch.Tensor:
    """The levels without their couplings."""
    for level in model.levels:
        x = level.mix(squeeze(x))  # type: ignore[operator]
    return x
