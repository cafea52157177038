"""Image files in a folder: which ones count, in what order, and what is passed over."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench import heif
from bench.images import SUFFIXES

_REPORT = b'<meta name="generator" content="bench.report">'  # bench.report takes a second to import

_CAMERA = {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw"}
_OTHER_PICTURES = _CAMERA | {
    *(".apng", ".bpg", ".eps", ".exr", ".hdr", ".j2c", ".jpc", ".jpf", ".jpx", ".jxl", ".jxr"),
    *(".mpo", ".pam", ".pbm", ".pfm", ".psd", ".qoi", ".xcf"),
}
"""Endings of pictures that are read nowhere here: their owner will miss them."""

_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")


@dataclass(frozen=True, slots=True)
class Found:
    """What there is in a folder and its subfolders.

    Attributes:
        files: images, in natural order.
        passed: pictures that do not count, as words: ``2 .heic (...)``, ``1 linked folder``.
    """

    files: list[Path]
    passed: tuple[str, ...] = ()


def read_suffixes() -> frozenset[str]:
    """Endings that count, in lower case; those of HEIC where pillow-heif is installed."""
    return SUFFIXES | heif.SUFFIXES if heif.available() else SUFFIXES


def has_image_suffix(name: str) -> bool:
    """Whether a name ends as one of an image does, readable here or not."""
    return Path(name).suffix.lower() in SUFFIXES | heif.SUFFIXES


def search(folder: Path) -> Found:
    """Images in a folder and its subfolders; not those that are hidden, macOS archive debris, or of runs and reports.

    Links to folders are not followed, and a file counts once, however many links there are to it.
    """
    read, files, other, linked = read_suffixes(), [], [], 0
    root = folder.resolve()
    for parent, folders, names in os.walk(folder):
        ours = _ours(Path(parent), folders, names)
        folders[:] = [name for name in folders if name not in ours and not name.startswith((".", "__MACOSX"))]
        linked += sum(_leads_out(Path(parent, name), root) for name in folders)
        for name in names:
            path = Path(parent, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() in read:
                files.append(path)
            elif _is_picture(path):
                other.append(path.suffix.lower())
    files.sort(key=lambda path: natural(str(path.relative_to(folder))))
    unique = _once(files)
    return Found(unique, _words(Counter(other), linked, len(files) - len(unique)))


def _words(other: Counter[str], linked: int, links: int) -> tuple[str, ...]:
    words = [f"{number} {ending}" for ending, number in sorted(other.items()) if ending]
    words = [f"{word} ({heif.INSTALL})" if word.split()[1] in heif.SUFFIXES else word for word in words]
    words += [f"{other['']} without ending"] if other[""] else []
    words += [f"{linked} linked folder{'s' * (linked > 1)}"] if linked else []
    words += [f"{links} links to images that count already"] if links > 1 else []
    words += ["1 link to an image that counts already"] if links == 1 else []
    return tuple(words)


def _is_picture(path: Path) -> bool:
    """Whether a file that is not read is a picture all the same: by its ending, or by its beginning if it has none."""
    if path.suffix:
        return path.suffix.lower() in _OTHER_PICTURES | heif.SUFFIXES
    with suppress(OSError), open(path, "rb") as file:
        start = file.read(64)
        return (
            start.startswith(_BEGINNINGS) or start[8:12] == b"WEBP" or start[4:12] == b"ftypavif" or heif.is_heif(start)
        )
    return False


def _leads_out(folder: Path, root: Path) -> bool:
    """Whether it is a link to a folder that is not searched anyway."""
    if not folder.is_symlink():
        return False
    with suppress(OSError, RuntimeError):  # a link that leads to itself
        return not folder.resolve().is_relative_to(root)
    return False


def _once(files: Sequence[Path]) -> list[Path]:
    """Without links to files that are there by another path: the file itself stays, or the first of the links."""
    targets = [os.path.realpath(path) for path in files]
    kept: dict[str, Path] = {}
    for target, path in sorted(zip(targets, files, strict=True), key=lambda pair: pair[1].is_symlink()):
        kept.setdefault(target, path)
    return [path for target, path in zip(targets, files, strict=True) if kept[target] == path]


def _ours(folder: Path, folders: Iterable[str], files: Iterable[str]) -> set[str]:
    """Names of the subfolders with pictures of a run or a report, where the folder is one."""
    if "run.json" in files and "chains" in folders:
        return {"figures", "snapshots"}
    if "index.html" in files and "pictures" in folders:
        with suppress(OSError), open(folder / "index.html", "rb") as page:
            return {"pictures"} if _REPORT in page.read(1000) else set()
    return set()


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key: runs of digits by value, letters without case, then the text itself so that no two are equal."""
    parts = re.findall(r"\d+|\D+", text.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], text
