"""Coding on a CPU that gives the same bits whatever the number of threads.

A difference in the last bit becomes another pixel a few layers on. What depends on the number of threads is

* products and inverses of matrices, whose sums are shared out: inverses of the 1x1 matrices of an INN, and convolutions
  of small inputs or, with one thread, of one pixel, where PyTorch prefers a product to oneDNN
  (``baselines.inn.pointwise``);
* transposed convolutions, in oneDNN too;
* sigmoid and interpolation: the values at the end of a thread's share are computed otherwise than those in a vector.

One thread does these here. Other convolutions, where nearly all the time goes, are oneDNN's, and its sums are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

ALONE = {torch.conv_transpose2d, torch.einsum, torch.matmul, torch.linalg.inv, torch.sigmoid, F.interpolate}

SMALL = 20480
"""Numbers in an input, up to which PyTorch does not leave a convolution to oneDNN."""


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes with one thread in it, and after it with as many as before."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class SameForAnyThreads(TorchFunctionMode):
    """A context in which one thread does what depends on their number; what is computed on a GPU stays as it is."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in ALONE or (func is torch.conv2d and _as_product(*args, **named)):
            with one_thread():
                return func(*args, **named)
        return func(*args, **named)


def _as_product(input: Tensor, weight: Tensor, *_: Any, **__: Any) -> bool:
    """Whether PyTorch may make a matrix product of a convolution."""
    return input.numel() <= SMALL or weight.shape[2:] == (1, 1)
