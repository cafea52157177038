"""Ctrl-C that is not lost.

Python drops a KeyboardInterrupt that strikes inside a destructor or a callback of the garbage collector ("Exception
ignored in ..."), and the work goes on as if nobody had asked it to stop. Whoever works in steps asks after each one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self


@contextmanager
def sigterm_is_ctrl_c() -> Iterator[None]:
    """While entered, SIGTERM, by which schedulers and containers ask to stop, does what Ctrl-C does.

    Outside the main thread, or where somebody else handles it, nothing changes.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if callable(signal.getsignal(signal.SIGINT)):
            signal.raise_signal(signal.SIGINT)  # which whoever handles Ctrl-C then handles
        else:  # Ctrl-C is ignored, as in what a shell's script has put in the background
            raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def signals_to(handler: Callable[..., None]) -> Iterator[None]:
    """While entered, ``handler`` takes Ctrl-C and SIGTERM, and after it those that took them before.

    Outside the main thread, which is the only one that hears of them, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {stop: signal.signal(stop, handler) for stop in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for stop, earlier in before.items():
            signal.signal(stop, earlier)


class Interrupts:
    """While entered, ``raise_if_lost`` raises the KeyboardInterrupt that was asked for and went unheard.

    Ctrl-C raises at once, as ever. Outside the main thread, or where somebody else handles SIGINT, nothing changes.
    """

    def __init__(self) -> None:
        self._asked = False
        self._installed = False

    def __enter__(self) -> Self:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        signal.default_int_handler(number, frame)

    def raise_if_lost(self) -> None:
        """Raise KeyboardInterrupt where there was a Ctrl-C that did not end the ``with`` block."""
        if self._asked:
            raise KeyboardInterrupt
