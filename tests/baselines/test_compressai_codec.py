"""The adaptor for CompressAI's models, as far as it works without CompressAI: names, errors, streams, own models."""

from __future__ import annotations

import subprocess
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compressai_models import Steps
from skimage.data import astronaut

from baselines.compressai import codec as adaptor
from baselines.compressai.codec import CompressAICodec
from baselines.compressai.packing import pack_value, unpack_value
from baselines.compressai.runtime import padding
from bench.codec import BenchError, BitstreamError, Codec, CodecError, CodecUnavailable, QualityError
from bench.registry import create

OWN = "compressai_models:Steps"


def saved(path: Path, step: float, wrapper: str = "") -> Path:
    state = Steps(step).state_dict()
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    return path


def own(folder: Path, *steps: float) -> Codec:
    paths = [str(saved(folder / f"{step:g}.pth", step)) for step in steps]
    return create(f"compressai:{OWN}[checkpoint={','.join(paths)}]")


VALUES: list[Any] = [
    b"",
    0,
    1 << 31,
    [],
    ([[b"a" * 5, b"b"], [b"c"]], (12, 8)),
    ([[b"\x00" * 400]], {"y": (192, 8, 12), "hyper": [2, 3], "": {}}),
]


@pytest.mark.parametrize("value", VALUES)
def test_values_survive_packing(value: Any) -> None:
    packed = pack_value(value)
    assert unpack_value(packed) == value
    for cut in range(len(packed)):
        with pytest.raises(BitstreamError):
            unpack_value(packed[:cut])
    with pytest.raises(BitstreamError, match="1 bytes too many"):
        unpack_value(packed + b"\0")


def test_packing_costs_a_dozen_bytes() -> None:
    y, z = b"y" * 5000, b"z" * 300
    assert len(pack_value(([[y], [z]], torch.Size((8, 12))))) - len(y) - len(z) == 12


@pytest.mark.parametrize("value", [None, 1.5, -1, "text", [np.zeros(2)], {"y": torch.zeros(2)}])
def test_what_can_not_be_packed(value: Any) -> None:
    with pytest.raises(CodecError, match="can go into a stream"):
        pack_value(value)


def test_damaged_values_never_crash() -> None:
    rng = np.random.default_rng(0)
    packed = pack_value(VALUES[-1])[:60]
    for _ in range(2000):
        noise = bytearray(packed)
        for at in rng.integers(0, len(noise), 3):
            noise[at] = rng.integers(0, 256)
        with pytest.raises(BitstreamError):
            unpack_value(bytes(noise))
    with pytest.raises(BitstreamError):
        unpack_value(b"\x0a" * 5000)  # a list of a list of a list ...


def test_padding_is_half_on_each_side() -> None:
    assert padding(64, 128, 64) == ((0, 0, 0, 0), (0, 0, 0, 0))
    assert padding(61, 1, 64) == ((31, 32, 1, 2), (-31, -32, -1, -2))


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (65, 130), (128, 50)])
def test_own_models_code_any_size(size: tuple[int, int], tmp_path: Path) -> None:
    codec, other = own(tmp_path, 8), own(tmp_path, 8)
    image = np.ascontiguousarray(astronaut()[: size[0], : size[1]])
    stream = codec.encode(image, 1)
    decoded = other.decode(stream)
    np.testing.assert_array_equal(decoded, np.clip(np.rint(image / 8.0) * 8, 0, 255).astype(np.uint8))
    assert codec.name == f"compressai:{OWN}[checkpoint={tmp_path / '8.pth'}]"


def test_float_carrier(tmp_path: Path) -> None:
    codec = own(tmp_path, 7.5)
    image = astronaut()[:70, :40].astype(np.float32) + 0.25
    decoded = codec.decode_float(codec.encode_float(image, 1))  # type: ignore[attr-defined]
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, np.clip(np.rint(image / 7.5) * 7.5, 0, 255), atol=1e-3)


def test_several_checkpoints_for_several_rates(tmp_path: Path) -> None:
    codec = own(tmp_path, 32, 2)
    image = np.ascontiguousarray(astronaut()[:64, :64])
    low, high = codec.encode(image, 1), codec.encode(image, 2)
    assert len(low) < len(high) / 2
    assert np.abs(codec.decode(low).astype(int) - image).max() == 16
    assert np.abs(codec.decode(high).astype(int) - image).max() == 1
    with pytest.raises(QualityError, match="model must be a whole number from 1 to 2"):
        codec.encode(image, 3)
    with pytest.raises(BitstreamError, match="was made with another model, other weights"):
        own(tmp_path, 4).decode(low)
    identity = codec.identity()
    assert identity["checkpoint"] == ["32.pth", "2.pth"]
    assert len({*identity["sha256"]}) == 2
    assert len(identity["source"]) == 64
    assert identity["versions"]["torch"] == torch.__version__.split("+")[0]


@pytest.mark.parametrize("wrapper", ["state_dict", "network", "model_state_dict"])
def test_wrapped_checkpoints(wrapper: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pth.tar", 8, wrapper)
    image = np.ascontiguousarray(astronaut()[:64, :64])
    plain, wrapped = own(tmp_path, 8), create(f"compressai[model={OWN};checkpoint={path}]")
    np.testing.assert_array_equal(wrapped.decode(wrapped.encode(image, 1)), plain.decode(plain.encode(image, 1)))


def test_damaged_and_foreign_streams(tmp_path: Path) -> None:
    codec = own(tmp_path, 8)
    stream = codec.encode(np.ascontiguousarray(astronaut()[:70, :90]), 1)
    flipped = bytearray(stream)
    flipped[len(stream) // 2] ^= 4
    for bad in (b"", stream[:3], stream[:12], stream[:-1], stream + b"\0", bytes(flipped), b"\x89PNG" + stream):
        with pytest.raises(BitstreamError):
            codec.decode(bad)


def forged(stream: bytes, payload: bytes) -> bytes:
    """A stream with another payload and the checksum that goes with it."""
    front = stream[:11]  # magic, version, fingerprint, sizes of a byte each, level, bits
    return front + zlib.crc32(front + payload).to_bytes(4, "little") + payload


def test_a_payload_with_a_right_checksum_and_wrong_content(tmp_path: Path) -> None:
    codec = own(tmp_path, 8)
    image = np.ascontiguousarray(astronaut()[:64, :64])
    stream = codec.encode(image, 1)
    np.testing.assert_array_equal(codec.decode(forged(stream, stream[15:])), codec.decode(stream))
    plane = zlib.compress(np.zeros((32, 32), np.int16).tobytes())
    small = pack_value(([[plane]] * 3, {"y": (32, 32)}))
    for payload, words in (
        (small, r"decodes to \(1, 3, 32, 32\) instead of \(1, 3, 64, 64\)"),
        (pack_value(([[b"no zlib"]] * 3, {"y": (64, 64)})), "decompress raised"),
        (pack_value(([], 5)), "decompress raised"),
        (pack_value([b""]), "does not hold strings and a shape"),
        (b"\xff" * 9, "ends too early"),
    ):
        with pytest.raises(BitstreamError, match=words):
            codec.decode(forged(stream, payload))


def test_what_an_own_model_does_wrong_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path / "b.pth", 8)
    codec = create(f"compressai:compressai_models:Broken[checkpoint={path}]")
    with pytest.raises(CodecError, match="the model's compress raised RuntimeError: too bright"):
        codec.encode(np.full((64, 64, 3), 200, np.uint8), 1)
    with pytest.raises(CodecError, match="compress returned a float where only bytes"):
        codec.encode(np.full((64, 64, 3), 100, np.uint8), 1)
    with pytest.raises(CodecError, match="not finite"):
        codec.decode(codec.encode(np.zeros((64, 64, 3), np.uint8), 1))


def test_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    torch.save({"pace": torch.ones(1)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no checkpoint")
    image = np.zeros((8, 8, 3), np.uint8)
    for name, words in (
        ("other.pth", "does not fit .* it lacks the key step"),
        ("text.pth", "is not a PyTorch file"),
    ):
        with pytest.raises(BenchError, match=words):
            create(f"compressai:{OWN}[checkpoint={tmp_path / name}]").encode(image, 1)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("compressai:mbt2018-men", "did you mean mbt2018-mean"),
        ("compressai:q", "there are bmshj2018-factorized, "),
        ("compressai:mbt2018-mean[metric=psnr]", "option metric must be mse or ms-ssim, got 'psnr'"),
        ("compressai:mbt2018-mean[multiple=0]", "multiple must be at least 1"),
        ("compressai:mbt2018-mean[device=tpu]", "--device must be cpu, cuda or, of several, one as cuda:1, got 'tpu'"),
        ("compressai:mbt2018-mean-vbr[device=cuda]", "--device must be cpu, all that CompressAI runs this model on"),
        ("compressai:mbt2018-mean-vbr[checkpoint=a,b]", "one checkpoint serves all rates, got 2"),
        ("compressai:mbt2018-mean[model=mbt2018]", "compressai:mbt2018-mean fixes model=mbt2018-mean"),
        ("compressai:mbt2018-mean:9", "quality must be a whole number from 1 to 8"),
        ("compressai:cheng2020-attn:7", "quality must be a whole number from 1 to 6"),
        ("compressai:mbt2018-vbr:11", "step must be a number from 1 to 10"),
    ],
)
def test_specs_that_are_refused(spec: str, words: str) -> None:
    with pytest.raises(BenchError, match=words):
        create(spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("compressai:compressai_models:Steps", "no published weights of it; name yours"),
        ("compressai:compressai_models:Steps[checkpoint=gone.pth]", "there is no checkpoint at gone.pth."),
        ("compressai:compressai_models:Stops[checkpoint={}]", "has no class 'Stops'"),
        ("compressai:compressai_models:torch.Tensor[checkpoint={}]", "it lacks compress, decompress, update"),
        ("compressai:no_such_module:Model[checkpoint={}]", "no_such_module:Model can't be imported: No module"),
    ],
)
def test_why_an_own_model_is_not_available(spec: str, words: str, tmp_path: Path) -> None:
    codec = create(spec.format(saved(tmp_path / "a.pth", 8)))
    available, reason = codec.available()
    assert not available
    assert words in reason
    with pytest.raises(CodecUnavailable):
        codec.encode(np.zeros((8, 8, 3), np.uint8), codec.quality.default)


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptor, "find_spec", lambda name: None if name == "compressai" else find_spec(name))
    for codec in (create("compressai"), create("compressai:mbt2018-mean:4"), CompressAICodec("elic2022-official")):
        available, reason = codec.available()
        assert not available
        assert "pip install -c requirements-compressai.txt" in reason
        with pytest.raises(CodecUnavailable, match="needs the package compressai"):
            codec.encode(np.zeros((8, 8, 3), np.uint8), 4)


def test_creating_the_codec_imports_neither_torch_nor_compressai() -> None:
    code = """
import sys
from bench.registry import create
create("compressai:mbt2018-mean:4").available()
assert not {"torch", "compressai"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
