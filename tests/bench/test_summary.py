"""python -m bench.summary: its tables against independent arithmetic, its formats, its errors."""

from __future__ import annotations

import re

import bjontegaard
import numpy as np
import pandas as pd
import pytest

from bench import cli
from bench.summary import main

IMAGES = 6
LAST = 8


def record(codec, quality, image, generation, rng):
    """A codec that loses ``loss`` dB a generation; "b" needs a tenth less rate than "jpeg" at the same quality."""
    loss, cost = {"jpeg": (0.05, 1.0), "b": (0.4, 0.9)}[codec]
    bpp = cost * 0.2 * 2 ** (quality / 20) * (1 + 0.05 * image)
    psnr = 30 + 0.12 * quality - loss * (generation - 1) + 0.3 * image + 0.02 * rng.standard_normal()
    mse = 255**2 / 10 ** (psnr / 10)
    row = {"codec": codec, "dataset": "made_up", "image": f"im{image}", "schedule": f"quality:{quality}"}
    row |= {"generation": generation, "quality": quality, "bytes": round(bpp * 1000), "bpp": bpp, "mse": mse}
    row |= {"psnr": psnr, "ms_ssim": 1 - 0.01 / quality, "ms_ssim_db": -10 * np.log10(0.01 / quality)}
    row |= {"delta_e": 1.0, "shift_r": -0.001, "shift_g": 0.5, "shift_b": -1.5, "status": "ok", "reason": ""}
    return row | {"fixed_point": codec == "jpeg" and generation > 4, "carrier": "uint8", "codec_id": codec}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        record(codec, quality, image, generation, rng)
        for codec in ("jpeg", "b")
        for quality in (20, 40, 60, 80, 95)
        for image in range(IMAGES)
        for generation in range(1, LAST + 1)
    )


@pytest.fixture
def path(table, tmp_path):
    table.to_csv(tmp_path / "table.csv", index=False)
    return str(tmp_path / "table.csv")


def written(path, out, *more):
    assert main([path, "--out", str(out), *more]) == 0
    return {file.stem: pd.read_csv(file) for file in out.glob("*.csv")}


def means(table, codec, generation, column):
    here = table[(table["codec"] == codec) & (table["generation"] == generation)]
    return here.groupby("quality")[column].mean().to_numpy()


def test_operating_points(table, path, tmp_path):
    points = written(path, tmp_path / "out")["points"].set_index(["system", "schedule"])
    assert len(points) == 10
    for i, quality in enumerate((20, 40, 60, 80, 95)):
        row = points.loc[("b", f"quality:{quality}")]
        psnr = np.array([means(table, "b", n, "psnr")[i] for n in range(1, LAST + 1)])
        assert row["psnr_1"] == pytest.approx(psnr[0])
        assert row["drop"] == pytest.approx(psnr[0] - psnr[-1])
        assert row["half_life_1"] == np.flatnonzero(psnr[0] - psnr >= 1)[0] + 1
        assert np.isnan(row["half_life_3"])
        assert (row["fixed_point"], row["images"], row["generation"]) == (0, IMAGES, LAST)
        assert row["average"] == "mean of per-image values"
    assert (points.loc["jpeg"]["fixed_point"] == 1).all()


def test_areas_and_bd_rates(table, path, tmp_path):
    found = written(path, tmp_path / "out")
    curves = {(c, n): (means(table, c, n, "bpp"), means(table, c, n, "psnr")) for c in ("jpeg", "b") for n in (1, LAST)}
    for generation in (1, LAST):
        row = found["bd_rate"].set_index("generation").loc[generation]
        expected = bjontegaard.bd_rate(
            *curves["jpeg", generation], *curves["b", generation], method="pchip", min_overlap=0
        )
        assert (row["codec"], row["anchor"]) == ("b", "jpeg")
        assert row["bd_rate"] == pytest.approx(expected, abs=1e-6)
        low = max(curves[c, generation][0][0] for c in ("jpeg", "b"))
        high = min(curves[c, generation][0][-1] for c in ("jpeg", "b"))
        at = np.linspace(low, high, 200_001)
        area = np.trapezoid(np.interp(at, *curves["b", generation]), at)
        auc = found["auc"].set_index(["codec", "generation"]).loc[("b", generation)]
        assert auc["auc"] == pytest.approx(area, rel=1e-6)
        assert auc["auc_normalised"] == pytest.approx(area / (high - low), rel=1e-6)
    own = found["bd_rate_own"].set_index("codec")["bd_rate"]
    for codec in ("jpeg", "b"):
        expected = bjontegaard.bd_rate(*curves[codec, 1], *curves[codec, LAST], method="pchip", min_overlap=0)
        assert own[codec] == pytest.approx(expected, abs=1e-6)
    assert own["b"] > own["jpeg"] > 0


def test_operating_points_are_in_the_order_of_their_qualities(table, tmp_path):
    order = {20: 5, 40: 10, 60: 50, 80: 100, 95: 0.5}
    other = table.assign(quality=table["quality"].map(order))
    other.assign(schedule=[f"quality:{q:g}" for q in other["quality"]]).to_csv(tmp_path / "t.csv", index=False)
    points = written(str(tmp_path / "t.csv"), tmp_path / "out")["points"]
    assert list(points["schedule"]) == [f"quality:{quality}" for quality in ("0.5", "5", "10", "50", "100")] * 2
    assert list(points["system"]) == ["b"] * 5 + ["jpeg"] * 5


def test_the_printed_text(path, capsys):
    assert main([path]) == 0
    text = capsys.readouterr().out
    assert "made_up: operating points, N = 8; 6 images, mean of per-image values" in text
    assert "made_up: BD-rate against the own generation 1, PSNR" in text
    assert "> 8" in text
    assert "drop over" not in text
    assert "100%" in text
    assert "0.00 +0.50 -1.50" in text
    assert "-0.00" not in text
    assert "dB bpp" in text


def test_every_format_holds_the_same_figures(path, tmp_path, capsys):
    found = written(path, tmp_path / "out")
    bd = f"{found['bd_rate']['bd_rate'][0]:+.2f}"
    texts = {ending: (tmp_path / "out" / f"summary.{ending}").read_text() for ending in ("txt", "md", "tex")}
    assert capsys.readouterr().out == texts["txt"]
    assert all(bd in text for text in texts.values())
    for block in texts["md"].split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1
    assert texts["md"].count("|:--|") == 4
    tex = texts["tex"]
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") == 4
    assert r"made\_up" in tex
    assert r"100\%" in tex
    assert "$>$ 8" in tex
    for table in tex.split(r"\begin{tabular}")[1:]:
        kinds = table[1 : table.index("}")]
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert {line.count(" & ") for line in rows} == {len(kinds) - 1}


def test_intervals_hold_the_value_and_repeat(path, tmp_path):
    one = written(path, tmp_path / "a", "--bootstrap", "100")["bd_rate"]
    assert ((one["bd_rate_low"] <= one["bd_rate"]) & (one["bd_rate"] <= one["bd_rate_high"])).all()
    assert (one["bd_rate_high"] > one["bd_rate_low"]).all()
    again = written(path, tmp_path / "b", "--bootstrap", "100")["bd_rate"]
    other = written(path, tmp_path / "c", "--bootstrap", "100", "--seed", "1")["bd_rate"]
    pd.testing.assert_frame_equal(one, again)
    assert not one["bd_rate_low"].equals(other["bd_rate_low"])
    assert "95 % interval" in (tmp_path / "a" / "summary.md").read_text()


def test_why_there_is_no_interval_is_a_note(table, tmp_path, capsys):
    table[table["image"] < "im3"].to_csv(tmp_path / "t.csv", index=False)
    found = written(str(tmp_path / "t.csv"), tmp_path / "out", "--bootstrap", "100")
    for name in ("bd_rate", "bd_rate_own"):
        assert found[name]["bd_rate_low"].isna().all()
        assert (found[name]["notes"] == "no interval: 3 images, 5 needed for an interval").all()
    assert "n/a" in capsys.readouterr().out


def test_generation_anchor_and_metric(table, path, tmp_path):
    found = written(path, tmp_path / "out", "--generation", "3", "--anchor", "b", "--metric", "ms_ssim_db")
    assert set(found["points"]["generation"]) == {3}
    assert set(found["bd_rate"]["generation"]) == {1, 3}
    assert (found["bd_rate"]["anchor"] == "b").all()
    assert (found["auc"]["metric"] == "ms_ssim_db").all()
    # The same MS-SSIM at nine tenths of the rate.
    assert found["bd_rate"]["bd_rate"].to_numpy() == pytest.approx([100 / 0.9 - 100] * 2, abs=1e-6)
    assert "BD-MS-SSIM" in (tmp_path / "out" / "summary.txt").read_text()


def test_a_failed_image_is_left_out_for_all_and_said(table, tmp_path, capsys):
    failed = table.copy()
    gone = (failed["codec"] == "b") & (failed["image"] == "im2") & (failed["quality"] == 40)
    failed.loc[gone & (failed["generation"] == LAST), ["status", "reason"]] = ["failed", "the stream | is_cut"]
    failed.to_csv(tmp_path / "t.csv", index=False)
    found = written(str(tmp_path / "t.csv"), tmp_path / "out")
    assert set(found["points"]["images"]) == {IMAGES - 1}
    assert found["left_out"]["image"].tolist() == ["im2"]
    assert (
        "Left out for all codecs: im2 of made_up, because of b, quality 40: the stream | is_cut"
        in capsys.readouterr().out
    )
    assert "% Left out for all codecs: im2" in (tmp_path / "out" / "summary.tex").read_text()
    assert "\n- Left out for all codecs: im2" in (tmp_path / "out" / "summary.md").read_text()


def test_an_image_without_ms_ssim_is_left_out_for_all_where_ms_ssim_is_asked_for(table, tmp_path):
    small = table.copy()
    small.loc[(small["codec"] == "b") & (small["image"] == "im2"), ["ms_ssim", "ms_ssim_db"]] = np.nan
    small.loc[small["ms_ssim"].isna(), "reason"] = "MS-SSIM needs 161 pixels a side."
    small.to_csv(tmp_path / "t.csv", index=False)
    found = written(str(tmp_path / "t.csv"), tmp_path / "ms_ssim", "--metric", "ms_ssim_db")
    assert set(found["points"]["images"]) == set(found["bd_rate"]["images"]) == {IMAGES - 1}
    assert found["auc"]["auc"].notna().all()
    assert found["bd_rate"]["bd_rate"].notna().all()
    assert set(found["left_out"]["image"]) == {"im2"}
    assert set(found["left_out"]["reason"]) == {"MS-SSIM needs 161 pixels a side."}
    assert set(written(str(tmp_path / "t.csv"), tmp_path / "psnr")["points"]["images"]) == {IMAGES}


def test_drops_leave_out_lossless_images_and_say_so(table, tmp_path, capsys):
    some = table.copy()
    some.loc[(some["codec"] == "b") & (some["image"] == "im2"), "psnr"] = np.inf
    some.to_csv(tmp_path / "t.csv", index=False)
    points = written(str(tmp_path / "t.csv"), tmp_path / "out")["points"].set_index(["system", "schedule"])
    others = table[table["image"] != "im2"]
    expected = means(others, "b", 1, "psnr") - means(others, "b", LAST, "psnr")
    assert points.loc["b"]["drop"].to_numpy() == pytest.approx(expected)
    assert (set(points.loc["b"]["drop_images"]), set(points.loc["jpeg"]["drop_images"])) == ({IMAGES - 1}, {IMAGES})
    assert (points.loc["b"]["half_life_1"] > 1).all()
    assert "drop over" in (text := capsys.readouterr().out)
    assert "Drops and half-lives leave out images that are lossless at generation 1" in text
    assert main([str(tmp_path / "t.csv"), "--dataset", "made_up", "--metric", "ms_ssim_db"]) == 0


def test_no_image_with_ms_ssim_at_all_is_one_sentence(table, tmp_path, capsys):
    table.assign(ms_ssim=np.nan, ms_ssim_db=np.nan).to_csv(tmp_path / "t.csv", index=False)
    assert cli.call(main, [str(tmp_path / "t.csv"), "--metric", "ms_ssim_db"]) == cli.USER_ERROR
    said = capsys.readouterr().err
    assert "No image has ms_ssim_db of all codecs up to generation 8; choose another" in said
    assert "Left out on every image of made_up: b, quality 20 and 9 more: no ms_ssim_db." in said
    assert said.count("\n") == 1


def test_too_few_points_are_a_sentence_not_a_table(table, tmp_path, capsys):
    table[table["quality"] == 40].to_csv(tmp_path / "t.csv", index=False)
    assert main([str(tmp_path / "t.csv")]) == 0
    text = capsys.readouterr().out
    assert "n/a for all: 1 finite point, 2 needed." in text
    assert "n/a for all: both curves: 1 point, 4 needed: run bench.reencode at more qualities" in text
    assert "half-life" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none"], "none does not exist"),
        (["{path}", "--generation", "9"], "--generation 9 is too far: b, quality 20 on made_up was run for 8"),
        (
            ["{path}", "--anchor", "vtm"],
            "No codec 'vtm' in these tables, only b, jpeg on made_up; change it with --anchor",
        ),
        (["{path}", "--dataset", "kodak"], "No records on 'kodak'"),
        (["{path}", "--out", "{path}"], "can't be written"),
        (["{path}", "--bootstrap", "99"], "Argument --bootstrap: expected a whole number of at least 100, got '99'"),
    ],
)
def test_errors_are_one_sentence_and_exit_code_2(path, capsys, arguments, sentence):
    assert cli.call(main, [argument.format(path=path) for argument in arguments]) == cli.USER_ERROR
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


OWN = "dataset,codec,quality,bpp,psnr\n" + "".join(f"made_up,own,{n},{0.1 * 2**n},{30 + 3 * n}\n" for n in range(1, 6))


def test_without_generation_1_there_are_no_operating_points_and_that_is_said(table, tmp_path, capsys):
    table[table["generation"] > 1].to_csv(tmp_path / "later.csv", index=False)
    assert main([str(tmp_path / "later.csv"), "--out", str(tmp_path / "out")]) == 0
    sentence = "there is no generation 1, which losses are counted from."
    assert f"operating points\nn/a for all: {sentence}" in capsys.readouterr().out
    for form in ("md", "tex"):
        assert sentence in (tmp_path / "out" / f"summary.{form}").read_text()


def test_labels_of_several_sets_are_several(table, tmp_path):
    pd.concat([table, table.assign(dataset="other set")]).to_csv(tmp_path / "t.csv", index=False)
    assert main([str(tmp_path / "t.csv"), "--out", str(tmp_path / "out")]) == 0
    found = re.findall(r"\\label\{(.*?)\}", (tmp_path / "out" / "summary.tex").read_text())
    assert len(found) == len(set(found)) > 4


def test_of_one_generation_no_loss_is_told(table, tmp_path, capsys):
    (tmp_path / "own.csv").write_text(OWN)
    assert main([str(tmp_path / "own.csv")]) == 0
    alone = capsys.readouterr().out
    table[table["generation"] == 1].to_csv(tmp_path / "once.csv", index=False)
    assert main([str(tmp_path / "once.csv")]) == 0
    for text in (alone, capsys.readouterr().out):
        assert "PSNR" in text
        assert not [word for word in ("> 1", "half-life", "drop", "fixed points", "at N") if word in text]


def test_means_of_ones_own_have_no_number_of_images(path, tmp_path, capsys):
    (tmp_path / "own.csv").write_text(OWN)
    assert main([path, str(tmp_path / "own.csv"), "--anchor", "jpeg", "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "made_up: operating points, N = 1; 6 or an unknown number of images, mean" in text
    assert "own: means as given, over images that its table does not name" in text
    assert "Left out" not in text
    points = pd.read_csv(tmp_path / "out" / "points.csv").groupby("system")["images"]
    assert points.max().dropna().to_dict() == {"b": 6, "jpeg": 6}


def test_areas_of_ms_ssim_are_of_one_average(path, tmp_path, capsys):
    own = OWN.splitlines()
    lines = [own[0] + ",ms_ssim", *(f"{line},{1 - 0.1 / 2**n}" for n, line in enumerate(own[1:]))]
    (tmp_path / "own.csv").write_text("\n".join(lines) + "\n")
    assert main([path, str(tmp_path / "own.csv"), "--metric", "ms_ssim_db"]) == 0
    assert "made_up: area under MS-SSIM (dB of the mean) over rate" in capsys.readouterr().out


def test_versions_of_a_codec_are_told_apart_in_every_form(table, tmp_path, capsys):
    paths = [str(tmp_path / f"{name}.csv") for name in ("jpeg", "old", "new")]
    for path, codec in zip(paths, ("jpeg", "b", "b"), strict=True):
        table[table["codec"] == codec].assign(codec_id=path[-7:-4]).to_csv(path, index=False)
    assert main([*paths, "--out", str(tmp_path / "out")]) == 0
    lines = [f"b [old]: {paths[1]}", f"b [new]: {paths[2]}"]
    assert set(lines) < set(capsys.readouterr().out.splitlines())
    for suffix, mark in (("txt", ""), ("md", "- "), ("tex", "% ")):
        assert {mark + line for line in lines} < set((tmp_path / "out" / f"summary.{suffix}").read_text().splitlines())
    assert main(paths[:2]) == 0
    assert "[old]" not in capsys.readouterr().out


def test_whether_chains_have_settled_is_not_known_where_a_table_does_not_tell(table, path, tmp_path, capsys):
    table.assign(codec="c").drop(columns="fixed_point").to_csv(tmp_path / "c.csv", index=False)
    found = written(path, tmp_path / "out", str(tmp_path / "c.csv"))["points"].groupby("codec")["fixed_point"].max()
    assert found.loc[["jpeg", "b"]].to_dict() == {"jpeg": 1, "b": 0}
    assert np.isnan(found["c"])
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("c "))
    assert "%" not in row
    assert " n/a " in row
