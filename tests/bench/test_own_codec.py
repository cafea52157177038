"""docs/own-codec.md: its codec by module and class, and by entry point, through the command."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from pngs import save_png
from skimage.data import astronaut

from bench import reencode, registry, run
from bench.cli import call
from bench.codec import BitstreamError, CodecError, HintsRate
from bench.codecs import main as list_codecs
from bench.runner import run_tasks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-codec.md"
SOURCE, AROUND_A_PROGRAM = (
    re.findall(rf"<!-- file: {name}.py -->\n```python\n(.*?)^```", PAGE.read_text("utf-8"), re.S | re.M)[0]
    for name in ("dctcodec", "x264still")
)
IMAGE = np.ascontiguousarray(astronaut()[40:161, 150:251])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's codec and a photograph, from which modules are imported."""
    (tmp_path / "dctcodec.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "photos").mkdir()
    save_png(tmp_path / "photos" / "one.png", IMAGE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "dctcodec", raising=False)
    return tmp_path


def module() -> ModuleType:
    import dctcodec  # type: ignore[import-not-found]

    return dctcodec


def check(table: pd.DataFrame, name: str, step: float) -> None:
    """Three generations, each as the codec itself codes it."""
    assert list(table["codec"]) == [name] * 3
    assert (table["status"] == "ok").all()
    codec, image = module().BlockDCT(), IMAGE
    for record in table.sort_values("generation").itertuples():
        stream = codec.encode(image, step)
        image = codec.decode(stream)
        assert record.bytes == len(stream)
        assert record.mse == pytest.approx(np.square(image.astype(float) - IMAGE).mean(), rel=1e-9)
        assert record.psnr > 30


def test_it_is_about_thirty_lines() -> None:
    assert sum(bool(line.strip()) for line in SOURCE.splitlines()) <= 42  # imports and all


def test_by_module_and_class_in_a_process_of_its_own(desk: Path) -> None:
    arguments = ["--codec", "dctcodec:BlockDCT:12", "--dataset", "photos", "--generations", "3", "--out", "runs/dct"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.reencode", *arguments, "--jobs", "2"], cwd=desk, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "blockdct, quality 12" in done.stdout
    check(pd.read_parquet(desk / "runs" / "dct" / "generations.parquet"), "blockdct", 12)


def test_by_entry_point(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    info = desk / "blockdct-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: blockdct\nVersion: 1.0\n")
    declared = re.findall(r"```toml\n\[project\.entry-points\.\"(.*?)\"\]\n(.*?)```", PAGE.read_text("utf-8"), re.S)[0]
    (info / "entry_points.txt").write_text("[{}]\n{}".format(declared[0], declared[1].replace('"', "")))
    assert registry.entries()["blockdct"].target == "dctcodec:BlockDCT"
    assert call(list_codecs, ["blockdct"]) == 0
    assert "blockdct  yes  step 1 to 200, continuous, default 16, low is better" in capsys.readouterr().out
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    arguments = ["--codec", "blockdct[effort=1]:12,blockdct:12", "--dataset", "photos", "--generations", "3"]
    assert reencode.main([*arguments, "--out", "runs/entry"]) == 0
    table = pd.read_parquet(desk / "runs" / "entry" / "generations.parquet")
    check(table[table["codec"] == "blockdct"], "blockdct", 12)
    sizes = table.groupby("codec")["bytes"].first()
    assert sizes["blockdct[effort=1]"] > sizes["blockdct"]


@pytest.mark.usefixtures("desk")
def test_any_size_and_damaged_streams() -> None:
    codec = module().BlockDCT()
    for height, width in ((1, 1), (8, 8), (9, 23)):
        image = np.ascontiguousarray(IMAGE[:height, :width])
        stream = codec.encode(image, 1)
        assert np.abs(codec.decode(stream).astype(int) - image).max() <= 2
    for bad in (b"", stream[:-1], stream[:10], stream[:20] + b"\0" + stream[21:]):
        with pytest.raises(BitstreamError):
            codec.decode(bad)


@pytest.mark.usefixtures("desk")
def test_the_hint_on_the_page_is_one_that_rate_control_takes() -> None:
    hint = re.findall(r"(    def rate_hint.*?)```", PAGE.read_text("utf-8"), re.S)[0]
    made: dict[str, type] = {"BlockDCT": module().BlockDCT}
    exec(f"class Hinting(BlockDCT):\n{hint}", made)
    codec = made["Hinting"]()
    assert isinstance(codec, HintsRate)
    for bpp in (0.5, 1.0, 2.0):
        rate = len(codec.encode(IMAGE, codec.rate_hint(IMAGE, bpp))) * 8 / IMAGE[..., 0].size
        assert bpp / 2 < rate < bpp * 2


@pytest.fixture
def around(desk: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (desk / "x264still.py").write_text(AROUND_A_PROGRAM, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "x264still", raising=False)
    import x264still  # type: ignore[import-not-found]

    return x264still


def test_a_codec_around_a_program(around: ModuleType, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    name = f"x264still:X264Still[program={ffmpeg}]"
    arguments = ["--codec", name, "--quality", "1,30", "--dataset", "photos", "--generations", "5", "--out", "runs/own"]
    assert reencode.main(arguments) == 0
    table = pd.read_parquet(desk / "runs" / "own" / "generations.parquet").set_index(["quality", "generation"])
    assert (table["codec"] == "x264still").all()
    assert table["psnr"][1, 1] > 40 > table["psnr"][30, 1] > 25
    assert (table[["shift_r", "shift_g", "shift_b"]].abs().loc[1] < 0.2).all(axis=None)
    with pytest.raises(BitstreamError, match=r"^x264still: "):
        around.X264Still(ffmpeg).decode(b"no stream")


def test_a_program_that_is_missing_or_does_not_end(around: ModuleType, tmp_path: Path) -> None:
    missing = around.X264Still("no-such-program")
    assert missing.available() == (False, "install ffmpeg, or name it: x264still:X264Still[program=PATH]")
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    with pytest.raises(CodecError, match=r"^x264still: not done within 0\.2 s; --codec-timeout sets that\.$"):
        around.X264Still(str(sleeper), timeout=0.2).encode(IMAGE, 23)
