"""Where learned codecs run: ``cpu``, ``cuda``, ``cuda:1``."""

from __future__ import annotations

import re

from bench.codec import BenchError

MOST_THREADS = 1024
"""A machine may stop starting any where a process asks for many more."""


def check_device(device: str, codec: str) -> str:
    """Return ``device``; raise BenchError where it is no word for one."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise BenchError(f"{codec}: --device must be cpu, cuda or, of several, one as cuda:1, got {device!r}.")
    return device


def check_threads(threads: int | None, codec: str) -> int | None:
    """Return ``threads``, None for PyTorch's own choice; raise BenchError where they can't be had."""
    if threads is None:
        return None
    if not 1 <= int(threads) <= MOST_THREADS:
        raise BenchError(f"{codec}: threads must be 1 to {MOST_THREADS}, got {threads}.")
    return int(threads)


def missing(device: str) -> str:
    """Why PyTorch can't compute on a device here, one sentence; "" where it can. PyTorch is imported for CUDA only."""
    if device == "cpu":
        return ""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return "PyTorch finds no CUDA device here; choose --device cpu."
    if int(device.partition(":")[2] or 0) >= count:
        there = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        return f"PyTorch finds {there} here, and no {device}; choose another with --device."
    return ""
