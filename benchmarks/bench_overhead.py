"""What a chain costs besides its codec: the harness, and the metrics. CPU time, every generation coded, one thread.

python -m benchmarks --only overhead
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2

from bench.chain import run_chain
from bench.codec import Codec, Image
from bench.datasets import load
from bench.metrics import Reference
from bench.registry import create
from bench.schedule import FixedQuality
from benchmarks.row import Row, seconds

HARNESS_TARGET = 5.0
"""Per cent of a chain of IAT that may be spent outside codec and metrics."""

JPEG_TARGET = 3.0
"""Metrics and harness of a chain of JPEG, over the codec's own time."""


@dataclass
class Split:
    """CPU seconds of a chain: inside the codec, inside the metrics, and in all."""

    codec: float = 0.0
    metrics: float = 0.0
    total: float = 0.0

    @property
    def harness(self) -> float:
        """Seconds that are neither."""
        return self.total - self.codec - self.metrics


def split(codec: Codec, image: Image, generations: int) -> Split:
    """Run a chain at the codec's default quality and say where its time went; no cycles, no snapshots."""
    found = Split()

    def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            start = time.process_time()
            try:
                return function(*args)
            finally:
                setattr(found, part, getattr(found, part) + time.process_time() - start)

        return call

    codec.deterministic = False
    encode, decode = codec.encode, codec.decode
    reference = Reference(image)
    run_chain([codec], image, FixedQuality(codec.quality.default), 1, reference=reference)  # warm up
    codec.encode, codec.decode = timed(encode, "codec"), timed(decode, "codec")  # type: ignore[method-assign]
    reference.compare = timed(reference.compare, "metrics")  # type: ignore[method-assign]
    start = time.process_time()
    run_chain([codec], image, FixedQuality(codec.quality.default), generations, reference=reference)
    found.total = time.process_time() - start
    codec.encode, codec.decode = encode, decode  # type: ignore[method-assign]
    return found


def picture(height: int, width: int) -> Image:
    """A photograph of that size, from coffee."""
    import numpy as np

    photograph = next(ref for ref in load("sample") if ref.name == "coffee").load().pixels
    return np.asarray(cv2.resize(photograph, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def rows(quick: bool = False) -> list[Row]:
    """Share of the harness for IAT and JPEG, and what metrics and harness cost beside JPEG itself."""
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    iat = split(create("iat"), picture(128, 192) if quick else picture(256, 384), 1 if quick else 3)
    jpeg = split(create("jpeg"), picture(512, 768), 10 if quick else 30)
    share = 100 * jpeg.harness / jpeg.total
    whole = f"a chain of {seconds(iat.total)}"
    return [
        Row(
            "harness of an IAT chain",
            100 * iat.harness / iat.total,
            seconds(iat.harness),
            whole,
            "low",
            HARNESS_TARGET,
            "%",
        ),
        Row(
            "harness of a JPEG chain",
            share,
            seconds(jpeg.harness),
            f"a chain of {seconds(jpeg.total)}",
            "low",
            None,
            "%",
        ),
        Row(
            "metrics and harness of a JPEG chain",
            (jpeg.metrics + jpeg.harness) / jpeg.codec,
            f"{seconds(jpeg.metrics)} + {seconds(jpeg.harness)}",
            f"{seconds(jpeg.codec)} in the codec",
            "low",
            JPEG_TARGET,
        ),
    ]
