"""Finding, running and stopping programs: fake ones, made here, that do what programs do on bad days."""

import os
import signal
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from baselines.classical import workspace as workspaces
from baselines.classical.program import Program, run, sha256_of, version_of
from baselines.classical.workspace import PREFIX, Workspace
from bench.codec import CodecError, CodecUnavailable


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    """What a test leaves in the temporary folder can be seen."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    workspaces._sweep.cache_clear()
    yield folder
    workspaces._sweep.cache_clear()
    assert not list(folder.glob(f"{PREFIX}*")), "a workspace was left behind"


def script(folder: Path, text: str, name: str = "coder") -> str:
    """Make an executable shell script."""
    path = folder / name
    path.write_text("#!/bin/sh\n" + textwrap.dedent(text))
    path.chmod(0o755)
    return str(path)


def alive(pid: int) -> bool:
    """Whether a process runs; zombies don't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def call(tmp_path: Path, text: str, **options) -> str:
    with Workspace("fake") as workspace:
        return run([script(tmp_path, text)], workspace, codec="fake", **{"timeout": 60.0, **options})


PROGRAM = Program("fake", "encoder", "BENCH_FAKE", ("no-such-coder", "coder"), "the coder")


def test_finds_option_before_variable_before_path(tmp_path, monkeypatch):
    one, two, three = (script(tmp_path, "", name) for name in ("one", "two", "coder"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("BENCH_FAKE", raising=False)
    assert PROGRAM.find() == Path(three)
    monkeypatch.setenv("BENCH_FAKE", two)
    assert PROGRAM.find() == Path(two)
    assert PROGRAM.find(one) == Path(one)


def test_bundled_program_comes_before_path(tmp_path, monkeypatch):
    script(tmp_path, "")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    bundled = Program("fake", "encoder", "BENCH_FAKE", ("coder",), "the coder", lambda: "/bundled/coder")
    assert bundled.find() == Path("/bundled/coder")


def test_missing_program_names_what_to_install_variable_and_option(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CodecUnavailable, match=r"install the coder.*BENCH_FAKE or option encoder"):
        PROGRAM.find()


def test_named_program_that_is_none_is_not_replaced_by_another(tmp_path, monkeypatch):
    script(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    plain = tmp_path / "plain.txt"
    plain.write_text("not a program")
    monkeypatch.setenv("BENCH_FAKE", str(plain))
    with pytest.raises(
        CodecUnavailable, match=r"plain.txt \(environment variable BENCH_FAKE\) is not an executable file"
    ):
        PROGRAM.find()
    with pytest.raises(CodecUnavailable, match=r"/nowhere/coder \(option encoder\)"):
        PROGRAM.find("/nowhere/coder")


def test_sha256_follows_a_changed_binary(tmp_path):
    path = tmp_path / "binary"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    path.write_bytes(b"")
    assert sha256_of(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_version_is_read_on_the_way_out_of_an_error(tmp_path):
    path = Path(script(tmp_path, "echo coder version 1.2.3 >&2; exit 1"))
    assert version_of(path, ("-h",), r"version (\S+)") == "1.2.3"
    assert version_of(path, ("-h",), r"release (\S+)") == "unknown"


def test_returns_what_was_printed_and_runs_in_the_workspace(tmp_path):
    with Workspace("fake") as workspace:
        workspace.write("in", b"data")
        printed = run([script(tmp_path, "cat in; cat in in > out; echo !")], workspace, codec="fake", timeout=60)
        assert printed == "data!\n"
        assert workspace.read("out", "coder") == b"datadata"


def test_thread_limits_reach_the_program(tmp_path):
    assert call(tmp_path, "echo $OMP_NUM_THREADS $OPENBLAS_NUM_THREADS", threads=3) == "3 3\n"


def test_exit_status_and_first_and_last_line_are_reported(tmp_path):
    with pytest.raises(CodecError, match=r"^fake: coder failed with exit status 3: first; no such tile\.$"):
        call(tmp_path, "echo working; echo first >&2; echo between >&2; echo no such tile. >&2; exit 3")
    with pytest.raises(CodecError, match=r"exit status 1: said on stdout\.$"):
        call(tmp_path, "echo said on stdout; exit 1")
    with pytest.raises(CodecError, match=r"exit status 1 and said nothing\.$"):
        call(tmp_path, "exit 1")


def test_crash_is_reported_with_its_signal(tmp_path):
    with pytest.raises(CodecError, match=r"coder was ended by signal 11 \(SIGSEGV\)"):
        call(tmp_path, "kill -SEGV $$")


def test_what_can_not_be_started_is_unavailable(tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(b"\x7fELF not for this machine")
    path.chmod(0o755)
    with Workspace("fake") as workspace, pytest.raises(CodecUnavailable, match="foreign can't be started"):
        run([path], workspace, codec="fake", timeout=60)


def test_hanging_program_is_stopped_with_its_children(tmp_path):
    pids = tmp_path / "pids"
    with pytest.raises(CodecError, match=r"coder did not finish within 0\.5 s and was stopped; option timeout"):
        call(tmp_path, f"trap '' TERM; sleep 300 & echo $! $$ > {pids}; wait; sleep 300", timeout=0.5)
    assert until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


def test_children_left_behind_by_a_finished_program_are_stopped(tmp_path):
    pids = tmp_path / "pids"
    call(tmp_path, f"sleep 300 & echo $! > {pids}")
    assert until(lambda: not alive(int(pids.read_text())))


def test_file_over_the_limit_ends_the_program(tmp_path):
    with pytest.raises(CodecError, match=r"coder (was ended by signal 25 \(SIGXFSZ|failed with exit status)"):
        call(tmp_path, "exec head -c 100000000 /dev/zero > big", file_limit=1 << 20)


def test_full_disk_is_reported_by_the_program_and_by_us(tmp_path):
    with pytest.raises(CodecError, match="No space left on device"):
        call(tmp_path, "cat /bin/sh > /dev/full")
    with Workspace("fake") as workspace:
        (workspace.path / "in").symlink_to("/dev/full")
        with pytest.raises(CodecError, match=r"4 bytes can't be written to .*No space left on device; .*TMPDIR"):
            workspace.write("in", b"data")


def test_success_without_output_is_an_error(tmp_path):
    with Workspace("fake") as workspace:
        run([script(tmp_path, ": > empty")], workspace, codec="fake", timeout=60)
        for name in ("empty", "missing"):
            with pytest.raises(CodecError, match="coder reported success but wrote nothing"):
                workspace.read(name, "coder")


def test_no_temporary_folder(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(CodecError, match="no temporary folder can be made in /nowhere"), Workspace("fake"):
        pass


def test_interrupt_stops_the_program(tmp_path):
    """An exception from a signal handler, as of a time limit of the caller, leaves nothing running."""
    pids = tmp_path / "pids"

    def interrupt(number, frame):
        raise InterruptedError

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(InterruptedError):
            call(tmp_path, f"echo $$ > {pids}; sleep 300")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert until(lambda: not alive(int(pids.read_text())))


def test_children_left_behind_are_stopped_where_the_system_lacks_waitid(tmp_path, monkeypatch):
    """As macOS does before Python 3.13."""
    monkeypatch.delattr(os, "waitid")
    test_children_left_behind_by_a_finished_program_are_stopped(tmp_path)
    with pytest.raises(CodecError, match=r"coder did not finish within 0\.5 s"):
        call(tmp_path, "sleep 300", timeout=0.5)


def test_abandoned_folders_are_swept_and_those_in_use_are_not(own_temporary_folder):
    abandoned, foreign = own_temporary_folder / f"{PREFIX}abandoned", own_temporary_folder / "foreign"
    hour_ago = time.time() - 3600
    for folder in (abandoned, foreign):
        folder.mkdir()
        (folder / "source.yuv").write_bytes(b"data")
        os.utime(folder, (hour_ago, hour_ago))
    with Workspace("fake") as used:
        assert not abandoned.exists()
        os.utime(used.path, (hour_ago, hour_ago))
        workspaces._sweep.cache_clear()
        with Workspace("fake"):
            assert used.path.exists()
    assert foreign.exists()
