"""What training asks of a GPU, without one."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from baselines.train import main, quick_bfloat16
from baselines.training.live import LiveLine
from bench.codec import BenchError


class DriverError(Exception):
    """As pynvml.NVMLError: of no family but its own."""


@pytest.mark.parametrize("error", [DriverError, ImportError, RuntimeError, ValueError])
def test_a_driver_that_does_not_tell_ends_no_training(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def utilization(device: torch.device) -> int:
        raise error

    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    with LiveLine(torch.device("cuda"), images=0) as line:
        line.update(0.5, 20, [(1.5, 0.75, 1e-3)] * 20, 40, [])
        assert "images/s" in line.bar.postfix
        assert "busy" not in line.bar.postfix


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_is_chosen_where_a_gpu_has_instructions_for_it(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []

    def device(which: torch.device) -> nullcontext[None]:
        chosen.append(which)
        return nullcontext()

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native or including_emulation)
    assert quick_bfloat16(torch.device("cuda:1")) == native
    assert chosen == [torch.device("cuda:1")]


def test_a_gpu_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    (tmp_path / "0.png").touch()
    with pytest.raises(BenchError, match=r"^iat: PyTorch finds cuda:0 here, and no cuda:1; choose another with"):
        main(["iat", "--data", str(tmp_path), "--iterations", "1", "--device", "cuda:1"])
