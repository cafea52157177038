"""What a run says of chains that failed: a sentence for each operating point and reason, however many the images."""

from __future__ import annotations

from collections.abc import Iterable

from bench.rd import label

NAMED = 10
"""Most images that a sentence names."""


def sentences(failed: Iterable[tuple[str, str, str, str]], images: int) -> list[str]:
    """``ba, quality 50, on all 4 images: encode returned bytearray instead of bytes.``

    Args:
        failed: codec (of a hand-over the first), schedule, image and reason of each chain.
        images: how many the run has.
    """
    groups: dict[tuple[str, str, str], list[str]] = {}
    for codec, schedule, image, reason in failed:
        system = schedule if schedule.startswith("chain:") else codec
        groups.setdefault((system, schedule, reason), []).append(image)
    return [
        f"{label(system, schedule)}, on {_where(names, images)}: {reason.removeprefix(f'{system}: ')}"
        for (system, schedule, reason), names in groups.items()
    ]


def _where(names: list[str], images: int) -> str:
    if images == 1:
        return names[0]
    if len(names) == images:
        return f"all {images} images"
    more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} of {images} images ({', '.join(names[:NAMED])}{more})"
