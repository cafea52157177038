"""Where rate control begins with a learned codec: the rate at a level, predicted from what JPEG needs for the image.

What is costly for one codec is costly for another: the logarithm of a learned codec's rate is close to a linear
function of the logarithms of JPEG's rates at three qualities, which take milliseconds. The weights are fitted by
``python -m baselines.calibrate`` and kept in the checkpoint's card, with the error that remains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from baselines.classical.jpeg import JPEGCodec
from bench.codec import Image

QUALITIES = (10, 40, 80)
"""Of JPEG 4:2:0."""

RIDGE = 1e-3
"""Weight of the squared coefficients, against the mean squared residual: the three rates are nearly collinear."""


def features(image: Image) -> NDArray[np.float64]:
    """(H, W, 3) uint8 -> (4,): log(bpp) of JPEG at QUALITIES, and 1."""
    jpeg, pixels = JPEGCodec(), image.shape[0] * image.shape[1]
    return np.array([*(np.log(8 * len(jpeg.encode(image, quality)) / pixels) for quality in QUALITIES), 1.0])


def can_tell(image: Image) -> bool:
    """Whether an image has features: one that is too long for JPEG has none."""
    return max(image.shape[:2]) <= JPEGCodec.max_side


@dataclass(frozen=True)
class RateModel:
    """log(bpp) at some levels, linear in ``features``.

    Attributes:
        levels: (K,) ascending.
        weights: (K, 4).
        residual: standard deviation of log(bpp) that remains on the photographs of the fit, each left out in turn.
        photographs: how many.
    """

    levels: tuple[float, ...]
    weights: NDArray[np.float64]
    residual: float
    photographs: int

    def level(self, image: Image, bpp: float) -> float:
        """The level whose predicted rate is ``bpp``, the nearer end where there is none."""
        rates = np.maximum.accumulate(self.weights @ features(image))
        return float(np.interp(np.log(bpp), rates, self.levels))

    @classmethod
    def fit(cls, levels: tuple[float, ...], known: NDArray[np.float64], rates: NDArray[np.float64]) -> Self:
        """Ridge regression.

        Args:
            levels: (K,) ascending.
            known: (P, 4) features of P photographs.
            rates: (P, K) their bpp at the levels.
        """
        centre = known.mean(0) * [1, 1, 1, 0]
        x, y = known - centre, np.log(rates)
        penalty = RIDGE * len(x) * np.diag([1.0, 1, 1, 0])
        hat = np.linalg.solve(x.T @ x + penalty, x.T)
        weights = hat @ y
        left_out = (y - x @ weights) / (1 - np.einsum("ij,ji->i", x, hat))[:, None]
        weights[3] -= centre[:3] @ weights[:3]
        return cls(levels, weights.T, float(np.sqrt(np.mean(left_out**2))), len(x))

    def to_dict(self) -> dict[str, Any]:
        """For the card."""
        return {
            "jpeg_qualities": list(QUALITIES),
            "levels": list(self.levels),
            "weights": [[round(float(w), 5) for w in row] for row in self.weights],
            "residual": round(self.residual, 4),
            "photographs": self.photographs,
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self | None:
        """Of a card; None where it was made for other JPEG qualities."""
        if kept.get("jpeg_qualities") != list(QUALITIES):
            return None
        weights = np.array(kept["weights"], np.float64)
        return cls(tuple(kept["levels"]), weights, float(kept["residual"]), int(kept["photographs"]))
