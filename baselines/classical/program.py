"""Programs that codecs are made of: where they are, which build they are, and how they are run and stopped."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.classical import guardian
from baselines.classical.workspace import Workspace
from bench.codec import CodecError, CodecUnavailable

FILE_LIMIT = 4 << 30
"""Bytes that one file written by a program may reach: a program gone wild must not fill the disk."""

PATIENCE = 30.0
"""Seconds that a program may take to say what it is."""


@dataclass(frozen=True)
class Program:
    """A program a codec needs.

    Attributes:
        codec: registry name of the codec, for messages.
        option: the codec's option that names the path.
        variable: the environment variable that names it where the option is not given.
        names: what to look for on PATH, in this order, where neither is given.
        install: what the user has to install, in words that fit after "install".
        bundled: further place to look before PATH; returns None where the program is not there.
    """

    codec: str
    option: str
    variable: str
    names: tuple[str, ...]
    install: str
    bundled: Callable[[], str | None] | None = None

    def find(self, given: str | os.PathLike[str] | None = None) -> Path:
        """Return the program's absolute path; raise CodecUnavailable with what to install and where to name it."""
        named = [
            (f"option {self.option}", given),
            (f"environment variable {self.variable}", os.environ.get(self.variable)),
        ]
        for origin, value in named:
            if value:
                found = shutil.which(os.path.expanduser(value))
                if found is None:
                    raise CodecUnavailable(
                        f"{self.codec}: {value} ({origin}) is not an executable file; {self._remedy()}."
                    )
                return Path(found).absolute()
        candidates = [self.bundled() if self.bundled else None, *map(shutil.which, self.names)]
        for candidate in candidates:
            if candidate:
                return Path(candidate).absolute()
        raise CodecUnavailable(f"{self.codec}: {self.names[0]} was not found; {self._remedy()}.")

    def _remedy(self) -> str:
        return f"install {self.install}, and put it on PATH or name it by {self.variable} or option {self.option}"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits; a file that has not changed is read once a process."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=64)
def version_of(path: Path, arguments: tuple[str, ...], pattern: str) -> str:
    """Return the first group of ``pattern`` in what a program prints for ``arguments``, or ``"unknown"``.

    The exit status is not looked at: several of these programs print their version on the way out of an error.
    Raises CodecUnavailable where the program does not end within ``PATIENCE``; it is asked again at the next call.
    """
    null, out, both = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
    try:
        process = subprocess.Popen([path, *arguments], stdin=null, stdout=out, stderr=both, start_new_session=True)
    except OSError:
        return "unknown"
    with process:
        try:
            printed, _ = process.communicate(timeout=PATIENCE)
        except BaseException as error:
            _kill_group(process.pid)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CodecUnavailable(
                    f"{path} did not answer within {PATIENCE:g} s when asked what it is; where only its first start is "
                    "slow, start the command again."
                ) from error
            raise
    match = re.search(pattern, printed.decode("utf-8", "replace"))
    return match.group(1) if match else "unknown"


def describe(path: Path, version: str) -> dict[str, str]:
    """Return what a codec's identity says of a program: file name, version, sha256 of the binary."""
    return {"program": path.name, "version": version, "sha256": sha256_of(path)}


def run(
    command: Sequence[str | os.PathLike[str]],
    workspace: Workspace,
    *,
    codec: str,
    timeout: float,
    threads: int = 1,
    file_limit: int = FILE_LIMIT,
) -> str:
    """Run a program in a workspace to its end and return what it printed (standard output, then standard error).

    The program leads a process group of its own. The whole group is killed when the time limit passes, when this
    call is interrupted, and when the program ends and leaves children behind. CPU affinity is inherited: a caller
    that pins its workers pins their programs too.

    Args:
        command: the program's path and its arguments; relative names are looked up in the workspace.
        workspace: current folder of the program.
        codec: registry name, for messages.
        timeout: seconds of wall time.
        threads: what libraries that listen to OMP_NUM_THREADS and the like may use.
        file_limit: bytes that one file may reach.

    Raises:
        CodecUnavailable: the program can't be started.
        CodecError: it was stopped at the time limit, ended by a signal, or returned an exit status other than 0.
    """
    name = Path(command[0]).name
    with workspace.open("stdout", codec) as out, workspace.open("stderr", codec) as err:
        try:
            process = subprocess.Popen(
                [os.fspath(part) for part in command],
                cwd=workspace.path,
                env=_environment(threads),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            raise CodecUnavailable(f"{codec}: {command[0]} can't be started: {error.strerror or error}.") from error
        timed_out = _wait(process, codec, timeout, file_limit)
    printed = [workspace.tail(stream) for stream in ("stdout", "stderr")]
    if process.returncode == 0 and not timed_out:
        return "".join(printed)
    lines = [line.strip().rstrip(".") for line in (printed[1].strip() or printed[0].strip()).splitlines()]
    # the first line often has the cause, the last one what came of it
    said = f": {'; '.join(dict.fromkeys((lines[0], lines[-1])))}." if lines else " and said nothing."
    if timed_out:
        raise CodecError(
            f"{codec}: {name} did not finish within {timeout:g} s and was stopped; option timeout sets the limit."
        )
    if process.returncode < 0:
        raise CodecError(f"{codec}: {name} was ended by {_signal_name(-process.returncode)}{said}")
    raise CodecError(f"{codec}: {name} failed with exit status {process.returncode}{said}")


def _environment(threads: int) -> dict[str, str]:
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {**os.environ, "LC_ALL": "C", **dict.fromkeys(limits, str(threads))}


def _wait(process: subprocess.Popen[bytes], codec: str, timeout: float, file_limit: int) -> bool:
    """Wait for the program, stop its group at the limit, and return whether that was needed."""
    fired = threading.Event()

    def stop() -> None:
        fired.set()
        _kill_group(process.pid)

    timer = threading.Timer(timeout, stop)
    timer.daemon = True
    try:
        guardian.watch("group", process.pid, codec)
        _limit(process.pid, file_limit)
        timer.start()
        if hasattr(os, "waitid"):
            # The leader is not reaped here, so that its process group id can't belong to anyone else below.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS before Python 3.13
            process.wait()
    finally:
        timer.cancel()
        _kill_group(process.pid)
        process.wait()
        guardian.release("group", process.pid)
    return fired.is_set()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _limit(pid: int, file_limit: int) -> None:
    if hasattr(resource, "prlimit"):  # Linux
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (file_limit, file_limit))
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    if number == signal.SIGXFSZ:
        return f"signal {number} ({name}: a file grew over the limit)"
    return f"signal {number} ({name})"
