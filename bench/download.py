"""Download a named image set; a set appears under the data root only when it is complete and its pixels are right."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from bench.codec import BenchError
from bench.dataset_sets import SETS, DatasetSpec, known_pixels
from bench.datasets import ENVIRONMENT, cache_folder, find_folder, load, where_to_get
from bench.images import SUFFIXES, load_image

Retrieve = Callable[[str, Path], Path]
"""Downloads an address to a file and returns that file; raises OSError where it cannot."""

_DAMAGED = (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError)
"""What zipfile raises where a file is no zip file, damaged, cut, encrypted or packed by a method that it lacks."""


def fetch(name: str, data_root: str | Path | None = None, retrieve: Retrieve | None = None) -> str:
    """Download a named set to the data root, or to the cache folder where no data root is named.

    What has been downloaded stays in a ``.part`` folder when the connection breaks, and is not downloaded again.

    Args:
        name: of a set in ``SETS``.
        data_root: --data-root; else $BENCH_DATA, else the cache folder.
        retrieve: what downloads; pooch where not given.

    Returns:
        One sentence for the user.

    Raises:
        BenchError: no such set, a part of it that is there already, no network, no address, a full disk, or not the
            pixels that were published.
    """
    if name not in SETS:
        raise BenchError(f"Unknown dataset {name!r}: fetch takes {', '.join(SETS)}.")
    spec = SETS[name]
    if spec.bundled:
        return f"{name} comes with scikit-image: nothing to download."
    if folder := find_folder(spec, data_root):
        found = len(load(name, data_root))
        if found < spec.count:
            raise BenchError(
                f"{folder} holds {found} of the {spec.count} images of {name}: move it away to have all of them "
                f"downloaded, or {where_to_get(spec)}."
            )
        return f"{name} is already in {folder}."
    if not spec.files and not spec.archive:
        raise BenchError(f"Dataset {name} cannot be downloaded: {where_to_get(spec)}.")
    root = Path(data_root or os.environ.get(ENVIRONMENT) or cache_folder()).expanduser()
    part, final = root / f".{name}.part", root / name
    try:
        part.mkdir(parents=True, exist_ok=True)
        (_fetch_archive if spec.archive else _fetch_files)(spec, part, retrieve or _pooch)
        os.replace(part, final)
    except (OSError, *_DAMAGED) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BenchError(f"Dataset {name} could not be downloaded ({reason}): {where_to_get(spec)}.") from error
    checked = "pixels verified" if known_pixels(name) else "pixels not verified, none are known"
    return f"{name}: {spec.count} images in {final}, {checked}; terms: {spec.licence}."


def _fetch_files(spec: DatasetSpec, part: Path, retrieve: Retrieve) -> None:
    for url in spec.files:
        target = part / PurePosixPath(url).name
        if not target.exists():
            retrieve(url, target)
        _check_pixels(spec, target, url)


def _fetch_archive(spec: DatasetSpec, part: Path, retrieve: Retrieve) -> None:
    """Unpack the images of a zip file side by side; folders inside it are dropped, so no entry can point elsewhere."""
    packed = part / PurePosixPath(spec.archive).name
    if not packed.exists():
        retrieve(spec.archive, packed)
    try:
        _unpack(spec, packed, part)
    except (BenchError, *_DAMAGED):
        packed.unlink()  # not what was expected: the next attempt must not find it again
        raise
    packed.unlink()


def _unpack(spec: DatasetSpec, packed: Path, part: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        wanted = [entry for entry in archive.namelist() if _belongs(PurePosixPath(entry), spec)]
        if len(wanted) != spec.count:
            raise BenchError(
                f"Dataset {spec.name}: {spec.archive} holds {len(wanted)} images instead of {spec.count}; "
                f"{where_to_get(spec)}."
            )
        for entry in wanted:
            target = part / PurePosixPath(entry).name
            with archive.open(entry) as source, open(target, "wb") as copy:
                shutil.copyfileobj(source, copy)
            _check_pixels(spec, target, spec.archive)


def _belongs(entry: PurePosixPath, spec: DatasetSpec) -> bool:
    hidden = any(folder.startswith((".", "__MACOSX")) for folder in entry.parts)
    return entry.suffix.lower() in SUFFIXES and not hidden and (not spec.inside or spec.inside in entry.parts)


def _check_pixels(spec: DatasetSpec, path: Path, url: str) -> None:
    """Raise BenchError and remove the file where it is no image, or not one of the set's."""
    known = known_pixels(spec.name)
    try:
        right = not known or load_image(path).sha256 in known
    except BenchError:
        right = False
    if not right:
        path.unlink()
        raise BenchError(
            f"Dataset {spec.name}: {url} does not give the published pixels of {path.name}; {where_to_get(spec)}."
        )


def _pooch(url: str, target: Path) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # its advice to pin the hash of every file is for programmers
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=30)
    try:
        return Path(pooch.retrieve(url, known_hash=None, fname=target.name, path=target.parent, downloader=downloader))
    except requests.HTTPError as error:
        raise OSError(str(error)) from error  # "404 Client Error: Not Found for url: ..."
    except requests.RequestException as error:  # its own text is a paragraph
        raise OSError(f"no connection to {urlsplit(url).hostname}") from error
