"""Xie et al., Song et al. and A-INN against what their authors' own code computes for the same weights."""

from __future__ import annotations

import json

import pytest
import torch
from official_fixtures import DATA, arrays, assert_close, bottleneck, filled, loaded

from baselines.ainn.config import PAPER as AINN_PAPER
from baselines.ainn.model import AINN
from baselines.ainn.official import read as read_ainn
from baselines.learned.weights import mismatch
from baselines.sft.config import PAPER as SFT_PAPER
from baselines.sft.model import SFT
from baselines.sft.official import read as read_sft
from baselines.xie.config import PAPER as XIE_PAPER
from baselines.xie.config import XieConfig
from baselines.xie.model import Xie
from baselines.xie.official import read as read_xie


def steps(t: torch.Tensor, per_unit: int) -> torch.Tensor:
    return torch.round(t * per_unit) / per_unit


def millions(model: torch.nn.Module) -> float:
    return sum(p.numel() for p in model.parameters()) / 1e6


@torch.no_grad()
def test_xie() -> None:
    config, tensors = read_xie(filled("invcompress"))
    assert config == XieConfig(hyper_latent=192)
    model, f = loaded(Xie(config), tensors, "entropy.bottleneck."), arrays("invcompress")
    assert_close(model.analysis(f["x"], 0.0), f["y"])
    assert_close(model.synthesis(steps(f["y"], 8), f["z"], 0.0), f["xhat"])
    assert_close(model.hyper_analysis(f["y"], 0.0), f["z"])
    assert_close(model.entropy.h_s(steps(f["z"], 8)), f["hs"])
    assert_close(model.entropy.context_prediction(steps(f["y"], 8)), f["ctx"])
    assert_close(model.entropy.entropy_parameters(torch.cat((f["hs"], f["ctx"]), 1)), f["params"])
    assert millions(model) == pytest.approx(50.03, abs=0.005)
    assert millions(Xie(XIE_PAPER)) == millions(model)


@torch.no_grad()
def test_song() -> None:
    config, tensors = read_sft(filled("qmap", gain=0.7))
    assert config == SFT_PAPER
    # the fixtures leave the normalisations and the bottleneck at their initial values
    model = loaded(SFT(config), tensors, "entropy.bottleneck. g_a.gdns. g_s.gdns.")
    f = arrays("qmap")
    for name, level in (("u030", 0.3), ("ramp", torch.linspace(0, 1, 256).expand(1, 1, 192, 256))):
        y, z = f[f"y_{name}"], f[f"z_{name}"]
        assert_close(model.analysis(f["x"], level), y)
        assert_close(model.hyper_analysis(y, level), z)
        assert_close(model.entropy.h_s(steps(z, 256)), f[f"hs_{name}"])
        assert_close(model.synthesis(steps(y, 256), steps(z, 256), level), f[f"xhat_{name}"])
    assert millions(model) == pytest.approx(27.57, abs=0.005)


@torch.no_grad()
def test_ainn() -> None:
    tensors = filled("ainn")
    config, renamed = read_ainn(tensors)
    model, f = loaded(AINN(config), renamed, "entropy. denoise. compose."), arrays("ainn")
    assert_close(model.analysis(f["x"], 0.0), f["y"])
    # the mask network of FDSM-S kept its random initial values, which the fixtures don't hold: whatever mask it gave,
    # one number a position must take our two streams to all three channels
    streams: list[torch.Tensor] = []
    model.compose.register_forward_hook(lambda _, inputs, __: streams.extend(inputs))
    model.synthesis(steps(f["y"], 8), f["y"], 0.0)
    low, high = streams
    difference = low - high
    mask = (difference * (f["xhat"] - high)).sum(1, keepdim=True) / difference.square().sum(1, keepdim=True)
    assert 0 < float(mask.min()) <= float(mask.max()) < 1
    assert_close(mask * low + (1 - mask) * high, f["xhat"])
    assert 210 <= millions(model) <= 216
    assert sum(p.numel() for p in AINN(AINN_PAPER).parameters()) == sum(p.numel() for p in model.parameters())

    # a whole checkpoint: their entropy model has the shapes of Xie et al.'s
    listed = json.loads((DATA / "ainn_keys.json").read_text())
    xie = json.loads((DATA / "invcompress_keys.json").read_text())["filled_keys"]
    names = ("h_a.", "h_s.", "context_prediction.", "entropy_parameters.")
    whole = tensors | {k: torch.zeros(s) for k, s in listed["other_keys"].items() if k.startswith("inv.")}
    whole |= {k: torch.zeros(s) for k, s in xie.items() if k.startswith(names)} | bottleneck(192)
    config, renamed = read_ainn(whole)
    assert mismatch(model.state_dict(), renamed) == ""
