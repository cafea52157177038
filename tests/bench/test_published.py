"""Published points: what the loader promises, and facts that our arithmetic must reproduce on them."""

import bjontegaard
import numpy as np
import pytest

from bench import published
from bench.bd import auc, auc_end, bd_rate
from bench.codec import BenchError
from bench.rd import curve

XIE = "xie2021-invcompress"


def points(codec, dataset="kodak", metric="psnr"):
    return curve(published.load(codec, dataset), dataset, f"published:{codec}", 1, metric)


@pytest.mark.parametrize(
    ("codec", "percent"),
    [(XIE, -0.36), ("compressai-cheng2020-anchor_mse_cuda", 3.68), ("compressai-cheng2020-anchor_mse", 3.69)],
)
def test_bd_rate_against_the_published_vtm_points(codec, percent):
    anchor, test = points("vtm"), points(codec)
    result = bd_rate(anchor, test)
    assert round(result.value, 2) == percent
    package = bjontegaard.bd_rate(
        anchor.rate, anchor.metric, test.rate, test.metric, method="pchip", require_matching_points=False, min_overlap=0
    )
    assert result.value == pytest.approx(package, rel=1e-12)
    assert not result.flagged


def test_area_of_the_published_xie_points_and_where_table_1_must_end():
    xie = points(XIE)
    low, high = xie.rate.min(), xie.rate.max()
    # By hand: the trapezoids of the eight points.
    assert auc(xie, low, high) == pytest.approx(np.sum(np.diff(xie.rate) * (xie.metric[1:] + xie.metric[:-1]) / 2))
    assert auc(xie, low, high) == pytest.approx(33.3252, abs=5e-5)
    areas = published.areas().set_index(["dataset", "codec", "metric"])["value"]
    area = areas["kodak", XIE, "auc_psnr"]
    assert area == 32.7866
    ends = [auc_end(xie, low, area, method) for method in ("trapezoid", "pchip")]
    assert ends == pytest.approx([1.0471, 1.0460], abs=5e-5)
    assert auc(xie, low, ends[0]) == pytest.approx(area, abs=1e-9)
    # Beyond the last rate of IAT's Table 2, before the last of Xie's: the interval is not stated, and not theirs alone.
    assert points("iat2022").rate.max() < min(ends) < max(ends) < high


def test_every_point_is_finite_positive_and_has_a_source():
    table = published.load()
    assert (table["bpp"] > 0).all()
    assert np.isfinite(table["psnr"]).all()
    assert table["ms_ssim"].dropna().between(0, 1, inclusive="neither").all()
    assert (table["source"] != "").all()
    assert set(table["kind"]) == {"published"}
    assert not table.duplicated(["dataset", "codec", "point"]).any()


def test_points_of_a_curve_are_numbered_by_rate():
    for _, part in published.load().groupby(["dataset", "codec"]):
        assert part["bpp"].is_monotonic_increasing
        assert list(part["point"]) == list(range(1, len(part) + 1))


def test_compressai_vtm_hm_and_av1_are_labelled_as_a_problem_and_nothing_else_is():
    table = published.load()
    assert set(table.loc[table["problem"] != "", "codec"]) == {"vtm", "hm", "av1"}
    assert (table.loc[table["codec"].isin(["vtm", "hm", "av1"]), "problem"] != "").all()


def test_ms_ssim_in_decibels_is_that_of_the_mean():
    # IAT's Table 2 prints decibels with four digits: turned into MS-SSIM and back, they must be such numbers again.
    decibels = published.load("iat2022", "kodak")["ms_ssim_db"]
    assert decibels.to_numpy() == pytest.approx(decibels.round(4).to_numpy(), abs=1e-9)
    assert decibels.iloc[0] == pytest.approx(14.5015, abs=1e-9)


def test_names_may_carry_the_prefix_they_are_printed_with():
    assert published.load("published:vtm", "kodak").equals(published.load("vtm", "kodak"))
    assert set(published.load(["vtm", XIE], "kodak")["system"]) == {"published:vtm", f"published:{XIE}"}


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(BenchError, match="did you mean song2021-sft"):
        published.load("song", "kodak")
    with pytest.raises(BenchError, match="did you mean vtm"):
        published.load("vtmm", "kodak")
    with pytest.raises(BenchError, match="No published points on dataset 'kodac'"):
        published.load(dataset="kodac")
    with pytest.raises(BenchError, match="iat-fig6-drift"):
        published.rates("fig6")


def test_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(BenchError, match="checkout"):
        published.load(folder=tmp_path)


def test_rates_of_figure_6():
    drift = published.rates("iat-fig6-drift").groupby("codec")["bpp"].agg(["first", "last", "size"])
    assert tuple(drift.loc["iat2022"]) == (1.0267, 0.7907, 16)
    assert tuple(drift.loc["song2021-sft"]) == (1.0292, 0.8052, 16)
    assert set(published.rates("iat-fig6-fixed")["bpp"]) == {0.791}


@pytest.mark.filterwarnings("error")
def test_a_lossless_point_has_infinite_decibels(tmp_path):
    (tmp_path / "rd_points.csv").write_text("dataset,codec,point,bpp,psnr,ms_ssim,images\nkodak,a,1,9.5,60,1.0,24\n")
    assert published.load(folder=tmp_path)["ms_ssim_db"].tolist() == [np.inf]
