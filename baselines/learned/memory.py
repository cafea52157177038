"""How much memory coding takes, as ``python -m benchmarks.bench_memory`` measured it on 2048x1365 pixels, one thread.

It grows with the number of pixels; from 256x256 to that size, nothing measured was above this estimate.
"""

from __future__ import annotations

NEEDS = {
    "ainn": {"compact": (0.5, 267), "paper": (1.95, 832)},
    "iat": {"compact": (0.5, 330), "paper": (0.8, 400)},
    "sft": {"compact": (0.5, 784), "paper": (0.8, 2100)},
    "xie": {"compact": (0.5, 230), "paper": (0.8, 400)},
}
"""GiB of Python, PyTorch and the weights, and bytes a pixel, by system and preset."""


def needed(system: str, preset: str, pixels: int) -> int:
    """Bytes that a process holds at most while it codes so many pixels; presets not known here count as "paper"."""
    start, bytes_a_pixel = NEEDS[system].get(preset, NEEDS[system]["paper"])
    return round(start * 2**30) + pixels * bytes_a_pixel
