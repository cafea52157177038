"""Models built like CompressAI's that need no CompressAI: whole-pixel quantisation and zlib."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, nn


class Steps(nn.Module):
    """x to round(255 x / step), and back."""

    def __init__(self, step: float = 8.0) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(float(step)))
        self.updated = False

    @classmethod
    def from_state_dict(cls, state_dict: dict[str, Tensor]) -> Steps:
        model = cls()
        model.load_state_dict({"step": state_dict["step"]})
        return model

    def update(self, force: bool = False) -> bool:
        self.updated = True
        return True

    def compress(self, x: Tensor) -> dict:
        assert self.updated
        assert not self.training
        y = torch.round(x * 255 / self.step).to(torch.int16).numpy()
        strings = [[zlib.compress(each.tobytes())] for each in y[0]]
        return {"strings": strings, "shape": {"y": x.shape[-2:], "planes": len(strings)}, "y_hat": y}

    def decompress(self, strings: list[list[bytes]], shape: dict) -> dict:
        assert isinstance(strings, list)
        planes = [np.frombuffer(zlib.decompress(string), np.int16).reshape(shape["y"]) for (string,) in strings]
        return {"x_hat": (torch.from_numpy(np.stack(planes)[None]) * self.step / 255).clamp(0, 1)}


class Broken(Steps):
    """Raises where it should code, and decodes to what is no number."""

    def compress(self, x: Tensor) -> dict:
        if x.mean() > 0.5:
            raise RuntimeError("too bright")
        return {"strings": [[b"x"]], "shape": 1.5 if x.mean() > 0.25 else x.shape[-2:]}

    def decompress(self, strings: list[list[bytes]], shape: tuple[int, int]) -> dict:
        return {"x_hat": torch.full((1, 3, *shape), torch.nan)}
