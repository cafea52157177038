"""What stays in float32 where training computes in bfloat16 (``torch.autocast``).

bfloat16 has eight bits of mantissa, and every value of a system that is invertible is carried through all its layers:
a latent of 150 would lie on whole numbers, before it is rounded to one. What carries the values is exact, therefore,
and the networks beside it, where nearly all the time goes, are quick: their small outputs are added to it.
"""

from __future__ import annotations

import torch


def exact(device: torch.device) -> torch.autocast:
    """A context in which convolutions and matrix products keep the precision of their input."""
    return torch.autocast(device.type, enabled=False)
