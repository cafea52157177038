"""Xie et al. 2021 as a codec: one model a rate."""

from __future__ import annotations

from baselines.learned.codec import Quantisation, SingleRateCodec


class XieCodec(SingleRateCodec):
    """Xie et al. 2021 with real bytes.

    Args:
        checkpoint: one file or several, lowest rate first; of ours or of the authors.
        device, threads, quantisation, name: see ``LearnedCodec``.
    """

    system = "xie"

    def __init__(
        self,
        checkpoint: str = "xie-compact",
        device: str = "cpu",
        threads: int | None = None,
        quantisation: Quantisation = "straight",
        name: str = "xie",
    ) -> None:
        super().__init__(checkpoint, device, threads, quantisation, name)
