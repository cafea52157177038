"""On a GPU the same convolutions in both directions, in float32: what they differ in would be noise after decoding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Within it cuDNN neither rounds to TF32 nor chooses a convolution by trying; nothing changes on a CPU."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
