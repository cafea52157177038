"""Shipping a checkpoint: small weights that are nearly the same, odd files refused, the RD table in the card."""

from __future__ import annotations

import errno
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.iat.config import COMPACT
from baselines.iat.model import IAT
from baselines.learned.system import system
from baselines.learned.weights import load_model
from baselines.ship import main, sample_crops
from baselines.steps import COARSEST, PSNR, RATE, measured_steps
from baselines.storage import compressed, expanded, is_stepped, pack, unpack
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


@pytest.fixture
def small_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are measured on one crop of 128 pixels a side, as there is little to tell of such small models."""
    monkeypatch.setattr("baselines.ship.sample_crops", lambda: sample_crops()[:1, :, :128, :128])


@pytest.mark.usefixtures("small_crops")
def test_small_weights_are_nearly_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = IAT(SMALL).state_dict()
    save_checkpoint(tmp_path / "large.safetensors", tensors, CARD)
    assert main([str(tmp_path / "large.safetensors"), "--name", "small", "--into", str(tmp_path)]) == 0
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("small", "large")]
    assert sizes[0] < 0.36 * sizes[1]
    found, card, _ = load_checkpoint(tmp_path / "small.safetensors")
    assert found.keys() == tensors.keys()
    off = [name for name, value in tensors.items() if not torch.equal(found[name], value)]
    assert off == [name for name, value in tensors.items() if is_stepped(value, None)]
    assert 0 < card["stored"]["psnr_change_db"] <= PSNR
    assert 0 < card["stored"]["rate_change"] <= RATE
    assert load_model(tmp_path / "small.safetensors", system("iat")).config == SMALL


@pytest.fixture(scope="module")
def measured() -> tuple[IAT, dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, float]]:
    """A model, its weights, others that they are near, and measured steps of the difference."""
    torch.manual_seed(0)
    model = IAT(SMALL).eval().requires_grad_(False)
    base = {name: value.clone() for name, value in model.state_dict().items()}
    moved = {n: v * (1 + 0.5 * torch.randn_like(v)) if is_stepped(v, None) else v for n, v in base.items()}
    model.load_state_dict(moved)
    steps, change = measured_steps(model, moved, base, sample_crops()[:2, :, :128, :128], single_rate=False)
    assert change.square <= 1
    return model, moved, base, steps


def test_measured_steps_leave_rate_and_psnr_where_they_were(measured: Any) -> None:
    model, tensors, base, steps = measured
    assert steps.keys() == {name for name, value in tensors.items() if is_stepped(value, base[name])}
    assert all(torch.equal(value, tensors[name]) for name, value in model.state_dict().items())
    whole, other = model, IAT(SMALL).eval().requires_grad_(False)
    other.load_state_dict(unpack(pack(tensors, steps, base), base))
    crop = sample_crops()[:1, :, :128, :128]
    for level in (0.1, 0.9):
        one, two = (each(crop, level, noise=False) for each in (whole, other))
        bits = [float((each.y_bits + each.z_bits).sum()) for each in (one, two)]
        errors = [float((each.x_hat.clamp(0, 1) - crop).square().mean()) for each in (one, two)]
        assert bits[1] == pytest.approx(bits[0], rel=3 * RATE)
        assert errors[1] == pytest.approx(errors[0], rel=3 * 0.23 * PSNR)


def test_what_does_nothing_gets_the_coarsest_steps_and_what_does_much_fine_ones(measured: Any) -> None:
    _, tensors, _, steps = measured
    shares = {name: step / float(tensors[name].square().mean().sqrt()) for name, step in steps.items()}
    # the transform begins with closed couplings: what is behind a layer of zeros has no effect at all
    assert max(shares.values()) == pytest.approx(COARSEST)
    assert min(shares.values()) == min(share for name, share in shares.items() if ".mix." in name)
    assert min(shares.values()) < 0.3


def test_steps_of_a_model_that_is_its_base_are_none() -> None:
    torch.manual_seed(0)
    model = IAT(SMALL).eval().requires_grad_(False)
    tensors = model.state_dict()
    assert measured_steps(model, tensors, dict(tensors), sample_crops()[:1], single_rate=False)[0] == {}


@pytest.mark.usefixtures("small_crops")
def test_a_file_may_hold_only_what_differs_from_another(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = IAT(SMALL).state_dict()
    save_checkpoint(tmp_path / "first.safetensors", tensors, CARD, {})
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
    save_checkpoint(whole, tensors, CARD | {"other": 1}, {})
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


@pytest.mark.parametrize("near", [False, True], ids=["alone", "with a base"])
@pytest.mark.parametrize("step", [1e-4, 0.01, 0.5, 100.0])
def test_what_is_stored_is_within_half_a_step(near: bool, step: float) -> None:
    torch.manual_seed(0)
    value = torch.randn(64, 80)
    base = {"a": value + 0.1 * torch.randn(64, 80)} if near else {}
    stored = pack({"a": value}, {"a": step}, base)
    assert stored.keys() == {"a.stepped", "a.step", "a.shape"}
    off = (unpack(stored, base)["a"] - value).abs()
    assert float(off.max()) <= 0.5001 * step + 1e-6
    coarse = pack({"a": value}, {"a": 8 * step}, base)
    assert coarse["a.stepped"].numel() <= stored["a.stepped"].numel()


def test_a_base_of_another_shape_is_left_out() -> None:
    value, base = torch.randn(64, 80), {"a": torch.randn(64, 81)}
    assert torch.equal(
        unpack(pack({"a": value}, {"a": 0.1}, base), base)["a"], unpack(pack({"a": value}, {"a": 0.1}))["a"]
    )


@given(st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1, max_size=40))
def test_whole_numbers_come_back(numbers: list[int]) -> None:
    data = compressed(torch.tensor(numbers, dtype=torch.float64))
    assert expanded(data, [len(numbers)]).tolist() == numbers


@pytest.mark.usefixtures("small_crops")
def test_what_is_made_of_a_file_with_a_base_is_whole(tmp_path: Path) -> None:
    base, part = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    torch.manual_seed(0)
    weights = IAT(SMALL).state_dict()
    save_checkpoint(base, weights, CARD, {})
    name = next(name for name in weights if name.startswith("entropy.") and weights[name].numel() < 4096)
    save_checkpoint(part, weights | {name: weights[name] + 1}, CARD, {}, base=base)
    other = tmp_path / "elsewhere"
    assert main([str(part), "--into", str(other)]) == 0
    tensors, card, _ = load_checkpoint(other / part.name)
    assert "base" not in card
    assert tensors.keys() == weights.keys()
    assert torch.equal(tensors[name], weights[name] + 1)


def test_zeros_take_no_room_and_small_tensors_stay_exact() -> None:
    tensors = {"zero": torch.zeros(100, 100), "few": torch.rand(9, 9), "count": torch.arange(5000)}
    tensors["none"] = torch.zeros(5000, dtype=torch.int64)
    stored = pack(tensors, {"few": 0.1, "count": 10.0})
    assert sum(value.numel() for value in stored.values()) == 2 + 81 + 5000 + 5000
    found = unpack(stored)
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    assert found["none"].dtype == torch.int64


def test_steps_too_fine_for_four_bytes_keep_a_tensor_exact() -> None:
    tensors = {"a": torch.rand(100, 100)}
    stored = pack(tensors, {"a": 1e-10})
    assert stored.keys() == {"a"}
    assert torch.equal(stored["a"], tensors["a"])


def test_tensors_in_eight_bits_are_read() -> None:
    stored = {
        "a.int8": torch.tensor([[1, -127], [64, 0]], dtype=torch.int8),
        "a.int8_scale": torch.tensor([0.5, 2.0]),
        "a.far_places": torch.tensor([3], dtype=torch.int32),
        "a.far_values": torch.tensor([1e4]),
    }
    assert unpack(stored)["a"].tolist() == [[0.5, -63.5], [128.0, 1e4]]


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_differences_of_few_bits_are_read(bits: int) -> None:
    top = 2 ** (bits - 1) - 1
    numbers = [i % (2 * top + 1) - top for i in range(40)]
    planes = "".join(f"{number + top:0{bits}b}" for number in numbers)
    packed = torch.tensor(
        [int(planes[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(planes), 8)], dtype=torch.uint8
    )
    stored = {f"a.difference{bits}": packed, "a.difference_scale": torch.tensor([0.5, 2.0]).half()}
    found = unpack(stored, {"a": torch.ones(5, 8)})["a"].flatten().tolist()
    assert found == [1 + (0.5 if i < 32 else 2.0) * number for i, number in enumerate(numbers)]


STEPPED = {"a.stepped": compressed(torch.ones(4, 8)), "a.step": torch.ones(1).double(), "a.shape": torch.tensor([4, 8])}


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
        {"a.stepped": STEPPED["a.stepped"], "a.shape": STEPPED["a.shape"]},
        {"a.stepped": STEPPED["a.stepped"], "a.step": STEPPED["a.step"]},
        STEPPED | {"a.step": torch.ones(1)},
        STEPPED | {"a.shape": torch.tensor([4, 9])},
        STEPPED | {"a.shape": torch.tensor([4, 7])},
        STEPPED | {"a.shape": torch.tensor([2**19, 2**19])},
        STEPPED | {"a.stepped": torch.zeros(50, dtype=torch.uint8)},
        STEPPED | {"a.stepped": STEPPED["a.stepped"][:-9]},
        STEPPED | {"a.stepped": compressed(torch.zeros(2**20))},
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
        "no step",
        "no shape",
        "a float32 step",
        "too few numbers",
        "too many numbers",
        "a huge shape",
        "no LZMA",
        "cut short",
        "a bomb",
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
    book = {"codecs": {"c": {"name": "iat", "identity": {"sha256": digest}}, "d": {"name": "d", "identity": {}}}}
    records.with_suffix(".json").write_text(json.dumps(book))
    assert main([str(path), "--rd", str(records)]) == 0
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["kodak_rd"]["levels"] == [
        {"level": 0.5, "bpp": 0.6, "psnr": 32.0, "ms_ssim": 0.96, "ms_ssim_db": 14.0, "delta_e": 2.0}
    ]
    assert load_checkpoint(path)[2] == digest
    book["codecs"]["d"] = {"name": "iat[quantisation=centred]", "identity": {"sha256": digest}}
    records.with_suffix(".json").write_text(json.dumps(book))
    with pytest.raises(BenchError, match=r"in 2 codecs, iat, iat\[quantisation=centred\]: name a table of one of them"):
        main([str(path), "--rd", str(records)])
    records.with_suffix(".json").write_text(json.dumps({"codecs": {}}))
    with pytest.raises(BenchError, match="no record of generation 1"):
        main([str(path), "--rd", str(records)])
    records.with_suffix(".csv").write_text("codec,bpp\n")
    with pytest.raises(BenchError, match=r"are no table of bench.results: name its \.parquet file with --rd\.$"):
        main([str(path), "--rd", str(records.with_suffix(".csv"))])


def test_of_a_list_of_files_the_rows_of_its_own_go_into_the_card(tmp_path: Path) -> None:
    """Also where another codec names the file at another place of its list."""
    path, records = tmp_path / "xie-compact-0.018.safetensors", tmp_path / "rd.parquet"
    save_checkpoint(path, {"a": torch.ones(1)}, CARD)
    digest = load_checkpoint(path)[2]
    row = {"codec_id": "c", "image": "k1", "generation": 1, "status": "ok", "ms_ssim": 0.96, "ms_ssim_db": 14.0}
    row |= {"delta_e": 2.0, "psnr": 32.0}
    pd.DataFrame([row | {"quality": q, "bpp": q} for q in (1.0, 2.0, 3.0)]).to_parquet(records)
    book = {"codecs": {"c": {"name": "xie", "identity": {"sha256": ["1", "2", digest]}}}}
    records.with_suffix(".json").write_text(json.dumps(book))
    assert main([str(path), "--rd", str(records)]) == 0
    levels = json.loads(path.with_suffix(".json").read_text())["kodak_rd"]["levels"]
    assert [(one["level"], one["bpp"]) for one in levels] == [(3.0, 3.0)]


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
        (["nameless.safetensors"], "The card in nameless.safetensors does not say which system it is of"),
        (["endless.safetensors"], "endless.safetensors can't be shipped: a has values that are not finite"),
    ],
)
def test_mistakes_are_one_sentence_about_this_command(
    argv: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.safetensors").write_bytes(b"no checkpoint at all")
    save_checkpoint(Path("nameless.safetensors"), {"a": torch.ones(1)}, {"config": {}})
    save_checkpoint(Path("endless.safetensors"), {"a": torch.full((1,), math.inf)}, {"config": {}, "system": "iat"})
    assert call(main, argv) == 2
    found = capsys.readouterr().err
    assert said in found
    assert found.count("\n") == 1
    assert "--checkpoint" not in found


def test_nothing_shipped_is_lost_by_shipping(tmp_path: Path) -> None:
    """Least of all a file from which others hold the difference."""
    source, into = tmp_path / "iat-compact.safetensors", tmp_path / "shipped"
    save_checkpoint(source, {"a": torch.ones(1)}, {"config": {}, "system": "iat"})
    into.mkdir()
    save_checkpoint(into / "iat-compact.safetensors", {"a": torch.ones(1)}, {"config": {}, "system": "iat"})
    with pytest.raises(BenchError, match=r"is there already: choose another name by --name, or add --replace\.$"):
        main([str(source), "--into", str(into)])
    (into / "iat-mine.safetensors").touch()
    (into / "iat-mine.json").write_text(json.dumps({"base": {"file": "iat-compact.safetensors"}}))
    for more in ([], ["--replace"]):
        with pytest.raises(BenchError, match=r"iat-mine hold only what differs from it: choose another name by --name"):
            main([str(source), "--into", str(into), *more])


def test_what_can_t_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    path.mkdir()
    with pytest.raises(BenchError, match=r"a\.safetensors can't be written: is a directory; .* by --out\.$"):
        save_checkpoint(path, {"a": torch.ones(1)}, CARD)

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BenchError, match=r"b\.safetensors can't be written: no space left on device; .* by --into\.$"):
        save_checkpoint(tmp_path / "b.safetensors", {"a": torch.ones(1)}, CARD, option="--into")
    assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"]
