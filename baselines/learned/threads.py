"""Coding on a CPU that gives the same bits whatever the number of threads.

A difference in the last bit becomes another pixel a few layers on. What depends on the number of threads is

* products and inverses of matrices, whose sums are shared out: inverses of the 1x1 matrices of an INN, and convolutions
  of small inputs or, with one thread, of one pixel, where PyTorch prefers a product to oneDNN
  (``baselines.inn.pointwise``);
* transposed convolutions, in oneDNN too;
* sigmoid and interpolation: the values at the end of a thread's share are computed otherwise than those in a vector.

One thread does these here. Other convolutions, where nearly all the time goes, are oneDNN's, and its sums are the same,
but for one kind: with AVX-512 and channels-last memory it cuts long sums into pieces whose length hangs on the number
of threads (seen from 1,224 products a sum on, in 1 to 6 % of random shapes). Its kernels for channels-first memory do
not, and those convolutions are made in it there.
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

LONG = 1024
"""Products in a sum of a convolution, beyond which its pieces may depend on the number of threads."""

CONVOLUTIONS = {torch.conv2d, torch.ops.aten.mkldnn_convolution}

CUTS_SUMS = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
"""Whether oneDNN has such kernels for this processor."""


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
        if CUTS_SUMS and func in CONVOLUTIONS and _in_pieces(*args, **named):
            first = [each.contiguous() if isinstance(each, Tensor) else each for each in args]
            others = {name: each.contiguous() if isinstance(each, Tensor) else each for name, each in named.items()}
            return func(*first, **others).contiguous(memory_format=torch.channels_last)
        return func(*args, **named)


def _as_product(input: Tensor, weight: Tensor, *_: Any, **__: Any) -> bool:
    """Whether PyTorch may make a matrix product of a convolution."""
    return input.numel() <= SMALL or weight.shape[2:] == (1, 1)


def _in_pieces(input: Tensor, weight: Tensor, *_: Any, **__: Any) -> bool:
    """Whether a convolution has long sums and one of its operands is in channels-last memory, as its result is then."""
    long = weight[0].numel() > LONG and weight.shape[2:] != (1, 1)
    return long and input.device.type == "cpu" and not (input.is_contiguous() and weight.is_contiguous())
