"""--dry-run: what it says, that it writes nothing, and what its arithmetic comes to."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest
from pngs import save_png
from skimage.data import astronaut

from bench import dryrun, probe, reencode, run
from bench.runner import run_tasks


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Two photographs, one twice as large as the other."""
    (tmp_path / "set").mkdir()
    save_png(tmp_path / "set" / "small.png", astronaut()[100:290, 100:290])
    save_png(tmp_path / "set" / "large.png", astronaut()[100:290, 100:480])
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    monkeypatch.setattr("bench.reports.make", lambda *_: None)
    return ["--dataset", str(tmp_path / "set"), "--out", str(tmp_path / "run"), "--jobs", "2", "--snapshots", "0,1,4"]


def megabytes(text):
    number, unit = re.fullmatch(r"([\d.e+]+) (kB|MB|GB)", text).groups()
    return float(number) * {"kB": 1e-3, "MB": 1, "GB": 1e3}[unit]


def test_it_counts_and_writes_nothing_and_its_disk_is_that_of_the_run(command, tmp_path, capsys):
    command += ["--codec", "jpeg:50,webp:60", "--generations", "4"]
    assert reencode.main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert not (tmp_path / "run").exists()
    assert "4 chains, 0 done before." in said
    assert "To do: 4 chains, 16 generations, about 16 encodings." in said
    assert re.search(r"Time: about \d+ (s|min|h) with 2 at once", said)
    records, snapshots = re.search(r"Disk: about (.*) for records and (.*) for snapshots; .* are free\.", said).groups()
    assert reencode.main([*command, "--quiet"]) == 0
    out = tmp_path / "run"
    tables = [path.stat().st_size for path in (*(out / "chains").iterdir(), *out.glob("generations.*"))]
    assert megabytes(records) == pytest.approx(sum(tables) / 1e6, rel=0.6)
    pixels = [path.stat().st_size for path in (out / "snapshots").iterdir()]
    assert megabytes(snapshots) == pytest.approx(sum(pixels) / 1e6, rel=0.3)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert reencode.main([*command, "--dry-run", "--codec", "jpeg:50,webp:60,jpeg:70"]) == 0
    assert "6 chains, 4 done before." in capsys.readouterr().out
    one = [*command, "--dataset", str(tmp_path / "set" / "small.png"), "--codec", "null", "--generations", "1"]
    assert reencode.main([*one, "--dry-run"]) == 0
    assert "To do: 1 chain, 1 generation, about 1 encoding." in capsys.readouterr().out
    assert reencode.main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out == "Dry run, nothing is written. 4 chains, 4 done before.\n"
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_what_is_passed_over_is_told(command, tmp_path, capsys):
    (tmp_path / "set" / "raw.dng").write_bytes(b"II*\0")
    assert reencode.main([*command, "--codec", "null", "--generations", "1", "--dry-run"]) == 0
    assert capsys.readouterr().err == "Passed over in set: 1 .dng.\n"


def test_of_a_large_image_the_middle_is_coded_and_the_rest_reckoned(command, tmp_path, monkeypatch, capsys):
    whole = ["--codec", "null", "--generations", "1", "--snapshots", "0,1", "--dry-run"]
    sizes = []
    for largest in (1024, 95):
        monkeypatch.setattr(probe, "LARGEST", largest)
        assert reencode.main([*command, "--dataset", str(tmp_path / "set" / "large.png"), *whole]) == 0
        said = capsys.readouterr().out
        assert ("a generation of large (0.072 MP, from its middle)" in said) == (largest == 95)
        sizes.append(megabytes(re.search(r"records and (.*) for snapshots", said)[1]))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.4)  # eight times as many pixels as were coded


def test_rate_control_fixed_points_and_failures_are_reckoned_with(command, capsys):
    assert reencode.main([*command, "--codec", "jpeg", "--bpp", "1", "--generations", "3", "--dry-run"]) == 0
    encodings = int(re.search(r"about (\d+) encodings", capsys.readouterr().out)[1])
    assert 2 * 3 < encodings < 2 * 3 * 12
    given = ["--codec", "synthetic_codecs:Coarse,synthetic_codecs:Refuses", "--generations", "40", "--dry-run"]
    assert reencode.main([*command, *given]) == 1
    said = capsys.readouterr().out
    assert "a fixed point or cycle at generation 2." in said
    assert "refuses, quality:0: the probe failed: refuses: never today." in said


@pytest.mark.parametrize("rate_by", ["dataset", "originals"])
def test_a_set_may_have_a_rate_that_its_middle_image_has_not(rate_by, tmp_path, capsys):
    (tmp_path / "mixed").mkdir()
    noise = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)
    for n, pixels in enumerate((np.full_like(noise[:90, :90], 7), np.full_like(noise[:94, :94], 9), noise)):
        save_png(tmp_path / "mixed" / f"{n}.png", pixels)
    command = ["--dataset", str(tmp_path / "mixed"), "--codec", "jpeg", "--bpp", "3", "--rate-by", rate_by]
    assert reencode.main([*command, "--generations", "2", "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "the probe failed" not in said
    assert megabytes(re.search(r"records and (.*) for snapshots", said)[1]) > 0


def test_choosing_by_originals_is_not_reckoned_anew_for_every_generation(command, capsys):
    given = ["--codec", "jpeg", "--drift", "1.2:0.8", "--generations", "40", "--rate-by", "originals", "--dry-run"]
    assert reencode.main([*command, *given]) == 0
    encodings = int(re.search(r"about (\d+) encodings", capsys.readouterr().out)[1])
    assert 2 * 40 < encodings <= 2 * (40 + 100), "no more than it has qualities, for each of two images"


def test_what_a_run_by_dataset_has_done_is_found(command, tmp_path, capsys):
    command += ["--codec", "jpeg", "--bpp", "1", "--rate-by", "dataset", "--generations", "3", "--quiet"]
    assert reencode.main([*command, "--dry-run"]) == 0
    searched = int(re.search(r"2 chains, 0 done .* about (\d+) encodings", capsys.readouterr().out, re.S)[1])
    assert searched > 2 * 2 * 3
    assert reencode.main(command) == 0
    assert reencode.main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out == "Dry run, nothing is written. 2 chains, 2 done before.\n"
    for chain in (tmp_path / "run" / "chains").iterdir():
        chain.unlink()
    assert reencode.main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "2 chains, 0 done before." in said
    assert "2 chains, 6 generations, about 6 encodings." in said
    assert not list((tmp_path / "run" / "chains").iterdir())


def test_work_goes_to_whoever_is_free_first():
    assert dryrun._makespan([5, 3, 3, 1], 2) == 6
    assert dryrun._makespan([4], 3) == 4
    assert np.isclose(dryrun._makespan([1.0] * 7, 2), 4)
