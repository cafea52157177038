"""bench.run_book: ``run.json`` of a folder that was run before, whatever has become of the file since."""

from __future__ import annotations

import json

import pytest

from bench.run_book import Book
from bench.store import Store
from bench.task import Settings


def book(folder):
    return Book(Store(folder), "again", {}, [], [], Settings(jobs=1, threads=1), 0)


@pytest.mark.parametrize(
    ("invocations", "command", "kept"),
    [
        (None, None, []),
        (7, None, []),
        ("text", None, []),
        ({"command": "x"}, None, []),
        ([1, None, "text"], None, []),
        ([{"status": "finished"}], None, [{"status": "finished"}]),
        ([{"status": "finished", "command": 3}], "3", [{"status": "finished", "command": 3}]),
        ([1, {"status": "finished", "command": "x"}], "x", [{"status": "finished", "command": "x"}]),
    ],
)
def test_a_run_json_that_was_edited_by_hand_ends_no_run(tmp_path, invocations, command, kept):
    (tmp_path / "run.json").write_text(json.dumps({"invocations": invocations}))
    again = book(tmp_path)
    assert again.command_of_table == command
    again.write("finished")
    now = json.loads((tmp_path / "run.json").read_text())["invocations"]
    assert (now[0]["command"], now[1:]) == ("again", kept)
