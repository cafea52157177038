"""What a killed process leaves: no program, no folder, and at most one process for whoever has to reap it."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest

from baselines.classical import guardian
from baselines.classical import workspace as workspaces
from baselines.classical.program import run
from baselines.classical.workspace import PREFIX, Workspace
from bench.codec import CodecError


@pytest.fixture
def folder(tmp_path):
    """Where the workspaces of a test are made; a name that a shell has to be careful with."""
    path = tmp_path / "tem $po*ra  ry"
    path.mkdir()
    return path


@pytest.fixture
def own(folder, monkeypatch):
    """This process makes its workspaces there, and begins without a guardian."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(guardian, "_pipe", None)
    workspaces._sweep.cache_clear()
    yield folder
    workspaces._sweep.cache_clear()
    if guardian._pipe is not None:
        os.close(guardian._pipe)


def left(folder: Path) -> list[Path]:
    """Workspaces in a folder."""
    return list(folder.glob(f"{PREFIX}*"))


def running(number: str) -> list[int]:
    """Processes ``sleep NUMBER``; zombies have no command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:-1] == [b"sleep", number.encode()]:
            found.append(int(process.name))
    return found


def until(condition, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


WORKER = """
import os, signal, subprocess, sys, threading, time
from baselines.classical import guardian, program
from baselines.classical.workspace import Workspace

def sleep():
    with Workspace("fake") as workspace:
        program.run(["sleep", sys.argv[1]], workspace, codec="fake", timeout=300)

def die(*anything):
    os.kill(os.getpid(), signal.SIGKILL)

def die_after(seconds):
    threading.Timer(seconds, die).start()
"""

KILLED = {
    "before its guardian knows of the program": """
        guardian.watch = lambda kind, *rest, watch=guardian.watch: watch(kind, *rest) if kind == "folder" else die()
        sleep()
    """,
    "while the program is being started": """
        def start(command, *rest, popen=subprocess.Popen, **options):
            if command[0] == "sleep":
                threading.Thread(target=die).start()
            return popen(command, *rest, **options)
        program.subprocess.Popen = start
        sleep()
    """,
    "when all is under way": """
        die_after(1)
        sleep()
    """,
    "with programs in several threads": """
        die_after(1.5)
        for _ in range(3):
            threading.Thread(target=sleep).start()
        time.sleep(60)
    """,
    "while a fork of it lives on": """
        with Workspace("fake"):
            pass
        parent = os.getpid()
        if not os.fork():
            while os.getppid() == parent:
                time.sleep(0.1)
            time.sleep(12)
            os._exit(0)
        die_after(1)
        sleep()
    """,
}


def work(folder: Path, number: str, text: str) -> int:
    """Run a process that codes, and return its exit status."""
    return subprocess.run(
        [sys.executable, "-c", WORKER + textwrap.dedent(text), number],
        env={**os.environ, "TMPDIR": str(folder)},
        timeout=120,
    ).returncode


@pytest.mark.parametrize("moment", KILLED)
def test_killed_process_leaves_neither_program_nor_folder(moment, folder):
    number = f"9{os.getpid()}{list(KILLED).index(moment)}"
    assert work(folder, number, KILLED[moment]) == -signal.SIGKILL
    assert until(lambda: not left(folder) and not running(number), 10)


def test_a_killed_fork_leaves_nothing_while_its_parent_lives(folder):
    text = """
        with Workspace("fake"):
            pass
        if not os.fork():
            die_after(1)
            sleep()
        os.wait()
        for _ in range(1000):
            if not os.listdir(os.environ["TMPDIR"]):
                sys.exit(0)
            time.sleep(0.01)
        sys.exit(1)
    """
    number = f"9{os.getpid()}9"
    assert work(folder, number, text) == 0
    assert not running(number)


def test_many_workspaces_have_one_guardian(own, monkeypatch):
    started = []
    start = guardian._start
    monkeypatch.setattr(guardian, "_start", lambda: started.append(start()) or started[-1])

    def code() -> None:
        for _ in range(5):
            with Workspace("fake") as workspace:
                run(["true"], workspace, codec="fake", timeout=60)

    threads = [threading.Thread(target=code) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert not left(own)


def test_a_guardian_that_was_killed_is_replaced(own, monkeypatch):
    end, broken = os.pipe()
    os.close(end)
    monkeypatch.setattr(guardian, "_pipe", broken)
    with Workspace("fake") as workspace:
        assert left(own) == [workspace.path]
        assert os.fstat(guardian._pipe)
    assert not left(own)


def test_no_guardian_can_be_started(own, monkeypatch):
    def refuse(*words, **options):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    handles = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(
            CodecError, match=r"fake: no process can be started .*: Resource temporarily unavailable\.$"
        ):
            Workspace("fake").__enter__()
    assert not left(own)
    assert len(os.listdir("/proc/self/fd")) == handles


def test_a_path_of_two_lines_is_no_order_to_remove_another(tmp_path):
    """The folder stays, for want of words."""
    bystander, folder = tmp_path / "a", tmp_path / "a\nb"
    bystander.mkdir()
    folder.mkdir()
    work(folder, "9", "with Workspace('fake'): die()")
    time.sleep(0.5)
    assert bystander.exists()
