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


FLAT = 96
"""Rows up to which an image is coded whole: twice ``baselines.inn.bands.BAND``. That took 1.75 times as many bytes a
pixel (Xie et al., compact, 64x24576 pixels)."""


def needed(system: str, preset: str, rows: int, columns: int) -> int:
    """Bytes that a process holds at most while it codes an image; presets not known here count as "paper"."""
    start, bytes_a_pixel = NEEDS[system].get(preset, NEEDS[system]["paper"])
    return round(start * 2**30) + rows * columns * bytes_a_pixel * (2 if rows <= FLAT and system != "sft" else 1)
