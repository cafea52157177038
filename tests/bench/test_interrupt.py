"""Ctrl-C where Python drops it."""

from __future__ import annotations

import signal
import threading

import pytest

from bench.cli import call
from bench.interrupt import Interrupts


class Struck:
    """Ctrl-C comes while this is taken down."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def plain():
    """SIGINT as Python has it at the start; workers of pytest-xdist are deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def go_on_after_a_lost_one(steps):
    with Interrupts() as interrupts:
        interrupts.raise_if_lost()
        Struck()
        steps.append("went on")
        interrupts.raise_if_lost()
        steps.append("went on still")


@pytest.mark.usefixtures("plain")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_ctrl_c_that_python_drops_is_raised_at_the_next_step():
    steps = []
    with pytest.raises(KeyboardInterrupt):
        go_on_after_a_lost_one(steps)
    assert steps == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("plain")
def test_ctrl_c_raises_at_once_as_ever():
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_somebody_elses_handler_and_other_threads_are_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            interrupts.raise_if_lost()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    entered = []

    def enter():
        with Interrupts() as interrupts:
            interrupts.raise_if_lost()
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered


def test_sigterm_does_what_ctrl_c_does(capsys):
    def main(argv):
        signal.raise_signal(signal.SIGTERM)
        return 0

    assert call(main, []) == 130
    assert capsys.readouterr().err == "Stopped.\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_handler_of_somebody_else_stays():
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    try:
        assert call(lambda argv: signal.raise_signal(signal.SIGTERM) or 0, []) == 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert asked == [True]
