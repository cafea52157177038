"""Execute notebooks into notebooks/out/, as .ipynb and .html: ``python notebooks/execute.py [NAME ...]``.

The sources are scripts in jupytext's percent format. All of them share one kernel, emptied before each, since loading
libraries takes longer than most of what they do.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jupytext
import nbformat
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from bench.cli import OK, Parser, run
from bench.codec import BenchError

FOLDER = Path(__file__).resolve().parent
EMPTY = """%reset -f
import warnings
warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm's, of notebooks without widgets
%matplotlib inline
%config InlineBackend.figure_formats = ["png"]
"""


def sources() -> list[Path]:
    """The notebooks, in order of their names."""
    return sorted(path for path in FOLDER.glob("*.py") if path.name != Path(__file__).name)


@contextmanager
def kernel() -> Iterator[Callable[[Path], nbformat.NotebookNode]]:
    """Start a kernel; give a function that executes a source in it and returns the notebook.

    It raises nbclient's CellExecutionError at the first cell that fails.
    """
    # What it says there is a warning about talking over TCP, within this computer.
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(FOLDER), stderr=subprocess.DEVNULL)

    def execute(path: Path) -> nbformat.NotebookNode:
        notebook = jupytext.read(path)
        client.execute_interactive(EMPTY, silent=True, timeout=280)
        runner = NotebookClient(notebook, km=manager, timeout=280)
        runner.kc = client
        for index, cell in enumerate(notebook.cells):
            runner.execute_cell(cell, index)
        return notebook

    try:
        yield execute
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Execute those named, or all, and write them."""
    parser = Parser(prog="python notebooks/execute.py", description="Execute notebooks into notebooks/out/.")
    known = [path.stem for path in sources()]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(known)}; all without")
    names = parser.parse_args(argv).names
    if unknown := set(names) - set(known):
        raise BenchError(f"There is no notebook {', '.join(sorted(unknown))}, only {', '.join(known)}.")
    out = FOLDER / "out"
    out.mkdir(exist_ok=True)
    with kernel() as execute:
        for path in sources():
            if names and path.stem not in names:
                continue
            started = time.perf_counter()
            notebook = execute(path)
            nbformat.write(notebook, out / f"{path.stem}.ipynb")
            page, _ = HTMLExporter().from_notebook_node(notebook)
            (out / f"{path.stem}.html").write_text(page, encoding="utf-8")
            print(f"{path.stem}: {time.perf_counter() - started:.0f} s", flush=True)
    print(f"They are in {out}.")
    return OK


if __name__ == "__main__":
    run(main)
