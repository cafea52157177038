"""python -m bench.reencode: the whole command, its errors, its resumption."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_codecs as synthetic
from pngs import save_png
from skimage.data import astronaut

from baselines.learned.files import SHIPPED
from bench import reencode, run
from bench.codec import BenchError
from bench.run_name import run_name
from bench.runner import run_tasks

HERE = Path(__file__).parent
TIMES = ["encode_s", "decode_s"]


@pytest.fixture
def folder(tmp_path):
    """Four small photographs."""
    (tmp_path / "set").mkdir()
    for number in range(4):
        crop = astronaut()[100 * number :, 90 * number :][: 170 + number, :180]
        save_png(tmp_path / "set" / f"im{number}.png", crop)
    return tmp_path / "set"


@pytest.fixture
def here(monkeypatch):
    """Chains coded in this process."""
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))


def arguments(folder, out, codec="synthetic_codecs:Coarse", *more):
    return ["--codec", codec, "--dataset", str(folder), "--out", str(out), "--generations", "5", "--jobs", "2", *more]


def table(out):
    return pd.read_parquet(out / "generations.parquet")


@pytest.mark.usefixtures("here")
def test_a_run_and_the_same_again(folder, tmp_path, capsys, monkeypatch):
    count = tmp_path / "count"
    monkeypatch.setenv(synthetic.COUNT, str(count))
    out = tmp_path / "run"
    command = arguments(folder, out, "synthetic_codecs:Coarse:1,synthetic_codecs:Drift,jpeg:50")
    assert reencode.main(command) == 0
    printed = capsys.readouterr().out
    assert "12 chains, 0 done before, 12 to code" in printed
    assert "jpeg, quality 50 (set, mean over 4 images)" in printed
    assert str(out) in printed
    encodes = count.stat().st_size
    assert encodes == 4 * (2 + 1) + 4 * (5 + 1)  # each source once more, by a second instance
    names = {"generations.parquet", "generations.csv", "run.json", "figures", "snapshots", "chains"}
    assert {path.name for path in out.iterdir()} == names
    figures = {"generations.pdf", "generations.png", "contact_sheet.pdf", "contact_sheet.png"}
    assert {path.name for path in (out / "figures").iterdir()} == figures
    found = table(out)
    assert len(found) == 3 * 4 * 5
    assert (found["status"] == "ok").all()
    drawn = {path: path.stat().st_mtime_ns for path in (out / "figures").iterdir()}

    assert reencode.main(command) == 0
    printed = capsys.readouterr().out
    assert "12 done before, 0 to code" in printed
    assert count.stat().st_size == encodes
    pd.testing.assert_frame_equal(table(out), found)
    assert drawn == {path: path.stat().st_mtime_ns for path in (out / "figures").iterdir()}
    book = json.loads((out / "run.json").read_text())
    assert [one["chains"]["coded"] for one in book["invocations"]] == [0, 12]
    assert book["codecs"][2]["identity"]["codec"] == "jpeg"
    ids = found.groupby("codec")["codec_id"].unique()
    assert {one["name"]: [one["codec_id"]] for one in book["codecs"]} == {name: [*some] for name, some in ids.items()}
    assert book["images"][0]["image"] == "im0"
    assert book["status"] == "finished"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("count", "figures"), [("1", ["rd"]), ("2", ["generations", "rd"])])
def test_several_qualities_are_drawn_as_rate_and_distortion(count, figures, folder, tmp_path, capsys):
    command = arguments(folder, tmp_path / "run", "jpeg,webp", "--quality", "20,50,80")
    command[command.index("--generations") + 1] = count
    assert reencode.main([*command, "--snapshots", "none"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"6 operating points x 4 images, {count} generation")
    drawn = {f"{figure}.{ending}" for figure in figures for ending in ("pdf", "png")}
    assert {path.name for path in (tmp_path / "run" / "figures").iterdir()} == drawn
    assert ("system" in said) == (figures == ["rd"])


@pytest.mark.usefixtures("here")
def test_a_hand_over_at_a_quality_and_at_a_rate(folder, tmp_path, capsys):
    """The generations at a quality have no rate to miss, and the table says so."""
    command = ["--chain", "jpeg:75,webp@1bpp", "--dataset", str(folder), "--generations", "4", "--jobs", "1"]
    assert reencode.main([*command, "--out", str(tmp_path / "run")]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()[:1].isdigit()][1:5]
    expected = [["1", "jpeg", "-"], ["2", "webp", "1.0000"], ["3", "jpeg", "-"], ["4", "webp", "1.0000"]]
    assert [row[:3] for row in rows] == expected
    assert rows[0][2:5] == ["-"] * 3
    found = table(tmp_path / "run").query("generation == 4")
    assert rows[3][3:5] == [f"{found['miss'].mean():+.2%}", f"{found['encodes'].mean():.1f}"]


@pytest.mark.usefixtures("here")
def test_pixels_of_the_first_and_the_last_turn_of_every_codec_are_kept(folder, tmp_path):
    command = ["--chain", "jpeg:75,webp:80,jpeg:60,webp:70", "--dataset", str(folder), "--jobs", "1", "--quiet"]
    for snapshots, kept in ((), {0, 1, 2, 3, 4, 5, 9, 10, 11, 12}), (("--snapshots", "0,5"), {0, 5}):
        out = tmp_path / f"run{len(snapshots)}"
        reencode.main([*command, "--generations", "12", *snapshots, "--out", str(out)])
        chains = [json.loads(path.read_text())["chain"] for path in (out / "chains").iterdir()]
        assert [{*map(int, chain["snapshots"])} for chain in chains] == [kept] * len(chains)


@pytest.mark.usefixtures("here")
def test_other_options_on_the_same_folder_keep_and_use_what_matches(folder, tmp_path, capsys):
    out = tmp_path / "run"
    reencode.main(arguments(folder, out, "jpeg:50", "--quiet"))
    assert reencode.main(arguments(folder, out, "jpeg:50,jpeg:60")) == 0
    assert "4 done before, 4 to code" in capsys.readouterr().out
    assert set(table(out)["schedule"]) == {"quality:50", "quality:60"}
    reencode.main(arguments(folder, out, "jpeg", "--quality", "60,50", "--quiet"))
    assert len(list((out / "chains").iterdir())) == 8
    assert capsys.readouterr().out == ""
    # A generation whose pixels were not kept means coding again; fewer of them do not.
    reencode.main(arguments(folder, out, "jpeg:60", "--snapshots", "3"))
    assert "0 done before, 4 to code" in capsys.readouterr().out
    reencode.main(arguments(folder, out, "jpeg:60", "--snapshots", "none"))
    assert "4 done before, 0 to code" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_two_wishes_for_pixels_by_turns_are_coded_once(folder, tmp_path, capsys):
    """What has finished stays as it is, of a codec that gives something else each time as well."""
    tables = []
    for snapshots, coded in (("0,1", 4), ("3", 4), ("0,1", 0), ("3", 0), ("0,1,3", 0)):
        assert (
            reencode.main(arguments(folder, tmp_path / "run", "synthetic_codecs:Noisy", "--snapshots", snapshots)) == 0
        )
        assert f"{coded} to code" in capsys.readouterr().out
        tables.append(table(tmp_path / "run"))
    for later in tables[2:]:
        pd.testing.assert_frame_equal(later, tables[1])


@pytest.mark.usefixtures("here")
@pytest.mark.skipif(sys.platform != "linux", reason="file systems elsewhere take no such names")
def test_a_file_name_that_is_not_utf_8(tmp_path):
    folder = tmp_path / os.fsdecode(b"th\xe9")
    folder.mkdir()
    save_png(folder / os.fsdecode(b"caf\xe9.png"), astronaut()[:170, :180])
    assert reencode.main(arguments(folder, tmp_path / "run", "jpeg:50")) == 0
    assert set(table(tmp_path / "run")["image"]) == {"caf\ufffd"}


@pytest.mark.usefixtures("here")
def test_another_rate_hint_means_coding_again_under_rate_control_only(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bench.reports.make", lambda *_: None)
    for asked, again in ((["--bpp", "24"], 4), (["--quality", "2"], 0)):
        command = [*arguments(folder, tmp_path / "run", "synthetic_codecs:Hinting"), *asked, "--snapshots", "none"]
        for hint, coded in (("", 4), ("1", again), ("1", 0), ("", 0)):
            monkeypatch.setenv(synthetic.HINT, hint) if hint else monkeypatch.delenv(synthetic.HINT, raising=False)
            reencode.main(command)
            assert f"{coded} to code" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_a_damaged_chain_is_coded_again_and_said(folder, tmp_path, capsys):
    out = tmp_path / "run"
    reencode.main(arguments(folder, out, "jpeg:50", "--quiet"))
    before = table(out)
    victim = next(iter(sorted((out / "chains").iterdir())))
    victim.write_bytes(victim.read_bytes()[:-40])
    assert reencode.main(arguments(folder, out, "jpeg:50")) == 0
    captured = capsys.readouterr()
    assert f"{victim} is damaged. The chain is coded again." in captured.err
    assert "3 done before, 1 to code" in captured.out
    pd.testing.assert_frame_equal(table(out).drop(columns=TIMES), before.drop(columns=TIMES))


@pytest.mark.usefixtures("here")
def test_a_run_killed_between_table_and_figures_draws_them_again(folder, tmp_path):
    out = tmp_path / "run"
    reencode.main(arguments(folder, out, "jpeg:50", "--quiet"))
    figure = out / "figures" / "generations.png"
    past = (out / "generations.parquet").stat().st_mtime - 10
    os.utime(figure, (past, past))
    reencode.main(arguments(folder, out, "jpeg:50", "--quiet"))
    assert figure.stat().st_mtime > past


@pytest.mark.usefixtures("here")
def test_what_failed_for_one_codec_is_left_out_for_all_and_said(tmp_path, capsys):
    folder = tmp_path / "set"
    folder.mkdir()
    for name, value in (("bad", 2), ("good", 200)):
        save_png(folder / f"{name}.png", np.full((170, 170, 3), value, np.uint8))
    out = tmp_path / "run"
    codecs = "synthetic_codecs:Fails,synthetic_codecs:Drift"
    assert reencode.main(arguments(folder, out, codecs)) == 1
    captured = capsys.readouterr()
    assert "Failed: fails, quality 0, on 1 of 2 images (bad): the stream is cut short." in captured.err
    because = "because of synthetic_codecs:Fails, quality 0, which failed."
    assert f"Left out for all codecs: bad of set, {because}" in captured.out.replace(
        "fails,", "synthetic_codecs:Fails,"
    )
    assert f"Everything is in {out}: run.json, generations.parquet, generations.csv, figures/, " in captured.out
    assert "drift, quality 0 (set, one image)" in captured.out.replace("synthetic_codecs:Drift", "drift")
    found = table(out)
    assert len(found) == 2 * 2 * 5
    assert (found["status"] != "ok").sum() == 3
    book = json.loads((out / "run.json").read_text())
    assert (book["status"], book["chains"]["failed"]) == ("some chains failed", 1)


@pytest.mark.usefixtures("here")
def test_ctrl_c_keeps_what_is_finished(folder, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"

    def interrupted(tasks, *args, **kwargs):
        run_tasks(tasks[:3], *args, backend="sequential", **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_tasks", interrupted)
    assert reencode.main(arguments(folder, out)) == 130
    assert f"Stopped: 3 of 4 chains are done and kept in {out}." in capsys.readouterr().err
    assert json.loads((out / "run.json").read_text())["status"] == "stopped"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("where", ["bench.run.run_tasks", "bench.reports.make"])
@pytest.mark.parametrize("error", [BenchError("An image has changed."), SystemExit(15), KeyboardInterrupt()])
def test_a_run_that_did_not_come_to_its_end_is_not_running(where, error, folder, tmp_path, monkeypatch):
    def gone(*_, **__):
        raise error

    out = tmp_path / "run"
    monkeypatch.setattr(where, gone)
    if isinstance(error, KeyboardInterrupt):
        assert reencode.main(arguments(folder, out, "jpeg:50")) == 130
    else:
        with pytest.raises(type(error)):
            reencode.main(arguments(folder, out, "jpeg:50"))
    book = json.loads((out / "run.json").read_text())
    assert book["status"] == book["invocations"][0]["status"]
    assert book["status"] == ("stopped" if isinstance(error, KeyboardInterrupt) else "failed")
    assert book["wall_s"] > 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["--codec", "nonsense"], "Unknown codec 'nonsense'"),
        (["--codec", "jpeg:101"], "must be a whole number from 1 to 100"),
        (["--codec", "jpeg", "--quality", "best"], "--quality needs numbers"),
        (["--generations", "0"], "at least 1, got '0'"),
        (["--jobs", "0"], "at least 1, got '0'"),
        (["--dataset", "/no/such/folder"], "/no/such/folder"),
        (["--out", "/dev/null/run"], "Can't write to /dev/null/run"),
        (["--snapshots", "1,x"], "--snapshots needs whole numbers"),
        (["--codec-timeout", "-1"], "expected seconds"),
        (["--device", "cuda"], "--device has no effect on jpeg: leave it out, or name a codec that takes it, as iat"),
        (["--codec", "jpeg:50,webp,jpeg:60", "--checkpoint", "x"], "--checkpoint has no effect on jpeg, webp: leave"),
        (["--codec", "iat[checkpoint=iat-compact]", "--checkpoint", "x"], "no effect on iat[checkpoint=iat-compact]"),
        (["--codec", "iat[checkpoint=]"], "Can't read the option 'checkpoint=' in 'iat[checkpoint=]'"),
        (["--codec", ""], "Argument --codec: expected a value, got ''; see python -m bench.reencode --help"),
        (["--out="], "Argument --out: expected a value, got ''"),
        (["--dataset", " "], "Argument --dataset: expected a value, got ' '"),
        (["--unknown"], "Unrecognized arguments: --unknown"),
    ],
)
def test_what_a_user_can_act_on_is_one_sentence(changes, sentence, folder, tmp_path):
    with pytest.raises(BenchError) as error:
        reencode.main([*arguments(folder, tmp_path / "run", "jpeg"), *changes])
    text = str(error.value)
    assert sentence in text
    assert text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_unreadable_images_and_empty_folders(content, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    with pytest.raises(BenchError, match="no images found"):
        reencode.main(arguments(folder, tmp_path / "run", "jpeg"))
    (folder / "a.png").write_bytes(content)
    with pytest.raises(BenchError, match=r"a\.png"):
        reencode.main(arguments(folder, tmp_path / "run", "jpeg"))


@pytest.fixture
def damaged(tmp_path):
    """A folder of two images and two that can't be read."""
    folder = tmp_path / "bad"
    folder.mkdir()
    for name in ("a", "b", "cut"):
        save_png(folder / f"{name}.png", np.full((20, 20, 3), 90, np.uint8))
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:60])
    (folder / "x.jpg").write_bytes(b"not an image")
    return folder


BAD = "cut.png (damaged or cut short), x.jpg (not an image in a format that can be read here)"


def test_all_images_that_cannot_be_read_are_named(damaged, tmp_path):
    with pytest.raises(BenchError) as error:
        reencode.main(arguments(damaged, tmp_path / "run", "jpeg"))
    advice = "Remove them, or add --skip-unreadable."
    assert str(error.value) == f"2 of 4 images in bad can't be read: {BAD}. {advice}"
    assert not (tmp_path / "run").exists()
    for number in range(10):
        (damaged / f"y{number}.png").write_bytes(b"")
    with pytest.raises(BenchError, match=r"12 of 14 images in bad can't be read: cut.png .*y7.png .*\), and 2 more\."):
        reencode.main(arguments(damaged, tmp_path / "run", "jpeg"))
    (damaged / "a.png").unlink()
    (damaged / "b.png").unlink()
    with pytest.raises(BenchError, match=r"12 of 12 images .* Choose another folder with --dataset\."):
        reencode.main(arguments(damaged, tmp_path / "run", "jpeg", "--skip-unreadable"))


@pytest.mark.usefixtures("here")
def test_images_that_cannot_be_read_are_skipped_where_that_is_asked_for(damaged, tmp_path, capsys):
    out = tmp_path / "run"
    assert reencode.main(arguments(damaged, out, "jpeg", "--skip-unreadable")) == 0
    captured = capsys.readouterr()
    assert f"Skipped, as they can't be read: {BAD}.\n" in captured.err
    assert "2 images" in captured.out
    assert set(table(out)["image"]) == {"a", "b"}
    book = json.loads((out / "run.json").read_text())
    assert list(book["skipped"]) == ["cut.png", "x.jpg"]
    assert [one["image"] for one in book["images"]] == ["a", "b"]
    assert reencode.main(arguments(damaged, out, "jpeg", "--skip-unreadable", "--dry-run")) == 0
    assert "Skipped" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_the_default_folder_says_what_is_in_it(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["--codec", "jpeg:50,webp:80", "--dataset", str(folder), "--generations", "2", "--quiet"]
    assert reencode.main(command) == 0
    assert [path.name for path in Path("results/runs").iterdir()] == ["set_jpeg-50+webp-80_2"]


def folder_of(*argv):
    """The default name of a run's folder."""
    options = reencode._parser().parse_args([*argv, "--generations", "2"])
    return run_name(reencode.request(options, ""))


def test_default_folders_of_different_runs_differ(folder, tmp_path, monkeypatch):
    for name in ("d1", "d2"):
        shutil.copytree(folder, tmp_path / name / "set")
        shutil.copy(SHIPPED / "iat-compact.safetensors", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DATA", "data")
    sets = ["set", "d1/set", "d2/set", "set,d1/set", "sample", "sample,d1/set", "d1/set/im0.png", "d2/set/im0.png"]
    names = [folder_of("--codec", "jpeg:75", "--dataset", name) for name in sets]
    assert names[0] == folder_of("--codec", "jpeg:75", "--dataset", str(folder)) == "set_jpeg-75_2"
    assert names[1] == folder_of("--codec", "jpeg:75", "--dataset", str(tmp_path / "d1" / "set"))
    assert re.fullmatch(r"set-[0-9a-f]{6}_jpeg-75_2", names[1])
    for name in ("фото", "写真", "set+sample", "kodak", "data/kodak", "a b", "a-b"):
        shutil.copytree(folder, tmp_path / name)
    shutil.copy(folder / "im0.png", tmp_path / "a-b.png")
    shutil.copy(folder / "im0.png", tmp_path / "a-b.bmp")
    more = ["фото", "写真", "./set+sample", "set,sample", "kodak", "./kodak", "a b", "a-b", "a-b.png", "a-b.bmp"]
    names += [folder_of("--codec", "jpeg:75", "--dataset", name) for name in more]
    assert {"set+sample_jpeg-75_2", "kodak_jpeg-75_2", "a-b_jpeg-75_2"} < {*names}
    weights = [[], *(["--checkpoint", name] for name in ("iat-stable", "d1/iat-compact.safetensors"))]
    weights += [["--checkpoint", "d2/iat-compact.safetensors"], ["--quality", ",".join(f"0.{n}" for n in range(1, 9))]]
    names += [folder_of("--codec", "iat", *more) for more in weights]
    assert names[-5:-3] == ["sample_iat-0.5_2", "sample_iat-0.5_iat-stable_2"]
    names.append(folder_of("--codec", "iat", "--quality", ",".join(f"0.{n}" for n in range(2, 10))))
    assert re.fullmatch(r"sample_iat-8-points-[0-9a-f]{6}_2", names[-1])
    assert len({*names}) == len(names)


@pytest.mark.usefixtures("here")
def test_a_table_of_another_command_is_not_replaced_silently(folder, tmp_path, capsys):
    out = tmp_path / "run"
    for codec, said in (("jpeg:50", False), ("jpeg:50", False), ("webp:80", True), ("webp:80", False)):
        (out / "generations.csv").unlink(missing_ok=True)  # a table that is made again is not another command's
        assert reencode.main([*arguments(folder, out, codec), "--jobs", "2" if said else "1"]) == 0
        printed = capsys.readouterr().out
        line = f"The table in {out} was that of another command and is replaced; its chains are kept, and it makes"
        assert (line in printed) == said
    assert "the table again: python -m bench.reencode --codec jpeg:50" not in printed
    assert reencode.main(arguments(folder, out, "jpeg:50")) == 0  # nothing is coded again
    assert "0 to code" in capsys.readouterr().out


LONG = 60
"""Generations of a run that is to be stopped on its way: three seconds a chain."""


def slow(folder, out):
    return arguments(folder, out, "synthetic_codecs:Slower", "--quiet", "--generations", str(LONG))


def start(folder, out):
    command = [sys.executable, "-m", "bench.reencode", *slow(folder, out)]
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    # Where the tests run in the background of a script, Ctrl-C is ignored, and would be in what they start.
    listen = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True, preexec_fn=listen
    )


def finished(out):
    return len(list((out / "chains").glob("*.json"))) if (out / "chains").exists() else 0


@pytest.mark.usefixtures("here")
def test_killed_again_and_again_it_ends_with_the_same_table(folder, tmp_path):
    """SIGKILL to the whole run, Ctrl-C, SIGKILL to the leading process alone; then undisturbed, twice at once."""
    out = tmp_path / "run"
    for chains, stop in ((0, os.killpg), (1, os.killpg), (2, os.kill)):
        run = start(folder, out)
        deadline = time.monotonic() + 120
        while run.poll() is None and finished(out) < chains and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3 if chains == 0 else 0.03)
        stop(run.pid, signal.SIGINT if chains == 1 else signal.SIGKILL)
        said = run.communicate(timeout=60)[1]
        assert run.returncode == (130 if chains == 1 else -9), (chains, finished(out), said)
    assert not (out / "generations.parquet").exists()
    both = [start(folder, out), start(folder, out)]
    said = [run.communicate(timeout=120)[1] for run in both]
    assert [run.returncode for run in both] == [0, 0], said
    assert finished(out) == 4
    assert reencode.main(slow(folder, tmp_path / "other")) == 0
    found = table(out)
    assert len(found) == 4 * LONG
    pd.testing.assert_frame_equal(found.drop(columns=TIMES), table(tmp_path / "other").drop(columns=TIMES))


def test_the_pixels_of_the_last_generation_are_kept(folder, tmp_path):
    arguments = ["--codec", "jpeg", "--dataset", str(folder), "--quiet", "--generations", "7"]
    assert reencode.main([*arguments, "--out", str(tmp_path / "run")]) == 0
    chains = [json.loads(path.read_text())["chain"] for path in (tmp_path / "run" / "chains").iterdir()]
    assert [max(map(int, chain["snapshots"])) for chain in chains] == [7] * 4
    with pytest.raises(BenchError, match="--snapshots needs whole numbers or last, separated by commas, or none"):
        reencode.main([*arguments, "--snapshots", "first"])
    cropped = tmp_path / "cropped"
    with pytest.raises(
        BenchError, match=r"--edit crop:50 leaves nothing of im0 \(180x170 pixels\) at generation 5 of 7"
    ):
        reencode.main([*arguments, "--edit", "crop:50", "--out", str(cropped)])
    assert not list(cropped.glob("chains/*"))
