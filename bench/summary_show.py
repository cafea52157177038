"""How ``bench.summary`` shows its tables: aligned text, Markdown and LaTeX for people, CSV with every digit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bench.codec import BenchError
from bench.files import plain, write_atomically
from bench.generation_loss import HALF_LIVES, show_half_life
from bench.rd import AVERAGE, left_out
from bench.versions import Version

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A printed column: heading, unit, and the text of a row's cell."""

    heading: str
    unit: str
    cell: Callable[[Row], str]


def _number(name: str, form: str) -> Callable[[Row], str]:
    return lambda row: "n/a" if pd.isna(row[name]) else _unsigned_zero(format(row[name], form))


def _unsigned_zero(text: str) -> str:
    """-0.00 and +0.00 would tell a direction that the digits don't."""
    return text.lstrip("+-") if not text.strip("+-0.") else text


def _half_life(loss: float) -> Callable[[Row], str]:
    return lambda row: show_half_life(row[f"half_life_{loss:g}"], int(row["generation"]), loss, row["drop"])


def _shift(row: Row) -> str:
    return " ".join(_number(f"shift_{channel}", "+.2f")(row) for channel in "rgb")


def _bd_rate(row: Row) -> str:
    if pd.isna(row["bd_rate"]):
        return "n/a"
    return f"{_unsigned_zero(format(row['bd_rate'], '+.2f'))}{'*' if row['flagged'] else ''}"


def _interval(row: Row) -> str:
    if pd.isna(row["bd_rate_low"]):
        return "n/a"
    return " to ".join(_unsigned_zero(format(row[name], "+.2f")) for name in ("bd_rate_low", "bd_rate_high"))


def _points(table: pd.DataFrame) -> list[Column]:
    return [
        Column("codec", "", lambda row: row["system"]),
        Column("schedule", "", lambda row: row["schedule"].replace(":", " ")),
        Column("rate", "bpp", _number("bpp_1", ".3f")),
        Column("PSNR", "dB", _number("psnr_1", ".2f")),
        *(_losses(table) if (table["generation"] > 1).any() else []),
        Column("shift R G B", "levels", _shift),
        Column("largest shift", "levels", _number("shift_max", ".2f")),
        Column("colour difference", "CIEDE2000", _number("delta_e", ".2f")),
    ]


def _losses(table: pd.DataFrame) -> list[Column]:
    """What became of generation 1 at N: of one generation nothing was measured that could stand here."""
    return [
        Column("rate at N", "bpp", _number("bpp_N", ".3f")),
        Column("PSNR at N", "dB", _number("psnr_N", ".2f")),
        Column("drop", "dB", _number("drop", ".2f")),
        Column("MS-SSIM drop", "dB", _number("drop_ms_ssim_db", ".2f")),
        *([Column("drop over", "images", _number("drop_images", "d"))] if _lossless(table) else []),
        *(Column(f"half-life {loss:g} dB", "generations", _half_life(loss)) for loss in HALF_LIVES),
        Column("fixed points", "of images", _number("fixed_point", ".0%")),
    ]


def _lossless(table: pd.DataFrame) -> bool:
    """Whether drops are of fewer images than other means."""
    return "drop_images" in table and bool((table["drop_images"] < table["images"]).any())


def _auc(table: pd.DataFrame) -> list[Column]:
    return [
        Column("codec", "", lambda row: row["codec"]),
        Column("generation", "", lambda row: str(row["generation"])),
        Column("points", "", lambda row: str(row["points"])),
        Column("from", "bpp", _number("low", ".4f")),
        Column("to", "bpp", _number("high", ".4f")),
        Column("AUC", "dB bpp", _number("auc", ".4f")),
        Column("AUC / interval", "dB", _number("auc_normalised", ".3f")),
        Column("", "", lambda row: row["reason"]),
    ]


def _bd(table: pd.DataFrame) -> list[Column]:
    quality = next(name for name in table if name.startswith("bd_") and not name.startswith("bd_rate"))
    name = {"bd_psnr": "BD-PSNR", "bd_ms_ssim_db": "BD-MS-SSIM"}[quality]
    return [
        Column("codec", "", lambda row: row["codec"]),
        Column("generation", "", lambda row: str(row["generation"])),
        Column("anchor", "", lambda row: row["anchor"]),
        Column("its generation", "", lambda row: str(row["anchor_generation"])),
        Column("BD-rate", "%", _bd_rate),
        *([Column("95 % interval", "%", _interval)] if "bd_rate_low" in table else []),
        Column("akima", "%", _number("bd_rate_akima", "+.2f")),
        Column(name, "dB", _number(quality, "+.3f")),
        Column("overlap", "of the union", _number("overlap_share", ".0%")),
        Column("", "", _remarks),
    ]


def _remarks(row: Row) -> str:
    return "; ".join(filter(None, [row["reason"], row["notes"]]))


@dataclass(frozen=True, slots=True)
class Kind:
    """A table of the summary: its columns, and its title from its rows."""

    columns: Callable[[pd.DataFrame], list[Column]]
    title: Callable[[pd.DataFrame], str]


def _over(table: pd.DataFrame) -> str:
    counts = [str(n) for n in sorted({int(n) for n in table["images"].dropna()})]
    counts += ["an unknown number of"] if table["images"].isna().any() else []
    return f"{' or '.join(counts)} {'image' if counts == ['1'] else 'images'}, {AVERAGE}"


KINDS = {
    "points": Kind(_points, lambda t: f"operating points, N = {t['generation'].max()}; {_over(t)}"),
    "auc": Kind(_auc, lambda t: f"area under {_metric(t)} over rate, on rates that all cover; {AVERAGE}"),
    "bd_rate": Kind(_bd, lambda t: f"BD-rate against another codec, {_metric(t)}; {_over(t)}"),
    "bd_rate_own": Kind(_bd, lambda t: f"BD-rate against the own generation 1, {_metric(t)}; {_over(t)}"),
}
LOSSLESS = "Drops and half-lives leave out images that are lossless at generation 1 or at the generation in question."
NO_FIRST = "n/a for all: there is no generation 1, which losses are counted from."
FLAGGED = "* pchip and akima differ by more than one point: too few points, or a wavy curve."


def _metric(table: pd.DataFrame) -> str:
    names = {"psnr": "PSNR", "ms_ssim_db": "MS-SSIM", "ms_ssim_db_of_mean": "MS-SSIM (dB of the mean)"}
    return " and ".join(dict.fromkeys(names[metric] for metric in table["metric"]))


def _cells(columns: list[Column], table: pd.DataFrame) -> tuple[list[Column], list[list[str]]]:
    """Columns that hold anything, and the texts of the cells."""
    rows = [[column.cell(row) for column in columns] for row in table.to_dict("records")]
    used = [i for i, column in enumerate(columns) if column.heading or any(row[i] for row in rows)]
    return [columns[i] for i in used], [[row[i] for i in used] for row in rows]


def _heading(column: Column) -> str:
    return f"{column.heading}, {column.unit}" if column.unit else column.heading


class Block(NamedTuple):
    """A table of one dataset, ready to be set."""

    name: str
    title: str
    columns: list[Column]
    rows: list[list[str]]
    note: str


def _blocks(found: Mapping[str, pd.DataFrame]) -> list[Block]:
    without = sorted({*found["auc"]["dataset"]} - {*found["points"]["dataset"]})
    blocks = [Block("points", f"{dataset}: operating points", [], [], NO_FIRST) for dataset in without]
    for name, table in found.items():
        for dataset, part in table.groupby("dataset", sort=True):
            title = f"{dataset}: {KINDS[name].title(part)}"
            values = [one for one in ("auc", "bd_rate", "bd_psnr", "bd_ms_ssim_db") if one in part]
            if values and part[values].isna().all(axis=None):
                # Reasons instead of a table of nothing; the CSV files have all rows.
                why = "; ".join(dict.fromkeys("; ".join(part["reason"]).split("; ")))
                blocks.append(Block(name, title, [], [], f"n/a for all: {why}."))
                continue
            columns, rows = _cells(KINDS[name].columns(part), part)
            flagged = bool("flagged" in part and (part["flagged"] & part["bd_rate"].notna()).any())
            loss = _lossless(part) and (part["generation"] > 1).any()
            note = FLAGGED if flagged else LOSSLESS if loss else ""
            blocks.append(Block(name, title, columns, rows, note))
    return blocks


def text(found: Mapping[str, pd.DataFrame], dropped: pd.DataFrame, several: Sequence[Version] = ()) -> str:
    """Aligned columns: names to the left, figures to the right.

    Args:
        found, dropped: as from ``bench.summary.summarise``.
        several: as from ``bench.versions.versions``.
    """
    parts = []
    for _, title, columns, rows, note in _blocks(found):
        if not rows:
            parts.append(f"{title}\n{note}")
            continue
        # The unit stands under the heading, or the table would be too wide to read.
        lines = [[column.heading for column in columns], [column.unit for column in columns], *rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
        left = [i == 0 or columns[i].heading in ("schedule", "anchor", "") for i in range(len(columns))]
        aligned = [
            "  ".join(c.ljust(w) if to_left else c.rjust(w) for c, w, to_left in zip(line, widths, left, strict=True))
            for line in lines
        ]
        parts.append("\n".join([title, *(line.rstrip() for line in aligned), *([note] if note else [])]))
    parts += ["\n".join(map(str, several)), "\n".join(left_out(dropped))]
    return "\n\n".join(filter(None, parts)) + "\n"


def markdown(found: Mapping[str, pd.DataFrame], dropped: pd.DataFrame, several: Sequence[Version] = ()) -> str:
    """Tables of GitHub's Markdown; of what ``text`` takes."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells) + " |"

    parts = []
    for _, title, columns, rows, note in _blocks(found):
        if not rows:
            parts.append(f"**{title}**\n\n{note}")
            continue
        rule = "|" + "|".join(":--" if i == 0 else "--:" for i in range(len(columns))) + "|"
        lines = [f"**{title}**", "", line([_heading(column) for column in columns]), rule, *map(line, rows)]
        parts.append("\n".join([*lines, *(["", note.replace("*", "\\*")] if note else [])]))
    parts += ["\n".join(f"- {sentence}" for sentence in sentences) for sentences in (several, left_out(dropped))]
    return "\n\n".join(filter(None, parts)) + "\n"


_LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$"},
}


def latex(found: Mapping[str, pd.DataFrame], dropped: pd.DataFrame, several: Sequence[Version] = ()) -> str:
    """``table`` environments for the ``booktabs`` package, the title as caption; of what ``text`` takes."""

    def escaped(cell: str) -> str:
        return "".join(_LATEX.get(c, c) for c in cell)

    def line(cells: list[str]) -> str:
        return " & ".join(map(escaped, cells)) + r" \\"

    parts = []
    several_sets = any(table["dataset"].nunique() > 1 for table in found.values())
    for name, title, columns, rows, note in _blocks(found):
        of_set = f":{plain(title.partition(': ')[0])}" if several_sets else ""
        if not rows:
            parts.append(f"% {title}: {note}")
            continue
        kinds = "".join("l" if c.heading in ("codec", "schedule", "anchor", "") else "r" for c in columns)
        caption = f"{title}. {note}".rstrip()
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{escaped(caption)}}}", rf"\label{{tab:{name}{of_set}}}"]
        lines += [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", line([_heading(c) for c in columns]), r"\midrule"]
        parts.append("\n".join([*lines, *map(line, rows), r"\bottomrule", r"\end{tabular}", r"\end{table}"]))
    sentences = [*map(str, several), *left_out(dropped)]
    parts.append("\n".join(f"% {' '.join(sentence.split())}" for sentence in sentences))
    return "\n\n".join(filter(None, parts)) + "\n"


def write(
    found: Mapping[str, pd.DataFrame], dropped: pd.DataFrame, out: Path, several: Sequence[Version] = ()
) -> list[Path]:
    """Write ``summary.txt``, ``.md`` and ``.tex`` with all tables, and a CSV file each with every column and digit.

    Raises BenchError where the folder can't be written.
    """
    forms = {"summary.txt": text, "summary.md": markdown, "summary.tex": latex}
    files = {name: form(found, dropped, several) for name, form in forms.items()}
    files["left_out.csv"] = dropped.to_csv(index=False)
    files |= {f"{name}.csv": table.to_csv(index=False) for name, table in found.items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(out / name, content.encode(), sync=False)
    except OSError as error:
        raise BenchError(f"{out} can't be written: {error.strerror}; choose another folder with --out.") from error
    return [out / name for name in files]
