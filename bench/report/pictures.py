"""The pictures of a report: without loss, small, each once, and not more of them than the folder may hold."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.codec import BenchError
from bench.store import write_atomically

FOLDER = "pictures"
EFFORT = {"quality": 50, "method": 3}
"""Of lossless WebP: an eighth smaller than what a run stores in its hurry, 0.15 s for 0.4 megapixels. More effort gains
one further percent and takes fifty times as long."""


def write(
    files: Sequence[Path],
    generations: Mapping[int, set[int]],
    out: Path,
    limit: int | None,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[dict[int, str], list[int]]:
    """Write pictures under ``out/pictures``; those that are there from before are kept.

    Args:
        files: pictures, named after their pixels.
        generations: by place in ``files``: the generations each is shown for.
        out: folder of the report.
        limit: bytes all of them may take together, None for no limit.
        report: called with how many are done.

    Returns:
        Path relative to ``out`` by place in ``files``, and the generations left out to stay under the limit.

    Raises:
        BenchError: a file can't be read, or even two generations exceed the limit.
    """
    folder = out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for place, path in enumerate(files):
        _shrink(path, folder / path.name)
        report(place + 1, len(files))
    sizes = {place: (folder / path.name).stat().st_size for place, path in enumerate(files)}
    left_out: list[int] = []
    shown = dict(generations)
    while limit is not None and sum(sizes[place] for place in shown) > limit:
        victim = crowded({n for numbers in shown.values() for n in numbers})
        if victim is None:
            size = sum(sizes[place] for place in shown) / 1e6
            raise BenchError(
                f"The first and the last generation alone take {size:.0f} MB; allow more with --limit or name fewer "
                "images with --images."
            )
        left_out.append(victim)
        shown = {place: numbers - {victim} for place, numbers in shown.items() if numbers - {victim}}
    wanted = {files[place].name for place in shown}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    return {place: f"{FOLDER}/{files[place].name}" for place in shown}, sorted(left_out)


def crowded(generations: set[int]) -> int | None:
    """The generation that is missed least: the one whose neighbours lie closest, as a ratio (of equals the
    later one, since early generations lose most); never 0, 1 or the last."""
    numbers = sorted(generations - {0})
    between = [(after / before, -number) for before, number, after in zip(numbers, numbers[1:], numbers[2:])]  # noqa: B905
    return -min(between)[1] if between else None


def _shrink(source: Path, target: Path) -> None:
    """Copy a picture, as the smaller of what it is and what more effort makes of it."""
    if target.exists():
        return
    from PIL import Image as Pillow

    try:
        data = source.read_bytes()
        with Pillow.open(io.BytesIO(data), formats=("PNG", "WEBP")) as picture:
            picture.load()
            if picture.format == "WEBP" and picture.mode == "RGB":
                smaller = io.BytesIO()
                picture.save(smaller, "WEBP", lossless=True, exact=True, **EFFORT)
                data = min(data, smaller.getvalue(), key=len)
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise BenchError(f"{source} can't be read as a picture: {os.path.basename(str(error))}.") from error
    write_atomically(target, data, sync=False)
