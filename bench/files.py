"""Files that are whole or not there, and names that every file system takes."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file so that it is whole or not there, even when the machine loses power (``sync``) at any moment."""
    temporary = path.with_name(f".{path.name[:80]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync and os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def plain(name: str) -> str:
    """``name`` with what file systems dislike replaced, at most 60 characters."""
    return re.sub(r"[^A-Za-z0-9.+_-]+", "-", name).strip("-.")[:60] or "unnamed"
