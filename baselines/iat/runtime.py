"""The loaded IAT model at work: padded pixels to coded latents, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from baselines.checkpoint import load_checkpoint
from baselines.entropy.latents import HYPER_BOUND, LATENT_BITS, LatentCoder
from baselines.iat.config import IATConfig
from baselines.iat.model import IAT
from bench.codec import BenchError, CodecUnavailable, Image


class Runtime:
    """One checkpoint on one device.

    Raises:
        BenchError: the checkpoint can't be read or does not fit.
        CodecUnavailable: the device is not there.
    """

    def __init__(self, path: Path, device: str, threads: int | None) -> None:
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise CodecUnavailable("No CUDA device is available to PyTorch here; choose --device cpu.")
        if threads:
            torch.set_num_threads(threads)
        self.device = torch.device(device)
        tensors, card, _ = load_checkpoint(path)
        self.model = IAT(IATConfig.from_dict(card["config"]))
        try:
            self.model.load_state_dict(tensors)
        except RuntimeError as error:
            raise BenchError(f"{path} does not fit the model its card describes: {error}") from error
        self.model.eval().requires_grad_(False)
        self.coder = LatentCoder(self.model.entropy, self.device)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._modulations: tuple[tuple[float, tuple[int, int]], list[tuple[torch.Tensor, torch.Tensor]]] | None = None

    def _modulate(self, level: float, size: tuple[int, int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Scales and shifts of the four levels, kept from one image to the next at the same level and size."""
        if self._modulations is None or self._modulations[0] != (level, size):
            self._modulations = ((level, size), self.model.transform.modulations(level, size))
        return self._modulations[1]

    @torch.inference_mode()
    def encode(self, image: Image, level: float) -> tuple[bytes, int]:
        """(H, W, 3) uint8, H and W multiples of 64 -> bytes and bit length of the largest latent."""
        x = torch.tensor(image, device=self.device).permute(2, 0, 1)[None].float().div_(255)
        y = self.model.transform.analysis(x, self._modulate(level, (x.shape[2], x.shape[3])))
        z = self.model.entropy.hyper_analysis(y)[0]
        z = torch.round(z - self.model.entropy.bottleneck.medians[:, None, None]).clamp_(-HYPER_BOUND, HYPER_BOUND)
        bound = (1 << LATENT_BITS) - 1
        y_int = torch.round(y[0]).clamp_(-bound, bound).cpu().numpy().astype(np.int32)
        return self.coder.encode(y_int, z.cpu().numpy().astype(np.int32))

    @torch.inference_mode()
    def decode(self, payload: bytes, bits: int, size: tuple[int, int], level: float) -> Image:
        """The inverse: (H, W, 3) uint8 of ``size``."""
        y = self.coder.decode(payload, bits, size[0] // 16, size[1] // 16)
        y_hat = torch.from_numpy(y).to(self.device, torch.float32)[None]
        x = self.model.transform.synthesis(
            y_hat.contiguous(memory_format=torch.channels_last), self._modulate(level, size)
        )
        x = torch.round(x[0].clamp_(0, 1).mul_(255)).to(torch.uint8)
        return x.permute(1, 2, 0).contiguous().cpu().numpy()
