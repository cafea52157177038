"""From records to means, curves, generation loss and intervals, on records made up so that the answers are known."""

import math

import numpy as np
import pandas as pd
import pytest

from bench.bd import bd_rate
from bench.bootstrap import bd_rate_interval, bootstrap
from bench.codec import BenchError
from bench.columns import frame
from bench.generation_loss import half_life, loss_table, show_half_life, with_change
from bench.rd import common_images, curve, generation_means, systems

QUALITIES = (10, 30, 50, 70, 90)


def record(codec="jpeg", image="a", quality=50.0, generation=1, **more):
    """One record; psnr rises with quality, falls 0.3 dB a generation, and differs by image."""
    offset = sum(map(ord, image)) % 7
    psnr = 25 + quality / 8 - 0.3 * (generation - 1) + offset
    bpp = 0.1 * 2 ** (quality / 25) * (1 + offset / 10)
    ms_ssim = 1 - 10 ** (-psnr / 25)
    values = {
        "codec": codec, "dataset": "set", "image": image, "schedule": f"quality:{quality:g}", "generation": generation,
        "quality": quality, "bpp": bpp, "bytes": round(bpp * 1000), "mse": 255**2 / 10 ** (psnr / 10), "psnr": psnr,
        "ms_ssim": ms_ssim, "ms_ssim_db": -10 * math.log10(1 - ms_ssim), "shift_r": offset - 3.0, "shift_g": 0.0,
        "shift_b": -1.0, "delta_e": 2.0, "fixed_point": generation > offset, "carrier": "uint8", "status": "ok",
        "codec_id": f"{codec}-id", "image_id": f"{image}-pixels",
    }  # fmt: skip
    return values | more


def records(codecs=("jpeg", "webp"), images="abcdef", qualities=QUALITIES, generations=4, **more):
    """Records of whole chains; webp needs 20 % less rate than jpeg."""
    rows = [
        record(codec, image, quality, generation, **more)
        for codec in codecs
        for image in images
        for quality in qualities
        for generation in range(1, generations + 1)
    ]
    for row in rows:
        row["bpp"] *= 0.8 if row["codec"] == "webp" else 1.0
    return frame(rows)


def test_means_are_means_of_per_image_values():
    table = records()
    means = generation_means(table)
    assert len(means) == 2 * len(QUALITIES) * 4
    assert set(means["images"]) == {6}
    row = means[(means["system"] == "webp") & (means["schedule"] == "quality:30") & (means["generation"] == 2)].iloc[0]
    mine = table[(table["codec"] == "webp") & (table["quality"] == 30) & (table["generation"] == 2)]
    for name in ("bpp", "psnr", "ms_ssim_db", "mse", "delta_e", "shift_r"):
        assert row[name] == pytest.approx(np.mean(mine[name].to_numpy(float)), rel=1e-12)
    assert row["ms_ssim_db_of_mean"] == pytest.approx(-10 * np.log10(1 - mine["ms_ssim"].mean()))
    assert row["ms_ssim_db"] > row["ms_ssim_db_of_mean"]  # Jensen: the two averages are not the same thing
    assert row["shift_max"] == pytest.approx(np.abs(mine[["shift_r", "shift_g", "shift_b"]]).max(axis=1).mean())
    assert row["fixed_point"] == pytest.approx(mine["fixed_point"].mean())
    assert row["average"] == "mean of per-image values"


def test_a_value_missing_for_one_image_makes_the_mean_missing():
    table = records(codecs=["jpeg"], qualities=[50], generations=1)
    table.loc[0, "ms_ssim_db"] = np.nan
    table.loc[0, "encode_s"] = np.nan
    table.loc[1:, "encode_s"] = 2.0
    row = generation_means(table).iloc[0]
    assert math.isnan(row["ms_ssim_db"])
    assert row["encode_s"] == 2.0


def test_a_lossless_image_makes_the_mean_infinite_not_missing():
    table = records(codecs=["jpeg"], qualities=[50], generations=1)
    table.loc[2, "psnr"] = np.inf
    assert generation_means(table).iloc[0]["psnr"] == np.inf


def test_an_image_that_failed_for_one_codec_is_dropped_for_all():
    table = records()
    lost = (table["codec"] == "webp") & (table["image"] == "b") & (table["quality"] == 70) & (table["generation"] >= 3)
    table.loc[lost, ["status", "psnr", "reason"]] = ["failed", np.nan, "webp: died"]
    common = common_images(table)
    assert set(common.records["image"]) == set("acdef")
    assert set(common.records["system"]) == {"jpeg", "webp"}
    dropped = common.dropped.to_dict("records")
    assert dropped == [
        {"dataset": "set", "image": "b", "system": "webp", "schedule": "quality:70", "reason": "webp: died"}
    ]
    # Up to generation 2 nothing had failed.
    assert set(common_images(table, generation=2).records["image"]) == set("abcdef")
    assert set(common_images(table, generation=3).records["image"]) == set("acdef")


def test_an_image_that_one_codec_never_coded_is_dropped_for_all():
    table = records()
    table = table[~((table["codec"] == "jpeg") & (table["image"] == "f"))]
    common = common_images(table, generation=1)
    assert set(common.records["image"]) == set("abcde")
    assert set(common.dropped["reason"]) == {"not in the tables"}
    assert set(generation_means(common.records)["images"]) == {5}


def test_a_point_that_no_image_has_is_dropped_instead_of_all_images():
    table = records()
    table.loc[(table["codec"] == "jpeg") & (table["quality"] == 90), ["status", "reason"]] = ["failed", "out of reach"]
    common = common_images(table)
    assert set(common.records["image"]) == set("abcdef")
    kept = common.records.drop_duplicates(["system", "schedule"])
    assert ("jpeg", "quality:90") not in set(zip(kept["system"], kept["schedule"], strict=True))
    assert common.dropped.to_dict("records") == [
        {"dataset": "set", "image": "", "system": "jpeg", "schedule": "quality:90", "reason": "out of reach"}
    ]


def test_an_image_without_ms_ssim_is_dropped_for_ms_ssim_only():
    table = records()
    table.loc[table["image"] == "c", ["ms_ssim", "ms_ssim_db"]] = np.nan
    assert set(common_images(table).records["image"]) == set("abcdef")
    assert set(common_images(table, metric="ms_ssim_db").records["image"]) == set("abdef")


def test_an_image_without_a_rate_is_dropped_for_all():
    table = records()
    table.loc[(table["image"] == "c") & (table["codec"] == "jpeg") & (table["quality"] == 50), "bpp"] = np.nan
    common = common_images(table)
    assert set(common.records["image"]) == set("abdef")
    assert set(common.dropped["reason"]) == {"no bpp"}


def test_nothing_left_is_an_empty_table_not_an_error():
    table = records()
    table["status"] = "failed"
    common = common_images(table)
    assert common.records.empty
    assert len(common.dropped) == 2 * len(QUALITIES)
    assert generation_means(common.records).empty


def test_images_of_different_sets_do_not_meet():
    table = pd.concat([records(images="ab"), records(images="c").assign(dataset="other")], ignore_index=True)
    assert common_images(table).dropped.empty
    means = generation_means(table)
    assert set(zip(means["dataset"], means["images"], strict=True)) == {("set", 2), ("other", 1)}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "jpeg"),
        ({"carrier": "float"}, "jpeg [float]"),
        ({"schedule": "bpp:0.5"}, "jpeg [bpp]"),
        ({"schedule": "quality:1e-05"}, "jpeg"),
        ({"schedule": "drift:1:0.5"}, "jpeg [drift:1:0.5]"),
        ({"schedule": "chain:jpeg:75,webp:80"}, "chain:jpeg:75,webp:80"),
        ({"schedule": "drift:1:0.5", "carrier": "float"}, "jpeg [float, drift:1:0.5]"),
        ({"schedule": "chain:jpeg:75,webp:80", "carrier": "float"}, "chain:jpeg:75,webp:80 [float]"),
    ],
)
def test_what_must_not_be_mixed_has_its_own_name(change, name):
    assert list(systems(frame([record(**change)]))) == [name]


def test_two_versions_of_a_codec_are_two_systems():
    table = frame([record(codec_id="one"), record(quality=30.0, codec_id="two"), record(codec="webp")])
    assert set(systems(table)) == {"jpeg [one]", "jpeg [two]", "webp"}


HAND_OVER = "chain:jpeg:75,webp:80"


def hand_over(image="a", ids=("jpeg-id", "webp-id"), psnr=0.0, codecs=("jpeg", "webp"), **more):
    """Records of a hand-over between two codecs, four generations."""
    more = {"schedule": HAND_OVER} | more
    rows = [record(codecs[n % 2], image, 75.0, n + 1, codec_id=ids[n % 2], **more) for n in range(4)]
    return [row | {"psnr": row["psnr"] + psnr} for row in rows]


def test_hand_overs_with_different_carriers_are_not_averaged():
    table = frame(hand_over() + hand_over(carrier="float", psnr=8.0))
    means = generation_means(common_images(table).records)
    assert set(means["system"]) == {HAND_OVER, f"{HAND_OVER} [float]"}
    first = means[means["generation"] == 1].set_index("system")["psnr"]
    assert first[f"{HAND_OVER} [float]"] - first[HAND_OVER] == pytest.approx(8)
    assert means.groupby("system").size().tolist() == [4, 4]


def test_all_generations_of_a_hand_over_carry_the_versions_of_its_codecs():
    table = frame(hand_over() + hand_over("b", ids=("jpeg-new", "webp-id")) + [record(codec_id="jpeg-id")])
    named = table.assign(system=systems(table)).groupby(["image", "schedule"])["system"].unique().map(list)
    assert named["a", HAND_OVER] == [f"{HAND_OVER} [jpeg-id]"]
    assert named["b", HAND_OVER] == [f"{HAND_OVER} [jpeg-new]"]
    assert named["a", "quality:50"] == ["jpeg [jpeg-id]"]


def test_a_hand_over_of_a_codec_with_itself_in_two_versions_is_two_systems():
    def rows(one):
        return hand_over(ids=(one, one), codecs=("iat", "iat"), schedule="chain:iat:0.5,iat:0.8")

    assert set(systems(frame(rows("1") + rows("2")))) == {"chain:iat:0.5,iat:0.8 [1]", "chain:iat:0.5,iat:0.8 [2]"}


def test_versions_of_a_hand_over_whose_records_cannot_be_told_apart_are_refused():
    table = frame(hand_over() + hand_over(ids=("jpeg-new", "webp-new"), psnr=8.0))
    with pytest.raises(BenchError, match=f"{HAND_OVER} on a by several versions of its codecs"):
        common_images(table)


def test_a_curve_is_all_operating_points_of_a_system():
    means = generation_means(records())
    jpeg, webp = curve(means, "set", "jpeg", 2), curve(means, "set", "webp", 2)
    assert jpeg.rate.size == len(QUALITIES)
    assert np.all(np.diff(jpeg.rate) > 0)
    assert bd_rate(jpeg, webp).value == pytest.approx(-20, abs=1e-9)
    assert bd_rate(jpeg, curve(means, "set", "jpeg", 3)).value > 0
    with pytest.raises(BenchError, match="no column 'ssim'"):
        curve(means, "set", "jpeg", 1, "ssim")


@pytest.mark.parametrize(
    ("psnr", "loss", "generation"),
    [
        ([40.0, 39.6, 39.5, 39.4], 0.5, 3),
        ([40.0, 39.9, 39.8], 0.5, None),
        ([40.0, 36.0], 3.0, 2),
        ([40.0], 0.5, None),
        ([40.0, 38.0, 40.0], 1.0, 2),  # for the first time, even where it recovers
        ([np.inf, np.inf, np.inf], 0.5, None),
        ([np.inf, 60.0], 3.0, 2),
        ([40.0, 41.0, 42.0], 0.5, None),
    ],
)
def test_half_life_is_the_first_generation_that_has_lost_as_much(psnr, loss, generation):
    assert half_life(psnr, loss) == generation


def test_half_life_refuses_gaps_and_losses_that_are_none():
    with pytest.raises(BenchError, match="one is missing"):
        half_life([40.0, np.nan, 30.0], 1.0)
    with pytest.raises(BenchError, match="above 0 dB"):
        half_life([40.0, 39.0], 0.0)


def test_half_lives_are_shown_as_people_read_them():
    assert show_half_life(7, 50) == "7"
    assert show_half_life(None, 50) == show_half_life(pd.NA, 50) == "> 50"
    assert [show_half_life(None, 50, 1.0, drop) for drop in (0.9, 1.0, math.nan)] == ["> 50", "≤ 50", "n/a"]


def test_loss_table():
    table = loss_table(records(codecs=["jpeg"], qualities=[50], generations=5)).iloc[0]
    assert table["drop"] == pytest.approx(1.2)
    assert (table["generation"], table["images"]) == (5, 6)
    assert (table["half_life_0.5"], table["half_life_1"]) == (3, 5)
    assert table["half_life_3"] is pd.NA
    offsets = [sum(map(ord, image)) % 7 for image in "abcdef"]
    assert table["fixed_point"] == pytest.approx(np.mean([offset < 5 for offset in offsets]))
    assert table["shift_r"] == pytest.approx(np.mean(offsets) - 3)
    assert (table["shift_b"], table["delta_e"]) == (-1, 2)
    assert table["psnr_1"] - table["psnr_N"] == pytest.approx(table["drop"])


def test_loss_table_at_a_generation_leaves_out_shorter_runs():
    both = pd.concat([records(codecs=["jpeg"], generations=4), records(codecs=["webp"], generations=2)])
    assert set(loss_table(both, 3)["system"]) == {"jpeg"}
    ends = loss_table(both).groupby("system")["generation"].unique()
    assert (list(ends["jpeg"]), list(ends["webp"])) == ([4], [2])


def test_half_life_of_a_chain_without_all_generations_is_missing():
    table = records(codecs=["jpeg"], qualities=[50], generations=5)
    row = loss_table(table[table["generation"] != 3]).iloc[0]
    assert row["half_life_0.5"] is pd.NA
    assert row["drop"] == pytest.approx(1.2)


def test_bootstrap_of_a_mean_is_near_the_normal_interval_and_seeded():
    values = np.random.default_rng(5).normal(10, 2, size=(200, 1))
    interval = bootstrap(values, lambda mean: float(mean[0]), resamples=2000, seed=1)
    half = 1.96 * values.std() / math.sqrt(200)
    assert interval.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.15 * half)
    assert interval == bootstrap(values, lambda mean: float(mean[0]), resamples=2000, seed=1)
    assert interval != bootstrap(values, lambda mean: float(mean[0]), resamples=2000, seed=2)


def test_bootstrap_says_why_there_is_no_interval():
    few = bootstrap(np.ones((3, 1)), lambda mean: 1.0)
    assert (few.low, few.reason) == (None, "3 images, 5 needed for an interval")
    none = bootstrap(np.ones((9, 1)), lambda mean: None, resamples=100)
    assert (none.high, none.reason) == (None, "100 of 100 resamples have no value")
    with pytest.raises(BenchError, match="level"):
        bootstrap(np.ones((9, 1)), lambda mean: 1.0, level=1.0)
    with pytest.raises(BenchError, match="100 resamples or more"):
        bootstrap(np.ones((9, 1)), lambda mean: 1.0, resamples=99)


def test_interval_of_a_bd_rate_is_paired_by_image():
    # webp needs exactly 20 % less on every image, so drawing other images moves nothing; unpaired, it would.
    table = common_images(records(), 1).records
    interval = bd_rate_interval(table, ("jpeg", 1), ("webp", 1), resamples=100)
    assert (interval.low, interval.high) == pytest.approx((-20, -20), abs=1e-9)
    noisy = table.copy()
    spread = noisy["image"].map(dict(zip("abcdef", np.linspace(0.9, 1.1, 6), strict=True)))
    noisy["bpp"] *= spread.where(noisy["codec"] == "webp", 1.0)
    means = generation_means(noisy)
    value = bd_rate(curve(means, "set", "jpeg"), curve(means, "set", "webp")).value
    interval = bd_rate_interval(noisy, ("jpeg", 1), ("webp", 1), resamples=200)
    assert interval.low < value < interval.high
    assert interval.low > -30
    assert interval.high < -10


def test_an_image_whose_chain_ends_before_the_others_is_left_out():
    """As where a run of few generations on a set is joined with a longer one on some of its images."""
    long, short = records(("jpeg",), "ab", generations=4), records(("jpeg",), "cd", generations=2)
    table = pd.concat([long, short], ignore_index=True)
    common = common_images(table)
    assert set(common.records["image"]) == {"a", "b"}
    assert set(common.dropped["image"]) == {"c", "d"}
    assert set(common.dropped["reason"]) == {"its chain ends at generation 2"}
    assert set(common_images(table, generation=2).records["image"]) == set("abcd")
    assert set(common_images(table[table["generation"] <= 2]).records["image"]) == set("abcd")
    assert loss_table(common.records)["drop"].to_numpy() == pytest.approx(0.9)


def test_where_generation_1_has_no_value_nothing_is_lost_since():
    table = records(("jpeg",), "a", (30,))
    table.loc[table["generation"] < 3, ["ms_ssim", "ms_ssim_db"]] = np.nan
    changes = with_change(generation_means(table))
    np.testing.assert_allclose(changes["psnr_change"], [0, -0.3, -0.6, -0.9])
    assert changes["ms_ssim_db_change"].isna().all()
    later = with_change(generation_means(table[table["generation"] > 1]))
    assert later["psnr_change"].isna().all(), "there is no generation 1"
