"""BD-rate, BD-PSNR and areas against known answers, the bjontegaard package, and input that must be refused."""

import math

import bjontegaard
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.interpolate import PchipInterpolator

from bench.bd import Curve, auc, auc_end, auc_table, bd_psnr, bd_rate, usable
from bench.codec import BenchError

RATE = np.array([0.12, 0.25, 0.5, 0.9, 1.6])
PSNR = np.array([28.0, 30.5, 33.2, 36.1, 39.4])
CURVE = Curve.of(RATE, PSNR)
EXAMPLES = settings(deadline=None, derandomize=True, max_examples=60)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Strictly rising curves of 4 to 9 points that all cover about the same range."""
    n = draw(st.integers(4, 9))
    steps = st.floats(0.5, 2.0)
    rate = np.cumsum([draw(steps) for _ in range(n)])
    metric = np.cumsum([draw(steps) for _ in range(n)])
    return Curve.of(
        0.1 * 15.0 ** ((rate - rate[0]) / (rate[-1] - rate[0])),
        28 + 10 * (metric - metric[0]) / (metric[-1] - metric[0]),
    )


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.25, 2.0])
def test_bd_rate_of_a_curve_at_a_multiple_of_the_rate_is_that_multiple(factor):
    result = bd_rate(CURVE, Curve.of(RATE * factor, PSNR))
    assert result.value == pytest.approx(100 * (factor - 1), abs=1e-9)
    assert result.akima == pytest.approx(result.value, abs=1e-9)
    assert not result.flagged
    assert (result.overlap, result.overlap_share) == ((28.0, 39.4), 1.0)


@pytest.mark.parametrize("shift", [-1.5, 0.0, 0.75])
def test_bd_psnr_of_a_curve_shifted_in_quality_is_that_shift(shift):
    assert bd_psnr(CURVE, Curve.of(RATE, PSNR + shift)).value == pytest.approx(shift, abs=1e-12)


def test_a_straight_line_in_log_rate_has_a_closed_form():
    # Rates 2^(p/3) and 2^(p/3 + (p-30)/30): the exponent differs by (p-30)/30, on average 1/6 over 30..40.
    p = np.linspace(30, 40, 6)
    test = Curve.of(2 ** (p / 3 + (p - 30) / 30), p)
    assert bd_rate(Curve.of(2 ** (p / 3), p), test).value == pytest.approx(100 * (2 ** (1 / 6) - 1), abs=1e-6)


@EXAMPLES
@given(curves(), curves())
def test_values_are_those_of_the_bjontegaard_package(anchor, test):
    for ours, theirs in ((bd_rate, bjontegaard.bd_rate), (bd_psnr, bjontegaard.bd_psnr)):
        result = ours(anchor, test)
        if result.value is None:
            continue
        arrays = (anchor.rate, anchor.metric, test.rate, test.metric)
        for value, method in ((result.value, "pchip"), (result.akima, "akima")):
            expected = theirs(*arrays, method=method, require_matching_points=False, min_overlap=0)
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


@EXAMPLES
@given(curves(), curves())
def test_swapping_the_sides_inverts_the_ratio_of_rates(anchor, test):
    there, back = bd_rate(anchor, test), bd_rate(test, anchor)
    assert (there.value is None) == (back.value is None)
    if there.value is not None and back.value is not None:
        assert (1 + there.value / 100) * (1 + back.value / 100) == pytest.approx(1, abs=1e-9)
        assert bd_psnr(anchor, test).value == pytest.approx(-bd_psnr(test, anchor).value, abs=1e-9)


@EXAMPLES
@given(curves(), curves(), st.randoms(use_true_random=False))
def test_the_order_of_points_and_repeated_points_do_not_matter(anchor, test, random):
    order = [*range(test.rate.size), 0]
    random.shuffle(order)
    assert bd_rate(anchor, Curve.of(test.rate[order], test.metric[order])) == bd_rate(anchor, test)


def test_the_value_does_not_depend_on_the_unit_of_rate():
    test = Curve.of(RATE * np.linspace(0.8, 1.1, 5), PSNR + 0.3)
    scaled = bd_rate(Curve.of(CURVE.rate * 1000, PSNR), Curve.of(test.rate * 1000, test.metric))
    assert scaled.value == pytest.approx(bd_rate(CURVE, test).value, rel=1e-9)


@pytest.mark.parametrize(
    ("rate", "psnr", "reason"),
    [
        (RATE[:2], PSNR[:2], "2 points, 4 needed: run bench.reencode at more qualities"),
        (RATE[:1], PSNR[:1], "1 point, 4 needed: run bench.reencode at more qualities"),
        ([], [], "0 points, 4 needed: run bench.reencode at more qualities"),
        (RATE, [28.0, 30.5, 29.0, 36.1, 39.4], "not monotone: 29.00 dB at 0.5 bpp, below 30.50 dB at 0.25 bpp"),
        (RATE, PSNR[::-1], "not monotone"),
        (RATE, [28.0, 30.5, np.inf, np.inf, np.nan], "2 points, 4 needed"),
        (np.r_[0.0, -1.0, RATE[2:]], PSNR, "3 points, 4 needed"),
        (RATE, PSNR + 30, "no overlap: anchor 28 to 39.4, test 58 to 69.4 dB"),
        (RATE, PSNR + 9, "overlap too small"),
        (RATE, [28.0, 28.1, 28.2, 39.3, 39.4], "points bunched, none from 28.20 to 39.30 dB"),
    ],
)
def test_no_value_where_it_would_mean_nothing(rate, psnr, reason):
    result = bd_rate(CURVE, Curve.of(rate, psnr))
    assert (result.value, result.akima) == (None, None)
    assert result.reason.startswith(reason)


def test_a_bad_anchor_is_named_as_the_anchor():
    reason = bd_rate(Curve.of(RATE[:3], PSNR[:3]), CURVE).reason
    assert reason == "anchor: 3 points, 4 needed: run bench.reencode at more qualities"


def test_what_the_package_does_with_what_is_refused_here():
    # Were it to refuse these in words one day, the guards could be thinner.
    keywords = {"require_matching_points": False, "min_overlap": 0}
    assert math.isfinite(bjontegaard.bd_rate(RATE, PSNR, RATE[:2], PSNR[:2], method="pchip", **keywords))
    folded = [28.0, 30.5, 29.0, 36.1, 39.4]
    assert math.isfinite(bjontegaard.bd_rate(RATE, PSNR, RATE, folded, method="cubic", **keywords))
    with pytest.raises(ValueError, match="strictly increasing"):
        bjontegaard.bd_rate(RATE, PSNR, RATE, folded, method="pchip", **keywords)


def test_a_lossless_point_is_left_out_and_noted():
    result = bd_rate(CURVE, Curve.of(np.r_[RATE, 9.0], np.r_[PSNR, np.inf]))
    assert result.value == pytest.approx(0, abs=1e-9)
    assert result.notes == ("test: 1 of 6 points left out: not finite, or lossless",)
    assert (result.anchor_points, result.test_points) == (5, 5)


def test_a_small_dip_is_left_out_and_noted_and_a_large_one_is_not():
    dip = Curve.of(np.r_[RATE, 0.51], np.r_[PSNR, PSNR[2] - 0.04])
    left, reason, notes = usable(dip)
    assert reason == ""
    assert np.array_equal(left.rate, RATE)
    assert notes == ("1 of 6 points left out: not above a point of lower rate (at most 0.040 dB below)",)
    assert usable(Curve.of(np.r_[RATE, 0.51], np.r_[PSNR, PSNR[2] - 0.2])).reason.startswith("not monotone")


def test_a_wavy_curve_is_flagged():
    result = bd_rate(CURVE, Curve.of([0.12, 0.32, 0.9, 1.19, 1.6], [28.0, 32.45, 35.41, 35.87, 39.4]))
    assert result.value is not None
    assert abs(result.value - result.akima) > 1
    assert result.flagged


def test_partial_overlap_is_reported_as_interval_and_share_of_the_union():
    result = bd_rate(CURVE, Curve.of(RATE, PSNR + 4))
    assert result.overlap == pytest.approx((32.0, 39.4))
    assert result.overlap_share == pytest.approx((39.4 - 32) / (43.4 - 28))
    psnr = bd_psnr(CURVE, Curve.of(RATE * 2, PSNR))
    assert psnr.overlap == pytest.approx((0.24, 1.6))
    assert psnr.overlap_share == pytest.approx(math.log(1.6 / 0.24) / math.log(3.2 / 0.12))


def test_curves_of_unequal_length_are_refused():
    with pytest.raises(BenchError, match="value per rate"):
        Curve.of(RATE, PSNR[:-1])


def test_area_of_a_straight_line_is_exact_and_cut_where_asked():
    line = Curve.of([0.2, 0.5, 1.2], [32.0, 35.0, 42.0])  # 30 + 10 x
    for method in ("trapezoid", "pchip"):
        assert auc(line, 0.3, 1.0, method) == pytest.approx(30 * 0.7 + 5 * (1 - 0.09), abs=1e-12)
        assert auc_end(line, 0.3, auc(line, 0.3, 1.0, method), method) == pytest.approx(1.0, abs=1e-9)


def test_areas_agree_with_quadrature():
    inner = list(RATE[1:-1])
    pchip = quad(PchipInterpolator(RATE, PSNR), 0.2, 1.5, points=inner)[0]
    lines = quad(lambda x: np.interp(x, RATE, PSNR), 0.2, 1.5, points=inner)[0]
    assert auc(CURVE, 0.2, 1.5, "pchip") == pytest.approx(pchip, rel=1e-9)
    assert auc(CURVE, 0.2, 1.5) == pytest.approx(lines, rel=1e-9)


@EXAMPLES
@given(curves(), st.floats(0.15, 1.4))
def test_areas_of_neighbouring_intervals_add_up(curve, middle):
    low, high = curve.rate[0], curve.rate[-1]
    for method in ("trapezoid", "pchip"):
        parts = auc(curve, low, middle, method) + auc(curve, middle, high, method)
        assert parts == pytest.approx(auc(curve, low, high, method), rel=1e-9)


def test_area_refuses_what_it_does_not_cover():
    with pytest.raises(BenchError, match=r"covers 0\.12 to 1\.6 bpp"):
        auc(CURVE, 0.1, 1.0)
    with pytest.raises(BenchError, match="distinct rates"):
        auc(Curve.of([0.2, 0.2], [30, 31]), 0.2, 0.2)
    with pytest.raises(BenchError, match="was asked for"):
        auc_end(CURVE, 0.12, 1000.0)


def test_auc_table_uses_the_rates_common_to_all():
    table = auc_table({"a": CURVE, "b": Curve.of(RATE + 0.1, PSNR), "lone": Curve.of([0.3], [30])}).set_index("codec")
    assert table.loc["a", "low"] == pytest.approx(0.22)
    assert table.loc["b", "high"] == pytest.approx(1.6)
    assert table.loc["a", "auc"] == pytest.approx(auc(CURVE, 0.22, 1.6))
    assert table.loc["a", "auc_normalised"] == pytest.approx(table.loc["a", "auc"] / 1.38)
    assert table.loc["lone", "reason"] == "1 finite point, 2 needed"
    apart = auc_table({"a": CURVE, "b": Curve.of(RATE + 5, PSNR)})
    assert apart["auc"].isna().all()
    assert set(apart["reason"]) == {"no interval of rate is covered by all curves"}


def test_areas_need_nothing_that_numpy_1_lacks(monkeypatch):
    monkeypatch.delattr(np, "trapezoid", raising=False)
    assert auc(Curve.of([0.0, 1.0], [30.0, 32.0]), 0.0, 1.0) == 31.0


def test_of_several_points_at_one_rate_the_best_counts_for_the_area():
    once = Curve.of([0.2, 0.4, 0.8, 1.2], [30.0, 33.0, 36.0, 38.0])
    twice = Curve.of([0.8, 0.4, 0.4, 0.2, 0.8, 1.2], [36.0, 33.0, 33.0, 30.0, 35.0, 38.0])
    table = auc_table({"once": once, "twice": twice})
    assert list(table["reason"]) == ["", ""]
    assert table["auc"].nunique() == 1
    assert set(table["points"]) == {4}
