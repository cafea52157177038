"""Images that crops between generations leave nothing of: all of them are told at once, before anything is coded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.codec import BenchError
from bench.edits import Crop, Edit, check_size

NAMED = 3
"""Most images that the sentence names."""


def check(images: Sequence[Mapping[str, Any]], edits: Sequence[Edit], generations: int) -> None:
    """Raise BenchError where crops leave nothing of some images before their last generation.

    Args:
        images: as in ``run.json``, with ``image``, ``width`` and ``height``.
        edits: done before every generation but the first.
        generations: of the chain.
    """
    crops = [edit for edit in edits if isinstance(edit, Crop)]
    pixels = sum(edit.pixels for edit in crops)
    small = [image for image in images if pixels * (generations - 1) >= min(image["width"], image["height"])]
    if not crops or not small:
        return
    if len(images) == 1:
        check_size(edits, (small[0]["height"], small[0]["width"]), generations, small[0]["image"])
    named = [
        f"{image['image']} ({image['width']}x{image['height']} pixels) at generation "
        f"{1 + math.ceil(min(image['width'], image['height']) / pixels)} of {generations}"
        for image in small[:NAMED]
    ]
    more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
    raise BenchError(
        f"--edit {','.join(edit.text for edit in crops)} leaves nothing of {', '.join(named)}{more}, {len(small)} of "
        f"{len(images)} images: leave {'it' if len(small) == 1 else 'them'} out of --dataset, crop less, or ask for "
        f"fewer --generations."
    )
