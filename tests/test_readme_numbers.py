"""README, claims and the page of checkpoints say what the committed tables say."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import PchipInterpolator

from bench import bdrate, results
from bench.bootstrap import bd_rate_interval
from bench.compare import Pair, compare
from bench.generation_loss import loss_table
from bench.rd import common_images, generation_means

ROOT = Path(__file__).resolve().parents[1]
README, CLAIMS = ROOT / "README.md", ROOT / "docs" / "claims.md"
CHECKPOINTS = ROOT / "baselines" / "checkpoints" / "README.md"
CODECS = {
    "JPEG": "jpeg",
    "JPEG 2000": "jpeg2000",
    "WebP": "webp",
    "AVIF": "avif",
    "AV1, `ffmpeg-aom[tune=iq]`": "ffmpeg-aom[tune=iq]",
    "HEIC": "heic",
    "H.264, `ffmpeg-x264`": "ffmpeg-x264",
    "HEVC, `ffmpeg-x265`": "ffmpeg-x265",
    "JPEG XL": "jpegxl",
    "BPG": "bpg",
    "VVC, `ffmpeg-vvenc[preset=fast]`": "ffmpeg-vvenc[preset=fast]",
    "IAT": "iat",
    "`iat-compact`": "iat[checkpoint=iat-compact]",
    "`iat-stable`": "iat[checkpoint=iat-stable]",
    "Song et al.": "sft",
    "`sft-stable`": "sft[checkpoint=sft-stable]",
    "Xie et al.": "xie",
    "A-INN": "ainn",
}
ANCHORS = {
    "JPEG 4:2:0": "jpeg",
    "JPEG XL": "jpegxl",
    "WebP": "webp",
    "JPEG 2000": "jpeg2000",
    "H.264 4:2:0": "ffmpeg-x264",
    "HEVC 4:2:0": "ffmpeg-x265",
    "AVIF 4:2:0": "avif",
    "HEIC 4:4:4": "heic-444",
    "AVIF 4:4:4, tune=psnr": "avif-444[tune=psnr]",
    "BPG 4:4:4": "bpg",
    "VVC 4:2:0, 10 bit": "ffmpeg-vvenc",
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
    means = generation_means(common_images(results.table("stable" if "stable" in codec else "fifty")).records)
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


def numbers(text: str) -> list[float]:
    return [float(number.replace("−", "-")) for number in re.findall(r"[−+]?\d+(?:\.\d+)?", text)]


def table(page: Path, mark: str) -> list[list[str]]:
    """The cells of the table after a mark, the head first."""
    text = page.read_text(encoding="utf-8").partition(f"<!-- {mark} -->")[2].partition("\n\n")[0]
    head, _, *lines = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    assert lines, page
    return [head, *lines]


def bd_rates(page: Path, mark: str) -> dict[str, list[str]]:
    """By system: the cells of PSNR and of MS-SSIM, of our own runs."""
    lines = table(page, mark)[1:]
    return {ANCHORS[name.partition(" (")[0]]: cells for name, *cells in lines if "published" not in name}


@pytest.mark.parametrize(
    ("page", "mark", "codec"),
    [
        (README, "bd-rates", "iat"),
        (CHECKPOINTS, "bd-rates", "iat"),
        (CHECKPOINTS, "bd-rates of iat-compact", "iat[checkpoint=iat-compact]"),
    ],
    ids=["README", "iat-long", "iat-compact"],
)
def test_bd_rates(page: Path, mark: str, codec: str) -> None:
    records = common_images(results.table("rd")).records
    means = generation_means(records)
    for anchor, cells in bd_rates(page, mark).items():
        for metric, cell in zip(("psnr", "ms_ssim_db"), cells, strict=True):
            found = compare(means, [Pair("kodak", codec, 1, anchor, 1)], metric)["bd_rate"].item()
            value, low, high = numbers(cell)
            assert value == pytest.approx(found, abs=0.051), (anchor, metric)
            assert low < value < high
            if (anchor, metric) == ("webp", "psnr"):
                bounds = bd_rate_interval(records, (anchor, 1), (codec, 1), metric=metric)
                assert (low, high) == pytest.approx((bounds.low, bounds.high), abs=0.051)


def test_one_step_down() -> None:
    down, once = results.means("step-down"), results.means("step-once").set_index("codec")
    lines = table(CLAIMS, "one step down")[1:]
    names = {name.strip("`").replace("`", ""): codec for name, codec in CODECS.items()}
    told = {names[name.replace("`", "")]: [numbers(cell) for cell in cells] for name, *cells in lines}
    assert set(told) == set(once.index) == set(down["codec"])
    lost = [values[3][0] for values in told.values()]
    assert lost == sorted(lost)
    for codec, (single, eighth, rate, at_equal_rate) in told.items():
        part, low = down[down["codec"] == codec].set_index("generation"), once.loc[codec]
        assert single == pytest.approx([low["bpp"], low["psnr"]], abs=0.0051)
        assert eighth == pytest.approx([part.loc[8, "bpp"], part.loc[8, "psnr"]], abs=0.0051)
        assert rate[0] == pytest.approx(100 * (part.loc[8, "bpp"] / low["bpp"] - 1), abs=0.051)
        slope = (part.loc[1, "psnr"] - low["psnr"]) / np.log(part.loc[1, "bpp"] / low["bpp"])
        at_its_rate = low["psnr"] + slope * np.log(part.loc[8, "bpp"] / low["bpp"])
        assert at_equal_rate[0] == pytest.approx(at_its_rate - part.loc[8, "psnr"], abs=0.0051)
    text = README.read_text(encoding="utf-8").partition("**One step down")[2].partition("\n* ")[0]
    said = re.findall(r"(IAT|BPG|VVC|A-INN|Xie et al\.|Song et al\.|JPEG 2000)(?: ends)? (\d\.\d)", text)
    assert len(said) == 7
    for name, value in said:
        codec = {"VVC": "ffmpeg-vvenc[preset=fast]"}.get(name) or CODECS[name]
        assert told[codec][3][0] == pytest.approx(float(value), abs=0.0501)


def test_bd_rates_of_all_systems(capsys: pytest.CaptureFixture[str]) -> None:
    head, *lines = table(CHECKPOINTS, "bd-rates of all systems")
    systems, told = head[1:], {name: [numbers(cell)[0] for cell in cells] for name, *cells in lines}
    published = {"Xie et al., published": "xie2021-invcompress", "Song et al., published": "song2021-sft"}
    wanted = ("JPEG 4:2:0", "WebP", "BPG 4:4:4", *published, "bpp for 31.70 dB, 0.2818 in Cai et al.")
    assert (systems, list(told)) == (["xie", "ainn", "iat", "sft"], list(wanted))
    for name in wanted[:-1]:
        anchor = published.get(name) or ANCHORS[name]
        more = ["--published", anchor, "--anchor", f"published:{anchor}"] if name in published else ["--anchor", anchor]
        argv = [str(ROOT / "results" / "kodak" / "rd.parquet"), *more, "--test", ",".join(systems), "--format", "json"]
        assert bdrate.main(argv) == 0
        found = {row["codec"]: row["bd_rate"] for row in json.loads(capsys.readouterr().out)["rows"]}
        assert [found[system] for system in systems] == pytest.approx(told[name], abs=0.051), name
    means = results.means("rd").query("generation == 1")
    for system, rate in zip(systems, told[wanted[-1]], strict=True):
        curve = means[means["codec"] == system].sort_values("psnr")
        needed = np.exp(PchipInterpolator(curve["psnr"], np.log(curve["bpp"]))(31.6951))
        assert needed == pytest.approx(rate, abs=5.1e-4)


@pytest.mark.parametrize(("name", "figure"), [("iat-fig6-fixed", "b, d"), ("iat-fig6-drift", "a, c")])
def test_claims_of_sixteen_encodings(name: str, figure: str) -> None:
    claims = CLAIMS.read_text(encoding="utf-8")
    (row,) = [line for line in claims.splitlines() if line.startswith("|") and f"(Figure 6 {figure}" in line]
    drops = loss_table(common_images(results.table(name)).records)["drop"]
    assert [f"{drop:.2f}" for drop in drops if f"{drop:.2f}" not in row] == []


def test_claims_of_cycles() -> None:
    records = results.table("fifty")
    last = records[(records["generation"] == 50) & records["codec"].isin(["bpg", "heic"])]
    counts = last[last["cycle"] > 0].groupby(["cycle", "codec"]).size().unstack()
    text = " ".join(CLAIMS.read_text(encoding="utf-8").split())
    words = {2: "of two images on", 4: "of four on", 6: "of six on"}
    assert list(counts.index) == list(words)
    told = ", ".join(f"{words[length]} {row['heic']} and {row['bpg']}" for length, row in counts.iterrows())
    assert told in text
    settled = counts.sum()
    assert f"settle on {settled['heic']} and {settled['bpg']} of the 24 images" in text


def test_claims_of_vvc() -> None:
    rows = results.table("fifty").query("codec == 'ffmpeg-vvenc[preset=fast]'")
    last = rows[rows["generation"] == 50]
    cycles = last["cycle"].value_counts()
    settled = rows[rows["fixed_point"]].groupby("image")["generation"].min()
    told = (
        f"VVC settles on {len(settled)}, after {settled.median():.0f} in the median, on {cycles[2]} in a cycle of two, "
    )
    told += f"on {cycles[4]} of four, on {cycles[1]} at a fixed point."
    claims = " ".join(CLAIMS.read_text(encoding="utf-8").split())
    assert told in claims
    iat = results.table("fifty").query("codec == 'iat' and quality == 0.5 and generation == 50")
    ends = f"{last['psnr'].mean():.2f} dB at {last['bpp'].mean():.3f} bpp, IAT {iat['psnr'].mean():.2f} at"
    assert f"{ends} {iat['bpp'].mean():.3f}." in claims
    first, curve = rows[rows["generation"] == 1], results.means("rd").query("system == 'iat'").sort_values("psnr")
    rate = np.exp(PchipInterpolator(curve["psnr"], np.log(curve["bpp"]))(first["psnr"].mean()))
    told = f"takes {rate / first['bpp'].mean() - 1:.0%} more rate for the same {first['psnr'].mean():.2f} dB"
    assert told.replace("%", " %") in claims
