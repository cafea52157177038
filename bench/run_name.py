"""What a run folder is called that the user did not name: what is in it, and no other run the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from bench.dataset_sets import SETS
from bench.files import plain

if TYPE_CHECKING:
    from bench.run import Request
    from bench.schedule_options import Point


def run_name(wanted: Request) -> str:
    """A name that says what is in the folder; a run of many codecs gets the number of them instead.

    What differs and can't be told by a readable name, as folders of one name at different places, gets a few digits.
    """
    names = [codec.name for point in wanted.points for codec in point.codecs]
    points = wanted.name or "+".join(_point_name(point) for point in wanted.points)
    if len(points) > 60:
        many = f"-{len(wanted.points)}-points-{_digits(points)}"
        points = plain("+".join(dict.fromkeys(names)))[: 60 - len(many)] + many
    settings = wanted.settings
    marks = [wanted.carrier] * (wanted.carrier != "uint8") + [f"by-{wanted.rate_by}"] * (wanted.rate_by != "image")
    marks += [_checkpoint(settings.checkpoint)] if settings.checkpoint else []
    marks += [settings.device.partition(":")[0]] * (settings.device != "cpu")
    return "_".join([_images(wanted), plain(points), *marks, str(wanted.generations)])


def _point_name(point: Point) -> str:
    text = point.schedule.text
    if text.startswith("chain:"):
        return text
    return f"{point.codecs[0].name}-{text.removeprefix('quality:')}"


def _images(wanted: Request) -> str:
    """The images' name, with digits where it does not tell them."""
    typed = str(wanted.options.get("dataset", ""))
    parts = [typed] if os.path.exists(os.path.expanduser(typed)) else typed.split(",")
    places = [part.strip() if part.strip() in SETS else str(_place(part)) for part in parts]
    name = plain(wanted.dataset.name)
    tells = name == wanted.dataset.name and all(map(_named_by, places))
    return name if tells else f"{name}-{_digits(*places)}"


def _named_by(place: str) -> bool:
    """Whether images are told by their name alone: a set of ours, or a folder right here that is called otherwise."""
    path = Path(place)
    here = path.parent == Path.cwd() and path.is_dir()
    return place in SETS or (here and path.name not in SETS and "+" not in path.name)


def _checkpoint(typed: str) -> str:
    """Names of checkpoints, with digits where they are files."""
    parts = [part.strip() for part in typed.split(",")]
    files = [str(_place(part)) for part in parts if os.path.isfile(os.path.expanduser(part))]
    names = plain("+".join(Path(part).name.removesuffix(".safetensors") for part in parts))
    return names + (f"-{_digits(*files)}" if files else "")


def _place(path: str) -> Path:
    return Path(os.path.expanduser(path.strip())).resolve()


def _digits(*texts: str) -> str:
    return hashlib.sha256(os.fsencode("\n".join(texts))).hexdigest()[:6]
