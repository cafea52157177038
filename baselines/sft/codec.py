"""Song et al. 2021 as a codec, at any level in [0, 1]."""

from __future__ import annotations

from baselines.learned.codec import LearnedCodec, Quantisation
from bench.codec import QualityScale


class SFTCodec(LearnedCodec):
    """Song et al. 2021 with real bytes; the map is uniform and is not sent.

    Args:
        checkpoint: a file of ours or of the authors.
        device, threads, quantisation, name: see ``LearnedCodec``.
    """

    system = "sft"
    smallest_side = 128
    quality = QualityScale(0.0, 1.0, integer=False, default=0.5, unit="level")

    def __init__(
        self,
        checkpoint: str = "sft-compact",
        device: str = "cpu",
        threads: int | None = None,
        quantisation: Quantisation = "straight",
        name: str = "sft",
    ) -> None:
        super().__init__(checkpoint, device, threads, quantisation, name)
