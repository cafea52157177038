"""The code of codecs that are not built in: it changes between runs, and so it is part of what identifies them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.codec import Codec, is_own

OURS = frozenset({"bench", "baselines"})
"""Top-level packages of this project. Their codecs state versions, and keep their identity when code moves."""

SOURCES, CLASS = "source_sha256", "codec_class"
"""The keys under which an identity holds sha256 by module, and which class of its module the codec is."""


def is_built_in(codec: Codec) -> bool:
    """Whether a codec's class is one of this project's."""
    return _package(type(codec)) in OURS


def whole_identity(codec: Codec) -> Any:
    """``codec.identity()``; where it is not built in and its source files are there, with their sha256 and its class:
    one derived from another in the same file may say of itself what that one says."""
    cls = type(codec)
    said, found = codec.identity(), source_hashes(cls)
    if not found or not isinstance(said, dict):
        return said
    return said | {SOURCES: dict(found), CLASS: f"{cls.__module__}:{cls.__qualname__}"}


@lru_cache(maxsize=64)
def source_hashes(cls: type) -> tuple[tuple[str, str], ...]:
    """Module and sha256 of its source, of a class and of those it is derived from; () for a class of this project.

    Base classes count that are neither this project's nor installed: whatever is, has a version that the codec can
    state. Read once a process, as the code is: a file that is changed later is not what runs.
    """
    if _package(cls) in OURS:
        return ()
    found = {}
    for each in cls.__mro__:
        file = _source(each)
        if file is not None and each.__module__ not in found and (each is cls or _is_local(each, file)):
            found[each.__module__] = hashlib.sha256(file.read_bytes()).hexdigest()
    return tuple(sorted(found.items()))


def changed(before: Mapping[str, Any], after: Mapping[str, Any], form: str = "{} → {}") -> str:
    """What differs first between two codecs, for people: ``version: 1 → 2``, or which modules' source does.

    Args:
        before, after: name and identity, as from ``bench.task.identity_of``.
        form: how the two values are told.
    """
    old, new = ({"name": each["name"], **each["identity"]} for each in (before, after))
    for key in [*old, *new]:
        if old.get(key) == new.get(key):
            continue
        if key == SOURCES:
            sources = old.get(key) or {}, new.get(key) or {}
            modules = [
                name for name in sorted({*sources[0], *sources[1]}) if sources[0].get(name) != sources[1].get(name)
            ]
            return f"source of {', '.join(modules)}"
        return f"{key}: {form.format(_short(old.get(key, 'none')), _short(new.get(key, 'none')))}"
    return "its identity"


def _short(value: Any, limit: int = 64) -> str:
    text = str(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _package(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def _source(cls: type) -> Path | None:
    """The file a class is written in; None where there is none to read, as for what was typed or compiled."""
    try:
        name = inspect.getsourcefile(cls)
    except (TypeError, OSError):
        return None
    path = Path(name) if name else None
    return path if path is not None and path.is_file() else None


def _is_local(cls: type, file: Path) -> bool:
    """Whether a class is neither of this project, nor of Python's library, nor of an installed package."""
    return _package(cls) not in OURS and is_own(file)
