"""The named image sets: what they are, where they come from, and what is known of their pixels."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A named set and where it comes from.

    Attributes:
        name: what --dataset calls it.
        count: how many images it has.
        about: one line for people.
        licence: under which terms its home page offers it.
        home: the page that offers it.
        files: addresses of the single images, or
        archive: the address of one zip file with all of them; neither where it cannot be downloaded.
        inside: only images in a folder of this name belong to the set, where the files have one.
        aliases: further folder names it is found under.
        bundled: file names inside scikit-image; such a set needs no folder and no network.
    """

    name: str
    count: int
    about: str
    licence: str
    home: str
    files: tuple[str, ...] = ()
    archive: str = ""
    inside: str = ""
    aliases: tuple[str, ...] = ()
    bundled: tuple[str, ...] = ()


_CODEC_CORPUS = "55decfe826d350815e3af3b5ac69b882fb2943d3"
_CLIC_2025 = (
    "097cb426910ba8ce2525dd8bb7fb1777 100a02c269c5948392f283b2aa3bb4da 100f17892cf7bb12beb12479641fcc4c "
    "22ea12c903e41583b7c469cb86040157 28d24b9c83de066597ff96a68769884f 2c1f84548ef99faec2b4f9bf12227c83 "
    "60430844748882ff66b9a5598ef06dd6 7e499613c3e376ea93afb3649719abeb"
)

SETS = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="sample",
            count=4,
            about="photographs that come with scikit-image; rocket was a JPEG before",
            licence="CC0 or public domain (scikit-image data/README.txt)",
            home="https://scikit-image.org/docs/stable/api/skimage.data.html",
            bundled=("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"),
        ),
        DatasetSpec(
            name="kodak",
            count=24,
            about="Kodak lossless true color image suite, 768x512",
            licence="released by Eastman Kodak for unrestricted usage",
            home="https://r0k.us/graphics/kodak/",
            files=tuple(f"https://r0k.us/graphics/kodak/kodak/kodim{n:02d}.png" for n in range(1, 25)),
            aliases=("kodak24", "kodak-photocd", "kodim"),
        ),
        DatasetSpec(
            name="clic2025-valid",
            count=8,
            about="8 photographs of the CLIC 2025 validation set, long side about 2048",
            licence="Unsplash License",
            home="https://github.com/imazen/codec-corpus/tree/main/clic2025",
            files=tuple(
                f"https://raw.githubusercontent.com/imazen/codec-corpus/{_CODEC_CORPUS}/clic2025/validation/{name}.png"
                for name in _CLIC_2025.split()
            ),
        ),
        DatasetSpec(
            name="clic-professional-valid",
            count=41,
            about="CLIC 2020 professional validation, long side up to 2048",
            licence="Unsplash License",
            home="https://www.compression.cc/",
            archive="https://data.vision.ee.ethz.ch/cvl/clic/professional_valid_2020.zip",
            aliases=("professional-valid", "professional-valid-2020", "clic-pro-valid", "clic2020-professional-valid"),
        ),
        DatasetSpec(
            name="div2k-valid",
            count=100,
            about="DIV2K validation, high resolution, long side 2040",
            licence="academic research only",
            home="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
            archive="http://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip",
            aliases=("div2k-valid-hr",),
        ),
        DatasetSpec(
            name="tecnick",
            count=100,
            about="TESTIMAGES, RGB originals, 1200x1200",
            licence="Creative Commons BY-NC-SA (testimages.org)",
            home="https://sourceforge.net/projects/testimages/files/OLD/OLD_SAMPLING/",
            archive="https://downloads.sourceforge.net/project/testimages/OLD/OLD_SAMPLING/testimages.zip",
            inside="RGB_OR_1200x1200",
            aliases=("testimages", "tecnick-testimages"),
        ),
    )
}
"""The named sets. A further one is a further entry."""


@cache
def known_pixels(name: str) -> frozenset[str]:
    """sha256 (see ``images.pixel_sha256``) of the images of a set, from ``bench/data/pixels.csv``; empty if unknown."""
    with open(Path(__file__).parent / "data" / "pixels.csv", newline="", encoding="utf-8") as table:
        return frozenset(row["sha256"] for row in csv.DictReader(table) if row["dataset"] == name)
