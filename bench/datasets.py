"""Named image sets, any folder, any file: ``python -m bench.datasets`` lists them and says where they are.

A named set is one entry of ``bench.dataset_sets.SETS``. It is looked for in folders of its name (case, hyphens and
underscores play no part) under --data-root; where that is not given, under $BENCH_DATA; where that is not set, under
./data; and then under the cache folder that ``fetch`` downloads to.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cli import OK, SOME_FAILED, Parser, run
from bench.codec import BenchError, Image
from bench.dataset_sets import SETS, DatasetSpec, known_pixels
from bench.image_files import Found, has_image_suffix, read_suffixes, search
from bench.images import SourceImage, load_image

ENVIRONMENT = "BENCH_DATA"
_MOST_COMMAS = 8  # in one name, of those that a list is searched for


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image of a dataset that is not in memory yet.

    Attributes:
        name: unique in its dataset.
        path: the file.
        known: sha256 of the pixels of every image of the set, where the project knows them.
    """

    name: str
    path: Path
    known: frozenset[str] = frozenset()

    def load(self) -> SourceImage:
        """Read the image; raises BenchError as ``load_image`` does."""
        return load_image(self.path, self.name)

    def unchanged(self, sha256: str) -> Image:
        """The pixels, which must have this sha256; raises BenchError where they have another by now, or as ``load``."""
        image = self.load()
        if image.sha256 != sha256:
            raise BenchError(f"{self.path} has changed since the run was started; start the same command again.")
        return image.pixels

    def verified(self, image: SourceImage) -> bool | None:
        """Whether the loaded pixels are those of the published set; None where the project does not know them."""
        return image.sha256 in self.known if self.known else None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images in a fixed order, read one at a time.

    Attributes:
        name: of the set, folder or file; for a list, the names joined by ``+``.
        images: in natural order (2 before 10), each with a unique name.
        warnings: what is odd about it, a sentence each.
    """

    name: str
    images: tuple[ImageRef, ...]
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[ImageRef]:
        return iter(self.images)

    def verify(self) -> bool | None:
        """Read every image and compare its pixels with the published ones.

        Returns:
            True where all known pixels are right, False where one is not, None where nothing is known about the set.
        """
        answers = [answer for ref in self.images if (answer := ref.verified(ref.load())) is not None]
        return all(answers) if answers else None


def load(name: str, data_root: str | Path | None = None) -> Dataset:
    """Find a dataset.

    Args:
        name: a name of ``SETS``, a folder (searched with its subfolders), an image file, or several of these separated
            by commas. A set's name goes before a folder of the same name; write ``./kodak`` for the folder.
        data_root: where named sets are looked for, see the top of this module.

    Raises:
        BenchError: unknown name, missing set or folder, or no image in it. Images are not opened.
    """
    if name in SETS:
        return _load_set(SETS[name], data_root)
    path = Path(os.path.expanduser(name))
    if name.strip() and os.path.isdir(path):  # Path.is_dir raises where a list is longer than a file name may be
        return _searched(path)
    if name.strip() and os.path.isfile(path):
        return _dataset(path.stem, [path])
    parts = entries(name, lambda part: os.path.exists(os.path.expanduser(part)))
    if len(parts) > 1:
        return _join([load(part, data_root) for part in parts])
    raise BenchError(_unknown(name))


def entries(text: str, is_name: Callable[[str], bool]) -> list[str]:
    """A list's entries, between commas; several that are together a name with commas are one.

    Args:
        text: the list.
        is_name: whether a text is one name.
    """
    pieces, parts = text.split(","), []
    while pieces:
        joined = (",".join(pieces[:count]).strip() for count in range(min(len(pieces), _MOST_COMMAS + 1), 1, -1))
        part = next((name for name in joined if name and is_name(name)), pieces[0].strip())
        pieces = pieces[part.count(",") + 1 :]
        parts.append(part)
    return [part for part in parts if part]


def _searched(folder: Path) -> Dataset:
    """The images of a folder; raises BenchError where there are none."""
    name, found = readable(folder.resolve().name), search(folder)
    if not found.files:
        raise BenchError(_empty(name, found))
    dataset = _dataset(name, found.files)
    return (
        replace(dataset, warnings=(f"Passed over in {name}: {', '.join(found.passed)}.",)) if found.passed else dataset
    )


def _empty(name: str, found: Found) -> str:
    passed = f"passed over: {', '.join(found.passed)}; " if found.passed else ""
    return (
        f"{name}: no images found in this folder (endings {', '.join(sorted(read_suffixes()))}; what runs and reports "
        f"wrote does not count); {passed}choose another with --dataset, --data-root or {ENVIRONMENT}."
    )


def data_roots(data_root: str | Path | None = None) -> list[Path]:
    """Folders where named sets are looked for, in order."""
    chosen = data_root or os.environ.get(ENVIRONMENT) or "data"
    return [Path(chosen).expanduser(), cache_folder()]


def cache_folder() -> Path:
    """Where ``fetch`` downloads to if it is not told otherwise: $XDG_CACHE_HOME/reencode-bench, or ~/.cache/..."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "reencode-bench"


def find_folder(spec: DatasetSpec, data_root: str | Path | None = None) -> Path | None:
    """The folder that holds a named set, or None."""
    names = {_plain(name) for name in (spec.name, *spec.aliases)}
    for root in data_roots(data_root):
        if not root.is_dir():
            continue
        # The root's own name counts too: --data-root is easily pointed one level too deep.
        for folder in [*sorted(root.iterdir()), root.resolve()]:
            if _plain(folder.name) in names and folder.is_dir() and search(folder).files:
                return folder
    return None


def where_to_get(spec: DatasetSpec) -> str:
    """Half a sentence: where a set can be had by hand and where it must be put."""
    return (
        f"get its {spec.count} images from {spec.home} ({spec.licence}) and put them into a folder named {spec.name} "
        f"under the folder that --data-root or {ENVIRONMENT} names"
    )


def _load_set(spec: DatasetSpec, data_root: str | Path | None) -> Dataset:
    if spec.bundled:
        found = importlib.util.find_spec("skimage")  # its folder is enough; importing it would take a second
        base = Path(found.origin).parent / "data" if found and found.origin else Path("skimage/data")
        missing = [name for name in spec.bundled if not (base / name).is_file()]
        if missing:
            raise BenchError(f"Dataset {spec.name}: scikit-image does not bring {', '.join(missing)}; reinstall it.")
        return _dataset(spec.name, [base / name for name in spec.bundled])
    folder = find_folder(spec, data_root)
    if folder is None:
        places = " nor under ".join(str(root) for root in data_roots(data_root))
        raise BenchError(
            f"Dataset {spec.name} is neither under {places}: run `python -m bench.datasets fetch {spec.name}`, or "
            f"{where_to_get(spec)}."
        )
    files = search(folder).files
    inside = [path for path in files if spec.inside in path.parts]
    dataset = _dataset(spec.name, inside or files, known_pixels(spec.name))
    if len(dataset) == spec.count:
        return dataset
    return replace(dataset, warnings=(f"{spec.name} has {spec.count} images, {folder} holds {len(dataset)}.",))


def _dataset(name: str, paths: list[Path], known: frozenset[str] = frozenset()) -> Dataset:
    """A dataset of these files, each named by its stem, or where that is not unique by its path below the folder."""
    base = Path(os.path.commonpath([path.parent for path in paths]))
    inside = [path.relative_to(base) for path in paths]
    names = [readable(path.stem) for path in paths]
    names = _longer_where_equal(names, [readable("__".join(path.with_suffix("").parts)) for path in inside])
    names = _longer_where_equal(names, [readable("__".join(path.parts)) for path in inside])
    return Dataset(
        readable(name), tuple(ImageRef(n, path, known) for n, path in zip(_unique(names), paths, strict=True))
    )


def readable(name: str) -> str:
    """The name of a file as text that can be written: bytes that are no UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


def _join(parts: list[Dataset]) -> Dataset:
    """Several datasets as one; a file that several of them hold counts once, where it first occurs."""
    refs: dict[Path, tuple[str, ImageRef]] = {}
    for part in parts:
        for ref in part:
            refs.setdefault(ref.path.resolve(), (part.name, ref))
    names = [ref.name for _, ref in refs.values()]
    names = _unique(_longer_where_equal(names, [f"{part}__{ref.name}" for part, ref in refs.values()]))
    images = tuple(replace(ref, name=name) for name, (_, ref) in zip(names, refs.values(), strict=True))
    joined = "+".join(dict.fromkeys(part.name for part in parts))
    return Dataset(joined, images, tuple(warning for part in parts for warning in part.warnings))


def _longer_where_equal(names: list[str], longer: list[str]) -> list[str]:
    seen = Counter(names)
    return [long if seen[name] > 1 else name for name, long in zip(names, longer, strict=True)]


def _unique(names: list[str]) -> list[str]:
    """Number what is still equal: a, a~2, a~3."""
    taken: set[str] = set()
    for position, name in enumerate(names):
        number = 2
        while names[position] in taken:
            names[position] = f"{name}~{number}"
            number += 1
        taken.add(names[position])
    return names


def _unknown(name: str) -> str:
    if os.sep in name or has_image_suffix(name):
        return f"{name}: there is no such folder or image file; change it with --dataset."
    close = difflib.get_close_matches(name, SETS, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return (
        f"Unknown dataset {name!r}{hint}: --dataset takes {', '.join(SETS)}, a folder, an image file, or several of "
        f"these separated by commas."
    )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _describe(spec: DatasetSpec, data_root: str | None, verify: bool) -> tuple[str, str]:
    """State and place of a set, for the list."""
    try:
        dataset = load(spec.name, data_root)
    except BenchError:
        return "missing", spec.home
    place = str(dataset.images[0].path.parent)
    if len(dataset) != spec.count:
        return f"{len(dataset)} of {spec.count} images", place
    if not verify:
        return "present", place
    try:
        return {True: "verified", False: "OTHER PIXELS", None: "present"}[dataset.verify()], place
    except BenchError as error:
        print(error, file=sys.stderr)
        return "DAMAGED", place


def main(argv: Sequence[str] | None = None) -> int:
    """List the named sets (``python -m bench.datasets``), or download one (``python -m bench.datasets fetch NAME``)."""
    parser = Parser(prog="python -m bench.datasets", description="List the named image sets, or download one.")
    _add_data_root(parser)
    parser.add_argument(
        "--verify", action="store_true", help="read every image and compare its pixels with the published ones"
    )
    commands = parser.add_subparsers(dest="command", metavar="fetch NAME")
    fetching = commands.add_parser("fetch", help="download a set, verify its pixels and put it under the data root")
    fetching.add_argument("name", metavar="NAME", help=", ".join(SETS))
    _add_data_root(fetching)
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0] in SETS:
        raise BenchError(f"To download {given[0]}, run `python -m bench.datasets fetch {given[0]}`.")
    options = parser.parse_args(given)
    data_root = getattr(options, "data_root", None)
    if options.command == "fetch":
        from bench.download import fetch

        print(fetch(options.name, data_root))
        return OK
    odd = False
    for spec in SETS.values():
        state, place = _describe(spec, data_root, options.verify)
        odd = odd or state in ("OTHER PIXELS", "DAMAGED")
        print(f"{spec.name:<24} {state:<16} {spec.about}; {spec.licence}\n{'':<24} {place}")
    return SOME_FAILED if odd else OK


def _add_data_root(parser: argparse.ArgumentParser) -> None:
    # A default here would overwrite what was given before the subcommand.
    parser.add_argument(
        "--data-root",
        metavar="FOLDER",
        default=argparse.SUPPRESS,
        help=f"folder that holds the sets' folders (default: ${ENVIRONMENT}, else ./data; always {cache_folder()} too)",
    )


if __name__ == "__main__":
    run(main)
