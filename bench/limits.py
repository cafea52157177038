"""A time limit for calls into codecs, and threads that do not fight over cores."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from bench.codec import CodecError

GRACE = 10.0
"""Seconds between asking a codec to stop and ending the process it runs in."""

_sink: list[TextIO] = []


class CodecTimeout(CodecError):
    """A codec took longer than it may."""


@contextmanager
def time_limit(seconds: float | None, what: str, *, may_exit: bool = False) -> Iterator[None]:
    """Raise CodecTimeout in the block when it takes longer than ``seconds`` (None: no limit).

    Code that runs outside the interpreter does not see the exception until it comes back. With ``may_exit``, for
    worker processes, the process ends GRACE seconds after the limit whatever it is doing. Where there is no alarm
    signal (Windows, threads other than the main one) only that second limit holds.
    """
    if seconds is None:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise CodecTimeout(f"{what} took longer than {seconds:g} s; the limit is --codec-timeout.")

    alarm = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    if may_exit:
        # A thread of faulthandler's own, in C: it ends the process even while a codec holds the interpreter lock.
        if not _sink:
            _sink.append(open(os.devnull, "w"))  # noqa: SIM115 - must outlive every limit of this process
        faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=_sink[0])
    previous = signal.signal(signal.SIGALRM, stop) if alarm else None
    try:
        if alarm:
            signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        if alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        if may_exit:
            faulthandler.cancel_dump_traceback_later()


THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def limit_threads(threads: int) -> None:
    """Give this process ``threads`` threads for OpenCV and torch, and for libraries that are not yet imported."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    import cv2

    cv2.setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
