"""bench.generation_table and bench.provenance: what a run prints and notes down."""

from __future__ import annotations

import json
import math
import shlex
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from bench import columns, provenance
from bench.generation_loss import loss_table
from bench.generation_table import by_generation, dominated, shown
from bench.rd import common_images, generation_means
from bench.reports import _too_small


def records(psnr, codec="jpeg", image="a"):
    return [
        {"codec": codec, "dataset": "set", "image": image, "schedule": "quality:75", "generation": n, "psnr": value,
         "bpp": 0.5, "ms_ssim": 0.9, "ms_ssim_db": 10.0, "delta_e": 1.0, "shift_r": 0.0, "shift_g": 0.0, "shift_b": 0.0,
         "quality": 75,
         "mse": 1.0, "bytes": 9, "carrier": "uint8", "status": "ok", "fixed_point": n > 1, "codec_id": "1"}
        for n, value in enumerate(psnr, 1)
    ]  # fmt: skip


def printed(table, rows):
    common = common_images(table)
    return by_generation(generation_means(common.records), rows, common.dropped)


def lines(text):
    """The numbers of the block, by generation."""
    return {int(line.split()[0]): line.split()[1:] for line in text.splitlines() if line.strip()[:1].isdigit()}


def test_means_are_of_per_image_values_and_drops_are_of_means():
    table = columns.frame(records([40.0, 38.0, 37.0]) + records([30.0, 29.0, 24.0], image="b"))
    text = printed(table, [1, 3])
    assert text.startswith("jpeg, quality 75 (set, mean over 2 images)")
    assert lines(text)[1][:3] == ["0.500", "35.00", "0.00"]
    assert lines(text)[3][:3] == ["0.500", "30.50", "4.50"]
    assert lines(text)[3][-1] == "100%"
    assert set(lines(text)) == {1, 3}


def test_means_leave_out_lossless_images_and_say_so():
    table = columns.frame(records([math.inf, math.inf]) + records([30.0, 29.0], image="b"))
    text = printed(table, [1, 2])
    assert lines(text)[2][1:3] == ["29.00", "1.00"]
    assert "\n  PSNR dB: means over the images that are not lossless there\n" in text
    assert lines(printed(columns.frame(records([math.inf] * 2)), [1, 2]))[2][1:3] == ["inf", "0.00"]


def test_an_image_that_makes_most_of_a_mean_rate_is_named():
    rows = [row | {"image": name, "width": 100, "height": 50} for name in "abc" for row in records([30.0, 29.0])]
    tiny = [row | {"image": "tiny", "width": 1, "height": 1, "bpp": 72.0} for row in records([30.0, 29.0])]
    busy = [row | {"width": 100, "height": 50} for row in tiny]  # and as large as the others
    for table, told in ((rows, 0), (rows + tiny, 1), (rows[:2] + tiny, 0), (rows + busy, 0)):
        common = common_images(columns.frame(table)).records
        assert len(dominated(common)) == told
    (sentence,) = dominated(common_images(columns.frame(rows + tiny)).records)
    assert sentence.startswith("tiny (1x1 pixels) alone makes 98% of the mean rate of jpeg, quality 75: ")
    assert sentence.endswith("All bits over all pixels are 0.019 bpp.")


def test_a_drop_leaves_out_lossless_images_and_says_how_many():
    """Image a stays lossless, b becomes so, c loses 4 dB, of which a mean of inf - inf would tell nothing."""
    rows = records([math.inf] * 3) + records([41.0, 40.0, math.inf], image="b") + records([30.0, 29.0, 26.0], image="c")
    text = printed(columns.frame(rows), [1, 2, 3])
    assert {n: cells[1:3] for n, cells in lines(text).items()} == {
        1: ["35.50", "0.00"], 2: ["34.50", "1.00"], 3: ["26.00", "4.00"]
    }  # fmt: skip
    assert "\n  drop: 1 to 2 images left out, lossless at generation 1 or then" in text
    (row,) = loss_table(columns.frame(rows)).to_dict("records")
    assert (row["drop"], row["drop_images"], row["images"]) == (4.0, 1, 3)
    assert (row["half_life_0.5"], row["half_life_1"], row["half_life_3"]) == (2, 2, 3)


@pytest.mark.parametrize(
    ("images", "drop", "half_life"),
    [
        ({"a": [math.inf, math.inf], "b": [math.inf, math.inf]}, 0.0, None),
        ({"a": [math.inf, math.inf], "b": [math.inf, 50.0]}, math.inf, 2),
        ({"a": [50.0, math.inf]}, -math.inf, None),
        ({"a": [50.0, math.inf], "b": [math.inf, 50.0]}, math.nan, None),
    ],
)
def test_a_drop_without_any_image_that_is_finite_at_both_ends(images, drop, half_life):
    table = columns.frame([row for image, psnr in images.items() for row in records(psnr, image=image)])
    (row,) = loss_table(table).to_dict("records")
    np.testing.assert_equal(row["drop"], drop)
    assert (None if pd.isna(row["half_life_1"]) else row["half_life_1"]) == half_life
    assert row["drop_images"] == len(images)
    assert "left out" not in printed(table, [2])


def test_an_image_that_one_codec_lacks_counts_for_none_and_is_named():
    lost = records([30.0, 20.0], "webp", "b")
    lost[1].update(status="failed", reason="webp: broke.", psnr=None)
    table = columns.frame(
        records([40.0, 40.0]) + records([10.0, 10.0], image="b") + records([35.0, 35.0], "webp") + lost
    )
    text = printed(table, [2])
    assert "jpeg, quality 75 (set, one image)" in text
    assert "40.00" in text
    assert "Left out for all codecs: b of set, because of webp, quality 75: webp: broke." in text


def test_blocks_come_in_the_order_of_the_command_and_say_the_rate():
    table = columns.frame([one for codec in ("avif", "jpeg", "webp") for one in records([40.0, 40.0], codec)])
    means = generation_means(common_images(table.assign(schedule="bpp:0.5")).records)
    text = by_generation(means, [1], pd.DataFrame(columns=["dataset"]), True, ["webp", "avif"])
    heads = [line for line in text.splitlines() if line.endswith("(set, one image)")]
    assert heads == [f"{codec} at 0.5 bpp (set, one image)" for codec in ("webp", "avif", "jpeg")]


def test_a_drop_is_that_of_the_loss_table_and_zero_has_no_sign():
    table = columns.frame(records([40.0, 39.9, 40.3, 40.0]) + records([30.0, 30.0, 30.0, 30.0], image="b"))
    drops = {n: cells[2] for n, cells in lines(printed(table, range(1, 5))).items()}
    expected = {n: f"{loss_table(table, n)['drop'].iloc[0]:.2f}" for n in range(1, 5)}
    assert drops == expected == {1: "0.00", 2: "0.05", 3: "-0.15", 4: "0.00"}


def test_blocks_are_named_as_the_curves_of_the_figures():
    drift = [row | {"schedule": "drift:1:0.5", "image": "a"} for row in records([40.0, 38.0])]
    turns = [row | {"schedule": "chain:jpeg:75,webp:80", "carrier": "float"} for row in records([40.0, 38.0])]
    text = printed(columns.frame(drift + turns), [1, 2])
    assert "\njpeg [drift:1:0.5] (set, one image)\n" in text
    assert text.startswith("chain:jpeg:75,webp:80 [float] (set, one image)\n")


@pytest.mark.parametrize(("last", "rows"), [(50, [1, 2, 5, 50]), (3, [1, 2, 3]), (1, [1])])
def test_shown(last, rows):
    assert shown(last, (1, 2, 5, 100)) == rows


def test_of_a_hand_over_every_codec_has_a_row():
    assert shown(5, (1, 2, 5, 10), turns=3) == [1, 2, 3, 4, 5]
    assert shown(50, (1, 2, 5, 10), turns=4) == [1, 2, 3, 4, 5, 10, 47, 48, 49, 50]
    assert shown(2, (1, 2, 5, 10), turns=4) == [1, 2]


def test_provenance_is_json_and_the_command_can_be_typed_again():
    json.dumps([provenance.machine(), provenance.versions(), provenance.git_commit()])
    assert provenance.versions()["numpy"]
    assert datetime.fromisoformat(provenance.now()).utcoffset().total_seconds() == 0
    argv = ["--out", "a folder/it's"]
    assert shlex.split(provenance.command("bench.reencode", argv)) == ["python", "-m", "bench.reencode", *argv]


def test_where_no_image_is_left_the_table_says_so():
    rows = [row for codec in ("jpeg", "webp") for image in "ab" for row in records([30, 29], codec, image)]
    for row in rows:
        if (row["codec"], row["image"]) in (("jpeg", "a"), ("webp", "b")):
            row.update(status="failed", reason="broken.")
    text = printed(columns.frame(rows), [1])
    assert text.endswith("so that there are no means: leave one of them out.")
    assert text.startswith("Left out for all codecs: a of set, because of jpeg, quality 75: broken.")


def test_why_ms_ssim_is_missing_is_told_and_since_when():
    table = columns.frame(records([30.0, 29.0]) + records([30.0, 29.0], image="b"))
    assert _too_small(table) == ""
    later = table["generation"] == 2
    assert "which no image has from generation 2 on." in _too_small(table.assign(ms_ssim=table["ms_ssim"].mask(later)))
    assert _too_small(table.assign(ms_ssim=math.nan)).endswith("which no image has.")
    one = table.assign(ms_ssim=table["ms_ssim"].mask(table["image"] == "b"))
    assert "MS-SSIM has no mean, as 1 of 2 images have none" in _too_small(one)
