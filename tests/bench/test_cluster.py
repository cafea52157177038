"""bench.cluster: the commands of docs/cluster.md, with workers that are killed, that refuse, and that never come."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest
import synthetic_codecs as synthetic
from pngs import save_png

from bench import cluster, reencode, run, run_book
from bench.codec import BenchError
from bench.runner import run_tasks

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "cluster.md").read_text(encoding="utf-8")
TIMES = ["encode_s", "decode_s"]
pytestmark = pytest.mark.timeout(900)  # many processes start, and slow machines start them slowly
KINDS = [
    pytest.param(name, marks=pytest.mark.skipif(not importlib.util.find_spec(module), reason=f"no {module} installed"))
    for name, module in (("dask", "distributed"), ("ray", "ray"))
]


def lines(word: str) -> list[list[str]]:
    """The commands of the page that begin with or mention a word."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if word in line]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _command_of(process: psutil.Process) -> list[str]:
    """Its command line; [] where it has ended since it was listed."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


class Machines:
    """A cluster as the page says to start it, its port another and its workers two."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.port, self.started = kind, free_port(), []
        self.address = f"tcp://127.0.0.1:{self.port}" if kind == "dask" else f"127.0.0.1:{self.port}"
        environment = os.environ | {
            "PYTHONPATH": str(HERE),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
            "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__GIL__ENABLED": "False",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        commands = lines("dask scheduler") + lines("dask worker") if kind == "dask" else lines("ray start")[:1]
        more = {
            "scheduler": ["--host", "127.0.0.1", "--dashboard-address", ":0"],
            "worker": ["--no-dashboard"],
            "start": ["--block", "--num-cpus", "2", "--include-dashboard", "false", "--node-ip-address", "127.0.0.1"],
        }
        for words in commands:
            words = [self.here(word) for word in words] + more[words[1]]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            self.started.append(subprocess.Popen(words, env=environment, cwd=folder, start_new_session=True, **quiet))

    def here(self, word: str) -> str:
        word = re.sub(r"8786|6379", str(self.port), word.replace("HOST", "127.0.0.1"))
        return "2" if word == "4" else word

    def workers(self) -> list[psutil.Process]:
        """The processes that code chains."""
        below = [child for one in self.started for child in psutil.Process(one.pid).children(recursive=True)]
        mark = "spawn_main" if self.kind == "dask" else "code_far_away"
        return [one for one in below if mark in " ".join(_command_of(one))]

    def stop(self) -> None:
        for one in self.started:
            for child in psutil.Process(one.pid).children(recursive=True):
                child.kill()
            one.kill()
            one.wait()


@pytest.fixture(scope="module", params=KINDS)
def machines(request, tmp_path_factory):
    running = Machines(request.param, tmp_path_factory.mktemp("cluster"))
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "set").mkdir()
    for number in range(6):
        save_png(tmp_path / "set" / f"im{number}.png", np.full((9 + number, 9, 3), 10 * number, np.uint8))
    return tmp_path / "set"


def arguments(machines, folder, out, codec):
    (words,) = [words for words in lines("--backend " + machines.kind) if "--scheduler" in words]
    given = [machines.here(word) for word in words[3:]]
    given[given.index("--codec") + 1] = codec
    return [*given, "--dataset", str(folder), "--out", str(out), "--quiet"]


def at_home(folder, out, codec, monkeypatch):
    """The same run in this process."""
    with monkeypatch.context() as patch:
        patch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
        command = ["--codec", codec, "--generations", "10", "--dataset", str(folder), "--out", str(out), "--quiet"]
        reencode.main(command)
    return pd.read_parquet(out / "generations.parquet").drop(columns=TIMES)


def test_a_killed_worker_and_one_that_a_codec_kills_cost_nothing_but_its_chain(machines, folder, tmp_path, monkeypatch):
    """One worker is killed from outside once a chain is stored; a codec that kills its process is one failure."""
    out, codec = tmp_path / "far", "synthetic_codecs:Slower"
    killed = []

    def kill() -> None:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and len(list((out / "chains").glob("*.json"))) < 1:
            time.sleep(0.02)
        victim = machines.workers()[0]
        victim.send_signal(signal.SIGKILL)
        killed.append(victim.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    assert reencode.main(arguments(machines, folder, out, codec)) == 0
    killer.join()
    assert killed
    assert len(list((out / "chains").glob("*.json"))) == 6
    found = pd.read_parquet(out / "generations.parquet").drop(columns=TIMES)
    pd.testing.assert_frame_equal(found, at_home(folder, tmp_path / "near", codec, monkeypatch))
    for near in (tmp_path / "near" / "snapshots").iterdir():
        assert (out / "snapshots" / near.name).read_bytes() == near.read_bytes()
    book = json.loads((out / "run.json").read_text())
    assert sum(worker["chains"] for worker in book["workers"]) == 6
    assert book["workers"][0]["machine"]["host"]

    # Chains of im0 reach the value at which this codec kills its process; others do not.
    assert reencode.main(arguments(machines, folder, tmp_path / "deadly", "synthetic_codecs:Dies")) == 1
    table = pd.read_parquet(tmp_path / "deadly" / "generations.parquet")
    assert set(table[table["status"] == "failed"]["image"]) == {"im0"}
    assert "that coded this chain died" in table[table["status"] == "failed"]["reason"].iloc[0]
    assert (table[table["image"] != "im0"]["status"] == "ok").all()


def test_workers_with_another_codec_or_without_it_are_refused(machines, folder, tmp_path, monkeypatch):
    monkeypatch.setenv(synthetic.VERSION, "2")
    with pytest.raises(BenchError, match=r"versioned is not the same on .* \(version: 2 there, 1 here\)"):
        reencode.main(arguments(machines, folder, tmp_path / "far", "synthetic_codecs:Versioned"))
    (tmp_path / "only_here.py").write_text("from synthetic_codecs import Drift\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BenchError, match=r"On .*only_here:Drift can't be imported"):
        reencode.main(arguments(machines, folder, tmp_path / "far", "only_here:Drift"))


def test_a_missing_scheduler_and_missing_packages_are_one_sentence(folder, tmp_path, monkeypatch):
    command = ["--codec", "jpeg", "--dataset", str(folder), "--out", str(tmp_path / "run"), "--generations", "1"]
    with pytest.raises(BenchError, match="needs --scheduler ADDRESS"):
        reencode.main([*command, "--backend", "dask"])
    with pytest.raises(BenchError, match="needs --scheduler ADDRESS"):
        reencode.main([*command, "--backend", "dask", "--bpp", "1", "--rate-by", "originals"])
    assert not list((tmp_path / "run").glob("plans/*")), "said before qualities are chosen"
    with pytest.raises(BenchError, match="use it with --backend"):
        reencode.main([*command, "--scheduler", "tcp://nowhere:1"])
    for name, module in (("dask", "distributed"), ("ray", "ray")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(BenchError, match=rf"pip install 'reencode-bench\[{name}\]'"):
                cluster.connect(name, "tcp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("scheduler", "variable", "sentence"),
    [
        ("there:6379", "", "No Ray cluster answers at there:6379; change it with --scheduler."),
        (None, "here:6379", "No Ray cluster answers at here:6379; change it with --scheduler."),
        (None, "", "No Ray cluster answers on this machine, and none can be started; name one with --scheduler."),
    ],
)
def test_a_ray_cluster_that_never_answers(scheduler, variable, sentence, monkeypatch):
    def init(**_):
        raise ConnectionError("nobody there")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    monkeypatch.setenv("RAY_ADDRESS", variable)
    with pytest.raises(BenchError) as error:
        cluster.connect("ray", scheduler)
    assert str(error.value) == sentence


def test_a_dask_scheduler_that_never_answers_and_workers_with_threads(monkeypatch):
    pytest.importorskip("distributed", reason="no distributed installed")
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with pytest.raises(BenchError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:\d+; change it with --sche"):
        cluster.connect("dask", f"tcp://127.0.0.1:{free_port()}")

    class Client:
        def wait_for_workers(self, count, timeout):
            pass

        def nthreads(self):
            return {"tcp://a": 1, "tcp://b": 8}

    crowded = cluster.DaskCluster.__new__(cluster.DaskCluster)
    crowded._client = Client()
    with pytest.raises(BenchError, match="must have one thread, tcp://b has 8"):
        crowded.slots()


def test_what_the_page_installs_is_declared() -> None:
    import tomllib

    extras = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for words in lines("pip install"):
        assert re.fullmatch(r"\.\[(\w+)\]", words[-1])[1] in extras


def test_workers_that_differ_are_named() -> None:
    machine = {"host": "a", "python": "3.12.1", "processor": "x"}
    one = {"machine": machine, "versions": {"numpy": "2.1", "torch": "2.6"}}
    two = {"machine": machine | {"host": "b", "processor": "y"}, "versions": {"numpy": "2.2", "torch": "2.6"}}
    assert run_book.differences([one, one]) == []
    said = run_book.differences([one, two])
    assert [sentence.partition(":")[0] for sentence in said] == [
        "Workers differ in numpy (2.1, 2.2)",
        "Workers differ in processor (x, y)",
    ]
