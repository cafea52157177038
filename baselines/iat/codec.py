"""IAT as a codec, at any level L in [0, 1]."""

from __future__ import annotations

from baselines.learned.codec import LearnedCodec, Quantisation
from bench.codec import QualityScale


class IATCodec(LearnedCodec):
    """Cai et al. 2022 with real bytes.

    Args:
        checkpoint: a file of ours or of the authors, or the name of a shipped one (``iat-long``).
        device, threads, quantisation, name: see ``LearnedCodec``.
    """

    system = "iat"
    quality = QualityScale(0.0, 1.0, integer=False, default=0.5, unit="level")

    def __init__(
        self,
        checkpoint: str = "iat-long",
        device: str = "cpu",
        threads: int | None = None,
        quantisation: Quantisation = "straight",
        name: str = "iat",
    ) -> None:
        super().__init__(checkpoint, device, threads, quantisation, name)
