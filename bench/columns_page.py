"""``python -m bench.columns_page > docs/columns.md``: the reference of record columns, from ``bench.columns``."""

from __future__ import annotations

from collections.abc import Sequence

from bench.cli import OK, Parser, run
from bench.columns import COLUMNS, KEY

HEAD = """# Columns of a run's table

`generations.parquet` and `generations.csv` of a run folder hold one record a generation of a chain: one image, one
codec or hand-over, one schedule. Generation 0 is the source and has no record. Decibels are derived from the sums in
`mse` and from `ms_ssim`; a mean over images is the mean of a column's per-image values.
"""

FOOT = """
A record is named by {key}; the table is sorted by them.

An empty field means that there is nothing to say, never zero: MS-SSIM of an image under 161 pixels a side, the times
of a generation that was filled in, everything measured after a failure. `inf` stands in decibel columns where two
images are equal.

This page is made from [`bench/columns.py`](../bench/columns.py): `python -m bench.columns_page > docs/columns.md`.
"""


def page() -> str:
    """The reference as Markdown."""
    rows = [("column", "type", "unit", "meaning"), ("---",) * 4]
    rows += [(f"`{one.name}`", one.type, _cell(one.unit), _cell(one.meaning)) for one in COLUMNS]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{HEAD}\n{table}\n{FOOT.format(key=', '.join(f'`{name}`' for name in KEY))}"


def _cell(text: str) -> str:
    """Text inside a Markdown table: what would be read as markup is escaped."""
    return "".join(f"\\{sign}" if sign in "|*<" else sign for sign in text)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the page."""
    Parser(prog="python -m bench.columns_page", description="Print docs/columns.md.").parse_args(argv)
    print(page(), end="")
    return OK


if __name__ == "__main__":
    run(main)
