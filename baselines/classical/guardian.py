"""A small process that outlives this one and clears up what this one leaves when it is killed: programs and folders."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from pathlib import Path

from bench.codec import CodecError

# Keeps a list of what it is told, a line each: "+folder PATH", "+group PGID", and the same with "-" when it is over. At
# the end of the pipe it kills those groups, and what runs in those folders, and removes the folders. The pipe ends when
# nobody holds its other side, thus not before a program that was being started is in its folder. The guardian runs in a
# session of its own and is nobody's child: what kills a worker and its children does not kill it too.
_GUARDIAN = r"""
exec 3<&0
(
    trap '' HUP INT TERM
    end='
'
    open=$end
    while read -r line <&3; do
        entry=$end${line#?}$end
        case $line in
            +*) open=$open${line#?}$end ;;
            -*) case $open in *"$entry"*) open=${open%%"$entry"*}$end${open#*"$entry"} ;; esac ;;
        esac
    done
    printf %s "$open" | while read -r kind what; do
        case $kind in
            group) kill -s KILL -- "-$what" ;;
            folder)
                for process in /proc/[0-9]*; do
                    [ "$process/cwd" -ef "$what" ] && kill -s KILL -- "-${process#/proc/}" "${process#/proc/}"
                done
                rm -rf -- "$what" || { sleep 1; rm -rf -- "$what"; }
        esac
    done
) &
"""

_lock = threading.Lock()
_pipe: int | None = None
"""Our side of the guardian's pipe; None: there is none yet."""


def watch(kind: str, what: Path | int, codec: str) -> None:
    """Have something cleared up should this process be killed from now on.

    Args:
        kind: ``"folder"``, removed after what runs in it was killed (the latter on Linux), or ``"group"``, a process
            group, killed.
        what: its path or id.
        codec: registry name, for messages.

    Raises:
        CodecError: there is no guardian, and none can be started.
    """
    global _pipe
    line = f"+{kind} {what}"
    with _lock:
        if _pipe is not None:
            try:
                return _write(_pipe, line)
            except BrokenPipeError:  # someone killed it
                os.close(_pipe)
                _pipe = None
        try:
            _pipe = _start()
            _write(_pipe, line)
        except OSError as error:
            raise CodecError(
                f"{codec}: no process can be started that clears up after this one: {error.strerror}."
            ) from error


def release(kind: str, what: Path | int) -> None:
    """Take back ``watch``."""
    with _lock, contextlib.suppress(BrokenPipeError):
        if _pipe is not None:
            _write(_pipe, f"-{kind} {what}")


def _write(pipe: int, line: str) -> None:
    if "\n" not in line:  # a path with one can't be said; the next process removes that folder
        os.write(pipe, os.fsencode(f"{line}\n"))


def _start() -> int:
    """Start a guardian and return our side of its pipe."""
    theirs, ours = os.pipe()
    try:
        subprocess.run(
            ["/bin/sh", "-c", _GUARDIAN],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            check=False,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return ours


def _forget() -> None:
    """In a forked process: the guardian is the parent's, and must not wait for this one."""
    global _pipe
    if _pipe is not None:
        os.close(_pipe)
        _pipe = None
    _lock.release()


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget)
