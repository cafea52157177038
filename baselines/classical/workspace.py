"""A temporary folder for one run of a program, removed even when the process that made it is killed."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from baselines.classical import guardian
from bench.codec import CodecError

PREFIX = "reencode-"
TAIL = 4000


class Workspace:
    """A private temporary folder (below ``TMPDIR``) with the files of one run of a program.

    Use it as a context manager. The folder goes when the block is left. Where the process is killed inside the block,
    its guardian kills the program that was running and removes the folder. Where the guardian was killed too, the next
    process that makes a workspace removes it: a folder that is in use is locked, and locks don't outlive their process.
    """

    path: Path

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self._lock: int | None = None

    def __enter__(self) -> Workspace:
        root = tempfile.gettempdir()
        _sweep(root)
        try:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        except OSError as error:
            raise CodecError(f"{self.codec}: no temporary folder can be made in {root}: {error.strerror}.") from error
        try:
            self._lock = os.open(self.path, os.O_RDONLY)
            with contextlib.suppress(OSError):  # a file system without locks: nobody can lock it to remove it either
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            guardian.watch("folder", self.path, self.codec)
        except BaseException as error:
            self._clear()
            if isinstance(error, OSError):
                raise CodecError(f"{self.codec}: {self.path} can't be opened: {error.strerror}.") from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        guardian.release("folder", self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, name: str, data: bytes) -> None:
        """Write a file; raise CodecError where the disk does not take it."""
        try:
            (self.path / name).write_bytes(data)
        except OSError as error:
            raise CodecError(
                f"{self.codec}: {len(data)} bytes can't be written to {self.path}: {error.strerror}; "
                "environment variable TMPDIR names another folder."
            ) from error

    def read(self, name: str, program: str) -> bytes:
        """Read a file that ``program`` was to write; raise CodecError where it is missing or empty."""
        try:
            data = (self.path / name).read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise CodecError(f"{self.codec}: what {program} wrote can't be read: {error.strerror}.") from error
        if not data:
            raise CodecError(f"{self.codec}: {program} reported success but wrote nothing.")
        return data

    def open(self, name: str, codec: str) -> BinaryIO:
        """Open a file for writing; raise CodecError where that is not possible."""
        try:
            return (self.path / name).open("wb")
        except OSError as error:
            raise CodecError(f"{codec}: {self.path / name} can't be written: {error.strerror}.") from error

    def tail(self, name: str) -> str:
        """Return the last characters of a text file, at most ``TAIL`` bytes of it, bad bytes replaced."""
        try:
            with (self.path / name).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:  # the program cleaned its folder
            return ""


@functools.lru_cache(maxsize=8)
def _sweep(root: str) -> None:
    """Remove workspaces below ``root`` whose process is gone; once a process."""
    for folder in Path(root).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < 60:
                continue  # someone else's, or perhaps not locked yet
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)
