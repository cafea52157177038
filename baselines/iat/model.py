"""The IAT network as a whole: transforms and entropy model, for training and as the core of the codec."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.entropy.hyperprior import EntropyModel
from baselines.entropy.shapes import entropy_config
from baselines.iat.config import IATConfig
from baselines.iat.transform import Transform
from baselines.learned.model import LatentModel

Modulations = list[tuple[Tensor, Tensor]]


class IAT(LatentModel):
    """Cai et al. 2022."""

    entropy: EntropyModel

    def __init__(self, config: IATConfig) -> None:
        super().__init__()
        self.config = config
        self.transform = Transform(config)
        width = config.hyper_width or config.latent
        self.entropy = EntropyModel(entropy_config(config, width, config.non_local))
        self._kept: tuple[tuple[float, tuple[int, int]], Modulations] | None = None

    def prepare(self, level: Tensor | float, size: tuple[int, int]) -> Modulations:
        """Scales and shifts of the four levels; when coding, those of a number are kept for the next image like it."""
        if isinstance(level, Tensor) or not torch.is_inference_mode_enabled():
            return self.transform.modulations(level, size)
        if self._kept is None or self._kept[0] != (level, size):
            self._kept = ((level, size), self.transform.modulations(level, size))
        return self._kept[1]

    def analysis(self, x: Tensor, prepared: Modulations) -> Tensor:
        return self.transform.analysis(x, prepared)

    def hyper_analysis(self, y: Tensor, prepared: Modulations) -> Tensor:
        return self.entropy.hyper_analysis(y)

    def synthesis(self, y_hat: Tensor, z_hat: Tensor, prepared: Modulations) -> Tensor:
        return self.transform.synthesis(y_hat, prepared)
