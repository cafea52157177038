"""bench.reports: what a run makes of its results, and what it does not make again."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pngs import save_png
from skimage.data import astronaut

from bench import plots, plots_rd, reencode, reports, run
from bench.runner import run_tasks
from bench.snapshots import intact


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A run with edits on two photographs, coded in this process; with further options it is the same or another."""
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    (tmp_path / "set").mkdir()
    for number in range(2):
        save_png(tmp_path / "set" / f"im{number}.png", astronaut()[90 * number :, 120 * number :][:64, :80])
    command = ["--codec", "synthetic_codecs:Coarse", "--dataset", str(tmp_path / "set"), "--out", str(tmp_path / "run")]
    return lambda *more: reencode.main([*command, "--generations", "3", "--jobs", "1", *more])


@pytest.fixture
def made(monkeypatch):
    """The names of texts made so far."""
    names = []
    for name in ("by_generation", "cost_table"):
        function = getattr(reports, name)
        monkeypatch.setattr(reports, name, lambda *args, f=function, n=name: names.append(n) or f(*args))
    return names


def test_a_quiet_run_makes_no_texts(start, made, capsys):
    assert start("--edit", "resize:0.5", "--quiet") == 0
    assert made == []
    assert capsys.readouterr().out == ""


def test_what_edits_cost_is_measured_once_a_run(start, made, capsys, tmp_path):
    edit = ("--edit", "resize:0.5")
    start(*edit)
    assert made == ["by_generation", "cost_table"]
    first = capsys.readouterr().out
    cost = first[first.index("No codec, resize:0.5 between generations (mean over 2 images)") :].split("\n")[:5]
    start(*edit)
    assert made == ["by_generation", "cost_table", "by_generation"]
    assert "\n".join(cost) in capsys.readouterr().out
    assert (tmp_path / "run" / "figures" / "edits.txt").read_text() == "\n".join(cost)


def test_what_other_edits_cost_is_measured_anew(start, made, capsys):
    start("--edit", "resize:0.5", "--generations", "2")
    start("--edit", "shift:1", "--quiet")
    assert made.count("cost_table") == 1
    capsys.readouterr()
    start("--edit", "shift:1")
    assert made.count("cost_table") == 2
    assert "No codec, shift:1 between generations" in capsys.readouterr().out


@pytest.fixture
def columns(monkeypatch):
    """The headings and the note of every contact sheet drawn."""
    drawn = []
    draw = plots.contact_sheet

    def spy(rows, headings, title, note):
        blank = [name for name, cells in rows.items() if any(cell.pixels is None for cell in cells)]
        drawn.append((headings, note, blank))
        return draw(rows, headings, title, note)

    monkeypatch.setattr(plots, "contact_sheet", spy)
    return drawn


@pytest.mark.parametrize(
    ("snapshots", "headings"),
    [
        ("0,1,2", ["source", "generation 1", "generation 2"]),  # generation 3 is the last, and not kept
        ("0,1,2,3", ["source", "generation 1", "generation 2", "generation 3"]),
        ("0,1,3,50", ["source", "generation 1", "generation 3"]),
    ],
)
def test_a_contact_sheet_shows_what_is_kept_and_its_note_agrees(start, columns, snapshots, headings):
    start("--quiet", "--snapshots", snapshots)
    ((shown, note, blank),) = columns
    assert (shown, blank) == (headings, [])
    assert f"where {headings[-1]} differs most" in note


@pytest.mark.parametrize("snapshots", ["0", "2", "none"])
def test_without_a_source_or_without_a_generation_there_is_no_contact_sheet(start, columns, snapshots, tmp_path):
    start("--quiet", "--snapshots", snapshots)
    assert columns == []
    assert not (tmp_path / "run" / "figures" / "contact_sheet.png").exists()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:20])])
@pytest.mark.parametrize("snapshots", ["0,1", "none"])
def test_pixels_that_nobody_asks_for_are_not_looked_at(start, columns, snapshots, damage, tmp_path):
    """Those that are asked for are coded again where they are gone."""
    drift = ("--codec", "synthetic_codecs:Drift", "--quiet", "--snapshots")
    start(*drift, "0,1,2")
    chains = [json.loads(path.read_text())["chain"] for path in (tmp_path / "run" / "chains").iterdir()]
    keep = {chain["snapshots"][n]["name"] for chain in chains for n in "01"}
    for path in (tmp_path / "run" / "snapshots").iterdir():
        if snapshots == "none" or path.name not in keep:
            damage(path)
    shutil.rmtree(tmp_path / "run" / "figures")
    columns.clear()
    assert start(*drift, snapshots) == 0
    assert [shown for shown, _, _ in columns] == [["source", "generation 1"]] * (snapshots != "none")
    assert start(*drift, "0,1,2") == 0
    for chain in chains:
        assert all(intact(tmp_path / "run" / "snapshots", file) for file in chain["snapshots"].values())


@pytest.fixture
def drawn(monkeypatch):
    """The rate-distortion figures drawn so far."""
    figures = []
    draw = plots_rd.rd
    monkeypatch.setattr(plots_rd, "rd", lambda *args, **more: figures.append(draw(*args, **more)) or figures[-1])
    return figures


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_several_settings_of_a_codec_make_rate_distortion_curves_of_both_ends(start, drawn, tmp_path):
    settings = "synthetic_codecs:Coarse:1,synthetic_codecs:Coarse:2,jpeg:30,jpeg:60"
    assert start("--codec", settings, "--quiet") == 0
    figures = tmp_path / "run" / "figures"
    assert {"rd.png", "rd.pdf", "generations.png"} <= {path.name for path in figures.iterdir()}
    lines = drawn[0].axes[0].get_lines()
    assert [(line.get_linestyle(), line.get_marker()) for line in lines[1::2]] == [("-", "s"), ("--", "s")]
    assert len({line.get_color() for line in lines[1::2]}) == 1
    assert {"jpeg (generation 1)", "jpeg (generation 3)"} < {*legend(drawn[0])}
    assert start("--codec", settings, "--quiet") == 0
    assert len(drawn) == 1


def test_figures_of_another_table_are_gone_and_those_of_the_same_one_stay(start, tmp_path):
    figures = tmp_path / "run" / "figures"
    assert start("--codec", "jpeg:30,jpeg:60", "--quiet") == 0
    assert {"contact_sheet.png", "rd.png"} < {path.name for path in figures.iterdir()}
    before = {path: path.stat().st_mtime_ns for path in figures.iterdir()}
    assert start("--codec", "jpeg:30,jpeg:60", "--quiet", "--snapshots", "none") == 0
    assert before == {path: path.stat().st_mtime_ns for path in figures.iterdir()}
    for name in ("mine.png", *reports.MADE):
        (figures / name).touch()
    assert start("--codec", "jpeg:50", "--quiet", "--snapshots", "none") == 0
    assert {path.name for path in figures.iterdir()} == {"mine.png", "generations.pdf", "generations.png"}


def test_where_all_chains_fail_no_figure_stays(start, tmp_path, capsys):
    assert start("--codec", "jpeg:30") == 0
    assert "figures/" in capsys.readouterr().out
    assert start("--codec", "synthetic_codecs:Text") == 1
    assert list((tmp_path / "run" / "figures").iterdir()) == []
    assert "figures/" not in capsys.readouterr().out


def asks_for(monkeypatch, *names):
    monkeypatch.setattr(reencode, "_reports", lambda *_: names)


def test_reports_write_no_file_that_is_not_known(start, tmp_path, monkeypatch):
    """Those of MADE are deleted in time; test_experiment has the file of published curves."""
    asks_for(monkeypatch, *reports.REPORTS)
    assert start("--codec", "jpeg:30,jpeg:60") == 0
    found = {path.name for path in (tmp_path / "run" / "figures").iterdir()}
    assert start("--edit", "shift:1") == 0
    found |= {path.name for path in (tmp_path / "run" / "figures").iterdir()}
    assert found == {*reports.MADE} - {"rd-published.csv"}


@pytest.mark.parametrize("names", [("rd", "rd_last"), ("rd_last", "rd")])
def test_curves_of_generation_1_and_of_both_ends_are_two_figures(start, drawn, tmp_path, monkeypatch, names):
    asks_for(monkeypatch, *names)
    assert start("--codec", "jpeg:30,jpeg:60", "--quiet") == 0
    figures = tmp_path / "run" / "figures"
    assert {path.name for path in figures.iterdir()} == {"rd.pdf", "rd.png", "rd_last.pdf", "rd_last.png"}
    curves = {name: legend(figure) for name, figure in zip(names, drawn, strict=True)}
    assert curves == {"rd": ["jpeg"], "rd_last": ["jpeg (generation 1)", "jpeg (generation 3)"]}
    assert start("--codec", "jpeg:30,jpeg:60", "--quiet") == 0
    assert len(drawn) == 2


def test_of_one_generation_each_curve_is_drawn_once(start, drawn, monkeypatch):
    asks_for(monkeypatch, "rd_last")
    assert start("--codec", "jpeg:30,jpeg:60", "--quiet", "--generations", "1") == 0
    assert legend(drawn[0]) == ["jpeg (generation 1)"]
    assert len(drawn[0].axes[0].get_lines()) == 1


@pytest.mark.parametrize("more", [("--codec", "jpeg:30,webp:50"), ("--codec", "jpeg:30,jpeg:50", "--edit", "shift:1")])
def test_where_there_is_no_curve_none_is_drawn(start, more, tmp_path):
    assert start(*more, "--quiet") == 0
    assert not (tmp_path / "run" / "figures" / "rd.png").exists()


@pytest.mark.parametrize(
    ("names", "curves", "datasets", "sentences"),
    [
        (["auc"], ["vtm"], ["kodak"], []),
        (["auc"], [], ["kodim23"], []),
        (["rd"], ["vtm"], ["kodim23", "kodak"], []),
        (
            ["generations", "rd"],
            ["vtm", "published:hm", "iat2022"],
            ["kodim23"],
            [
                "No published points of vtm and hm on 'kodim23' (there are some on clic2020-mobile, "
                "clic2020-professional, kodak): none is drawn.",
                "No published points of iat2022 on 'kodim23' (there are some on kodak): none is drawn.",
            ],
        ),
        (["rd_last"], ["vtm"], ["kodak"], ["No published curve is drawn: only the reports 'rd' and 'auc' have them"]),
    ],
)
def test_published_curves_that_are_not_drawn_are_named(monkeypatch, names, curves, datasets, sentences):
    monkeypatch.setattr(reports, "REPORTS", dict.fromkeys(reports.REPORTS, lambda *_: None))
    table = pd.DataFrame({"dataset": datasets})
    said = []
    reports.make(reports.Results(table, [], None, False, tuple(names), tuple(curves)), said.append)
    assert len(said) == len(sentences)
    assert all(one.startswith(sentence) for one, sentence in zip(said, sentences, strict=True))
