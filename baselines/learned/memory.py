"""How much memory coding takes, as ``python -m benchmarks.bench_memory`` measured it on 2048x1365 pixels, one thread.

It grows with the number of pixels; from 256x256 to that size, nothing measured was above this estimate.
"""

from __future__ import annotations

START = 0.6 * 2**30
"""Bytes of Python, PyTorch and the weights."""

BYTES_A_PIXEL = {
    "ainn": {"compact": 267, "paper": 1349},
    "iat": {"compact": 683, "paper": 2186},
    "sft": {"compact": 784, "paper": 2147},
    "xie": {"compact": 544, "paper": 2017},
}


def needed(system: str, preset: str, pixels: int) -> int:
    """Bytes that a process holds at most while it codes so many pixels; presets not known here count as "paper"."""
    known = BYTES_A_PIXEL[system]
    return round(START + pixels * known.get(preset, known["paper"]))
