"""A-INN (Gao et al. 2025) as a codec: one model a rate."""

from __future__ import annotations

from baselines.learned.codec import Quantisation, SingleRateCodec


class AINNCodec(SingleRateCodec):
    """Gao et al. 2025 with real bytes.

    Args:
        checkpoint: one file or several, lowest rate first; of ours or of the authors.
        device, threads, quantisation, name: see ``LearnedCodec``.
    """

    system = "ainn"

    def __init__(
        self,
        checkpoint: str = "ainn-compact",
        device: str = "cpu",
        threads: int | None = None,
        quantisation: Quantisation = "straight",
        name: str = "ainn",
    ) -> None:
        super().__init__(checkpoint, device, threads, quantisation, name)
