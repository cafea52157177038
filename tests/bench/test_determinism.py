"""Same inputs, same machine: the same table and the same streams, however many workers and threads there are."""

from __future__ import annotations

import hashlib

import pandas as pd
import pytest
import recording_codecs
from joblib.externals.loky import get_reusable_executor
from pngs import save_png
from skimage.data import chelsea

from bench import reencode

TIMES = ["encode_s", "decode_s"]
CODECS = ",".join(f"recording_codecs:Recording[codec={spec}]" for spec in ("jpeg:60", "webp:70", "iat:0.5"))


def test_workers_and_their_threads_change_nothing(tmp_path, monkeypatch):
    """One worker with all cores for threads; two with half of them each."""
    (tmp_path / "set").mkdir()
    for number in range(2):
        save_png(tmp_path / "set" / f"im{number}.png", chelsea()[50 * number :, 50 * number :][: 70 + number, :90])
    monkeypatch.setattr("bench.reports.make", lambda *_: None)
    found = []
    for jobs in ("1", "2"):
        out, notes = tmp_path / jobs, tmp_path / f"notes{jobs}"
        monkeypatch.setenv(recording_codecs.NOTES, str(notes))
        command = ["--codec", CODECS, "--generations", "2", "--dataset", str(tmp_path / "set"), "--jobs", jobs]
        assert reencode.main([*command, "--out", str(out), "--quiet"]) == 0
        get_reusable_executor().shutdown(kill_workers=True)
        table = pd.read_parquet(out / "generations.parquet").drop(columns=TIMES)
        pixels = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (out / "snapshots").iterdir()}
        keys = {path.name for path in (out / "chains").iterdir()}
        found.append((table, sorted(notes.read_text().splitlines()), pixels, keys))
    one, two = found
    assert len(one[0]) == 3 * 2 * 2
    assert (one[0]["status"] == "ok").all()
    chains = 3 * 2  # the first generation of each is coded by a second instance as well
    assert len(one[1]) == 2 * (len(one[0]) + chains)
    assert {line.split()[0] for line in one[1]} == {"jpeg", "webp", "iat"}
    pd.testing.assert_frame_equal(two[0], one[0], check_exact=True)
    assert two[1:] == one[1:]


@pytest.fixture(autouse=True)
def _no_workers_from_before():
    """Workers inherit the environment of the moment they start in."""
    get_reusable_executor().shutdown(kill_workers=True)
    yield
    get_reusable_executor().shutdown(kill_workers=True)
