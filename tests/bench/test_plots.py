"""bench.plots: what is drawn is what the table says, and what must not be mixed is refused."""

from __future__ import annotations

import io
import math
import re
import warnings

import numpy as np
import pandas as pd
import pytest

from bench import plots, plots_frame, plots_protocols, plots_rd, run_figures
from bench.codec import BenchError
from bench.rd import generation_means, label, systems

RNG = np.random.default_rng(8)


def means(systems=("iat", "jpeg", "jpeg-444"), generations=12, **changes):
    rows = [
        {"dataset": "kodak", "system": system, "schedule": "quality:5", "generation": n, "images": 24,
         "psnr": 40.0 - n - k, "ms_ssim_db": 20 - n, "bpp": 0.5 + k}
        for k, system in enumerate(systems) for n in range(1, generations + 1)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**changes)


def test_lines_carry_the_numbers_of_the_table():
    table = means()
    figure = plots.generations(table)
    panels = figure.axes
    assert [panel.get_ylabel() for panel in panels] == ["PSNR (dB)", "MS-SSIM (dB)", "rate (bits per pixel)"]
    assert {panel.get_xlabel() for panel in panels} == {"generation"}
    for line, system in zip(panels[0].get_lines(), ("iat", "jpeg", "jpeg-444"), strict=True):
        expected = table[table["system"] == system]
        np.testing.assert_array_equal(line.get_xdata(), expected["generation"])
        np.testing.assert_array_equal(line.get_ydata(), expected["psnr"])
    assert figure.get_suptitle() == "kodak: mean over 24 images"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["iat, quality 5", "jpeg, quality 5", "jpeg-444, quality 5"]


def test_a_codec_keeps_its_look_whoever_is_beside_it():
    alone = plots.generations(means(("webp",))).axes[0].get_lines()[0]
    among = plots.generations(means(("avif", "iat", "webp"))).axes[0].get_lines()[2]
    assert (alone.get_color(), alone.get_marker()) == (among.get_color(), among.get_marker())


def test_codecs_of_ones_own_look_like_no_other():
    lines = plots.generations(means(("avif", "mycodec", "mycodec[speed=4]", "other", "third"))).axes[0].get_lines()
    colors = [line.get_color() for line in lines]
    assert colors[1:] == [plots.OTHERS[0], *plots.OTHERS[:3]]
    assert not set(plots.OTHERS) & {color for color, _ in plots._FAMILIES.values()}
    assert plots.style("mycodec[speed=4]") == plots.style("mycodec")


def test_curves_can_be_told_apart_without_colour():
    systems = ("avif", "heic", "iat", "jpeg", "jpeg-444", "jpeg2000", "jpegxl", "null", "webp")
    lines = plots.generations(means(systems)).axes[0].get_lines()
    assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == len(systems)


def test_a_family_is_told_apart_by_its_markers():
    table = means(("iat", "iat-long", "iat-stable")).assign(codec=lambda t: t["system"], psnr_change=0.0)
    for figure in (plots.generations(table), plots_protocols.protocols({"all": table})):
        looks = {(line.get_fillstyle(), line.get_markerfacecolor()) for line in figure.axes[0].get_lines()}
        assert len(looks) == 3
        handles = figure.legends[0].legend_handles
        assert len({(line.get_fillstyle(), line.get_markerfacecolor()) for line in handles}) == 3
        assert figure.legends[0].handlelength > 3


@pytest.mark.parametrize("codec", ["iat", "jpeg", "ainn", "mycodec"])
def test_many_settings_of_a_codec_all_look_different(codec):
    looks = [plots.style(codec, variant) for variant in range(len(plots.LINES) * len(plots.SHADES))]
    assert len(set(looks)) == len(looks)
    grey = [(look.color, str(look.linestyle)) for look in looks]
    assert len(set(grey)) == len(grey), "markers may be too far apart to tell"
    assert all(re.fullmatch("#[0-9A-F]{6}", look.color) for look in looks)


def test_a_codec_and_the_same_by_ffmpeg_are_told_apart():
    names = ("ffmpeg-vvenc", "ffmpeg-x265", "vvenc", "x264")
    lines = plots.generations(means(names)).axes[0].get_lines()
    assert len({(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}) == len(names)
    assert plots.style("ffmpeg-vvenc").color == plots.style("vvenc").color


def test_infinite_values_are_drawn_at_the_top_and_missing_ones_leave_a_gap():
    table = means(("jpeg",), 6)
    table.loc[table["generation"] == 3, "psnr"] = math.inf
    table.loc[table["generation"] == 5, "psnr"] = math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.generations(table)
        figure.savefig(io.BytesIO())
    line, top = figure.axes[0].get_lines()
    assert np.isnan(line.get_ydata()[[2, 4]]).all()
    np.testing.assert_array_equal(top.get_xdata(), [3])
    assert top.get_marker() == "^"


def test_nothing_but_infinite_values_can_be_drawn():
    figure = plots.generations(means(("null",), 4, psnr=math.inf, ms_ssim_db=math.nan))
    figure.savefig(io.BytesIO())


@pytest.mark.parametrize("draw", [plots.generations, plots_rd.path, lambda means: plots_rd.rd(means, means.iloc[:0])])
def test_a_panel_without_a_curve_says_why(draw):
    full, empty = (draw(points().assign(ms_ssim_db=values)).axes[1] for values in (10.0, math.nan))
    assert [text.get_text() for text in full.texts] == []
    assert [text.get_text() for text in empty.texts] == [
        "no mean: not every image has MS-SSIM,\nwhich needs 161 pixels a side"
    ]
    assert [*empty.get_xticks(), *empty.get_yticks()] == []
    assert len(full.get_yticks()) > 1
    (lossless,) = draw(points().assign(psnr=math.inf)).axes[0].texts
    assert lossless.get_text() == "infinite: an image is lossless"


@pytest.mark.parametrize("draw", [plots.generations, plots_rd.path])
@pytest.mark.parametrize("words", [10, 200])
def test_a_note_is_neither_on_the_legend_nor_on_the_panels(draw, words):
    without, figure = draw(means()), draw(means(), note="word " * words)
    (note,) = figure.texts[-1:]
    low, box = inside(figure, figure.legends[0]), inside(figure, note)
    assert low.y1 <= box.y0
    assert box.y1 <= min(panel.xaxis.label.get_window_extent().y0 for panel in figure.axes)
    without.draw_without_rendering()
    heights = [one.axes[0].get_position().height * one.get_figheight() for one in (without, figure)]
    assert heights[1] == pytest.approx(heights[0], rel=0.1)


def test_long_names_of_curves_take_fewer_columns():
    table = means([f"iat[checkpoint=a-long-name-{n}] [bpp,hold:0.1]" for n in range(4)], 2)
    for draw in (plots.generations, plots_rd.path):
        figure = draw(table)
        inside(figure, figure.legends[0])
        assert len(figure.legends) == 1


@pytest.mark.parametrize("draw", [plots.generations, plots_rd.path, lambda means: plots_rd.rd(means, means.iloc[:0])])
def test_names_too_long_for_a_line_go_on_in_another(draw):
    name = "chain:" + ">".join(f"mycodec[checkpoint=iat-stable,level=0.{n}]:{n}" for n in range(10))
    figure = draw(points((name, "jpeg", "W" * 160)))
    inside(figure, figure.legends[0])
    names = ["".join(text.get_text().split("\n")) for text in figure.legends[0].get_texts()]
    assert any(found.startswith(name) for found in names)
    assert len(figure.legends) == 1


def test_qualities_are_in_the_order_of_their_numbers():
    qualities = (50, 5, 10, 0.5, 100)
    table = pd.concat([means(("jpeg",), 2).assign(schedule=f"quality:{quality}") for quality in qualities])
    for draw in (plots.generations, plots_rd.path):
        names = [text.get_text() for text in draw(table).legends[0].get_texts()]
        assert names[: len(qualities)] == [f"jpeg, quality {quality:g}" for quality in sorted(qualities)]
    assert names[len(qualities) :] == ["generation 1"]


def test_names_in_any_script_are_drawn_without_a_word(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.generations(means(dataset="写真"), note="Left out: 画像 of 写真.")
        run_figures.save(figure, tmp_path / "figure")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.pdf", "figure.png"]


def test_another_font_is_used_for_what_the_first_one_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(plots_frame, "CJK", ("no such font", "STIXGeneral"))
    plots_frame._families.cache_clear()
    figure = plots.generations(means())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_figures.save(figure, tmp_path / "figure")
    plots_frame._families.cache_clear()
    assert figure._suptitle.get_fontfamily() == ["sans-serif", "STIXGeneral"]


def test_datasets_and_numbers_of_images_are_never_mixed():
    with pytest.raises(BenchError, match="kodak, tecnick"):
        plots.generations(pd.concat([means(), means(dataset="tecnick")]))
    with pytest.raises(BenchError, match="different numbers of images"):
        plots.generations(pd.concat([means(("iat",)), means(("jpeg",), images=23)]))
    with pytest.raises(BenchError, match="nothing to draw"):
        plots.generations(means().iloc[:0])


@pytest.mark.parametrize("number", [1, 50])
def test_one_generation_is_one_tick(number):
    for panel in plots.generations(means(generations=1).assign(generation=number)).axes:
        assert list(panel.get_xticks()) == [number]
        assert panel.get_xlim() == (number - 0.5, number + 0.5)


def test_a_metric_that_is_not_there_is_named_beside_those_that_are():
    for metrics, sentence in (
        (
            ("psnr", "psnr_change"),
            "metrics names 'psnr_change', which this table lacks; it has psnr, ms_ssim_db, bpp.",
        ),
        ((), "metrics names no column to draw; this table has psnr, ms_ssim_db, bpp."),
    ):
        with pytest.raises(BenchError) as error:
            plots.generations(means(), metrics)
        assert str(error.value) == sentence


def test_contact_sheet_shows_every_cell():
    pictures = [RNG.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]
    rows = {
        "iat": [plots.Cell(pictures[0], "source"), plots.Cell(pictures[1], "30.00 dB")],
        "jpeg": [plots.Cell(pictures[2], "source"), plots.Cell(None, "failed")],
    }
    figure = plots.contact_sheet(rows, ["source", "generation 1"], "kodim01")
    shown = [panel.images[0].get_array() if panel.images else None for panel in figure.axes]
    for array, picture in zip(shown, [*pictures, None], strict=True):
        if picture is None:
            assert array is None
        else:
            np.testing.assert_array_equal(array, picture)
    assert [panel.get_xlabel() for panel in figure.axes] == ["source", "30.00 dB", "source", "failed"]
    with pytest.raises(BenchError, match="for each heading"):
        plots.contact_sheet(rows, ["source"])
    sheet = plots.contact_sheet({"a-codec-of-a-long-name-of-its-own": rows["iat"]}, ["source", "generation 1"])
    first, *_ = sheet.axes[0].get_ylabel().split("\n")
    assert first == "a-codec-of-a-lo"  # a full line: a hyphen is a letter like others


def inside(figure, artist):
    """Where an artist is drawn, after checking that it is in the figure."""
    figure.draw_without_rendering()
    box = artist.get_window_extent()
    assert min(box.x0, box.y0) >= -1
    assert box.x1 <= figure.bbox.x1 + 1
    assert box.y1 <= figure.bbox.y1 + 1
    return box


@pytest.mark.parametrize("size", [(20, 30), (1, 50), (50, 1)])
def test_a_narrow_contact_sheet_cuts_nothing_off_and_lays_nothing_on_each_other(size):
    picture = np.zeros((*size, 3), np.uint8)
    names = ("iat[checkpoint=iat-stable] [bpp,hold:0.1], bpp 0.791", "jpeg [bpp,hold:0.1], bpp 0.791")
    rows = {name: [plots.Cell(picture, "source"), plots.Cell(picture, "30.00 dB")] for name in names}
    figure = plots.contact_sheet(rows, ["source", "generation 1"], "a photograph of a long name " * 3, "note " * 30)
    first, second = (inside(figure, figure.axes[place].yaxis.label) for place in (0, 2))
    assert first.y0 > second.y1
    inside(figure, figure._supxlabel)
    inside(figure, figure._suptitle)
    assert figure.get_figheight() < 10


def test_detail_finds_where_most_was_lost():
    source = RNG.integers(0, 256, (100, 140, 3), np.uint8)
    other = source.copy()
    other[70:80, 100:110] ^= 64
    rows, columns = plots.detail(source, [other], 40)
    assert rows.start <= 70 < 80 <= rows.stop
    assert columns.start <= 100 < 110 <= columns.stop
    assert (rows.stop - rows.start, columns.stop - columns.start) == (40, 40)
    assert plots.detail(source[:5, :7], [], 40) == (slice(0, 5), slice(0, 7))


def points(systems=("iat", "jpeg", "jpeg-444"), **changes):
    rows = [
        {"dataset": "kodak", "system": system, "schedule": f"quality:{q}", "generation": 1, "images": 24,
         "bpp": 0.2 * q, "psnr": 30.0 + 2 * q - k, "ms_ssim_db": 15.0 + q, "ms_ssim_db_of_mean": 14.0 + q,
         "average": "mean of per-image values"}
        for k, system in enumerate(systems) for q in (3, 1, 2, 4)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**changes)


def test_rate_distortion_curves_carry_the_numbers_and_published_ones_are_dashed():
    ours, theirs = points(), points(("published:xie2021-invcompress",), psnr=40.0, average="as published")
    figure = plots_rd.rd(ours, theirs)
    lines = dict(zip([text.get_text() for text in figure.legends[0].get_texts()], figure.axes[0].get_lines()))  # noqa: B905
    assert list(lines) == ["iat", "jpeg", "jpeg-444", "published:xie2021-invcompress"]
    np.testing.assert_array_equal(lines["jpeg"].get_ydata(), [31, 33, 35, 37])
    assert lines["published:xie2021-invcompress"].get_linestyle() == "--"
    assert "--" not in {line.get_linestyle() for name, line in lines.items() if "published" not in name}
    # MS-SSIM beside published points is of their kind, and the axis says so.
    np.testing.assert_array_equal(figure.axes[1].get_lines()[0].get_ydata(), [15, 16, 17, 18])
    assert figure.axes[1].get_ylabel() == "MS-SSIM (dB of the mean)"
    assert plots_rd.rd(ours, theirs.iloc[:0]).axes[1].get_ylabel() == "MS-SSIM (dB)"
    assert len(plots_rd.rd(ours, theirs, until=0.5).axes[0].get_lines()[0].get_xdata()) == 2


def lossless(count):
    return f"{count} lossless on at least one image: triangles at the top."


def test_lossless_points_stand_at_the_top_at_their_rates_and_are_counted():
    ours, theirs = points(("iat", "jpeg")), points(("published:vtm",), average="as published")
    ours.loc[(ours["system"] == "iat") & (ours["bpp"] > 0.5), ["psnr", "ms_ssim_db_of_mean"]] = math.inf
    theirs.loc[theirs["bpp"] > 0.7, "psnr"] = math.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots_rd.rd(ours, theirs, note="Left out: im1.")
        figure.savefig(io.BytesIO())
    tops = [[line for line in panel.get_lines() if line.get_marker() == "^"] for panel in figure.axes]
    assert [[line.get_color() for line in top] for top in tops] == [
        [plots.style("iat").color, plots.style("vtm").color],
        [plots.style("iat").color],
    ]
    np.testing.assert_allclose(tops[0][0].get_xdata(), [0.6, 0.8])
    np.testing.assert_allclose(tops[0][1].get_xdata(), [0.8])
    assert figure.texts[-1].get_text() == f"Left out: im1. {lossless('3 points are')}"
    assert plots_rd.rd(ours, theirs, until=0.7).texts[-1].get_text() == lossless("1 point is")
    assert "lossless" not in plots_rd.rd(ours, theirs, until=0.5).texts[-1].get_text()


def test_lossless_generations_of_a_path_stand_at_the_top():
    table = means(("jpeg",), 5).astype({"ms_ssim_db": float}).assign(bpp=lambda table: table["generation"] / 10)
    table.loc[table["generation"].isin([1, 4]), "psnr"] = math.inf
    figure = plots_rd.path(table)
    every, first = (line for line in figure.axes[0].get_lines() if line.get_marker() == "^")
    np.testing.assert_allclose(every.get_xdata(), [0.1, 0.4])
    np.testing.assert_allclose(first.get_xdata(), [0.1])
    assert first.get_markersize() > every.get_markersize()
    assert not [line for line in figure.axes[1].get_lines() if line.get_marker() == "^"]
    assert figure.texts[-1].get_text() == lossless("2 points are")


def test_codecs_of_a_family_are_told_apart_beside_each_other():
    lines = plots_rd.rd(points(("avif", "avif-444", "avif-444[tune=psnr]")), points().iloc[:0]).axes[0].get_lines()
    assert (
        len({(str(line.get_linestyle()), line.get_markerfacecolor(), str(line._dash_pattern)) for line in lines}) == 3
    )


def test_a_line_ends_where_points_are_bunched_at_both_ends():
    bunched = points(("published:iat2022",)).assign(psnr=[38.1, 31.0, 31.1, 38.2], bpp=[1.0, 0.3, 0.31, 1.01])
    line = plots_rd.rd(points(), bunched).axes[0].get_lines()[-1]
    np.testing.assert_array_equal(line.get_ydata(), [31.0, 31.1, np.nan, 38.1, 38.2])


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("published:xie2021-invcompress", "xie"),
        ("published:iat2022", "iat"),
        ("song2021-sft", "sft"),
        ("bpg_444_x265_ycbcr", "bpg"),
        ("compressai-cheng2020-anchor_mse", "cheng"),
        ("jpeg2000 [bpp]", "jpeg2000"),
    ],
)
def test_published_codecs_look_like_ours(name, same):
    assert plots.family_of(name) == same
    assert plots.style(name).color == plots.style(same).color


def test_rate_distortion_never_mixes_datasets_generations_averages_or_numbers_of_images():
    none = points().iloc[:0]
    with pytest.raises(BenchError, match="kodak, tecnick"):
        plots_rd.rd(points(), points(("published:vtm",), dataset="tecnick"))
    with pytest.raises(BenchError, match="kodak, tecnick"):
        plots_rd.rd(pd.concat([points(), points(dataset="tecnick")]), none)
    with pytest.raises(BenchError, match="one generation"):
        plots_rd.rd(pd.concat([points(), points(generation=2)]), none)
    with pytest.raises(BenchError, match="different numbers of images"):
        plots_rd.rd(pd.concat([points(("iat",)), points(("jpeg",), images=23)]), none)
    with pytest.raises(BenchError, match="one kind of average"):
        plots_rd.rd(pd.concat([points(("iat",)), points(("jpeg",), average="PSNR of the mean")]), none)
    with pytest.raises(BenchError, match="one kind of average"):
        plots_rd.path(pd.concat([points(("iat",)), points(("jpeg",), average="PSNR of the mean")]))
    with pytest.raises(BenchError, match="one kind of average"):
        plots.generations(pd.concat([points(("iat",)), points(("jpeg",), average="PSNR of the mean")]))


@pytest.mark.parametrize("draw", [plots.generations, plots_rd.path, lambda means: plots_rd.rd(means, means.iloc[:0])])
def test_carriers_and_protocols_are_curves_of_their_own_and_named(draw):
    names = ["image", "width", "height", "quality", "bytes", "mse", "psnr_step", "psnr_first", "delta_e", "encode_s"]
    names += ["decode_s", "shift_r", "shift_g", "shift_b", "target_bpp", "encodes", "miss", "ms_ssim", "fixed_point"]
    base = points(("iat",)).drop(columns=["system", "images", "average"]).assign(**dict.fromkeys(names, 0.5))
    base = base.assign(image="a", status="ok", codec="iat", codec_id="1", carrier="uint8", reason="")
    rated = base.assign(schedule=[f"bpp:{bpp:g}" for bpp in base["bpp"]])
    records = pd.concat([base, base.assign(carrier="float"), rated], ignore_index=True)
    means = generation_means(records.assign(system=systems(records)))
    assert set(means["system"]) == {"iat", "iat [float]", "iat [bpp]"}
    labels = [text.get_text() for text in draw(means).legends[0].get_texts()]
    assert {label.split(",")[0] for label in labels} - {"generation 1"} == {"iat", "iat [float]", "iat [bpp]"}


def test_names_of_curves():
    assert label("jpeg", "quality:75") == "jpeg, quality 75"
    assert label("iat [bpp,hold:0.1]", "bpp:0.791,hold:0.1") == "iat [bpp,hold:0.1], bpp 0.791"
    assert label("jpeg [list:fig6@3278d2be]", "list:fig6@3278d2be") == "jpeg [fig6]"
    assert label("jpeg [list:fig6@3278d2be,hold:0.1]", "list:fig6@3278d2be,hold:0.1") == "jpeg [fig6,hold:0.1]"
    assert label("iat [float, list:a@3278d2be+shift:1, 3f2a]", "list:a@3278d2be+shift:1") == (
        "iat [float, list:a+shift:1, 3f2a]"
    )
    assert label("jpeg [list:8@3278d2be,originals]", "list:8@3278d2be,originals") == "jpeg [8@3278d2be,originals]"
    assert label("jpeg [list:quality:9@3278d2be]", "list:quality:9@3278d2be") == "jpeg [quality:9@3278d2be]"
    assert label("jpeg [walk:0.3:1@12345678]", "walk:0.3:1@12345678") == "jpeg [walk:0.3:1@12345678]"
    assert label("iat [float, drift:1:0.5]", "drift:1:0.5") == "iat [float, drift:1:0.5]"
    assert label("chain:jpeg:75>webp:80", "chain:jpeg:75>webp:80") == "chain:jpeg:75>webp:80"
    assert label("chain:jpeg:75>webp:80 [float]", "chain:jpeg:75>webp:80") == "chain:jpeg:75>webp:80 [float]"
    assert label("jpeg [+resize:0.5]", "quality:75+resize:0.5") == "jpeg [+resize:0.5], quality 75"
    assert label("jpeg [bpp,below+shift:1]", "bpp:1,below+shift:1") == "jpeg [bpp,below+shift:1], bpp 1"


@pytest.mark.parametrize("draw", [plots.generations, plots_rd.path])
@pytest.mark.parametrize("name", ["8", "rates"])
def test_two_lists_are_two_names_in_the_legend(draw, name):
    schedules = [f"list:{name}@3278d2b{n}" for n in (1, 2)]
    parts = [means((f"jpeg [{text}]",)).assign(schedule=text) for text in schedules]
    figure = draw(pd.concat(parts, ignore_index=True))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len({*names} - {"generation 1"}) == 2


def test_protocols_stand_side_by_side_on_one_scale():
    tables = {"same setting": means(("iat", "jpeg")), "same rate": means(("jpeg",), 5, images=13)}
    tables = {title: table.assign(codec=table["system"]) for title, table in tables.items()}
    figure = plots_protocols.protocols(tables, "psnr")
    first, second = figure.axes
    assert [panel.get_title() for panel in figure.axes] == ["same setting, 24 images", "same rate, 13 images"]
    assert first.get_ylabel() == "PSNR (dB)"
    assert first.get_ylim() == second.get_ylim()
    np.testing.assert_array_equal(second.get_lines()[0].get_ydata(), [39, 38, 37, 36, 35])
    assert first.get_lines()[1].get_color() == second.get_lines()[0].get_color() == plots.style("jpeg").color
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["iat", "jpeg"]


def test_protocols_refuse_what_would_be_mixed():
    table = means(("iat", "iat-b")).assign(codec="iat")
    with pytest.raises(BenchError, match="one curve a codec"):
        plots_protocols.protocols({"a": table})
    one = means(("iat",)).assign(codec="iat")
    with pytest.raises(BenchError, match="kodak, tecnick"):
        plots_protocols.protocols({"a": one, "b": one.assign(dataset="tecnick")})


def test_a_thousand_curves_leave_room_for_the_panels():
    few, many = (
        plots.generations(
            pd.concat(
                [means(("iat",), 2).assign(schedule=f"quality:{n / 1000}") for n in range(count)], ignore_index=True
            )
        )
        for count in (3, 1001)
    )
    few.draw_without_rendering()
    many.draw_without_rendering()
    heights = [figure.axes[0].get_position().height * figure.get_figheight() for figure in (few, many)]
    assert heights[1] > 0.9 * heights[0]
    (legend,) = many.legends
    assert len(legend.get_texts()) == plots_frame.NAMED
    assert legend.get_title().get_text() == f"the first {plots_frame.NAMED} of 1001 curves:"


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
    name = "cost_$5_vs_$6^{"
    figure = plots.generations(means(dataset=name), note=f"Left out: {name}.")
    run_figures.save(figure, tmp_path / "figure")
    logarithmic = plots_rd.rd(means(dataset=name).query("generation == 1"), means().head(0))
    logarithmic.axes[0].set_yscale("log")
    run_figures.save(logarithmic, tmp_path / "other")
    assert name in figure._suptitle.get_text()
    cell = plots.Cell(np.zeros((8, 8, 3), np.uint8), name)
    run_figures.save(plots.contact_sheet({name: [cell]}, [name], name, f"note on {name}"), tmp_path / "sheet")
    assert len(list(tmp_path.iterdir())) == 6
