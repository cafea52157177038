"""bench.worker: what a codec prints, and what it raises on another machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pngs import save_png

from bench.chain import METHOD
from bench.images import load_image
from bench.provenance import machine
from bench.registry import parse_spec
from bench.schedule import FixedQuality
from bench.task import Settings, Task
from bench.worker import code_far_away

PRINTS = """
import subprocess
from synthetic_codecs import Drift

class Prints(Drift):
    name = "prints"
    def encode(self, image, quality):
        print("done in 3 ms")
        subprocess.run(["echo", "encoded by me"])
        return super().encode(image, quality)

class NoWeights(Drift):
    name = "noweights"
    def identity(self):
        return {"weights": open("/no/such/weights").read()}
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with these codecs and an image."""
    (tmp_path / "prints.py").write_text(PRINTS, encoding="utf-8")
    save_png(tmp_path / "one.png", np.full((8, 9, 3), 2, np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "prints", raising=False)
    return tmp_path


def test_what_a_codec_prints_is_no_part_of_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
    command = ["--codec", "prints:Prints", "--dataset", "one.png", "--generations", "2", "--out", "run"]
    done = subprocess.run([sys.executable, "-m", "bench.reencode", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "prints, quality 0" in done.stdout
    for line in ("done in 3 ms\n", "encoded by me\n"):
        assert line not in done.stdout
        assert done.stderr.count(line) == 3  # two generations, the first encoded once more


def test_an_identity_that_needs_a_file_is_one_sentence_of_a_machine_far_away() -> None:
    """An OSError that came back would be taken for one of the connection."""
    source = load_image(Path("one.png"))
    spec = parse_spec("prints:NoWeights")
    identities = ({"name": "noweights", "identity": {"weights": "abc"}},)
    task = Task((spec,), identities, "set", "one", Path("one.png"), source.sha256, (8, 9), FixedQuality(0), 2)
    assert code_far_away(task, Settings(jobs=1, threads=1), source.pixels, METHOD) == (
        f"On {machine()['host']}: noweights: identity() raised FileNotFoundError: [Errno 2] No such file or directory: "
        "'/no/such/weights' (prints.py:15)."
    )
