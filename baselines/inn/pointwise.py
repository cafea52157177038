"""1x1 convolutions that give the same bits whatever the number of threads.

On a CPU with one thread PyTorch hands small 1x1 convolutions to a plain matrix product, with several threads to oneDNN;
the two differ in the last bit, which becomes another pixel a few layers on. Here oneDNN takes them always; it is the
faster one as well.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv1x1(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, I, H, W) by weight (O, I, 1, 1) and bias (O,) -> (N, O, H, W)."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    # training goes through autograd and autocast as usual
    if plain and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu"):
        return torch.ops.aten.mkldnn_convolution(x, weight, bias, (0, 0), (1, 1), (1, 1), 1)
    return F.conv2d(x, weight, bias)


class Conv1x1(nn.Conv2d):
    """``nn.Conv2d`` with kernel 1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return conv1x1(x, self.weight, self.bias)
