"""python -m bench.results: tables that can be made again, continued, and that say how they were made."""

from __future__ import annotations

import functools
import json

import pandas as pd
import pytest
from pngs import save_png
from skimage.data import astronaut

from bench import results, results_book, run, setplans, tables
from bench.codec import BenchError
from bench.rd import common_images
from bench.runner import run_tasks

TEXT = """
description = "small | and quick"
generations = 3
[codecs]
jpeg = [50, 75]
xie = [1]
"""


FLOATS = """
import numpy
from synthetic_codecs import Drift
class Floats(Drift):
    name = "floats"
    def encode_float(self, image, quality):
        return self.encode(image.astype(numpy.uint8), quality)
    def decode_float(self, stream):
        return self.decode(stream).astype(numpy.float32)
"""


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    monkeypatch.setattr("baselines.learned.files.SHIPPED", tmp_path)  # nothing is shipped: xie can't run
    (tmp_path / "set").mkdir()
    for n in range(2):
        save_png(tmp_path / "set" / f"{n}.png", astronaut()[60 * n :, 90 * n :][:176, :180])
    return tmp_path / "set"


def make(tmp_path, *more, text=TEXT):
    (tmp_path / "mine.toml").write_text(text)
    arguments = [str(tmp_path / "mine.toml"), "--dataset", str(tmp_path / "set"), "--out", str(tmp_path / "out")]
    return results.main([*arguments, "--jobs", "1", *more])


@pytest.mark.usefixtures("photographs")
def test_a_dry_run_writes_nothing(tmp_path, capsys):
    assert make(tmp_path, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "To do: 4 chains" in said
    assert " took " not in said.replace("The probe took", "")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("photographs")
def test_a_table_is_made_and_says_how(tmp_path, capsys):
    assert make(tmp_path) == 0
    said = capsys.readouterr()
    assert "mine took" in said.out
    assert "xie is left out" in said.err
    folder = tmp_path / "out" / "set"
    found = results.table("mine", "set", tmp_path / "out")
    pd.testing.assert_frame_equal(found, tables.read([tmp_path / "out" / "runs" / "set-mine"]))
    assert set(found["schedule"]) == {"quality:50", "quality:75"}
    means = pd.read_csv(folder / "mine.csv")
    rows = found[(found["schedule"] == "quality:75") & (found["generation"] == 3)]
    mean = means[(means["schedule"] == "quality:75") & (means["generation"] == 3)]
    assert mean["psnr"].item() == pytest.approx(rows["psnr"].mean(), rel=1e-5)
    book = json.loads((folder / "mine.json").read_text())
    assert set(book["codecs"]) == set(found["codec_id"])
    assert all(one["identity"]["codec"] == "jpeg" for one in book["codecs"].values())
    assert (book["points"], book["images"], book["records"], book["failed"]) == (2, 2, 12, 0)
    assert book["made"][0]["chains"] == 4
    assert book["made"][0]["coding_s"] > 0
    readme = (folder / "README.md").read_text()
    assert r"| `mine` | small \| and quick | jpeg | 2 | 2 | 3 | 0 |" in readme
    assert "not available there: xie" in readme
    for path in folder.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path.name


@pytest.mark.usefixtures("photographs")
def test_a_codec_with_rows_of_before_is_not_called_unavailable(tmp_path):
    make(tmp_path)
    folder = tmp_path / "out" / "set"
    book = json.loads((folder / "mine.json").read_text())
    book["made"][-1]["left_out"] = ["jpeg", "xie"]
    (folder / "mine.json").write_text(json.dumps(book))
    results_book.write_index(folder)
    assert "`mine`, not available there: xie.\n" in (folder / "README.md").read_text()
    book["made"][-1]["left_out"] = ["jpeg"]
    (folder / "mine.json").write_text(json.dumps(book))
    results_book.write_index(folder)
    assert "not available there" not in (folder / "README.md").read_text()


@pytest.mark.usefixtures("photographs")
def test_what_is_done_is_not_coded_again(tmp_path, monkeypatch):
    make(tmp_path)
    files = {path.name: path.read_bytes() for path in (tmp_path / "out" / "set").iterdir()}
    monkeypatch.setattr(run, "run_tasks", lambda *_, **__: pytest.fail("coded again"))
    assert make(tmp_path) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "set").iterdir()} == files


@pytest.mark.usefixtures("photographs")
def test_only_missing_points_are_added(tmp_path, capsys):
    make(tmp_path)
    before = pd.read_parquet(tmp_path / "out" / "set" / "mine.parquet")
    (tmp_path / "out" / "runs").rename(tmp_path / "out" / "gone")
    assert make(tmp_path, "--missing") == 0
    assert "0 of 2 operating points are missing" in capsys.readouterr().out
    assert make(tmp_path, "--missing", text=TEXT.replace("[50, 75]", "[50, 75, 90]\nwebp = [80]")) == 0
    assert "2 of 4 operating points are missing" in capsys.readouterr().out
    after = pd.read_parquet(tmp_path / "out" / "set" / "mine.parquet")
    kept = after[after["schedule"].isin(before["schedule"])]
    pd.testing.assert_frame_equal(kept.reset_index(drop=True), before)
    assert set(after["codec"]) == {"jpeg", "webp"}
    assert len(after) == 24
    book = json.loads((tmp_path / "out" / "set" / "mine.json").read_text())
    assert [one["chains"] for one in book["made"]] == [4, 4]
    assert {one["name"] for one in book["codecs"].values()} == {"jpeg", "webp"}


@pytest.mark.usefixtures("photographs")
@pytest.mark.parametrize("other", ["generations = 2", 'generations = 3\ncarrier = "float"'])
def test_chains_of_other_lengths_and_carriers_in_the_run_folder_do_not_count(tmp_path, other, monkeypatch):
    (tmp_path / "floats.py").write_text(FLOATS)
    monkeypatch.syspath_prepend(str(tmp_path))
    text = 'description = "x"\ngenerations = 3\ncodecs = ["floats:Floats"]\n'
    for each in (text.replace("generations = 3", other), text):
        assert make(tmp_path, text=each) == 0
    assert len(list((tmp_path / "out" / "runs" / "set-mine" / "chains").glob("*.json"))) == 4
    (made,) = json.loads((tmp_path / "out" / "set" / "mine.json").read_text())["made"]
    assert made["chains"] == 2


@pytest.mark.usefixtures("photographs")
def test_a_codec_that_breaks_when_it_is_asked_whether_it_can_run_is_left_out(tmp_path, monkeypatch, capsys):
    (tmp_path / "asked.py").write_text(
        "from synthetic_codecs import Drift\nclass Asked(Drift):\n    def available(self):\n        return 1 / 0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    text = 'description = "x"\ngenerations = 1\ncodecs = ["jpeg:75", "asked:Asked"]\n'
    assert make(tmp_path, text=text) == 0
    said = capsys.readouterr().err
    assert "mine: asked:Asked is left out. asked:Asked: available() raised ZeroDivisionError: division by zero" in said


@pytest.mark.usefixtures("photographs")
def test_a_chain_that_failed_is_not_missing(tmp_path, capsys):
    text = 'description = "x"\ngenerations = 2\nbpp = [0.9, 20]\ncodecs = ["jpeg"]\n'
    assert make(tmp_path, text=text) == 1
    assert results.table("mine", "set", tmp_path / "out")["status"].value_counts()["failed"] == 2
    capsys.readouterr()
    assert make(tmp_path, "--missing", text=text) == 0
    assert "0 of 2 operating points are missing" in capsys.readouterr().out


@pytest.mark.usefixtures("photographs")
def test_rows_of_an_earlier_checkpoint_are_replaced(tmp_path, capsys):
    make(tmp_path)
    path = tmp_path / "out" / "set" / "mine.parquet"
    old = pd.read_parquet(path)
    results_book.write_parquet(old.assign(codec_id="earlier"), path, path)
    assert make(tmp_path, "--missing") == 0
    assert "2 of 2 operating points are missing" in capsys.readouterr().out
    assert len(pd.read_parquet(path)) == len(old)
    assert set(pd.read_parquet(path)["codec_id"]) == set(old["codec_id"])


@pytest.mark.usefixtures("photographs")
def test_a_run_folder_as_it_stands(tmp_path, monkeypatch):
    with pytest.raises(BenchError, match="holds no finished run"):
        make(tmp_path, "--as-is")
    make(tmp_path)
    run_folder = tmp_path / "out" / "runs" / "set-mine"
    records = pd.read_parquet(run_folder / "generations.parquet")
    gone = records["generation"] == 3
    records.loc[gone, ["status", "reason"]] = "failed", "mine: gone."
    results_book.write_parquet(records, run_folder / "generations.parquet", run_folder / "generations.parquet")
    monkeypatch.setattr(run, "run_tasks", lambda *_, **__: pytest.fail("coded again"))
    assert make(tmp_path, "--as-is") == 1
    assert json.loads((tmp_path / "out" / "set" / "mine.json").read_text())["failed"] == 4
    assert (results.table("mine", "set", tmp_path / "out")["status"] == "failed").sum() == 4


@pytest.mark.usefixtures("photographs")
def test_a_hand_over_needs_all_its_codecs(tmp_path, capsys):
    text = 'description = "x"\nchain = ["jpeg:75", "xie"]\ngenerations = 2\n'
    assert make(tmp_path, text=text) == 1
    assert "xie is left out" in capsys.readouterr().err
    assert not (tmp_path / "out" / "set").exists()


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(BenchError, match=r"python -m bench\.results fifty"):
        results.table("fifty", "nowhere", tmp_path)


@pytest.mark.parametrize("path", sorted((results.FOLDER / "kodak").glob("*.parquet")), ids=lambda path: path.stem)
def test_committed_tables_hold_what_they_say(path):
    found = results.table(path.stem)
    book = json.loads(path.with_suffix(".json").read_text())
    assert set(found["codec_id"]) == set(book["codecs"])
    assert all(book["codecs"].values())
    slow = path.stem == "vtm-five"  # on two images only
    assert set(found["dataset"]) == {"kodim05+kodim23" if slow else "kodak"}
    assert found["image"].nunique() == book["images"] == (2 if slow else 24)
    assert len(found) == book["records"]
    assert f"`{path.stem}`" in (path.parent / "README.md").read_text()
    means = pd.read_csv(path.with_suffix(".csv"))
    common = common_images(found).records
    first = common[common["generation"] == 1].groupby(["codec", "schedule"])["psnr"].mean()
    told = means[means["generation"] == 1].groupby(["codec", "schedule"])["psnr"].first()
    assert told.to_numpy() == pytest.approx(first[told.index].to_numpy(), rel=1e-5)


def test_as_is_after_missing_keeps_the_points_of_before_or_says_what_it_lacks(photographs, tmp_path):
    make(tmp_path)
    (tmp_path / "out" / "runs").rename(tmp_path / "out" / "gone")
    more = TEXT.replace("[50, 75]", "[50, 75, 90]")
    assert make(tmp_path, "--missing", text=more) == 0
    with pytest.raises(BenchError, match=r"lacks 2 of 3 operating points, as after --missing: add --missing to keep"):
        make(tmp_path, "--as-is", text=more)
    assert set(results.table("mine", "set", tmp_path / "out")["quality"]) == {50, 75, 90}


def test_rows_of_an_image_with_other_pixels_are_missing_and_replaced(photographs, tmp_path, capsys):
    make(tmp_path)
    save_png(photographs / "1.png", astronaut()[200:376, 200:380])
    assert make(tmp_path, "--missing") == 0
    assert "2 of 2 operating points are missing" in capsys.readouterr().out
    found = results.table("mine", "set", tmp_path / "out")  # which refuses an image of two kinds of pixels
    assert len(found) == 12


@pytest.mark.usefixtures("photographs")
def test_a_set_coded_at_its_mean_rate_is_not_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(setplans, "plan", functools.partial(setplans.plan, backend="sequential"))
    text = 'description = "x"\ngenerations = 2\nbpp = [1.2]\nrate_by = "dataset"\ncodecs = ["jpeg"]\n'
    assert make(tmp_path, text=text) == 0
    assert make(tmp_path, "--missing", text=text) == 0
    assert "0 of 1 operating points are missing" in capsys.readouterr().out
    assert make(tmp_path, "--missing", text=text.replace('rate_by = "dataset"\n', "")) == 0
    assert "1 of 1 operating points are missing" in capsys.readouterr().out


@pytest.mark.parametrize("rate_by", ["dataset", "originals"])
def test_of_a_set_that_has_changed_no_rows_of_another_plan_are_kept(
    photographs, tmp_path, monkeypatch, capsys, rate_by
):
    monkeypatch.setattr(setplans, "plan", functools.partial(setplans.plan, backend="sequential"))
    text = f'description = "x"\ngenerations = 2\nbpp = [1.2]\nrate_by = "{rate_by}"\ncodecs = ["webp"]\n'
    assert make(tmp_path, text=text) == 0
    save_png(photographs / "2.png", astronaut()[300:480, 20:200])
    gone = photographs / "1.png"
    gone.unlink()
    assert make(tmp_path, "--missing", text=text) == 0
    assert "1 of 1 operating points are missing" in capsys.readouterr().out
    found = results.table("mine", "set", tmp_path / "out")
    assert set(found["image"]) == {"0", "2"}
    assert (found.groupby("generation")["quality"].nunique() == 1).all()
    book = json.loads((tmp_path / "out" / "set" / "mine.json").read_text())
    assert book["made"][-1]["chains"] == 2, "those of the set before are of other qualities"
    (photographs / "2.png").unlink()
    assert make(tmp_path, "--missing", text=text) == 0
    assert "1 of 1 operating points are missing" in capsys.readouterr().out, "the set is another"


@pytest.mark.usefixtures("photographs")
def test_a_damaged_folder_is_one_sentence_or_not_recorded(tmp_path):
    assert make(tmp_path) == 0
    out = tmp_path / "out"
    (out / "set" / "other.json").write_text('{"experiment": "x"}')
    (run,) = (out / "runs").iterdir()
    chains = sorted((run / "chains").iterdir())
    chains[0].write_text('{"chain": {"records": []}}')
    assert make(tmp_path, "--as-is") == 0
    for chain in chains:
        chain.unlink()
    (run / "run.json").unlink()
    assert make(tmp_path, "--as-is") == 0
    assert json.loads((out / "set" / "mine.json").read_text())["made"][-1]["machine"] == "not recorded"
    (run / "generations.parquet").write_bytes(b"PAR1")
    with pytest.raises(BenchError, match=r"generations.parquet is damaged: .* leave out --as-is"):
        make(tmp_path, "--as-is")
    (out / "set" / "mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(BenchError, match=r"mine.parquet is damaged: .* leave out --missing"):
        make(tmp_path, "--missing")


@pytest.mark.usefixtures("photographs")
@pytest.mark.parametrize(
    ("text", "codecs"),
    [
        ('generations = 1\ncodecs = "jpeg:75,webp:80"\n', {"jpeg", "webp"}),
        ('generations = 2\nchain = ["jpeg:75", "webp@0.9bpp"]\n', {"jpeg", "webp"}),
        ('generations = 2\nchain = "jpeg:75,webp:80"\n', {"jpeg", "webp"}),
    ],
)
def test_files_that_bench_experiment_takes(tmp_path, text, codecs):
    assert make(tmp_path, text=text) == 0
    assert set(results.table("mine", "set", tmp_path / "out")["codec"]) == codecs
