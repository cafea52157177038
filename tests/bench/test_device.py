"""--device: a GPU that PyTorch does not find is said before anything runs, by the machine that is to code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench import provenance, reencode
from bench.chain import METHOD
from bench.cli import call
from bench.images import load_image
from bench.task import Settings, Task, identity_of
from bench.worker import code_far_away

NONE = "iat: PyTorch finds no CUDA device here; choose --device cpu."


@pytest.fixture(params=[0, 1, 3])
def count(request, monkeypatch) -> int:
    """How many CUDA devices PyTorch finds."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    return request.param


def arguments(folder: Path, device: str, *more: str) -> list[str]:
    return ["--codec", "iat", "--device", device, "--out", str(folder / "run"), "--generations", "1", *more]


@pytest.mark.parametrize("codec", ["iat", "xie"])
def test_a_device_that_is_not_there_is_one_sentence_and_no_folder(count, codec, tmp_path, capsys):
    there = {0: "no CUDA device here; choose --device cpu.", 1: "cuda:0 here", 3: "cuda:0 to cuda:2 here"}[count]
    argv = [*arguments(tmp_path, "cuda:3"), "--codec", codec]
    assert call(reencode.main, argv) == 2
    rest = "" if count == 0 else ", and no cuda:3; choose another with --device."
    assert capsys.readouterr().err == f"{codec}: PyTorch finds {there}{rest}\n"
    assert not (tmp_path / "run").exists()


def test_one_that_is_there_is_taken(count, tmp_path):
    if count:
        options = reencode._parser().parse_args(arguments(tmp_path, f"cuda:{count - 1}"))
        assert reencode.request(options, "").points


@pytest.mark.parametrize("count", [0], indirect=True)
def test_on_a_cluster_the_worker_decides(count, tmp_path, capsys):
    far = ["--backend", "dask", "--scheduler", "tcp://nowhere:1"]
    wanted = reencode.request(reencode._parser().parse_args(arguments(tmp_path, "cuda", *far)), "")
    (point,) = wanted.points
    ref = next(iter(wanted.dataset))
    source = load_image(ref.path)
    task = Task(
        specs=point.specs,
        identities=tuple(identity_of(codec) for codec in point.codecs),
        dataset="set",
        image=ref.name,
        file=ref.path,
        sha256=source.sha256,
        size=(source.height, source.width),
        schedule=point.schedule,
        generations=1,
    )
    answer = code_far_away(task, Settings(1, 1, device="cuda"), np.zeros((8, 8, 3), np.uint8), METHOD)
    assert answer == f"On {provenance.machine()['host']}: {NONE}"
    # what codes here needs the device here
    for more in (["--rate-by", "dataset", "--bpp", "1"], ["--dry-run"]):
        assert call(reencode.main, arguments(tmp_path, "cuda", *far, *more)) == 2
        assert capsys.readouterr().err == f"{NONE}\n"
    # a checkpoint that is missing here would be no better known there
    assert call(reencode.main, arguments(tmp_path, "cuda", *far, "--checkpoint", "gone.safetensors")) == 2
    assert "iat: there is no checkpoint at gone.safetensors; use --checkpoint" in capsys.readouterr().err
