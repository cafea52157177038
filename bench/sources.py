"""What is odd about a run's images once they are read: files coded with losses before, and pixels that come twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

NAMED = 3
"""Most images that a sentence names."""


def remarks(images: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each oddity.

    Args:
        images: as in ``run.json``, with ``image``, ``sha256``, ``format`` and ``lossy``.
    """
    return [sentence for sentence in (_lossy(images), _same(images)) if sentence]


def _lossy(images: Sequence[Mapping[str, Any]]) -> str:
    """A chain that begins with what a codec gave before can be at its fixed point at once."""
    formats = Counter(image["format"] for image in images if image["lossy"])
    if not formats:
        return ""
    count, every = formats.total(), len(images)
    if len(formats) > 1:
        what = f"lossy files already ({', '.join(f'{number} {kind}' for kind, number in formats.most_common())})"
    else:
        (kind,) = formats
        article = "an" if kind == "AVIF" else "a"
        what = f"{article} {kind} file already" if count == 1 else f"{kind} files already"
    number = f"{count} of {every} images {'is' if count == 1 else 'are'}" if every > 1 else "The image is"
    it = "it" if count == 1 else "them"
    return f"{number} {what}: a codec that coded {it} before has an advantage (docs/datasets.md)."


def _same(images: Sequence[Mapping[str, Any]]) -> str:
    first: dict[str, str] = {}
    pairs = [
        (image["image"], name)
        for image in images
        if (name := first.setdefault(image["sha256"], image["image"])) != image["image"]
    ]
    if not pairs:
        return ""
    named = ", ".join(f"{again} those of {name}" for again, name in pairs[:NAMED])
    more = f", and {len(pairs) - NAMED} more" if len(pairs) > NAMED else ""
    what = "1 image has" if len(pairs) == 1 else f"{len(pairs)} images have"
    return f"{what} the pixels of another one, which count more than once in every mean: {named}{more}."
