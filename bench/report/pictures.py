"""The pictures of a report: without loss, each once, and not more of them than the folder may hold.

A generation differs little from the one kept before it: where that is smaller, its file holds the difference plus 128,
and the page adds the two up again (``assets/sum.mjs``), exactly.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench.codec import BenchError, Image
from bench.files import write_atomically

FOLDER = "pictures"
EFFORT = {"quality": 50, "method": 3}
"""Of lossless WebP: an eighth smaller than what a run stores in its hurry, 0.15 s for 0.4 megapixels. More effort gains
one further percent and takes fifty times as long."""

DEEPEST = 8
"""How many differences the page may have to add up for one picture."""

CLEAR = 0.75
"""A difference that is smaller than this share of the run's own file is taken without looking what more effort
makes of the whole picture."""


@dataclass(frozen=True, slots=True)
class Written:
    """Pictures of a report.

    Attributes:
        paths: relative to the report, by place; what is not there is left out.
        bases: by place, the place of the picture that this one is the difference to.
        left_out: generations left out to stay under the limit.
    """

    paths: dict[int, str]
    bases: dict[int, int]
    left_out: list[int]


def write(
    files: Sequence[Path],
    chains: Sequence[Mapping[int, int]],
    out: Path,
    limit: int | None,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> Written:
    """Write pictures under ``out/pictures``; those that are there from before are kept.

    Args:
        files: pictures, named after their pixels.
        chains: of each chain, the place in ``files`` of every generation that was kept, 0 being the source.
        out: folder of the report.
        limit: bytes all of them may take together, None for no limit.
        report: called with how many are done.

    Raises:
        BenchError: a file can't be read, or even two generations exceed the limit.
    """
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    maker = _Maker(files, folder)
    left_out: list[int] = []
    numbers = {number for chain in chains for number in chain}
    while True:
        made = _all(maker, [{n: chain[n] for n in sorted(chain) if n in numbers} for chain in chains], report)
        size = sum((folder / name).stat().st_size for name, _ in made.values())
        if limit is None or size <= limit:
            break
        victim = crowded(numbers)
        if victim is None:
            raise BenchError(
                f"The first and the last generation alone take {size / 1e6:.3g} MB; allow more with --limit or name "
                "fewer images with --images."
            )
        left_out.append(victim)
        numbers.remove(victim)
    wanted = {name for name, _ in made.values()}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    return Written(
        {place: f"{FOLDER}/{name}" for place, (name, _) in made.items()},
        {place: base for place, (_, base) in made.items() if base is not None},
        sorted(left_out),
    )


def crowded(generations: set[int]) -> int | None:
    """The generation that is missed least: the one whose neighbours lie closest, as a ratio (of equals the
    later one, since early generations lose most); never 0, 1 or the last."""
    numbers = sorted(generations - {0})
    between = [(after / before, -number) for before, number, after in zip(numbers, numbers[1:], numbers[2:])]  # noqa: B905
    return -min(between)[1] if between else None


Made = tuple[str, int | None]
"""Name of a picture's file, and the place of what it is the difference to."""


def _all(maker: _Maker, chains: Sequence[Mapping[int, int]], report: Callable[[int, int], None]) -> dict[int, Made]:
    """Make every picture of the chains once; a picture's base is made before it, so bases never go round."""
    made: dict[int, Made] = {}
    depth: dict[int, int] = {}
    total = len({place for chain in chains for place in chain.values()})
    for chain in chains:
        before: int | None = None
        for number, place in chain.items():
            if place not in made:
                wanted = before if before is not None and depth[before] < DEEPEST else None
                made[place] = maker.make(place, wanted)
                _, base = made[place]
                depth[place] = 0 if base is None else 1 + depth[base]
                report(len(made), total)
            before = place if number else None  # coding changes every pixel of the source a little
    return made


@dataclass(slots=True)
class _Maker:
    """Writes pictures, and remembers what it has written."""

    files: Sequence[Path]
    folder: Path
    known: dict[tuple[int, int | None], Made] = field(default_factory=dict)

    def make(self, place: int, base: int | None) -> Made:
        """Write a picture, as a difference to ``base`` where that is smaller."""
        if (place, base) not in self.known:
            self.known[place, base] = self._make(place, base)
        return self.known[place, base]

    def _make(self, place: int, base: int | None) -> Made:
        source = self.files[place]
        if base is not None:
            name = f"{source.stem}-from-{self.files[base].stem.rsplit('-', 1)[-1][:12]}.webp"
            if (self.folder / name).exists():
                return name, base
            data = _encoded(difference(_pixels(source), _pixels(self.files[base])))
            if data is not None and (
                len(data) < CLEAR * source.stat().st_size or len(data) < self._whole(source).stat().st_size
            ):
                write_atomically(self.folder / name, data, sync=False)
                return name, base
        return self._whole(source).name, None

    def _whole(self, source: Path) -> Path:
        """Copy a picture, as the smaller of what it is and what more effort makes of it."""
        target = self.folder / source.name
        if not target.exists():
            data = source.read_bytes()
            smaller = _encoded(_pixels(source)) if source.suffix == ".webp" else None
            write_atomically(target, min(data, smaller or data, key=len), sync=False)
        return target


def difference(pixels: Image, base: Image) -> Image | None:
    """128 plus ``pixels`` minus ``base``, (H, W, 3) uint8; None where sizes differ or it does not fit 8 bits."""
    if pixels.shape != base.shape:
        return None
    found = pixels.astype(np.int16) - base + 128
    return found.astype(np.uint8) if found.min() >= 0 and found.max() <= 255 else None


def _encoded(pixels: Image | None) -> bytes | None:
    from PIL import Image as Pillow

    if pixels is None or max(pixels.shape) > 16383:
        return None
    data = io.BytesIO()
    Pillow.fromarray(pixels).save(data, "WEBP", lossless=True, exact=True, **EFFORT)
    return data.getvalue()


@lru_cache(maxsize=2)
def _pixels(path: Path) -> Image:
    """(H, W, 3) uint8 of a picture of a run."""
    from PIL import Image as Pillow

    try:
        with Pillow.open(path, formats=("PNG", "WEBP")) as picture:
            return np.asarray(picture.convert("RGB"))
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise BenchError(f"{path} can't be read as a picture: {os.path.basename(str(error))}.") from error
