"""A loaded model at work: padded pixels to coded latents, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.entropy.latents import HYPER_BOUND, LATENT_BITS, LatentCoder
from baselines.learned.arithmetic import exact_convolutions
from baselines.learned.device import missing
from baselines.learned.system import system
from baselines.learned.threads import SameForAnyThreads
from baselines.learned.weights import load_model
from bench.codec import CodecUnavailable, Image

DOWNSCALING = 16
"""The latents of every system are 16 times smaller than the image."""


class Runtime:
    """One checkpoint on one device.

    Args:
        name: of the system.
        path: the checkpoint.
        device: ``cpu``, ``cuda``, ``cuda:1``.
        threads: CPU threads of PyTorch; None leaves its default.

    Raises:
        BenchError: the checkpoint can't be read or does not fit.
        CodecUnavailable: the device is not there.
    """

    def __init__(self, name: str, path: Path, device: str, threads: int | None) -> None:
        if reason := missing(device):
            raise CodecUnavailable(reason)
        if threads:
            torch.set_num_threads(threads)
        self.device = torch.device(device)
        self.model = load_model(path, system(name))
        self.coder = LatentCoder(self.model.entropy, self.device)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    @exact_convolutions()
    def encode(self, images: Sequence[NDArray[Any]], level: float, centred: bool) -> list[tuple[bytes, int]]:
        """(H, W, 3) on the scale 0 to 255, padded, of one size -> bytes and bit length of the largest symbol of each.

        The transforms work image by image, on a GPU too: float sums may differ in a batch, and so would the streams.
        """
        return self.coder.encode_many([self._latents(image, level, centred) for image in images], centred)

    def _latents(
        self, image: NDArray[Any], level: float, centred: bool
    ) -> tuple[NDArray[np.float64] | NDArray[np.int32], NDArray[np.int32]]:
        """y (M, h, w), rounded unless ``centred``, and z (N, h/4, w/4)."""
        x = torch.tensor(image, device=self.device).permute(2, 0, 1)[None].float().div_(255)
        with SameForAnyThreads():
            y, z = self.model.encode(x, level)
        z = torch.round(z[0] - self.model.entropy.bottleneck.medians[:, None, None]).clamp_(-HYPER_BOUND, HYPER_BOUND)
        z_int = z.cpu().numpy().astype(np.int32)
        if centred:
            return y[0].cpu().numpy().astype(np.float64), z_int
        bound = (1 << LATENT_BITS) - 1
        return torch.round(y[0]).clamp_(-bound, bound).cpu().numpy().astype(np.int32), z_int

    def latents(
        self, coded: Sequence[tuple[bytes, int]], size: tuple[int, int], centred: bool
    ) -> list[tuple[NDArray[Any], NDArray[np.int32]]]:
        """y and z of streams of one padded ``size``; raises BitstreamError."""
        return self.coder.decode_many(coded, size[0] // DOWNSCALING, size[1] // DOWNSCALING, centred)

    @torch.inference_mode()
    def images(
        self, latents: Sequence[tuple[NDArray[Any], NDArray[np.int32]]], levels: Sequence[float]
    ) -> Iterator[Tensor]:
        """Of each (3, H, W), padded, in [0, 1] but for over- and undershoot."""
        for (y, z), level in zip(latents, levels, strict=True):
            with exact_convolutions():
                image = self._image(y, z, level)
            yield image

    def _image(self, y: NDArray[Any], z: NDArray[np.int32], level: float) -> Tensor:
        y_hat = torch.from_numpy(y).to(self.device, torch.float32)[None]
        medians = self.model.entropy.bottleneck.medians[:, None, None]
        z_hat = torch.from_numpy(z).to(self.device, torch.float32) + medians
        with SameForAnyThreads():
            return self.model.decode(y_hat.contiguous(memory_format=torch.channels_last), z_hat[None], level)[0]

    @staticmethod
    def pixels(x: Tensor) -> Image:
        """(3, H, W) in [0, 1] -> (H, W, 3) uint8, rounded."""
        return torch.round(x.clamp(0, 1).mul(255)).to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()

    @staticmethod
    def floats(x: Tensor) -> NDArray[np.float32]:
        """(3, H, W) in [0, 1] -> (H, W, 3) float32 on the scale 0 to 255, neither rounded nor clipped."""
        return x.mul(255).permute(1, 2, 0).contiguous().cpu().numpy()
