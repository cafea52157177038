"""Every notebook runs from top to bottom on the committed results, and shows something."""

from __future__ import annotations

import pytest

pytest.importorskip("jupytext", reason="needs jupytext: pip install 'reencode-bench[notebooks]'")
pytest.importorskip("nbclient", reason="needs nbclient: pip install 'reencode-bench[notebooks]'")

from nbclient.exceptions import CellExecutionError

from bench.cli import USER_ERROR, call
from notebooks import execute


@pytest.fixture(scope="module")
def run():
    with execute.kernel() as found:
        yield found


@pytest.mark.parametrize("path", execute.sources(), ids=lambda path: path.stem)
def test_it_runs_and_shows_something(run, path):
    notebook = run(path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"] == []
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert kinds & {"image/png", "text/html"}
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")


def test_a_cell_that_fails_is_noticed_and_nothing_is_left_of_the_one_before(run, tmp_path):
    (tmp_path / "first.py").write_text("# %%\nleft = 1\n")
    (tmp_path / "second.py").write_text("# %%\nleft\n")
    run(tmp_path / "first.py")
    with pytest.raises(CellExecutionError, match="NameError"):
        run(tmp_path / "second.py")


def test_an_unknown_name_is_one_sentence(capsys):
    assert call(execute.main, ["nothing"]) == USER_ERROR
    assert capsys.readouterr().err.startswith("There is no notebook nothing, only ainn_ablation, ")
