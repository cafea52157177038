"""The documentation: its commands run or at least parse, its links lead somewhere, what is generated is up to date.

A block after ``<!-- run -->`` is run, in an empty folder with tiny images, at two generations, or three where codecs
take turns; ``<!-- run: fails -->`` must end with one sentence and exit code 2. A ``text`` block right after it is what
must be printed, with ``...`` for anything. ``<!-- file: NAME -->`` writes a block to a file. All other shell lines of
ours must parse, and name codecs that there are.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pngs import save_png
from skimage.data import astronaut, chelsea

from bench import columns_page, datasets, run, run_figures
from bench.cli import Parser, call
from bench.dataset_sets import DatasetSpec
from bench.experiment import KEYS
from bench.registry import parse_spec, split_specs
from bench.reports import REPORTS
from bench.runner import run_tasks

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>run(?:: fails)?|file: \S+) -->\n+)?^```(?P<kind>\w*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: what is asked of it, its language, its text, and what must be printed ("" where nothing is)."""

    mark: str
    kind: str
    body: str
    printed: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    made = []
    for place, match in enumerate(found):
        after = found[place + 1] if place + 1 < len(found) else None
        follows = after is not None and after["kind"] == "text" and not text[match.end() : after.start()].strip()
        made.append(Block(match["mark"] or "", match["kind"], match["body"], after["body"] if follows else ""))
    return made


def lines(body: str) -> Iterator[list[str]]:
    """The words of each command of a shell block."""
    for line in body.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def ours(words: list[str]) -> bool:
    return words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("bench", "baselines")


def main_of(module: str):
    spec = importlib.util.find_spec(module)
    assert spec is not None, module
    return importlib.import_module(f"{module}.__main__" if spec.submodule_search_locations else module).main


RUNNING = [page for page in PAGES if any(block.mark.startswith("run") for block in blocks(page))]
SHORT = ("--generations", "--generation")


def shorter(module: str, arguments: list[str]) -> list[str]:
    """The same at two generations at most, three where codecs take turns."""
    made = list(arguments)
    last = 3 if "--chain" in arguments else 2
    for place, word in enumerate(arguments[:-1]):
        if word in SHORT:
            made[place + 1] = ",".join(dict.fromkeys(str(min(last, int(n))) for n in arguments[place + 1].split(",")))
    coding = module == "bench.reencode" or (module == "bench.experiment" and arguments and "--show" not in arguments)
    return [*made, "--generations", str(last)] if coding and "--generations" not in made else made


def one(words: list[str]) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed. Ours run in this process: Python starts slowly."""
    words, target = (words[:-2], words[-1]) if words[-2:-1] == [">"] else (words, None)
    printed = io.StringIO()
    if ours(words):
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = call(main_of(words[2]), shorter(words[2], words[3:]))
    else:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        code = done.returncode
        printed.write(done.stdout)
    if target is not None:
        Path(target).write_text(printed.getvalue(), encoding="utf-8")
        return code, ""
    return code, printed.getvalue()


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Where a reader sits: the repository's results, a folder of photographs, Kodak and the samples, all tiny."""
    for folder, name in (("photos", "cat"), ("data/kodak", "kodim01"), ("data/sample", "astronaut")):
        (tmp_path / folder).mkdir(parents=True)
        source = chelsea() if name == "cat" else astronaut()
        save_png(tmp_path / folder / f"{name}.png", source[60:228, 90:266])
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "kodak").symlink_to(ROOT / "results" / "kodak")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(datasets.SETS, "sample", DatasetSpec("sample", 1, "", "", ""))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    monkeypatch.setattr(run_figures, "save", lambda figure, path: path.with_suffix(".png").touch())  # seconds each
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.timeout(900)  # a page is twenty seconds of work, and a busy machine takes its time
@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.name)
def test_what_is_marked_runs(page: Path) -> None:
    for block in blocks(page):
        if block.mark.startswith("file: "):
            Path(block.mark.removeprefix("file: ")).write_text(block.body, encoding="utf-8")
        elif block.mark and block.kind == "python":
            exec(compile(block.body, page.name, "exec"), {})
        elif block.mark:
            wanted = 2 if block.mark.endswith("fails") else 0
            printed = ""
            for words in lines(block.body):
                code, text = one(words)
                # Which codecs can run is a matter of the machine.
                lacking = words[2] == "bench.codecs" and code == 1 and " NO " in text
                assert code == wanted or lacking, f"{shlex.join(words)}\n{text}"
                printed += text
            parts = [re.escape(part) for part in block.printed.strip().split("...")]
            assert re.search(".*".join(parts), printed, re.DOTALL), printed


class Parsed(Exception):
    pass


DECLARED = "blockdct"
"""A codec that a page declares as an entry point."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_parse(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = Parser.parse_args

    def only_parse(self: argparse.ArgumentParser, args=None, namespace=None):
        codecs = getattr(parse(self, args, namespace), "codec", None)
        for name in split_specs(codecs) if codecs else ():
            if not name.startswith(DECLARED):
                parse_spec(name)
        raise Parsed

    monkeypatch.setattr(Parser, "parse_args", only_parse)
    shell = [words for block in blocks(page) if block.kind == "sh" and not block.mark for words in lines(block.body)]
    for words in filter(ours, shell):
        with pytest.raises(Parsed):
            main_of(words[2])(words[3:])


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads], target


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


def test_the_reference_of_columns_is_up_to_date() -> None:
    assert (ROOT / "docs" / "columns.md").read_text(encoding="utf-8") == columns_page.page(), columns_page.__doc__


def test_the_tutorial_knows_all_keys_and_reports() -> None:
    text = (ROOT / "docs" / "reproduce-a-figure.md").read_text(encoding="utf-8")
    assert [name for name in (*KEYS, *REPORTS) if f"`{name}`" not in text] == []


def test_the_citation_names_this_version() -> None:
    lines_of = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(": ", 1) for line in lines_of if ": " in line and not line.startswith((" ", "#")))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert fields["version"] == project["version"]
    assert fields["license"] == project["license"]
    assert {"cff-version", "message", "title", "version"} <= fields.keys()
    assert "authors:" in lines_of
