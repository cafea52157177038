"""Shipping a checkpoint: small weights that are nearly the same, odd files refused, the RD table in the card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save

from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.differences import GROUP, added, difference
from baselines.iat.config import COMPACT
from baselines.iat.model import IAT
from baselines.learned.system import system
from baselines.learned.weights import load_model
from baselines.ship import main
from baselines.storage import pack, unpack
from bench.cli import call
from bench.codec import BenchError

SMALL = replace(
    COMPACT,
    latent=24,
    coupling_hidden=((2, 2), (2, 2), (4, 4), (4, 4)),
    activation_hidden=((4, 4),) * 4,
    enhancement=(4, 2),
)
INTEGERS = {"a.int8": torch.ones(8, 8, dtype=torch.int8), "a.int8_scale": torch.ones(8)}
CARD = {"system": "iat", "config": SMALL.to_dict()}


def test_small_weights_are_nearly_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = IAT(SMALL)
    tensors = model.state_dict()
    save_checkpoint(tmp_path / "large.safetensors", tensors, CARD)
    assert main([str(tmp_path / "large.safetensors"), "--name", "small", "--into", str(tmp_path)]) == 0
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("small", "large")]
    assert sizes[0] < 0.36 * sizes[1]
    found = load_checkpoint(tmp_path / "small.safetensors")[0]
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        step = value.abs().max() * (2**-11 if ".mix." in name else 1 / 254)
        assert float((found[name] - value).abs().max()) <= 1.001 * float(step)
    assert load_model(tmp_path / "small.safetensors", system("iat")).config == SMALL


def test_a_file_may_hold_only_what_differs_from_another(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = IAT(SMALL).state_dict()
    save_checkpoint(tmp_path / "first.safetensors", tensors, CARD, small=True)
    first = load_checkpoint(tmp_path / "first.safetensors")[0]
    other = {name: value + name.startswith("entropy.") for name, value in first.items()}
    save_checkpoint(tmp_path / "trained.safetensors", other, CARD)
    ship = ["--into", str(tmp_path), "--base", str(tmp_path / "first.safetensors")]
    assert main([str(tmp_path / "trained.safetensors"), "--name", "second", *ship]) == 0
    whole, part = (tmp_path / f"{name}.safetensors" for name in ("first", "second"))
    assert part.stat().st_size < 0.9 * whole.stat().st_size
    found = load_checkpoint(part)[0]
    assert found.keys() == first.keys()
    for name, value in first.items():
        assert torch.equal(found[name], value) != name.startswith("entropy."), name
    save_checkpoint(whole, tensors, CARD | {"other": 1}, small=True)
    with pytest.raises(BenchError, match="not from the one beside it: expected sha256"):
        load_checkpoint(part)
    whole.unlink()
    with pytest.raises(BenchError, match=r"differs from first\.safetensors, which is not beside it"):
        load_checkpoint(part)
    whole_ones = {name: value.contiguous() for name, value in tensors.items()}
    part.write_bytes(save(whole_ones, {"card": json.dumps(CARD | {"base": {"file": part.name, "sha256": "0"}})}))
    with pytest.raises(BenchError, match="not from the one beside it"):
        load_checkpoint(part)
    part.write_bytes(save(whole_ones, {"card": json.dumps(CARD | {"base": 3})}))
    with pytest.raises(BenchError, match="not a readable safetensors checkpoint"):
        load_checkpoint(part)


@pytest.mark.parametrize(
    ("name", "share", "bits", "off"),
    [
        ("a", 0.01, 4, 0.03),
        ("a", 0.2, 4, 0.03),
        ("a", 3, 6, 0.03),
        ("a.mix.weight", 0.001, 4, 5e-4),
        ("a.mix.weight", 0.05, 8, 5e-4),
    ],
)
def test_what_is_near_a_base_takes_few_bits(name: str, share: float, bits: int, off: float) -> None:
    torch.manual_seed(0)
    base = {name: torch.randn(256, 256)}
    near = {name: base[name] + share * torch.randn(256, 256)}
    stored = pack(near, base)
    assert stored.keys() == {f"{name}.difference{bits}", f"{name}.difference_scale"}
    error = (unpack(stored, base)[name] - near[name]).square().mean().sqrt() / near[name].square().mean().sqrt()
    assert 0 < float(error) <= off
    room = sum(value.numel() * value.element_size() for value in stored.values())
    assert room < (bits + 1) / 8 * near[name].numel()


def test_what_is_far_from_a_base_is_stored_alone() -> None:
    torch.manual_seed(0)
    far, base = torch.randn(64, 64, 3, 3), 300 * torch.randn(64, 64, 3, 3)
    assert pack({"a": far}, {"a": base}).keys() == pack({"a": far}).keys()
    assert pack({"a": far}, {"a": base[:32]}).keys() == pack({"a": far}).keys()


@pytest.mark.parametrize(("allowed", "bits"), [(9.0, 4), (0.05, 6), (0.01, 8)])
@pytest.mark.parametrize("count", [1, 31, 32, 33, 100])
def test_a_difference_is_within_half_a_step_of_its_group(allowed: float, bits: int, count: int) -> None:
    torch.manual_seed(count)
    base, value = torch.randn(count), torch.randn(count)
    found = difference(value, base, allowed)
    assert found is not None
    number, packed, scale = found
    assert number <= bits
    assert packed.numel() == -(-count * number // 8)
    steps = scale.float().repeat_interleave(GROUP)[:count]
    off = (added(base, number, packed, scale) - value).abs()
    assert bool((off <= 0.501 * steps + 1e-3 * (value - base).abs()).all())
    assert float(off.square().mean().sqrt()) <= allowed


def test_what_is_made_of_a_file_with_a_base_is_whole(tmp_path: Path) -> None:
    base, part = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_checkpoint(base, {"a": torch.ones(3)}, CARD, small=True)
    save_checkpoint(part, {"a": torch.ones(3), "b": torch.zeros(2)}, CARD, small=True, base=base)
    other = tmp_path / "elsewhere"
    assert main([str(part), "--into", str(other)]) == 0
    tensors, card, _ = load_checkpoint(other / part.name)
    assert "base" not in card
    assert tensors["a"].tolist() == [1, 1, 1]


def test_a_few_large_values_do_not_make_the_others_coarse() -> None:
    torch.manual_seed(0)
    weights = 0.01 * torch.randn(128, 128, 3, 3)
    weights[range(128), range(128), 1, 1] = 1.2345
    stored = pack({"a": weights})
    found = unpack(stored)["a"]
    assert torch.equal(found[range(128), range(128), 1, 1], weights[range(128), range(128), 1, 1])
    assert float((found - weights).abs().max()) < 0.01 * 8 / 254
    assert sum(value.numel() * value.element_size() for value in stored.values()) < 1.05 * weights.numel()


def test_zeros_take_no_room_and_small_tensors_stay_exact() -> None:
    tensors = {"zero": torch.zeros(100, 100), "few": torch.rand(9, 9), "count": torch.arange(5000)}
    stored = pack(tensors)
    assert sum(value.numel() for value in stored.values()) == 2 + 81 + 5000
    found = unpack(stored)
    assert all(torch.equal(found[name], value) for name, value in tensors.items())


@pytest.mark.parametrize(
    "stored",
    [
        {"a.int8": torch.ones(8, 8, dtype=torch.int8)},
        {"a.int8": torch.ones(8, 8, dtype=torch.int8), "a.int8_scale": torch.ones(7)},
        {"a.int8": torch.ones(8, 8), "a.int8_scale": torch.ones(8)},
        INTEGERS | {"a.far_places": torch.tensor([64], dtype=torch.int32), "a.far_values": torch.ones(1)},
        INTEGERS | {"a.far_places": torch.tensor([-1], dtype=torch.int32), "a.far_values": torch.ones(1)},
        INTEGERS | {"a.far_places": torch.tensor([3], dtype=torch.int32)},
        INTEGERS | {"a.far_places": torch.tensor([0.5]), "a.far_values": torch.ones(1)},
        {"a.base": torch.zeros(0)},
        {"a.difference4": torch.zeros(4, dtype=torch.uint8), "a.difference_scale": torch.zeros(1).half()},
        {"a.zeros": torch.tensor([-1, 4])},
        {"a.zeros": torch.tensor([1.5, 4.0])},
        {"a.zeros": torch.tensor([2**31, 2**31])},
    ],
    ids=[
        "no scales",
        "wrong scales",
        "no integers",
        *["far"] * 4,
        "no base",
        "no base for a difference",
        "negative",
        "fractions",
        "huge",
    ],
)
def test_what_does_not_fit_is_refused(stored: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(save(stored, {"card": json.dumps(CARD)}))
    with pytest.raises(BenchError, match="not a readable safetensors checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "stored",
    [
        {"a.difference4": torch.zeros(16, dtype=torch.uint8)},
        {"a.difference4": torch.zeros(15, dtype=torch.uint8), "a.difference_scale": torch.zeros(1).half()},
        {"a.difference4": torch.zeros(16, dtype=torch.int8), "a.difference_scale": torch.zeros(1).half()},
        {"a.difference4": torch.zeros(16, dtype=torch.uint8), "a.difference_scale": torch.zeros(2).half()},
        {"a.difference4": torch.zeros(16, dtype=torch.uint8), "a.difference_scale": torch.zeros(1)},
        {"b.difference4": torch.zeros(16, dtype=torch.uint8), "b.difference_scale": torch.zeros(1).half()},
    ],
    ids=["no scales", "too short", "signed", "too many scales", "float32 scales", "not in the base"],
)
def test_a_difference_that_does_not_fit_is_refused(stored: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match=r"does not fit its base|are missing"):
        unpack(stored, {"a": torch.zeros(4, 8)})


def test_a_large_shape_of_zeros_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(save({"a.zeros": torch.tensor([2**19, 2**19])}, {"card": json.dumps(CARD)}))
    assert load_checkpoint(path)[0]["a"].untyped_storage().nbytes() == 4
    with pytest.raises(BenchError, match="does not fit"):
        load_model(path, system("iat"))


def test_the_table_goes_into_the_card(tmp_path: Path) -> None:
    path, records = tmp_path / "iat-compact.safetensors", tmp_path / "rd.parquet"
    save_checkpoint(path, {"a": torch.ones(1)}, CARD)
    digest = load_checkpoint(path)[2]
    row = {"codec_id": "c", "image": "k1", "generation": 1, "quality": 0.5, "status": "ok"}
    row |= {"bpp": 0.5, "psnr": 32.0, "ms_ssim": 0.96, "ms_ssim_db": 14.0, "delta_e": 2.0}
    pd.DataFrame([row, row | {"image": "k2", "bpp": 0.7}, row | {"codec_id": "d", "bpp": 9.0}]).to_parquet(records)
    book = {"codecs": {"c": {"identity": {"sha256": digest}}, "d": {"identity": {}}}}
    records.with_suffix(".json").write_text(json.dumps(book))
    assert main([str(path), "--rd", str(records)]) == 0
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["kodak_rd"]["levels"] == [
        {"level": 0.5, "bpp": 0.6, "psnr": 32.0, "ms_ssim": 0.96, "ms_ssim_db": 14.0, "delta_e": 2.0}
    ]
    assert load_checkpoint(path)[2] == digest
    records.with_suffix(".json").write_text(json.dumps({"codecs": {}}))
    with pytest.raises(BenchError, match="no record of generation 1"):
        main([str(path), "--rd", str(records)])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["a.safetensors", "--nam", "b"], "Unrecognized arguments: --nam b; did you mean --name?"),
        (["a.safetensors", "--base", ""], "Argument --base: expected a value, got ''"),
        (
            ["gone.safetensors"],
            "No checkpoint at gone.safetensors; name a file that is there, or a shipped",
        ),
        (["broken.safetensors"], "; name another checkpoint."),
    ],
)
def test_mistakes_are_one_sentence_about_this_command(
    argv: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.safetensors").write_bytes(b"no checkpoint at all")
    assert call(main, argv) == 2
    found = capsys.readouterr().err
    assert said in found
    assert found.count("\n") == 1
    assert "--checkpoint" not in found
