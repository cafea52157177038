"""The authors' files as --checkpoint: read without running anything in them, refused with a sentence that says why."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from official_fixtures import bottleneck, filled
from skimage.data import astronaut

from baselines.iat.codec import IATCodec
from baselines.learned.codec import LearnedCodec
from baselines.learned.system import system
from baselines.learned.weights import load_model
from baselines.sft.codec import SFTCodec
from baselines.sft.layers import GDN1
from baselines.xie.codec import XieCodec
from bench.codec import BenchError


@pytest.fixture(scope="module")
def xie() -> dict[str, torch.Tensor]:
    return filled("invcompress") | bottleneck(192)


def normalisations() -> dict[str, torch.Tensor]:
    """The GDN layers of Song et al.'s model, as its authors' code initialises and names them."""
    out = {}
    places = [("g_a1", 48), ("g_a4", 96), ("g_a7", 192), ("g_a10", 192)]
    for name, channels in [*places, ("g_s3", 192), ("g_s6", 192), ("g_s9", 96), ("g_s12", 48)]:
        out |= {f"{name}.{key}": value for key, value in GDN1(channels).state_dict().items()}
        out[f"{name}.beta_reparam.pedestal"] = torch.zeros(1)
    return out


def round_trip(codec: LearnedCodec, quality: float) -> None:
    """A stream that a second codec with the same file decodes alike; the weights are random, so are the pixels."""
    image = np.ascontiguousarray(astronaut()[:50, :70])
    stream = codec.encode(image, quality)
    decoded = codec.decode(stream)
    assert decoded.shape == image.shape
    np.testing.assert_array_equal(type(codec)(checkpoint=",".join(map(str, codec.paths))).decode(stream), decoded)


def test_iat_in_a_data_parallel_wrapper(tmp_path: Path) -> None:
    tensors = filled("iat") | bottleneck(192)
    path = tmp_path / "checkpoint_best_loss.pth.tar"
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in tensors.items()}}, path)
    codec = IATCodec(checkpoint=str(path))
    round_trip(codec, 0.4)
    model = codec._runtime(path).model
    assert torch.equal(model.entropy.bottleneck.medians, torch.full((192,), 0.25))
    assert torch.equal(model.state_dict()["transform.levels.2.mix.weight"], tensors["inv.operations3.1.weight"])


def test_song(tmp_path: Path) -> None:
    torch.save(filled("qmap", 0.7) | normalisations() | bottleneck(192, "_matrices.{}"), tmp_path / "song.pt")
    round_trip(SFTCodec(checkpoint=str(tmp_path / "song.pt")), 0.4)


def test_xie_several_rates(tmp_path: Path, xie: dict[str, torch.Tensor]) -> None:
    torch.save({"state_dict": xie}, tmp_path / "low.pth")
    finer = xie | {"entropy_bottleneck.quantiles": xie["entropy_bottleneck.quantiles"] + 0.5}
    torch.save({"model": finer}, tmp_path / "high.pth")
    codec = XieCodec(checkpoint=f"{tmp_path / 'low.pth'}, {tmp_path / 'high.pth'}")
    assert (codec.quality.low, codec.quality.high) == (1, 2)
    round_trip(codec, 2)
    image = np.ascontiguousarray(astronaut()[:9, :9])
    assert codec.encode(image, 1)[2:4] != codec.encode(image, 2)[2:4]
    # one file alone says so when the stream is the other's
    with pytest.raises(BenchError, match="another checkpoint"):
        XieCodec(checkpoint=str(tmp_path / "low.pth")).decode(codec.encode(image, 2))


def test_a_file_that_does_not_fit_is_told_by_its_keys(tmp_path: Path, xie: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "x.pth"

    def refused(content: object, name: str = "xie") -> str:
        torch.save(content, path)
        with pytest.raises(BenchError) as caught:
            load_model(path, system(name))
        return str(caught.value)

    small = {k: v for k, v in xie.items() if not k.startswith("inv.")}
    assert "it lacks 292 keys (levels.0.couplings.0.G1.conv1.bias" in refused(small)
    assert "the key g_a.0.weight that Xie et al. does not know" in refused(small | {"g_a.0.weight": torch.zeros(1)})
    wrong = small | {"enh.forw_enh.layers.1.bias": torch.zeros(65)}
    assert "enhance.layers.1.bias is (65,) instead of (64,)" in refused(wrong)
    assert "no h_a0.weight" in refused(small, "sft")
    assert "no inv.rdb_last_1.skip.weight" in refused(small, "ainn")
    assert "holds no state dict" in refused([1, 2])
    path.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(BenchError) as caught:
        load_model(path, system("xie"))
    assert str(caught.value) == f"{path} is not a PyTorch file; name another checkpoint."


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "x.pth.tar", tmp_path / "mark"

    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (mark,)  # type: ignore[return-value]

    torch.save({"state_dict": {"h_a.0.weight": torch.zeros(1)}, "args": Harmful()}, path)
    with pytest.raises(BenchError, match=r"save its state dict alone"):
        load_model(path, system("iat"))
    assert not mark.exists()
    torch.save({"state_dict": {}, "args": argparse.Namespace(lr=1e-4)}, path)
    with pytest.raises(BenchError, match=r"asks for argparse.Namespace"):
        load_model(path, system("iat"))


LAYER = torch.zeros(192, 192, 3, 3)


@pytest.mark.parametrize(
    ("name", "tensors", "said"),
    [
        ("iat", {"h_a.0.weight": torch.zeros(5)}, r"IAT by its authors: h_a.0.weight has the shape \(5,\)"),
        ("iat", {"h_a.0.weight": LAYER, "h_a.8.weight": torch.zeros(())}, r"h_a.8.weight has the shape \(\)"),
        ("sft", {"h_a0.weight": torch.zeros(5)}, r"Song et al. by its authors: h_a0.weight has the shape \(5,\)"),
        ("ainn", {"inv.rdb_last_1.skip.weight": torch.zeros(5)}, r"inv.rdb_last_1.skip.weight has the shape \(5,\)"),
        ("ainn", {"inv.rdb_last_1.skip.weight": LAYER, "h_a.8.weight": torch.zeros(())}, r"h_a.8.weight has the shape"),
        (
            "xie",
            {"h_a.0.weight": LAYER, "h_a.8.weight": LAYER, "entropy_bottleneck.quantiles": torch.zeros(3)},
            r"entropy_bottleneck.quantiles of shape \(3,\); Xie et al. has \(C, 1, 3\)",
        ),
    ],
    ids=["iat", "iat, a number", "sft", "ainn", "ainn, a number", "quantiles"],
)
def test_tensors_of_other_dimensions(name: str, tensors: dict[str, torch.Tensor], said: str, tmp_path: Path) -> None:
    torch.save(tensors, tmp_path / "x.pth")
    with pytest.raises(BenchError, match=said):
        load_model(tmp_path / "x.pth", system(name))
