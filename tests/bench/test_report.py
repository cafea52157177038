"""The viewer without a browser: what the page is told, its pictures, the command line."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import report_run
from PIL import Image as Pillow

from bench import cli, tables
from bench.codec import BenchError
from bench.report import snapshots
from bench.report.__main__ import main
from bench.report.page import page
from bench.report.payload import payload
from bench.report.pictures import crowded, write


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs") / "one"
    report_run.make(root)
    return root


def gather(*runs):
    return payload(tables.read(runs), snapshots.find(runs), [], "title")


def embedded(out):
    text = (out / "index.html").read_text("utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1))


def chain_of(data, image, codec):
    image = next(i for i, one in enumerate(data["images"]) if one["name"] == image)
    point = next(i for i, one in enumerate(data["points"]) if one["system"] == codec)
    return next(one for one in data["chains"] if (one["image"], one["point"]) == (image, point))


def picture(out, data, place):
    """Pixels as the page puts them together."""
    stored = np.asarray(Pillow.open(out / data["pictures"][place]).convert("RGB"))
    base = data["bases"][place]
    return stored if base is None else (picture(out, data, base).astype(int) + stored - 128).astype(np.uint8)


def values(series, name):
    column = series["records"][name]
    return column if isinstance(column, list) else [column] * series["last"]


def test_pictures_of_the_page_are_the_pixels_of_their_generation_and_stored_once(run, tmp_path):
    assert main([str(run), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    data = embedded(tmp_path / "out")
    for image, source in report_run.photographs().items():
        for codec in report_run.CODECS:
            pixels = report_run.chain(codec, source)
            kept = chain_of(data, image, codec)["kept"]
            assert [int(n) for n in kept] == [n for n in report_run.KEPT[1:] if n < len(pixels)]
            for n, place in kept.items():
                np.testing.assert_array_equal(picture(tmp_path / "out", data, place), pixels[int(n)])
    # Of each image: source, one of the fixed point, two of what failed, four of jpeg; fails undoes itself at 2.
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 2 * (1 + 1 + 1 + 4)
    assert any(base is not None for base in data["bases"])
    assert set(chain_of(data, "im0", "coarse")["kept"].values()) == {chain_of(data, "im0", "coarse")["kept"]["1"]}


def test_records_of_the_page_are_those_of_the_table(run):
    data = json.loads(json.dumps(gather(run).data, allow_nan=False))
    table = pd.read_parquet(run / "generations.parquet")
    for (image, codec), rows in table.groupby(["image", "codec"]):
        chain = chain_of(data, image, codec)
        assert chain["last"] == report_run.LAST
        for name in ("psnr", "bpp", "delta_e", "psnr_first", "shift_g"):
            told = [np.nan if v is None else float(v) for v in values(chain, name)]
            np.testing.assert_allclose(told, rows.sort_values("generation")[name].to_numpy(float), rtol=1e-6)
    failed = chain_of(data, "im1", "fails")
    assert values(failed, "status") == ["ok"] * 2 + ["failed"] + ["not_reached"] * 9
    assert values(failed, "reason")[2] == report_run.REASON
    assert values(chain_of(data, "im0", "coarse"), "psnr_step")[1] == "inf"


def test_means_are_over_images_that_all_coded(tmp_path):
    report_run.make(tmp_path / "run", codecs=("coarse", "jpeg"))
    data = gather(tmp_path / "run").data
    table = pd.read_parquet(tmp_path / "run" / "generations.parquet")
    mean = next(one for one in data["means"] if data["points"][one["point"]]["system"] == "jpeg")
    rows = table[(table["codec"] == "jpeg") & (table["generation"] == 7)]
    assert mean["images"] == 2
    assert values(mean, "psnr")[6] == pytest.approx(rows["psnr"].to_numpy().mean(), rel=1e-6)
    assert data["average"] == "mean of per-image values"


def test_a_codec_that_failed_everywhere_has_no_mean_and_is_named(run):
    data = gather(run).data
    assert {data["points"][one["point"]]["system"] for one in data["means"]} == {"coarse", "jpeg"}
    assert any("fails" in sentence and report_run.REASON in sentence for sentence in data["left_out"])


def test_points_are_named_as_in_the_figures(run):
    table = tables.read([run])
    table.loc[table["codec"] == "jpeg", "schedule"] = "drift:1:0.5"
    table.loc[table["codec"] == "coarse", "schedule"] = "chain:coarse:1,jpeg:25"
    points = payload(table.assign(carrier="float"), snapshots.Kept(), [], "title").data["points"]
    assert {point["label"] for point in points} == {
        "jpeg [float, drift:1:0.5]",
        "chain:coarse:1,jpeg:25 [float]",
        "fails [float], quality 25",
    }


def test_points_are_in_the_order_of_their_qualities(run):
    one = tables.read([run]).query("codec == 'jpeg'")
    table = pd.concat([one.assign(schedule=f"quality:{quality}") for quality in (10, 50, 5)], ignore_index=True)
    labels = [point["label"] for point in payload(table, snapshots.Kept(), [], "title").data["points"]]
    assert labels == ["jpeg, quality 5", "jpeg, quality 10", "jpeg, quality 50"]


def test_points_with_edits_are_marked(run):
    one = tables.read([run])
    one = one[one["codec"] == "jpeg"]
    marked = {"quality:25": False, "quality:25+shift:3": True, "list:a+b@3278d2be": False}
    table = pd.concat([one.assign(schedule=schedule) for schedule in marked], ignore_index=True)
    points = payload(table, snapshots.Kept(), [], "title").data["points"]
    assert {point["schedule"]: point["edited"] for point in points} == marked


def test_colours_are_those_of_the_figures(run):
    from bench import plots

    found = gather(run).data["points"]
    for point in found:
        look = plots.style(point["system"], codecs=[other["system"] for other in found])
        assert (point["color"], point["marker"]) == (look.color, look.marker)


def test_pixels_of_another_result_are_not_shown(tmp_path):
    store = report_run.make(tmp_path / "run", codecs=("jpeg",))
    table = pd.read_parquet(store.root / "generations.parquet")
    table.loc[(table["image"] == "im1") & (table["generation"] == 4), "mse"] *= 1.01
    table.to_parquet(store.root / "generations.parquet")
    data = gather(store.root).data
    assert chain_of(data, "im1", "jpeg")["kept"] == {}
    assert len(chain_of(data, "im0", "jpeg")["kept"]) == 4


def test_damage_is_said_and_the_rest_is_shown(tmp_path, capsys):
    store = report_run.make(tmp_path / "run")
    victim = sorted(store.chains.glob("jpeg*"))[0]
    victim.write_text("{")
    lost = next(path for path in store.snapshots.iterdir())
    lost.unlink()
    assert main([str(store.root), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    said = capsys.readouterr().err
    assert f"{victim} is damaged" in said
    assert lost.name in said
    assert sum(bool(chain["kept"]) for chain in embedded(tmp_path / "out")["chains"]) >= 4


def test_runs_are_joined(tmp_path):
    report_run.make(tmp_path / "one", codecs=("jpeg",))
    report_run.make(tmp_path / "two", codecs=("coarse",))
    assert main([str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    data = embedded(tmp_path / "out")
    assert [point["system"] for point in data["points"]] == ["coarse", "jpeg"]
    assert len(data["images"]) == 2
    assert len(data["chains"]) == 4
    assert [one["name"] for one in data["runs"]] == ["one", "two"]
    assert "secret-path" not in (tmp_path / "out" / "index.html").read_text("utf-8")


def test_another_carrier_is_a_point_of_its_own(tmp_path):
    report_run.make(tmp_path / "one", codecs=("jpeg",))
    report_run.make(tmp_path / "two", codecs=("jpeg",), carrier="float")
    points = gather(tmp_path / "one", tmp_path / "two").data["points"]
    assert [(point["system"], point["carrier"]) for point in points] == [("jpeg", "uint8"), ("jpeg [float]", "float")]


def test_a_table_without_pixels_gives_curves(tmp_path, capsys):
    pd.DataFrame({"codec": "a", "generation": [1, 2], "bpp": 0.5, "psnr": [31.0, 30.0]}).to_csv(tmp_path / "t.csv")
    assert main([str(tmp_path / "t.csv"), "--out", str(tmp_path / "out")]) == 0
    assert "kept no pixels" in capsys.readouterr().out
    assert embedded(tmp_path / "out")["chains"][0]["records"]["psnr"] == [31, 30]


def test_generations_are_left_out_to_stay_under_the_limit(run, tmp_path, capsys):
    made = gather(run)
    written = write(made.pictures, made.kept, tmp_path, None)
    whole = sum(path.stat().st_size for path in (tmp_path / "pictures").iterdir())
    assert (len(written.paths), written.left_out) == (len(made.pictures), [])
    limit = whole - 1
    written = write(made.pictures, made.kept, tmp_path, limit)
    assert written.left_out == [5]
    assert sum(path.stat().st_size for path in (tmp_path / "pictures").iterdir()) <= limit
    assert set(written.paths.values()) == {f"pictures/{path.name}" for path in (tmp_path / "pictures").iterdir()}
    # What was a difference to generation 5 is one to generation 2 now: the pixels are the same.
    source = report_run.photographs()["im0"]
    data = made.data | {"pictures": [written.paths.get(n) for n in range(len(made.pictures))]}
    data |= {"bases": [written.bases.get(n) for n in range(len(made.pictures))]}
    place = chain_of(data, "im0", "jpeg")["kept"]["10"]
    np.testing.assert_array_equal(picture(tmp_path, data, place), report_run.chain("jpeg", source)[10])
    with pytest.raises(BenchError, match="--limit"):
        write(made.pictures, made.kept, tmp_path, 1000)
    assert main([str(run), "--out", str(tmp_path / "out"), "--limit", f"{limit / 1e6}"]) == 0
    assert "generation 5 are left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("generations", "victim"),
    [({0, 1, 2, 5, 10, 20, 50}, 10), ({0, 1, 2, 3}, 2), ({0, 1, 50}, None), ({0}, None), (set(), None)],
)
def test_the_generation_missed_least(generations, victim):
    assert crowded(generations) == victim


def test_names_that_look_like_html_stay_names(tmp_path):
    name = "a</script><b>&amp;"
    source = report_run.photographs(1)["im0"]
    report_run.make(tmp_path / "run", codecs=("jpeg",), images={name: source})
    assert main([str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--title", "</title><i>", "--quiet"]) == 0
    data = embedded(tmp_path / "out")
    assert (data["images"][0]["name"], data["title"]) == (name, "</title><i>")
    text = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "<title>&lt;/title&gt;&lt;i&gt;</title>" in text
    assert name not in text


def test_nothing_in_the_page_points_outside(run):
    text = page(gather(run).data)
    addresses = {a for a in re.findall(r"https?://[^\s\"'`)]+", text) if "www.w3.org/2000/svg" not in a}
    assert addresses == set()
    assert not re.findall(r"<!--(title|style|modules|data)-->", text)


def test_the_same_runs_give_the_same_page(run, tmp_path):
    for name in ("a", "b"):
        main([str(run), "--out", str(tmp_path / name), "--quiet"])
    assert (tmp_path / "a" / "index.html").read_bytes() == (tmp_path / "b" / "index.html").read_bytes()
    main([str(run), "--out", str(tmp_path / "a"), "--images", "im1", "--quiet"])
    assert [image["name"] for image in embedded(tmp_path / "a")["images"]] == ["im1"]
    used = {file for file in embedded(tmp_path / "a")["pictures"] if file}
    assert used == {f"pictures/{path.name}" for path in (tmp_path / "a" / "pictures").iterdir()}


def test_images_with_commas_in_their_names_are_chosen(tmp_path):
    pixels = report_run.photographs()
    report_run.make(
        tmp_path / "run", codecs=("coarse",), images={"a,b": pixels["im0"], "a": pixels["im1"], "c": pixels["im0"]}
    )
    main([str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--images", "a,b, c", "--quiet"])
    assert [image["name"] for image in embedded(tmp_path / "out")["images"]] == ["a,b", "c"]


@pytest.mark.parametrize("columns", ["width\na,1,30,768", "width,height\na,1,30,inf,3"])
def test_a_size_that_is_not_told_whole_is_none(columns, tmp_path):
    (tmp_path / "t.csv").write_text(f"codec,bpp,psnr,{columns}\n")
    main([str(tmp_path / "t.csv"), "--out", str(tmp_path / "out"), "--title", "caf\udce9", "--quiet"])
    found = embedded(tmp_path / "out")
    assert (found["images"][0]["width"], found["title"]) == (None, "caf\ufffd")


def test_without_out_the_report_lies_in_the_run(tmp_path):
    report_run.make(tmp_path / "run", codecs=("coarse",))
    main([str(tmp_path / "run"), "--quiet"])
    assert (tmp_path / "run" / "report" / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{tmp}/none"], "{tmp}/none does not exist"),
        (["{run}", "--out", "{tmp}/full"], "{tmp}/full holds something that is not a report"),
        (["{run}", "--out", "{tmp}/full/mine.txt"], "holds something that is not a report"),
        (["{run}", "--out", "{tmp}/o", "--images", "im9"], "--images: there is no image 'im9' in these runs, only im0"),
        (["{run}", "--limit", "-1"], "expected megabytes"),
        (["{tmp}/t.csv"], "Name a folder with --out"),
        ([], "required: RUN"),
    ],
)
def test_errors_are_one_sentence_and_exit_code_2(run, tmp_path, capsys, arguments, sentence):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "index.html").write_text("<!doctype html><title>my own page</title>")
    (tmp_path / "full" / "mine.txt").write_text("mine")
    pd.DataFrame({"codec": "a", "bpp": [0.5], "psnr": [31.0]}).to_csv(tmp_path / "t.csv")
    places = {"tmp": tmp_path, "run": run}
    assert cli.call(main, [argument.format(**places) for argument in arguments]) == cli.USER_ERROR
    said = capsys.readouterr().err
    assert sentence.format(**places) in said
    assert said.count("\n") == 1
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
