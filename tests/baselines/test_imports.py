"""Imports within ``baselines`` run one way: no rings, and a codec needs nothing of the training."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import baselines

ROOT = Path(baselines.__file__).parent


def imported(file: Path) -> set[Path]:
    """The files of ``baselines`` that a file imports wherever in it, but for type checkers only."""
    names: list[str] = []
    left: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        left += ast.iter_child_nodes(node)
    files = [ROOT.parent.joinpath(*name.split(".")).with_suffix(".py") for name in names]
    return {found for found in files if found.is_relative_to(ROOT) and found.is_file()}


GRAPH = {file: imported(file) for file in ROOT.rglob("*.py")}


def test_files_do_not_import_each_other_in_a_ring() -> None:
    assert ROOT / "learned" / "model.py" in GRAPH[ROOT / "training" / "loop.py"]
    assert ROOT / "train.py" in GRAPH[ROOT / "recipe.py"]
    graphlib.TopologicalSorter(GRAPH).prepare()  # raises CycleError, which tells the ring


def test_only_the_training_and_command_lines_import_the_training() -> None:
    training = ROOT / "training"
    codecs = [file for file in GRAPH if file.parent not in (ROOT, training)]
    assert len(codecs) > 50
    wrong = [str(file) for file in codecs if any(found.parent == training for found in GRAPH[file])]
    assert wrong == []
