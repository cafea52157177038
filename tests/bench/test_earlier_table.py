"""bench.earlier_table: what of a command makes a table another, and tables that can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.earlier_table import EarlierTable, essence
from bench.store import Store

RUN = "python -m bench.reencode --codec jpeg:50 --dataset 'my set'"


@pytest.mark.parametrize(
    "same",
    [
        f"{RUN} --quiet",
        f"{RUN} --jobs 2 --out x --codec-timeout=3",
        f"{RUN} --jobs=2 --snapshots none",
        f"{RUN} --backend dask --scheduler tcp://there:1",
        "python -m bench.reencode --quiet --dataset='my set' --codec=jpeg:50",
    ],
)
def test_options_that_change_no_table_and_the_order_do_not_count(same: str) -> None:
    assert essence(same) == essence(RUN)


@pytest.mark.parametrize("other", [f"{RUN} --seed 1", f"{RUN} --skip-unreadable", RUN.replace("50", "60"), "it's"])
def test_others_count(other: str) -> None:
    assert essence(other) != essence(RUN)


def test_a_table_that_cannot_be_read_counts_for_none(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for table, book in ((b"no table", b"{}"), (b"", b'{"codecs": [1, {"name": "x"}]}'), (b"PAR1", b"[]")):
        (tmp_path / "generations.parquet").write_bytes(table)
        (tmp_path / "run.json").write_bytes(book)
        earlier = EarlierTable.of(store)
        assert earlier == EarlierTable(tmp_path)
        assert earlier.changes([{"name": "x", "identity": {}}]) == []
        assert earlier.replaced("a", "b", True) == ""
