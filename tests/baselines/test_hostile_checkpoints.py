"""Checkpoints that would run code, fill the memory, or describe no model: refused in a sentence, nothing executed."""

from __future__ import annotations

import json
import math
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from tiny_training import TINY

from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.iat.codec import IATCodec
from baselines.iat.model import IAT
from baselines.learned.official import read_state_dict
from baselines.learned.system import system
from baselines.learned.weights import load_model
from bench.codec import BenchError

TENSORS = {"a": torch.zeros(2, 3)}


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    found = tmp_path / "executed"
    pickle.loads(pickle.dumps(Bomb(tmp_path / "proof")))
    assert (tmp_path / "proof").exists()  # the bomb works
    return found


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth.tar", "weights.bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_bomb_is_not_run(name: str, zipped: bool, tmp_path: Path, mark: Path) -> None:
    path = tmp_path / name
    content = {"state_dict": TENSORS, "optimizer": Bomb(mark)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BenchError, match=r"never run|not a readable"):
        read_state_dict(path)
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(BenchError):
        read_state_dict(path)
    assert not mark.exists()


def test_a_pickle_named_safetensors_is_not_run(tmp_path: Path, mark: Path) -> None:
    path = tmp_path / "weights.safetensors"
    torch.save({"state_dict": Bomb(mark)}, path)
    with pytest.raises(BenchError, match="not a readable safetensors"):
        load_checkpoint(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 1 << 40) + b"{" * 100,
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 200_000) + b"[" * 200_000,
        b"",
    ],
    ids=["length", "longer than the file", "empty", "nested", "nothing"],
)
def test_header_bombs(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)
    with pytest.raises(BenchError, match=r"weights\.safetensors (is not a readable|has no card)"):
        load_checkpoint(path)


def test_a_tensor_beyond_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 1 << 42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    with pytest.raises(BenchError, match="not a readable safetensors"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "card",
    [
        {"config": {"latent": 10**9}},
        {"config": {"latent": "192"}},
        {"config": {"latent": True}},
        {"config": {"coupling_hidden": [[6, 6]]}},
        {"config": {"parameter_widths": [6, 6, 6]}},
        {"config": {"enhancement": [100000, 8]}},
        {"config": {"domain": "cubic"}},
        {"config": [1, 2]},
        {"config": None},
        {"system": ["iat"], "config": {}},
    ],
    ids=str,
)
def test_cards_that_describe_no_model(card: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_checkpoint(path, TENSORS, card)
    with pytest.raises(BenchError, match=r"weights\.safetensors|IAT: "):
        load_model(path, system("iat"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite(value: float, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    tensors = IAT(TINY).state_dict()
    save_checkpoint(path, tensors, {"config": TINY.to_dict()})
    load_model(path, system("iat"))
    tensors["entropy.h_a.0.bias"][1] = value
    save_checkpoint(path, tensors, {"config": TINY.to_dict()})
    with pytest.raises(BenchError, match=r"weights\.safetensors: entropy\.h_a\.0\.bias has values that are not finite"):
        load_model(path, system("iat"))


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\ufeff\ud800"], ids=["nested", "cut", "no text"])
def test_cards_that_are_no_json(text: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save(TENSORS, {"card": text} if text.isascii() else {}))
    with pytest.raises(BenchError):
        load_checkpoint(path)
    path.with_suffix(".json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BenchError, match="card"):
        IATCodec(checkpoint=str(path)).identity()


def test_a_few_bytes_do_not_become_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(1, dtype=torch.float16).expand(1 << 40)}, path)  # 2 TB as float32
    with pytest.raises(BenchError, match="no plain tensor"):
        read_state_dict(path)
    torch.save({"a": torch.zeros(1 << 20)}, path)
    with zipfile.ZipFile(path) as stored, zipfile.ZipFile(tmp_path / "small.pth", "w", zipfile.ZIP_DEFLATED) as small:
        for entry in stored.infolist():
            small.writestr(entry.filename, stored.read(entry))
    assert (tmp_path / "small.pth").stat().st_size < 20_000
    with pytest.raises(BenchError, match="not a readable"):
        read_state_dict(tmp_path / "small.pth")
