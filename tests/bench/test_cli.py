"""bench.cli: what a user sees of an error, and the exit code."""

from __future__ import annotations

import argparse
import errno
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from bench import cli
from bench.codec import BenchError, CodecError


def raising(error: BaseException):
    def main(argv=None):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (BenchError("No such codec."), 2, "No such codec.\n"),
        (CodecError("jpeg: no."), 2, "jpeg: no.\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 2, "/x/y: No space left on device.\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
    ],
)
def test_errors_become_one_sentence_and_an_exit_code(error, code, text, capsys):
    assert cli.call(raising(error)) == code
    captured = capsys.readouterr()
    assert captured.err == text
    assert captured.out == ""


def test_defects_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.call(raising(ZeroDivisionError()))


@pytest.mark.parametrize("argv", [["--out", ""], ["--out="], ["--out", " "], ["--count", ""], [""], ["a", ""]])
def test_an_empty_value_is_refused_and_an_empty_default_is_none(argv):
    parser = cli.Parser(prog="this")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--count", type=cli.positive_int, default="3")
    parser.add_argument("--only", default="")
    parser.add_argument("names", nargs="*")
    assert vars(parser.parse_args([])) == {"out": None, "count": 3, "only": "", "names": []}
    with pytest.raises(
        BenchError, match=r"Argument (--out|--count|names): expected a value, got ' ?'; see this --help\."
    ):
        parser.parse_args(argv)


def test_run_leaves_with_the_code_of_main():
    with pytest.raises(SystemExit) as left:
        cli.run(lambda argv: 1)
    assert left.value.code == 1


def test_parser_raises_on_bad_usage_and_takes_no_abbreviations():
    parser = cli.Parser(prog="it")
    parser.add_argument("--generations", type=cli.positive_int)
    with pytest.raises(BenchError, match=r"^Unrecognized arguments: --gen 5; see it --help\.$"):
        parser.parse_args(["--gen", "5"])
    with pytest.raises(
        BenchError, match=r"^Unrecognized arguments: --generation 5; did you mean --generations\? See it"
    ):
        parser.parse_args(["--generation", "5"])
    with pytest.raises(BenchError, match=r"at least 1, got '0'; see it --help\.$"):
        parser.parse_args(["--generations", "0"])
    assert parser.parse_args(["--generations", "7"]).generations == 7


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "many"])
def test_positive_int_refuses(text):
    with pytest.raises(argparse.ArgumentTypeError, match="at least 1"):
        cli.positive_int(text)


def test_a_reader_that_goes_away_is_no_error():
    code = "from bench import cli\ndef main(argv):\n    while True: print('x' * 1000)\ncli.run(main)"
    shell = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | head -n 1; echo "code ${PIPESTATUS[0]}"', sys.executable, code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shell.stdout.endswith("code 0\n")
    assert shell.stderr == ""


COMMANDS = (
    *("bench.bdrate", "bench.codecs", "bench.columns_page", "bench.datasets", "bench.experiment", "bench.reencode"),
    *("bench.report.__main__", "bench.results", "bench.summary", "baselines.calibrate", "baselines.costs"),
    *("baselines.train", "benchmarks.__main__", "benchmarks.bench_memory", "benchmarks.bench_metrics"),
    *("benchmarks.bench_ratecontrol", "benchmarks.bench_reencode", "fuzz.__main__"),
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_answers_a_wrong_option_in_one_sentence(name, capsys):
    assert cli.call(import_module(name).main, ["--no-such-option"]) == cli.USER_ERROR
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.endswith(f"ee python -m {name.removesuffix('.__main__')} --help.\n")


@pytest.mark.parametrize("module", ["bench.reencode", "bench.bdrate"])
def test_examples_of_the_help_are_lines_that_the_parser_takes(module):
    parser = import_module(module)._parser()
    examples = [line for line in parser.format_help().splitlines() if line.startswith("  python -m ")]
    assert len(examples) >= 4
    for line in examples:
        start, _, options = line.strip().partition(f"{module} ")
        assert start == "python -m "
        parser.parse_args(shlex.split(options))


def test_letters_that_the_output_lacks_are_written_as_escapes():
    script = "from bench.cli import run\nrun(lambda argv: print('写真 and \u00e9'))"
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONIOENCODING": "latin-1"}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.strip() == b"\\u5199\\u771f and \xe9"


def test_help_shows_defaults_that_say_something():
    parser = cli.Parser(prog="this")
    for name, default in (("--some", 3), ("--none", None), ("--list", [])):
        parser.add_argument(name, default=default, help="x")
    parser.add_argument("--switch", action="store_true", help="x")
    assert [line.split()[0] for line in parser.format_help().splitlines() if "default:" in line] == ["--some"]


def test_names_may_follow_options():
    parser = cli.Parser(prog="x")
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--anchor")
    found = parser.parse_args(["a", "--anchor", "jpeg", "b"])
    assert (found.tables, found.anchor) == (["a", "b"], "jpeg")
