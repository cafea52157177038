"""Convolutions on a GPU: in float32, not TF32, and for coding the same ones in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """For coding: cuDNN neither rounds to TF32 nor chooses a convolution by trying; nothing changes on a CPU.

    What the two directions differ in would be noise after decoding.
    """
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


@contextmanager
def float32_convolutions() -> Iterator[None]:
    """For training: cuDNN does not round to TF32, and chooses the quickest by trying; nothing changes on a CPU.

    TF32 has ten bits of mantissa, too few for what ``baselines.inn.precision`` keeps exact.
    """
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=False):
        yield
