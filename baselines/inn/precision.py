"""What stays in float32 where training computes in bfloat16 (``torch.autocast``).

bfloat16 has eight bits of mantissa, and every value of a system that is invertible is carried through all its layers:
a latent of 150 would lie on whole numbers, before it is rounded to one. What carries the values is exact, therefore,
and the networks beside it, where nearly all the time goes, are quick: their small outputs are added to it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def exact(device: torch.device) -> AbstractContextManager[object]:
    """A context in which convolutions and matrix products keep the precision of their input, on any device: one that
    has no autocast, such as ``meta``, on which costs are counted, keeps it anyway."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
