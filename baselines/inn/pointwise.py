"""Convolutions that give the same bits whatever the number of threads.

On a CPU with one thread PyTorch hands small 1x1 convolutions to a plain matrix product, with several threads to oneDNN;
the two differ in the last bit, which becomes another pixel a few layers on. Other convolutions of small inputs (up to
20480 numbers) always go to a matrix product, whose own sums depend on the number of threads. Here oneDNN takes them
all; for 1x1 it is the faster one as well.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def coding(x: Tensor) -> bool:
    """Whether x is coded on a CPU, with oneDNN at hand; training goes through autograd and autocast as usual."""
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    return plain and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, I, H, W) by weight (O, I, k, k), k odd, and bias (O,) -> (N, O, H, W), padded with zeros."""
    padding = weight.shape[-1] // 2
    if coding(x):
        return torch.ops.aten.mkldnn_convolution(x, weight, bias, (padding, padding), (1, 1), (1, 1), 1)
    return F.conv2d(x, weight, bias, padding=padding)


class Conv1x1(nn.Conv2d):
    """``nn.Conv2d`` with kernel 1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return convolve(x, self.weight, self.bias)
