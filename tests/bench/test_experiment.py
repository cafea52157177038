"""python -m bench.experiment: every file runs on tiny data, and what is wrong in one is one sentence."""

from __future__ import annotations

import functools
import json

import pandas as pd
import pytest
from pngs import save_png
from skimage.data import astronaut

from bench import experiment, run
from bench.codec import BenchError
from bench.runner import run_tasks

NAMES = (
    "ainn-ablation",
    "equal-budget",
    "fifty",
    "handover",
    "iat-fig4",
    "iat-fig6-drift",
    "iat-fig6-fixed",
    "iat-table1",
    "iat-table2",
    "iat-variants",
    "rate-control",
    "rd",
    "stable",
    "step-down",
    "step-once",
    "vtm-five",
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    for n in range(2):
        save_png(tmp_path / "set" / f"{n}.png", astronaut()[60 * n :, 90 * n :][:192, :200])
    return tmp_path / "set"


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))


def arguments(folder, out, *more):
    return ["--dataset", str(folder), "--out", str(out), "--jobs", "1", *more]


def test_the_listing_has_all_of_them(capsys):
    assert experiment.main([]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[2:]] == list(NAMES)
    for name in NAMES:
        keys = experiment.read(name)
        assert keys["description"] in printed
        assert keys["source"]


# Classical codecs only, that reach the rates of the experiment on these small images.
CODECS = {
    "ainn-ablation": "jpeg:50",
    "equal-budget": "webp:80",
    "vtm-five": "webp:80",
    "rate-control": "jpeg2000",
    "fifty": "jpeg,webp",
    "handover": "jpeg:75,webp:80,jpeg:60",
    "rd": "jpeg:50,webp:80",
    "iat-table1": "webp,jpeg2000",
    "iat-table2": "webp",
    "iat-fig4": "jpeg2000",
    "iat-variants": "jpeg:50",
    "stable": "jpeg:50",
    "step-down": "jpeg2000",
    "step-once": "jpeg2000",
    "iat-fig6-drift": "jpeg2000",
    "iat-fig6-fixed": "jpeg2000",
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_runs(name, folder, tmp_path, capsys):
    keys = experiment.read(name)
    out = tmp_path / "run"
    if name in ("iat-table1", "iat-table2"):
        # Levels of IAT are qualities from 0 to 1: JPEG 2000 counts bpp, WebP takes any fraction.
        path = tmp_path / f"{name}.toml"
        text = experiment.find(name).read_text().replace("quality = [0, 0.1", "quality = [0.05, 0.1")
        path.write_text(text)
        command = [str(path), *arguments(folder, out, "--codecs", CODECS[name])]
    else:
        command = [name, *arguments(folder, out, "--codecs", CODECS[name], "--generations", "3")]
        if keys["generations"] == 1:
            command[-1] = "1"
    code = experiment.main(command)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert keys["description"] in printed.out
    table = pd.read_parquet(out / "generations.parquet")
    assert (table["status"] == "ok").all()
    figures = {path.stem for path in (out / "figures").iterdir()} if (out / "figures").exists() else set()
    for report in keys["reports"]:
        assert report in figures or report in ("auc", "points")
    if "auc" in keys["reports"]:
        assert "not normalised" in printed.out
    if "points" in keys["reports"]:
        assert "20 qualities give" in printed.out
    if name == "handover":
        codecs = table[table["image"] == "0"].sort_values("generation")["codec"]
        assert list(codecs) == ["jpeg", "webp", "jpeg"]
    book = json.loads((out / "run.json").read_text())
    assert book["command"].startswith("python -m bench.experiment")


def test_a_file_can_be_copied_and_changed(tmp_path, capsys):
    assert experiment.main(["iat-fig6-fixed", "--show"]) == 0
    text = capsys.readouterr().out
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("0.791", "0.5").replace('"iat", ', ""))
    keys = experiment.read(str(path))
    assert keys["bpp"] == [0.5]
    assert keys["codecs"][:3] == ["iat[checkpoint=iat-compact]", "iat[checkpoint=iat-stable]", "sft"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('codec = ["jpeg"]', "unknown key 'codec': did you mean codecs?"),
        ('codecs = ["jpeg"]\nrate-by = "image"', "unknown key 'rate-by': did you mean rate_by?"),
        ('codecs = ["jpeg"]\n[schedule]\nbpp = 1', "schedule must be a name, a file, or a list of rates"),
        ('codecs = ["jpeg"]\nreports = ["generation"]', "unknown report 'generation': did you mean generations?"),
        ('codecs = ["jpeg"]\nreports = "rd"', "reports must be a list of what is printed and drawn, got 'rd'"),
        (
            "[codecs]\njpeg = 5",
            "codecs must be a list of codecs, with a quality or without, or a table of qualities by codec as jpeg",
        ),
        ("[codecs]\njpeg = [true]", "codecs must be a list of codecs"),
        ('codecs = ["jpeg"]\ngenerations = 0', "generations must be a whole number of at least 1, got 0"),
        ('codecs = ["jpeg"]\ngenerations = true', "generations must be a whole number of at least 1, got True"),
        ("codecs = []", "codecs must be a list of codecs"),
        ('codecs = ""', "codecs must be a list of codecs"),
        ('codecs = ["jpeg", ""]', "codecs must be a list of codecs"),
        ('codecs = ["jpeg"]\ndataset = ""', "dataset must be the name of a set, a folder or a file, got ''"),
        ('codecs = ["jpeg"]\nreports = [1]', "reports must be a list of what is printed and drawn, got [1]"),
        ('codecs = ["jpeg"]\npublished = [1]', "published must be a list of published curves beside ours, got [1]"),
        (
            'codecs = ["jpeg:75"]\nquality = [30]',
            "--quality is for codecs named without one, and jpeg:75 names its own",
        ),
        ('codecs = ["jpeg"]\nseed = 3', "--seed is that of --walk"),
        ('codecs = ["jpeg"]\nrate_side = "below"', "--rate-side is about rates"),
        ('bpp = [1]\ndescription = "x"', "names no codecs"),
        ('codecs = ["jpeg"]\nchain = ["webp:80"]', "has both codecs and chain: a chain names its codecs itself, leave"),
        ("codecs = ", "can't be read as TOML"),
        ('codecs = ["jpeg"]\nbpp = [1]\nwalk = "1:2"', "--bpp and --walk both say"),
        ('codecs = ["jpeg"]\nbpp = [1]\nrate_by = "images"', "invalid choice: 'images'"),
        ('codecs = ["jpeg"]\npublished = ["nobody"]\nreports = ["rd"]\ngenerations = 1', "No published points"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_is_wrong_in_a_file_is_one_sentence(text, sentence, folder, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BenchError) as error:
        experiment.main([str(path), *arguments(folder, tmp_path / "run")])
    assert sentence in str(error.value)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("here")
def test_a_figure_is_drawn_again_with_other_published_curves(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.run_figures.save", lambda figure, path: path.with_suffix(".png").touch())
    drawn = []
    monkeypatch.setattr("bench.plots_rd.rd", lambda points, beside, note: drawn.append({*beside.get("codec", ())}))
    (tmp_path / "kodak").mkdir()
    save_png(tmp_path / "kodak" / "a.png", astronaut()[:192, :200])
    path = tmp_path / "mine.toml"
    for published in ('["vtm"]', '["vtm"]', '["vtm", "hm"]', "", "", '["vtm"]'):
        line = f"published = {published}" if published else ""
        path.write_text(f'codecs = ["jpeg:50"]\nreports = ["rd"]\ngenerations = 1\n{line}')
        assert experiment.main([str(path), *arguments(tmp_path / "kodak", tmp_path / "run", "--quiet")]) == 0
        (tmp_path / "run" / "figures" / "rd.pdf").touch()
    assert drawn == [{"vtm"}, {"vtm", "hm"}, set(), {"vtm"}]


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_published_curves_are_looked_for_before_anything_is_coded(more, folder, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('codecs = ["jpeg"]\npublished = ["vtm", "nobody"]\nreports = ["rd"]\ngenerations = 1')
    with pytest.raises(BenchError, match="No published points of 'nobody'"):
        experiment.main([str(path), *arguments(folder, tmp_path / "run", *more)])
    assert not (tmp_path / "run").exists()


def test_options_that_no_codec_takes_are_refused(folder, tmp_path):
    with pytest.raises(BenchError, match="--device has no effect on jpeg2000: leave it out"):
        experiment.main(
            ["rate-control", *arguments(folder, tmp_path / "run", "--codecs", "jpeg2000", "--device", "cuda")]
        )


def test_numbers_and_lists_stand_for_text(folder, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('codecs = ["jpeg"]\nbpp = 1\nrate_hold = 0.05\nsnapshots = [0, 2]\ngenerations = 2')
    options = experiment._parser().parse_args([str(path), *arguments(folder, tmp_path / "run")])
    wanted = experiment.prepare(experiment.read(str(path)), options, "")
    assert [point.schedule.text for point in wanted.points] == ["bpp:1,hold:0.05"]
    assert wanted.snapshots == (0, 2)
    path.write_text('codecs = ["jpeg"]\nsnapshots = []')
    assert experiment.prepare(experiment.read(str(path)), options, "").snapshots == ()


def test_an_experiment_that_is_not_there():
    with pytest.raises(BenchError, match="Unknown experiment 'iat-fig6': did you mean iat-fig"):
        experiment.main(["iat-fig6"])
    with pytest.raises(BenchError, match=r"There is no file no/such\.toml"):
        experiment.main(["no/such.toml"])
