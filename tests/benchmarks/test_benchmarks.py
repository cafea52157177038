"""The table of ratios: what is compared with what before, what a target means; no timing."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchmarks.__main__ as command
from bench.codec import BenchError
from benchmarks import history
from benchmarks.row import Row, interleaved, seconds


def row(ratio: float = 2.0, **changes: object) -> Row:
    return Row(**{"name": "a", "ratio": ratio, "ours": "1 ms", "against": "2 ms"} | changes)  # type: ignore[arg-type]


def test_targets_look_at_the_better_end() -> None:
    assert row().met
    assert row(target=2.0).met
    assert not row(target=2.1).met
    assert row(better="low", target=2.0).met
    assert not row(better="low", target=1.9).met


def test_slower_is_a_fifth_towards_the_worse_end() -> None:
    assert history.slower(row(1.6), 2.0)
    assert not history.slower(row(1.7), 2.0)
    assert not history.slower(row(9.0), 2.0)
    assert history.slower(row(2.5, better="low"), 2.0)
    assert not history.slower(row(1.0, better="low"), 2.0)


def test_the_newest_entry_of_the_same_machine_and_mode_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.csv"
    assert history.read(path) == []
    for machine, mode, ratio in (("here", "full", 1), ("here", "full", 2), ("there", "full", 3), ("here", "quick", 4)):
        monkeypatch.setattr(history, "machine", lambda machine=machine: machine)
        history.append([row(ratio), row(9, name="b, with a comma")], mode, path)
    entries = history.read(path)
    assert len(entries) == 8
    assert tuple(entries[0]) == history.COLUMNS
    assert history.last(entries, "a", "full", "here")["ratio"] == "2"  # type: ignore[index]
    assert history.last(entries, "b, with a comma", "quick", "here")["ratio"] == "9"  # type: ignore[index]
    assert history.last(entries, "a", "full", "elsewhere") is None


def test_the_command_says_what_is_worse_and_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, given = tmp_path / "history.csv", [row(2.0), row(7.0, name="b", better="low", target=5.0, unit="%")]
    monkeypatch.setattr(history, "read", lambda: [] if not path.exists() else _read(path))
    monkeypatch.setattr(history, "append", lambda rows, mode: _append(rows, mode, path))
    monkeypatch.setattr(command, "measured", lambda groups, quick: iter(given))
    assert command.main(["--save"]) == 1
    assert "Targets missed: b: 7 %, the target is 5" in capsys.readouterr().out
    given[:] = [row(1.5)]
    assert command.main([]) == 1
    said = capsys.readouterr().out
    assert "Worse than before: a: 1.5 x, was 2 at" in said
    assert command.main(["--quick"]) == 0  # another mode
    given[:] = [row(2.1)]
    assert command.main([]) == 0
    with pytest.raises(BenchError, match="no group 'speed'"):
        command.main(["--only", "speed"])


_read, _append = history.read, history.append


def test_times_are_medians_of_calls_taken_in_turns() -> None:
    order: list[str] = []
    times = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4
    assert set(times) == {"a", "b"}
    assert (seconds(1.234), seconds(0.01234)) == ("1.23 s", "12.3 ms")
