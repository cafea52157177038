"""Training photographs: decoded once into one flat array, crops and flips made on the device."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.codec import BenchError
from bench.images import load_image

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

    def side(self, most: int) -> int:
        """The largest multiple of 64, up to ``most``, that the shorter side of one of the images reaches."""
        return min(most, int(self.sizes.amin(1).max()) // 64 * 64)

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
    """The images under ``folder``, sorted, but hidden ones; raises BenchError where it is missing or holds none."""
    if not folder.is_dir():
        raise BenchError(f"No folder of training photographs at {folder}; name one with --data.")
    files = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
    )
    if not files:
        raise BenchError(f"No images under {folder}; name another folder with --data.")
    return files


def load_photographs(folder: Path, cache: Path | None = None, workers: int = 2) -> Photographs:
    """Read every image under ``folder``, from ``cache`` (a folder of two .npy files) where that is current.

    Raises:
        BenchError: the folder is missing, holds no images, or one that can't be read.
    """
    files = files_in(folder)
    text = "\n".join(f"{p.relative_to(folder)} {p.stat().st_size}" for p in files)
    digest = hashlib.sha256(text.encode()).hexdigest()
    stored = cache / f"photographs-3-{_content(text, files)[:16]}" if cache else None
    found = _stored(stored) if stored else None
    if found is None:
        with ThreadPoolExecutor(workers) as pool:
            images = list(pool.map(read_pixels, files))
        sizes = np.array([image.shape[:2] for image in images], dtype=np.int64)
        pixels = np.concatenate([image.reshape(-1, 3) for image in images])
        if stored:
            _store(stored, pixels, sizes)
    else:
        pixels, sizes = found
    counts = sizes.prod(1)
    offsets = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return Photographs(torch.from_numpy(pixels), torch.from_numpy(offsets), torch.from_numpy(sizes), digest)


def _content(text: str, files: list[Path]) -> str:
    """sha256 of names and contents: reading all files takes a hundredth of decoding them."""
    hashed = hashlib.sha256(text.encode())
    for path in files:
        try:
            with path.open("rb") as file:
                hashed.update(hashlib.file_digest(file, "sha256").digest())
        except OSError:
            hashed.update(b"unreadable")  # which is said when it is decoded
    return hashed.hexdigest()


def _stored(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Pixels and sizes of a cache; None where there is none, or a damaged one."""
    try:
        return np.load(folder / "pixels.npy"), np.load(folder / "sizes.npy")
    except (OSError, ValueError, EOFError):
        return None


def _store(folder: Path, pixels: np.ndarray, sizes: np.ndarray) -> None:
    """Write a cache whole or not at all, whoever else writes it at the same time."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BenchError(
            f"{folder.parent} can't be a folder for decoded photographs: {str(error.strerror).lower()}; choose another "
            "with --cache."
        ) from error
    try:
        np.save(part / "pixels.npy", pixels)
        np.save(part / "sizes.npy", sizes)
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
        part.rename(folder)
    except OSError:  # another training has put its own there, or there is no room for one
        pass
    finally:  # also where it was stopped
        shutil.rmtree(part, ignore_errors=True)


def read_pixels(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 of a photograph; raises BenchError where it can't be read."""
    try:
        return load_image(path).pixels
    except BenchError as error:
        raise BenchError(str(error).replace("--dataset", "the folder of --data")) from error
