"""What every command line of this project does alike: errors as one sentence, exit codes, an honest parser."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from bench.codec import BenchError
from bench.interrupt import sigterm_is_ctrl_c

OK, SOME_FAILED, USER_ERROR, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all well; the command ran but some of its work failed; the user can act on one sentence; Ctrl-C."""


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults that say something: not None, False or empty lists. Keeps the lines of an epilog of examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("examples:\n") else super()._fill_text(text, width, indent)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        says_nothing = action.default is None or action.default is False or action.default == []
        return action.help if says_nothing else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that shows defaults, takes no short forms or empty values, raises BenchError on bad usage.

    Names may stand before, between and after options.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("formatter_class", Help)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._subparsers is not None:  # which argparse does not mix with options
            return super().parse_args(args, namespace)
        return self.parse_intermixed_args(args, namespace)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        # "$UNSET" is an oversight, and must mean neither the default nor, as a path, the current folder.
        if not arg_string.strip() and arg_string != action.default:  # argparse brings defaults past here, too
            raise argparse.ArgumentError(action, f"expected a value, got {arg_string!r}")
        return super()._get_value(action, arg_string)

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (--[^\s=]+)", message)
        close = get_close_matches(unknown[1], self._option_string_actions, n=1) if unknown else []
        hint = f"did you mean {close[0]}? See" if close else "see"
        raise BenchError(f"{message[:1].upper()}{message[1:].rstrip('.')}; {hint} {self.prog} --help.")


def positive_int(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def whole_number(text: str) -> int:
    """An argparse type: a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None


def call(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Return the exit code of ``main(argv)``; a BenchError, a full disk or Ctrl-C becomes one sentence on stderr.

    Anything else is a defect of ours and keeps its traceback.
    """
    try:
        with sigterm_is_ctrl_c():
            return main(argv)
    except BenchError as error:
        message, code = str(error), USER_ERROR
    except BrokenPipeError:
        # The reader of our output (`| head`) has gone; keep Python's own flush at exit from complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        if error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        message, code = f"{where}{error.strerror or error}.", USER_ERROR
    except KeyboardInterrupt:
        message, code = "Stopped.", INTERRUPTED
    print(message, file=sys.stderr)
    return code


def run(main: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Run a command line on ``sys.argv`` and leave with its exit code; use it as ``run(main)`` under ``__main__``.

    Names of images may hold letters that the output's encoding lacks: these are written as escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(call(main))
