"""What users type, and the small text files they write: codecs, edits, schedules, experiments."""

from __future__ import annotations

import argparse
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from bench import experiment as experiments
from bench.codec import BenchError
from bench.datasets import load
from bench.edits import parse_edits
from bench.registry import create, parse_specs
from bench.runner import Settings, make_codec
from bench.schedule_options import add_options, points
from fuzz import Target

SETTINGS = Settings(jobs=1, threads=1)


def make(name: str) -> Target:
    """The targets of this module."""
    return {"spec": spec, "edits": edits, "schedule": schedule, "experiment": experiment}[name]()


def spec() -> Target:
    """Codecs on a command line. Names of modules are parsed, not imported: what the user names is run by design."""

    def run(data: bytes) -> None:
        with suppress(BenchError):
            for each in parse_specs(data.decode("utf-8", "replace")):
                if ":" not in each.name:
                    create(each)

    seeds = ["jpeg", "jpeg:75,webp:80", "avif[tune=psnr;speed=4]:60", "my.module:Class:0.5", "iat[device=cpu]:1e-1"]
    return Target(run, [each.encode() for each in seeds], 256)


def edits() -> Target:
    """``--edit`` and ``--dataset``."""

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        with suppress(BenchError):
            parse_edits(text)
        with suppress(BenchError):
            if "/" not in text and "~" not in text and "." not in text:  # nothing outside this folder is read
                load(text)

    return Target(run, [b"resize:0.5,shift:1", b"crop:8", b"brightness:-2", b"sample,kodak"], 512)


def schedule() -> Target:
    """Every option that says what generations are asked for, and the file that ``--schedule`` may name."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser)
    parser.add_argument("--generations")
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "schedule.txt")

    def run(data: bytes, keep: object = folder) -> None:
        text = data.decode("utf-8", "replace")
        path.write_bytes(data)
        for option, value in (*((each, text) for each in OPTIONS), ("schedule", str(path))):
            values = parser.parse_args([])
            values.generations, values.codec = 3, None if option == "chain" else "jpeg"
            setattr(values, option, value)
            if option == "chain" and not {re.split("[:@]", part)[0] for part in text.split(",")} <= {"jpeg", "webp"}:
                continue  # it may name a class of any module
            if "=" not in text and text.count(":") < 4:
                with suppress(BenchError):
                    points(values, lambda each: make_codec(each, SETTINGS))

    seeds = [
        "1.0267:0.7907",
        "quality:75:80",
        "1,0.9,0.8",
        "0.5",
        "jpeg:75,webp@0.5bpp",
        "iat-fig6",
        "# one\n1\n0.9 # two",
    ]
    return Target(run, [each.encode() for each in seeds], 1024)


OPTIONS = ("quality", "bpp", "drift", "schedule", "walk", "edit", "chain")


def experiment() -> Target:
    """An experiment file."""
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "experiment.toml")

    def run(data: bytes, keep: object = folder) -> None:
        path.write_bytes(data)
        with suppress(BenchError):
            experiments.read(str(path))

    return Target(run, [each.read_bytes() for each in sorted(experiments.FOLDER.glob("*.toml"))], 2048)
