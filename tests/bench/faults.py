"""Faults, one a method: a run folder is put through them, and what is promised is checked after each.

What was finished is still there, nothing half-written is read, and the rerun comes to the table of an undisturbed run.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from PIL import Image as Pillow

from bench import reencode, run
from bench.cli import call
from bench.runner import run_tasks
from bench.snapshots import holds
from bench.store import _checksum

TIMES = ["encode_s", "decode_s"]
GOOD = "synthetic_codecs:Slow,jpeg:50"
BAD = {
    "raises": "Raises",
    "hangs": "Sleeps",
    "eats memory": "Hungry",
    "returns the wrong shape": "Shape",
    "returns NaN": "NaN",
    "kills its process": "Dies",
}


class Broken(AssertionError):
    """A promise was not kept."""


class Victim:
    """A run folder, its images, and a generator of misfortune.

    Args:
        desk: an empty folder.
        seed: of everything random.
        processes: whether chains are coded in worker processes, or in the run's own, which starts sooner.
        generations: of every chain.
    """

    def __init__(self, desk: Path, seed: int, processes: bool = True, generations: int = 30) -> None:
        self.desk, self.random, self.processes, self.generations = desk, random.Random(seed), processes, generations
        self.faults: Counter[str] = Counter()
        self.out = desk / "run"
        (desk / "set").mkdir(parents=True)
        for number in range(4):
            pixels = np.random.default_rng(number).integers(7, 60, (10 + number, 9, 3), np.uint8)
            pixels[0, 0, 0] = 2 + 9 * number  # bad codecs go wrong when this reaches 5, so on the first image only
            Pillow.fromarray(pixels).save(desk / "set" / f"im{number}.png")
        self.undisturbed_s = self.undisturbed(desk / "undisturbed")
        self.table = self.read_table(desk / "undisturbed")

    # -- what is done ------------------------------------------------------------------------------------------------

    def start(self, out: Path | None = None, codec: str = GOOD, more: tuple[str, ...] = (), **how: Any) -> int:
        """Start a run in a process group of its own; return its process id."""
        command = ["--codec", codec, "--dataset", str(self.desk / "set"), "--out", str(out or self.out), "--jobs", "2"]
        command += ["--generations", str(self.generations), "--quiet", *more]
        sys.stdout.flush()
        process = os.fork()
        if process:
            return process
        try:
            os.setsid()
            log = os.open(self.desk / f"log-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1)
            os.dup2(log, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")  # pytest's write elsewhere
            code = self._child(command, **how)
        except BaseException as error:
            import traceback

            traceback.print_exception(error)
            code = 99
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def _child(self, command: list[str], prepare: Callable[[], None] = lambda: None) -> int:
        from bench import reports

        signal.signal(signal.SIGINT, signal.default_int_handler)
        reports.make = lambda *_: None  # figures take seconds and no part
        if not self.processes:
            run.run_tasks = functools.partial(run_tasks, backend="sequential")
        prepare()
        return call(reencode.main, command)

    def finish(self, process: int) -> int:
        """Wait for a run; return its exit code, negative where a signal ended it."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                log = self.desk / f"log-{process}"
                self.said = log.read_text() if log.exists() else ""
                if "Traceback" in self.said and code >= 0:
                    raise Broken(f"A traceback:\n{self.said}")
                return code
            time.sleep(0.01)
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        raise Broken("A run did not come to its end in four minutes.")

    def expect(self, code: int, *wanted: int) -> None:
        if code not in wanted:
            raise Broken(f"Exit code {code} where {wanted} is right:\n{self.said}")

    def undisturbed(self, out: Path) -> float:
        """Seconds of a run that nothing happens to."""
        begun = time.monotonic()
        self.expect(self.finish(self.start(out=out)), 0)
        return time.monotonic() - begun

    def wait(self) -> None:
        """Any time within an undisturbed run."""
        time.sleep(self.random.uniform(0, self.undisturbed_s))

    # -- what is promised --------------------------------------------------------------------------------------------

    def chains(self) -> dict[str, Any]:
        """The finished chains by file name, times left out; raises Broken where one is half-written."""
        found = {}
        for path in (self.out / "chains").glob("*.json"):
            try:
                outer = json.loads(path.read_bytes())
                whole = outer["sha256"] == _checksum(outer["chain"])
            except (ValueError, KeyError):
                whole = False
            if not whole:
                raise Broken(f"{path.name} is half-written.")
            records = [{k: v for k, v in record.items() if k not in TIMES} for record in outer["chain"]["records"]]
            found[path.name] = json.dumps(records)
        return found

    def nothing_lost(self, before: dict[str, Any]) -> None:
        now = self.chains()
        for name, records in before.items():
            if now.get(name) != records:
                raise Broken(f"{name} was finished, and is now {'other' if name in now else 'gone'}.")

    def read_table(self, out: Path) -> pd.DataFrame:
        parquet = pd.read_parquet(out / "generations.parquet")
        csv = pd.read_csv(out / "generations.csv", keep_default_na=False)
        if len(parquet) != len(csv) or list(parquet["bytes"].astype(str)) != list(csv["bytes"].astype(str)):
            raise Broken("generations.csv and generations.parquet differ.")
        return parquet.drop(columns=TIMES)

    def completes(self) -> None:
        """The rerun ends well, with the table and the snapshots of the undisturbed run."""
        self.expect(self.finish(self.start()), 0)
        pd.testing.assert_frame_equal(self.read_table(self.out), self.table)
        for snapshot in (self.desk / "undisturbed" / "snapshots").iterdir():
            with Pillow.open(snapshot) as file:
                pixels = np.asarray(file.convert("RGB"))
            if not holds(self.out / "snapshots" / snapshot.name, pixels):
                raise Broken(f"The snapshot {snapshot.name} is another.")

    def again(self) -> None:
        """Begin with an empty folder."""
        shutil.rmtree(self.out, ignore_errors=True)
        for log in self.desk.glob("log-*"):
            log.unlink()

    # -- faults ------------------------------------------------------------------------------------------------------

    def killed(self) -> None:
        """SIGKILL to the whole run, to its leading process alone, or Ctrl-C, at any moment."""
        kind, stop, number, codes = self.random.choice(
            [
                ("run killed", os.killpg, signal.SIGKILL, (-9, 0)),
                ("leading process killed", os.kill, signal.SIGKILL, (-9, 0)),
                ("Ctrl-C", os.killpg, signal.SIGINT, (130, -2, 0, 99)),
            ]
        )
        before = self.chains()
        process = self.start()
        self.wait()
        try:
            stop(process, number)
        except ProcessLookupError:
            return
        self.expect(self.finish(process), *codes)
        self.faults[kind] += 1
        self.nothing_lost(before)

    def worker_killed(self) -> None:
        """SIGKILL to a worker, twice where the run lasts so long: it goes on and ends well.

        Half of the chains are taken away before, so that there is something to code.
        """
        chains = sorted((self.out / "chains").glob("*.json"))
        for path in self.random.sample(chains, len(chains) // 2):
            path.unlink()
        before = self.chains()
        process = self.start()
        for _ in range(2):
            if not self._workers(process):
                break
            time.sleep(self.random.uniform(0, self.undisturbed_s / 4))
            with suppress(psutil.Error, IndexError):
                self.random.choice(self._workers(process)).kill()
                self.faults["worker killed"] += 1
        self.expect(self.finish(process), 0)
        self.nothing_lost(before)

    def _workers(self, process: int) -> list[psutil.Process]:
        """The worker processes of a run, once it has some; none when it has ended before."""
        with suppress(psutil.Error):
            run = psutil.Process(process)
            while run.status() != psutil.STATUS_ZOMBIE:
                below = run.children(recursive=True)
                workers = [one for one in below if "popen_loky" in " ".join(one.cmdline())]
                if workers:
                    return workers
                time.sleep(0.01)
        return []

    def two_at_once(self) -> None:
        """Two runs on one folder; half the time one of them is killed."""
        before = self.chains()
        both = [self.start(), self.start()]
        self.faults["two runs at once"] += 1
        if self.random.random() < 0.5:
            self.wait()
            os.killpg(both[1], signal.SIGKILL)
            self.faults["one of two runs killed"] += 1
            self.expect(self.finish(both[1]), -9, 0)
        else:
            self.expect(self.finish(both[1]), 0)
        self.expect(self.finish(both[0]), 0)
        self.nothing_lost(before)

    def disk_full(self) -> None:
        """A small tmpfs, or a limit on the size of files where nothing may be mounted, until there is room again."""
        before = self.chains()
        room = self.random.choice([8, 16, 32, 64])
        if mounted := self._mount("-t", "tmpfs", "-o", f"size={room}k", "tmpfs"):
            process = self.start(out=self.desk / "mount" / "run")
        else:
            soft = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
            process = self.start(prepare=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN), soft())[0])
        try:
            code = self.finish(process)
            self.expect(code, 2, 0)
            sentences = (os.strerror(errno.ENOSPC), os.strerror(errno.EFBIG))
            if code == 2 and not any(sentence in self.said for sentence in sentences):
                raise Broken(f"The disk was full, and the run said:\n{self.said}")
            self.faults["disk full (tmpfs)" if mounted else "disk full (limit)"] += code == 2
            if mounted:
                self._whole_or_not_there(self.desk / "mount" / "run" / "chains")
                subprocess.run(["mount", "-o", "remount,size=64m", str(self.desk / "mount")], check=True)
                kept, self.out = self.out, self.desk / "mount" / "run"
                try:
                    self.completes()
                finally:
                    self.out = kept
        finally:
            if mounted:
                subprocess.run(["umount", str(self.desk / "mount")], check=True)
        self.nothing_lost(before)

    def read_only(self) -> bool:
        """A folder that can't be written is one sentence; False where this can't be arranged."""
        self.out.mkdir(exist_ok=True)
        before = self.chains()
        if not self._mount("--bind", str(self.out)):
            return False
        target = self.desk / "mount"
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(target)], check=True)
            self.expect(self.finish(self.start(out=target)), 2)
            if "Can't write to" not in self.said:
                raise Broken(f"The folder was read-only, and the run said:\n{self.said}")
        finally:
            subprocess.run(["umount", str(target)], check=True)
        self.faults["read-only output"] += 1
        self.nothing_lost(before)
        return True

    def clock_back(self) -> None:
        """The clock goes back by a day: all files come from the future."""
        before = self.chains()
        for path in self.out.rglob("*"):
            os.utime(path, (time.time() + 86400,) * 2)
        past = time.time() - 86400

        def back() -> None:
            time.time = lambda: past

        self.expect(self.finish(self.start(prepare=back)), 0)
        self.faults["clock back"] += 1
        self.nothing_lost(before)

    def damage(self, number: int = 4) -> None:
        """Files of the folder are cut, changed, emptied, taken away, or put in another's place."""
        names = ["run.json", "generations.parquet", "generations.csv", "chains/*", "snapshots/*"]
        files = [path for name in names for path in sorted(self.out.glob(name))]
        for path in self.random.sample(files, min(number, len(files))):
            data = bytearray(path.read_bytes())
            kind = self.random.choice(["cut", "emptied", "gone", "flipped", "zeros", "foreign"])
            if kind == "cut":
                path.write_bytes(data[: self.random.randrange(len(data) or 1)])
            elif kind == "flipped" and data:
                data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
                path.write_bytes(data)
            elif kind == "zeros":
                path.write_bytes(bytes(len(data)))
            elif kind == "gone":
                path.unlink()
            elif kind == "foreign":
                path.write_bytes(self.random.choice(files[-1:]).read_bytes() if files[-1].exists() else b"[]")
            else:
                path.write_bytes(b"")
            self.faults[f"file {kind}"] += 1
        (self.out / "chains" / f".x.{self.random.random()}.tmp").write_bytes(b"{")

    def bad_codec(self, kind: str) -> None:
        """A codec that misbehaves on one image spoils nothing but its own chains of that image."""
        before = self.chains()
        codec = f"synthetic_codecs:{BAD[kind]},{GOOD}"
        code = self.finish(self.start(codec=codec, more=("--codec-timeout", "1" if kind == "hangs" else "60")))
        self.expect(code, 1)
        self.faults[f"codec {kind}"] += 1
        self.nothing_lost(before)
        table = pd.read_parquet(self.out / "generations.parquet")
        failed = table[table["status"] == "failed"]
        if set(failed["image"]) != {"im0"} or len(set(failed["codec"])) != 1:
            raise Broken(f"A codec that {kind}: failed are\n{failed[['image', 'codec', 'reason']]}")

    def _mount(self, *arguments: str) -> bool:
        if os.geteuid() != 0 or shutil.which("mount") is None:
            return False
        target = self.desk / "mount"
        target.mkdir(exist_ok=True)
        return subprocess.run(["mount", *arguments, str(target)], capture_output=True, check=False).returncode == 0

    def _whole_or_not_there(self, chains: Path) -> None:
        for path in chains.glob("*.json"):
            outer = json.loads(path.read_bytes())
            if outer["sha256"] != _checksum(outer["chain"]):
                raise Broken(f"{path.name} is half-written.")
