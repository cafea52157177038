"""The table of the README says what the committed tables say."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import results
from bench.rd import common_images, generation_means

README = Path(__file__).resolve().parents[1] / "README.md"
CODECS = {
    "JPEG": "jpeg",
    "JPEG 2000": "jpeg2000",
    "WebP": "webp",
    "AVIF": "avif",
    "HEIC": "heic",
    "JPEG XL": "jpegxl",
    "BPG": "bpg",
    "IAT": "iat",
    "`iat-stable`": "iat[checkpoint=iat-stable]",
    "`iat-long`": "iat[checkpoint=iat-long]",
    "Song et al.": "sft",
    "`sft-stable`": "sft[checkpoint=sft-stable]",
    "Xie et al.": "xie",
    "A-INN": "ainn",
}


def rows() -> list[list[str]]:
    text = README.read_text(encoding="utf-8").partition("<!-- kodak -->")[2].partition("\n\n")[0]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()[2:]]
    for above, row in pairwise(found):
        row[0] = row[0] or above[0]
    return found


def ends(name: str) -> pd.DataFrame:
    """Means of the first and the last generation, by codec and quality."""
    means = results.means(name)
    return means[means["generation"].isin([1, means["generation"].max()])].set_index(["codec", "generation"])


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}, {row[1][:12]}")
def test_fifty_encodings(row: list[str]) -> None:
    codec = CODECS[row[0]]
    said = re.fullmatch(r"(?:[A-Za-z]+ )?([0-9.]+)(?: bpp|, ([0-9.]+) bpp): ([0-9.]+) → ([0-9.]+)", row[1])
    assert said
    quality, first, last = float(said[1]), float(said[3]), float(said[4])
    means = generation_means(common_images(results.table("stable" if "checkpoint=" in codec else "fifty")).records)
    means = means[(means["codec"] == codec) & np.isclose(means["quality"], quality)].set_index("generation")
    assert means.loc[1, "psnr"] == pytest.approx(first, abs=0.0051)
    assert means.loc[50, "psnr"] == pytest.approx(last, abs=0.0051)
    assert means.loc[1, "psnr"] - means.loc[50, "psnr"] == pytest.approx(float(row[2]), abs=0.0051)
    assert means.loc[1, "bpp"] == pytest.approx(float(said[2] or quality), abs=0.0051)


@pytest.mark.parametrize(("name", "column", "images"), [("iat-fig6-fixed", 3, 22), ("iat-fig6-drift", 4, 17)])
def test_sixteen_encodings(name: str, column: int, images: int) -> None:
    found = ends(name)
    assert set(found["images"]) == {images}
    told = {CODECS[row[0]]: float(row[column]) for row in rows() if row[column]}
    assert set(told) == set(found.index.get_level_values("codec"))
    for codec, lost in told.items():
        assert found.loc[(codec, 1), "psnr"] - found.loc[(codec, 16), "psnr"] == pytest.approx(lost, abs=0.0051)
