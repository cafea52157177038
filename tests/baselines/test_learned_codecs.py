"""Xie et al., Song et al., A-INN and IAT's variants as codecs: real bytes from untrained compact models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut, coffee

from baselines.ainn.codec import AINNCodec
from baselines.checkpoint import save_checkpoint
from baselines.iat.codec import IATCodec
from baselines.learned.codec import LearnedCodec
from baselines.learned.config import ModelConfig
from baselines.learned.system import system
from baselines.sft.codec import SFTCodec
from baselines.xie.codec import XieCodec
from bench.codec import BenchError, BitstreamError, CodecError, QualityError
from bench.registry import create

CODECS: dict[str, type[LearnedCodec]] = {"iat": IATCodec, "xie": XieCodec, "sft": SFTCodec, "ainn": AINNCodec}


@pytest.fixture(scope="module")
def blocks() -> torch.Tensor:
    """(K, 3, 16, 16) blocks of a photograph, at random places."""
    image = torch.from_numpy(coffee().copy()).permute(2, 0, 1).float() / 255
    at = torch.randint(0, 380, (3000, 2), generator=torch.Generator().manual_seed(0)).tolist()
    return torch.stack([image[:, y : y + 16, x : x + 16] for y, x in at])


def saved(
    folder: Path, name: str, config: ModelConfig, blocks: torch.Tensor | None = None, multiplier: float = 0.05
) -> Path:
    """A checkpoint of an untrained model, after its start where there is one."""
    torch.manual_seed(0)
    chosen = system(name)
    model = chosen.build(config)
    if chosen.start and blocks is not None:
        chosen.start(model, blocks, multiplier)
    path = folder / f"{name}-{multiplier:g}.safetensors"
    save_checkpoint(path, model.state_dict(), {"system": name, "preset": "compact", "config": config.to_dict()})
    return path


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b.astype(float)).mean()))


@pytest.mark.parametrize("name", ["xie", "sft", "ainn"])
def test_streams_of_any_size_stand_alone(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, name, system(name).presets["compact"])
    codec, other = (CODECS[name](checkpoint=str(path)) for _ in range(2))
    for height, width in ((1, 1), (70, 90), (130, 65)):
        image = np.ascontiguousarray(astronaut()[:height, :width])
        stream = codec.encode(image, codec.quality.default)
        decoded = codec.decode(stream)
        assert decoded.shape == image.shape
        assert decoded.dtype == np.uint8
        np.testing.assert_array_equal(other.decode(stream), decoded)
    for bad in (stream[:-1], stream[:20], b"", bytes((stream[0], stream[1], stream[2] ^ 1)) + stream[3:]):
        with pytest.raises(BitstreamError):
            codec.decode(bad)


VARIANTS = [
    ("xie", {}),
    ("xie", {"context": False}),
    ("ainn", {}),
    ("ainn", {"fdsm": False, "pdm": "residual", "ms_cfrm": True}),
    ("ainn", {"cfrm": False, "pdm": "none"}),
    ("ainn", {"pdm": "dense"}),
    ("iat", {"level": "scalar"}),
    ("iat", {"context": False, "non_local": True}),
]


@pytest.mark.parametrize("quantisation", ["straight", "centred"])
@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_start_is_a_working_codec(
    name: str, changes: dict[str, object], quantisation: str, tmp_path: Path, blocks: torch.Tensor
) -> None:
    """Forward, quantisation, stream and inverse together: an orthonormal transform at that step gives this PSNR."""
    config = replace(system(name).presets["compact"], **changes)
    codec = CODECS[name](checkpoint=str(saved(tmp_path, name, config, blocks)), quantisation=quantisation)
    image = np.ascontiguousarray(coffee()[100:228, 200:328])
    assert psnr(codec.decode(codec.encode(image, codec.quality.high)), image) > 35


def test_uniform_noise_of_the_quantiser_is_what_the_step_says(tmp_path: Path, blocks: torch.Tensor) -> None:
    """lambda 0.05 asks for a step of sqrt(4e-4 / lambda); half the coefficients are kept and rounded to it."""
    for quantisation in ("straight", "centred"):
        path = saved(tmp_path, "xie", system("xie").presets["compact"], blocks, 0.2)
        runtime = XieCodec(checkpoint=str(path), quantisation=quantisation)._runtime(path)
        image = np.ascontiguousarray(coffee()[:128, :128])
        [(payload, bits)] = runtime.encode([image], 0.0, quantisation == "centred")
        y_hat, _ = runtime.coder.decode_both(payload, bits, 8, 8, quantisation == "centred")
        x = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            y = runtime.model.encode(x, 0.0)[0][0].numpy()
        assert np.abs(y_hat - y).max() <= 0.5 + 1e-3
        busy = np.abs(y).mean((1, 2)) > 3
        assert np.square(y_hat - y)[busy].mean() == pytest.approx(1 / 12, rel=0.1)


def test_single_rate_codecs_take_one_checkpoint_a_rate(tmp_path: Path, blocks: torch.Tensor) -> None:
    config = replace(system("xie").presets["compact"], context=False)
    paths = [saved(tmp_path, "xie", config, blocks, multiplier) for multiplier in (0.002, 0.05)]
    codec = create(f"xie[checkpoint={paths[0]},{paths[1]}]")
    image = np.ascontiguousarray(coffee()[:64, :64])
    for quality in (2, 2):
        codec.warm_up(quality)
    assert codec._runtime.cache_info()[:2] == (1, 1)  # one of the two loaded, once
    low, high = codec.encode(image, 1), codec.encode(image, 2)
    assert codec._runtime.cache_info().misses == 2
    assert psnr(codec.decode(high), image) > psnr(codec.decode(low), image) + 5
    assert [len(x) for x in codec.identity()["sha256"]] == [64, 64]
    with pytest.raises(QualityError, match="model must be a whole number from 1 to 2"):
        codec.encode(image, 3)


def test_shipped_checkpoints_that_end_in_a_lambda_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baselines.learned.files.SHIPPED", tmp_path)
    for name in ("xie-compact-0.05", "xie-compact-0.0075", "xie-compact-nocontext-0.01", "ainn-compact-0.01"):
        (tmp_path / f"{name}.safetensors").touch()
    codec = XieCodec()
    assert [path.stem for path in codec.paths] == ["xie-compact-0.0075", "xie-compact-0.05"]
    assert (codec.quality.low, codec.quality.high, codec.quality.default) == (1, 2, 1)
    assert [path.stem for path in XieCodec("xie-compact-0.05").paths] == ["xie-compact-0.05"]
    ok, reason = XieCodec("xie-large").available()
    assert not ok
    assert "there is no checkpoint at" in reason


def test_what_is_no_checkpoint_of_the_system_is_told_before_anything_is_coded(tmp_path: Path) -> None:
    (tmp_path / "notes.pth").write_text("no weights")
    there, said = XieCodec(str(tmp_path / "notes.pth")).available()
    assert (there, said.partition("notes.pth ")[2]) == (
        False,
        "is not a PyTorch file; name another with --checkpoint or xie[checkpoint=FILE].",
    )
    there, said = XieCodec("iat-long").available()
    assert not there
    assert "iat-long.safetensors holds iat, not xie; name another with --checkpoint" in said


def test_the_nearest_name_of_a_shipped_checkpoint_is_suggested(tmp_path: Path) -> None:
    for name in ("xie-compct-0.018", str(tmp_path / "xie-compct-0.018.safetensors")):
        said = XieCodec(name).available()[1]
        assert said.endswith("; did you mean xie-compact-0.018? Use --checkpoint or xie[checkpoint=FILE].")
    assert XieCodec("mine").available()[1].endswith("mine.safetensors; use --checkpoint or xie[checkpoint=FILE].")


def test_a_stream_of_an_image_that_memory_does_not_hold_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = XieCodec(checkpoint=str(saved(tmp_path, "xie", system("xie").presets["compact"])))
    stream = codec.encode(np.ascontiguousarray(astronaut()[:70, :90]), 1)
    monkeypatch.setattr("bench.memory.available", lambda: 1 << 20)
    monkeypatch.setattr("bench.memory._own", lambda: 0)
    for decode in (codec.decode, lambda stream: codec.decode_many([stream])):
        with pytest.raises(CodecError, match=r"xie: 90x70 takes about 0\.5 GiB of memory and 0\.0 GiB are available"):
            decode(stream)


def test_refusals(tmp_path: Path) -> None:
    path = saved(tmp_path, "sft", system("sft").presets["compact"])
    with pytest.raises(BenchError, match="holds sft, not ainn"):
        AINNCodec(checkpoint=str(path)).encode(np.zeros((8, 8, 3), np.uint8), 1)
    with pytest.raises(BenchError, match="quantisation must be straight or centred"):
        SFTCodec(checkpoint=str(path), quantisation="both")  # type: ignore[arg-type]
    for threads in (0, 1025):
        with pytest.raises(BenchError, match=f"sft: threads must be 1 to 1024, got {threads}"):
            SFTCodec(checkpoint=str(path), threads=threads)
    available, reason = create("ainn[checkpoint=nowhere.pth]").available()
    assert not available
    assert "--checkpoint" in reason
    with pytest.raises(BenchError, match="--pdm"):
        replace(system("ainn").presets["compact"], pdm="wavelet")
    with pytest.raises(BenchError, match="must divide 768"):
        replace(system("xie").presets["paper"], latent=100)


def test_float_carrier_is_neither_rounded_nor_clipped(tmp_path: Path, blocks: torch.Tensor) -> None:
    codec = XieCodec(checkpoint=str(saved(tmp_path, "xie", system("xie").presets["compact"], blocks)))
    image = coffee()[:70, :64].astype(np.float32) + np.float32(0.25)
    stream = codec.encode_float(image, 1)
    out = codec.decode_float(stream)
    assert out.dtype == np.float32
    assert np.abs(out - np.rint(out)).mean() > 0.1
    np.testing.assert_array_equal(np.rint(out.clip(0, 255)).astype(np.uint8), codec.decode(stream))
    assert psnr(out, image) > 35
