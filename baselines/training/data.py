"""Training photographs: decoded once into one flat array, crops and flips made on the device."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench.codec import BenchError

SUFFIXES = {".avif", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass
class Photographs:
    """All photographs of a folder, one after the other.

    Attributes:
        pixels: (P, 3) uint8, every image's rows in turn.
        offsets: (K,) int64, first pixel of each image.
        sizes: (K, 2) int64, (H, W).
        digest: sha256 over names and sizes: what the training data were.
    """

    pixels: Tensor
    offsets: Tensor
    sizes: Tensor
    digest: str

    def to(self, device: torch.device) -> Photographs:
        return Photographs(self.pixels.to(device), self.offsets, self.sizes, self.digest)

    def split(self, held_back: int) -> tuple[Photographs, Photographs]:
        """The first K - held_back images for training and the rest, in a shuffled order fixed by the digest."""
        order = torch.randperm(len(self.offsets), generator=torch.Generator().manual_seed(int(self.digest[:8], 16)))
        train, rest = order[: len(order) - held_back], order[len(order) - held_back :]
        pick = lambda index: Photographs(self.pixels, self.offsets[index], self.sizes[index], self.digest)  # noqa: E731
        return pick(train), pick(rest)

    def crops(self, batch: int, size: int, generator: torch.Generator, flip: bool = True) -> Tensor:
        """Random crops (batch, 3, size, size) float32 in [0, 1], images drawn in proportion to their area."""
        fits = (self.sizes >= size).all(1)
        if not bool(fits.any()):
            raise BenchError(f"No training photograph is {size} pixels a side; choose a smaller --crop.")
        area = (self.sizes.prod(1) * fits).double()
        image = torch.multinomial(area, batch, replacement=True, generator=generator)
        room = self.sizes[image] - size + 1
        corner = (torch.rand(batch, 2, generator=generator) * room).long()
        turn = torch.randint(0, 2, (batch, 2), generator=generator) * flip
        at = torch.arange(size)
        rows = corner[:, :1] + torch.where(turn[:, :1] == 1, size - 1 - at, at)
        columns = corner[:, 1:] + torch.where(turn[:, 1:] == 1, size - 1 - at, at)
        index = self.offsets[image][:, None, None] + rows[:, :, None] * self.sizes[image][:, 1][:, None, None]
        index = index + columns[:, None, :]
        crops = self.pixels[index.to(self.pixels.device)]
        return crops.permute(0, 3, 1, 2).float().div_(255)


def files_in(folder: Path) -> list[Path]:
    """The images under ``folder``, sorted; raises BenchError where it is missing or holds none."""
    if not folder.is_dir():
        raise BenchError(f"No folder of training photographs at {folder}; name one with --data.")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise BenchError(f"No images under {folder}; name another folder with --data.")
    return files


def load_photographs(folder: Path, cache: Path | None = None, workers: int = 2) -> Photographs:
    """Read every image under ``folder``, from ``cache`` (a .npz-less pair of .npy files) where that is current.

    Raises:
        BenchError: the folder is missing, holds no images, or one that can't be read.
    """
    files = files_in(folder)
    text = "\n".join(f"{p.relative_to(folder)} {p.stat().st_size}" for p in files)
    digest = hashlib.sha256(text.encode()).hexdigest()
    stored = cache / f"photographs-{digest[:16]}" if cache else None
    if stored and (stored / "sizes.npy").exists():
        pixels = np.load(stored / "pixels.npy", mmap_mode=None)
        sizes = np.load(stored / "sizes.npy")
    else:
        with ThreadPoolExecutor(workers) as pool:
            images = list(pool.map(_read, files))
        sizes = np.array([image.shape[:2] for image in images], dtype=np.int64)
        pixels = np.concatenate([image.reshape(-1, 3) for image in images])
        if stored:
            stored.mkdir(parents=True, exist_ok=True)
            np.save(stored / "pixels.npy", pixels)
            np.save(stored / "sizes.npy", sizes)
    counts = sizes.prod(1)
    offsets = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return Photographs(torch.from_numpy(pixels), torch.from_numpy(offsets), torch.from_numpy(sizes), digest)


def _read(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise BenchError(f"{path} can't be read as an image ({error}): take it out of the folder of --data.") from error
