"""What happens to an image between generations: it is resized and back, shifted, cropped, brightened.

    resize:S       scaled to S times its size and back to its own, Lanczos of Pillow both ways (S from 0.05 to 4)
    shift:N        N pixels to the right and down; what leaves on one side comes in on the other, so nothing is lost
    crop:N         N pixels off the top and off the left: block grids fall elsewhere, and the image gets smaller; it is
                   an error where nothing is left of it
    brightness:N   N levels are added to every channel (N may be negative), clipped to 0..255

Several are separated by commas and done in that order. The reference of the metrics gets the same edits at the same
time, so that what is measured is the loss of coding and not that of the edit. What an edit costs by itself is what

    python -m bench.edits resize:0.5 --dataset sample --generations 50

measures: a chain of edits without any codec, against the source edited without interpolation, rounding or clipping.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bench.cli import OK, Parser, positive_int, run
from bench.codec import BenchError, Image


class Edit(Protocol):
    """One edit."""

    @property
    def text(self) -> str:
        """As the user types it, in canonical form."""
        ...

    def apply(self, image: Image) -> Image:
        """(H, W, 3) uint8 to (H', W', 3) uint8."""
        ...

    def ideal(self, image: np.ndarray) -> np.ndarray:
        """The same for (H, W, 3) float64 without interpolation, rounding or clipping."""
        ...


@dataclass(frozen=True, slots=True)
class Resize:
    """To ``factor`` times the size and back: the only edit with an interpolation."""

    factor: float

    @property
    def text(self) -> str:
        return f"resize:{self.factor!r}"

    def apply(self, image: Image) -> Image:
        from PIL import Image as Pillow

        height, width, _ = image.shape
        small = (max(1, round(width * self.factor)), max(1, round(height * self.factor)))
        lanczos = Pillow.Resampling.LANCZOS
        return np.array(Pillow.fromarray(image).resize(small, lanczos).resize((width, height), lanczos))

    def ideal(self, image: np.ndarray) -> np.ndarray:
        return image


@dataclass(frozen=True, slots=True)
class Shift:
    """By whole pixels to the right and down, round the edges."""

    pixels: int

    @property
    def text(self) -> str:
        return f"shift:{self.pixels}"

    def apply(self, image: Image) -> Image:
        return np.roll(image, (self.pixels, self.pixels), (0, 1))

    def ideal(self, image: np.ndarray) -> np.ndarray:
        return np.roll(image, (self.pixels, self.pixels), (0, 1))


@dataclass(frozen=True, slots=True)
class Crop:
    """Pixels off the top and off the left; raises BenchError where nothing would be left."""

    pixels: int

    @property
    def text(self) -> str:
        return f"crop:{self.pixels}"

    def apply(self, image: Image) -> Image:
        return np.ascontiguousarray(self.ideal(image))

    def ideal(self, image: np.ndarray) -> np.ndarray:
        height, width, _ = image.shape
        if self.pixels >= min(height, width):
            raise BenchError(f"--edit {self.text} leaves nothing of an image of {width}x{height} pixels: crop less.")
        return image[self.pixels :, self.pixels :]


@dataclass(frozen=True, slots=True)
class Brightness:
    """Levels added to every channel, clipped."""

    levels: int

    @property
    def text(self) -> str:
        return f"brightness:{self.levels}"

    def apply(self, image: Image) -> Image:
        return np.clip(image.astype(np.int16) + self.levels, 0, 255).astype(np.uint8)

    def ideal(self, image: np.ndarray) -> np.ndarray:
        return image + self.levels


def _factor(text: str) -> float:
    value = float(text)
    if not 0.05 <= value <= 4:
        raise ValueError
    return value


def _whole(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return convert


_KINDS: dict[str, tuple[Callable[[Any], Edit], Callable[[str], Any], str]] = {
    "resize": (Resize, _factor, "a factor from 0.05 to 4"),
    "shift": (Shift, _whole(-(10**6), 10**6), "a whole number of pixels"),
    "crop": (Crop, _whole(1, 10**6), "a whole number of pixels, 1 or more"),
    "brightness": (Brightness, _whole(-255, 255), "a whole number of levels from -255 to 255"),
}
NAMES = tuple(_KINDS)
"""How a user calls them."""


def parse_edits(text: str) -> tuple[Edit, ...]:
    """Edits from ``resize:0.5,shift:1``; raise BenchError where it is not that."""
    edits = []
    for part in text.split(","):
        name, _, value = part.strip().partition(":")
        if name not in _KINDS:
            raise BenchError(
                f"Unknown edit {part.strip()!r}: --edit takes {', '.join(f'{kind}:N' for kind in _KINDS)}."
            )
        make, convert, expected = _KINDS[name]
        try:
            edits.append(make(convert(value.strip())))
        except ValueError:
            raise BenchError(f"--edit {name} needs {expected}, got {value.strip()!r}.") from None
    return tuple(edits)


def apply_all(edits: Sequence[Edit], image: Image) -> Image:
    """The image after all edits, in their order."""
    for edit in edits:
        image = edit.apply(image)
    return image


def check_size(edits: Sequence[Edit], size: tuple[int, int], generations: int, image: str) -> None:
    """Raise BenchError where crops leave nothing of an image before its last generation.

    Args:
        edits: done before every generation but the first.
        size: (height, width) of the source.
        generations: of the chain.
        image: its name.
    """
    pixels = sum(edit.pixels for edit in edits if isinstance(edit, Crop))
    if pixels * (generations - 1) >= min(size):
        crops = ",".join(edit.text for edit in edits if isinstance(edit, Crop))
        gone = 1 + math.ceil(min(size) / pixels)
        raise BenchError(
            f"--edit {crops} leaves nothing of {image} ({size[1]}x{size[0]} pixels) at generation {gone} of "
            f"{generations}: crop less, or ask for fewer --generations."
        )


def own_cost(source: Image, edits: Sequence[Edit], generations: Iterable[int]) -> dict[int, dict[str, float]]:
    """What edits cost without a codec.

    Args:
        source: (H, W, 3) uint8.
        edits: what is done between generations.
        generations: those to measure, from 1; generation n of a chain has seen n - 1 rounds of edits.

    Returns:
        By generation, the measures of ``bench.metrics.Reference`` against the source edited ideally, rounded once at
        the end.
    """
    from bench.metrics import Reference

    wanted = set(generations)
    edited, ideal = source, source.astype(np.float64)
    still = Reference(source) if all(isinstance(edit, Resize) for edit in edits) else None
    measures = {}
    for generation in range(1, max(wanted) + 1):
        if generation > 1:
            edited = apply_all(edits, edited)
            for edit in edits:
                ideal = edit.ideal(ideal)
        if generation in wanted:
            reference = still or Reference(np.rint(np.clip(ideal, 0, 255)).astype(np.uint8))
            measures[generation] = reference.compare(edited)
    return measures


def cost_table(images: Sequence[Image], edits: Sequence[Edit], shown: Sequence[int]) -> str:
    """``own_cost`` as text: means over images for the generations ``shown``, one line each."""
    costs = [own_cost(image, edits, shown) for image in images]
    name = ",".join(edit.text for edit in edits)
    over = "one image" if len(images) == 1 else f"mean over {len(images)} images"
    lines = [f"No codec, {name} between generations ({over}): what the edits cost by themselves"]
    lines.append(f"  generation{'PSNR dB':>12}{'MS-SSIM':>12}{'CIEDE2000':>12}")
    for generation in shown:
        rows = [cost[generation] for cost in costs]
        psnr, ms_ssim, delta_e = (float(np.mean([row[key] for row in rows])) for key in ("psnr", "ms_ssim", "delta_e"))
        similarity = "-" if np.isnan(ms_ssim) else f"{ms_ssim:.5f}"
        lines.append(f"  {generation:>10}{psnr:>12.2f}{similarity:>12}{delta_e:>12.2f}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of ``python -m bench.edits``."""
    from bench.datasets import load
    from bench.generation_table import SHOWN, shown

    parser = Parser(
        prog="python -m bench.edits",
        description="What edits between generations cost without a codec.",
        epilog=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("edits", help="such as resize:0.5,shift:1")
    parser.add_argument("--dataset", default="sample", help="name of a set, folder or file (default: sample)")
    parser.add_argument("--data-root", help="folder that holds the named sets (or variable BENCH_DATA)")
    parser.add_argument("--generations", type=positive_int, default=50, help="of the chain (default: 50)")
    options = parser.parse_args(argv)
    edits = parse_edits(options.edits)
    images = []
    for ref in load(options.dataset, options.data_root):
        images.append(ref.load().pixels)
        check_size(edits, images[-1].shape[:2], options.generations, ref.name)
    print(cost_table(images, edits, shown(options.generations, SHOWN)))
    return OK


if __name__ == "__main__":
    run(main)
