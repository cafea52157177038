"""``python -m bench.reencode``: what is left of images after N encodings, as records, a table and figures."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import provenance
from bench.cli import INTERRUPTED, OK, SOME_FAILED, Parser, positive_int, run
from bench.codec import BenchError, Codec, CodecUnavailable
from bench.datasets import load
from bench.registry import CodecSpec, parse_specs
from bench.runner import Settings, Task, identity_of, make_codec, run_tasks
from bench.schedule import FixedQuality
from bench.store import Record, Store, StoredChain, plain

SNAPSHOTS = "0,1,2,5,10,20,50"
CURVES, SHEET = "generations", "contact_sheet"
"""The figures, files under figures/."""
SHOWN = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Generations in the printed table and on the contact sheet, besides the last one."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 where some chains failed. Raises BenchError on what a user can act on."""
    argv = list(sys.argv[1:] if argv is None else argv)
    started = time.perf_counter()
    options = _parser().parse_args(argv)
    settings = _settings(options)
    snapshots = _snapshots(options.snapshots)
    chosen = _codecs(options, settings)
    dataset = load(options.dataset, options.data_root)
    store = Store.open(options.out or Path("results", "runs", _run_name(chosen, dataset.name, options.generations)))
    say = (lambda text: None) if options.quiet else print

    tasks, images = [], []
    for ref in dataset:
        source = ref.load()
        images.append({"image": ref.name, "sha256": source.sha256, "width": source.width, "height": source.height})
        images[-1]["note"] = source.note
        for spec, codec, quality in chosen:
            tasks.append(
                Task(
                    specs=(spec,),
                    identities=(identity_of(codec),),
                    dataset=dataset.name,
                    image=ref.name,
                    file=ref.path.absolute(),
                    sha256=source.sha256,
                    size=(source.height, source.width),
                    schedule=FixedQuality(quality),
                    generations=options.generations,
                    snapshots=snapshots,
                )
            )
    for warning in dataset.warnings:
        print(warning, file=sys.stderr)
    missing = _missing(tasks, store)
    where = f" in {_count(min(settings.jobs, len(missing)), 'process')}" if missing else ""
    size = f"{_count(len(chosen), 'codec')} x {_count(len(images), 'image')}"
    say(
        f"{size}, {_count(options.generations, 'generation')}: {_count(len(tasks), 'chain')}, "
        f"{len(tasks) - len(missing)} done before, {len(missing)} to code{where}."
    )
    book = _Book(store, argv, options, chosen, images, settings)
    book.write("running")
    try:
        _code(missing, store, settings, options.quiet)
    except KeyboardInterrupt:
        left = len(_missing(tasks, store, quiet=True))
        book.write("stopped", time.perf_counter() - started)
        print(
            f"Stopped: {len(tasks) - left} of {len(tasks)} chains are done and kept in {store.root}.", file=sys.stderr
        )
        print("Start the same command again to go on.", file=sys.stderr)
        return INTERRUPTED
    from bench.generation_table import by_generation, comparable, shown

    stored = _gather(tasks, store)
    records = [record for task, chain in stored for record in _labelled(task, chain)]
    table, changed = store.write_table(records)
    failed = [(task, chain) for task, chain in stored if not chain.ok]
    common = comparable(table)
    say(by_generation(common, shown(options.generations, SHOWN)))
    _figures(common, stored, store, changed)
    book.write(
        "some chains failed" if failed else "finished",
        time.perf_counter() - started,
        {"asked": len(tasks), "coded": len(missing), "reused": len(tasks) - len(missing), "failed": len(failed)},
    )
    for task, chain in failed:
        reason = next(record["reason"] for record in chain.records if record["status"] == "failed")
        print(f"Failed: {task.image}, {task.schedule.text}: {reason}", file=sys.stderr)
    say(_how(records, len(missing), time.perf_counter() - started))
    say(
        f"Everything is in {store.root}: run.json, generations.parquet, generations.csv, figures/, snapshots/, chains/."
    )
    return SOME_FAILED if failed else OK


def _parser() -> Parser:
    parser = Parser(prog="python -m bench.reencode", description="Re-encode images N times and measure what is left.")
    add = parser.add_argument
    add("--codec", default="iat", help="one or several, with a quality or without: iat,jpeg:75,webp:80")
    add("--quality", help="quality of codecs named without one; several, 25,50,75, give an operating point each")
    add("--generations", type=positive_int, default=50, help="how many times each image is encoded")
    add("--dataset", default="sample", help="name of a set, folder or file; python -m bench.datasets lists the sets")
    add("--data-root", help="folder that holds the named sets (or variable BENCH_DATA)")
    add("--out", type=Path, help="run folder; without it one under results/runs/ named after codecs and images")
    add("--jobs", type=positive_int, help="worker processes; without it one for each core")
    add("--device", default="cpu", help="where learned codecs run: cpu, cuda, cuda:1")
    add("--checkpoint", help="weights of learned codecs: a file, or the name of shipped ones")
    add("--snapshots", default=SNAPSHOTS, help="generations whose pixels are kept, 0 being the source; or none")
    add("--codec-timeout", type=_seconds, default=600.0, help="seconds one encode or decode may take; 0: for ever")
    add("--quiet", action="store_true", help="print errors only")
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text!r}")
    return value


def _snapshots(text: str) -> tuple[int, ...]:
    if text.strip() == "none":
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise BenchError(f"--snapshots needs whole numbers separated by commas, or none, got {text!r}.")
    return tuple(sorted({int(part) for part in parts}))


def _settings(options: argparse.Namespace) -> Settings:
    import joblib

    cores = joblib.cpu_count()
    jobs = options.jobs or cores
    return Settings(jobs, max(1, cores // jobs), options.codec_timeout or None, options.device, options.checkpoint)


def _codecs(options: argparse.Namespace, settings: Settings) -> list[tuple[CodecSpec, Codec, float]]:
    """The operating points that were asked for, each once: spec, codec, quality."""
    try:
        qualities = [float(part) for part in options.quality.split(",")] if options.quality is not None else [None]
    except ValueError:
        raise BenchError(f"--quality needs numbers separated by commas, got {options.quality!r}.") from None
    chosen: dict[Any, tuple[CodecSpec, Codec, float]] = {}
    for spec in parse_specs(options.codec):
        codec = make_codec(spec, settings)
        available, reason = codec.available()
        if not available:
            raise CodecUnavailable(f"{codec.name}: {reason}")
        for quality in [spec.quality] if spec.quality is not None else qualities:
            value = codec.quality.check(codec.quality.default if quality is None else quality, codec.name)
            chosen.setdefault((str(identity_of(codec)), value), (spec, codec, value))
    return list(chosen.values())


def _run_name(chosen: Sequence[tuple[CodecSpec, Codec, float]], dataset: str, generations: int) -> str:
    """A name that says what is in the folder; a run of many codecs gets the number of them instead."""
    points = "+".join(f"{codec.name}-{quality:g}" for _, codec, quality in chosen)
    if len(points) > 60:
        points = f"{'+'.join(dict.fromkeys(codec.name for _, codec, _ in chosen))[:60]}-{len(chosen)}-points"
    return f"{plain(dataset)}_{plain(points)}_{generations}"


def _missing(tasks: Sequence[Task], store: Store, *, quiet: bool = False) -> list[Task]:
    """The tasks whose chain is not in the store yet, or can't be used, or failed."""
    missing = []
    for task in tasks:
        chain, problem = store.read(task.identity, task.needs)
        if problem and not quiet:
            print(f"{problem} The chain is coded again.", file=sys.stderr)
        if chain is None or not chain.ok:
            missing.append(task)
    return missing


def _code(missing: Sequence[Task], store: Store, settings: Settings, quiet: bool) -> None:
    if not missing:
        return
    if quiet or not sys.stderr.isatty():
        run_tasks(missing, store, settings, say=lambda sentence: print(sentence, file=sys.stderr))
        return
    from tqdm import tqdm

    total = sum(task.generations for task in missing)
    with tqdm(total=total, unit="generation", smoothing=0.1, dynamic_ncols=True) as bar:
        run_tasks(missing, store, settings, report=bar.update, say=bar.write)


def _gather(tasks: Sequence[Task], store: Store) -> list[tuple[Task, StoredChain]]:
    stored = []
    for task in tasks:
        chain, problem = store.read(task.identity)
        if chain is None:
            raise BenchError(f"{problem or f'{store.path(task.identity)} has gone.'} Start the same command again.")
        stored.append((task, chain))
    return stored


def _labelled(task: Task, chain: StoredChain) -> list[Record]:
    names = {"dataset": task.dataset, "image": task.image, "image_id": task.sha256[:16]}
    return [record | names for record in chain.records]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}{'es' if thing.endswith('s') else 's'}"


def _how(records: Sequence[Record], coded_chains: int, seconds: float) -> str:
    """How the results came about, in one sentence."""
    filled = sum(bool(record["filled"]) for record in records)
    coded = sum(record["status"] == "ok" for record in records) - filled
    return (
        f"{coded} generations were coded and measured, {filled} follow exactly from a fixed point or cycle; "
        f"{coded_chains} chains were coded in this run, which took {seconds:.1f} s."
    )


def _figures(common: Any, stored: Sequence[tuple[Task, StoredChain]], store: Store, changed: bool) -> None:
    """Draw the figures, unless they are there and the table has not changed."""
    from bench.generation_table import left_out, shown

    folder = store.root / "figures"
    folder.mkdir(exist_ok=True)
    columns = shown(stored[0][0].generations, SHOWN)
    common_images = set(common.records["image"])
    # The first image that all codecs coded to the end, in the dataset's order.
    image = next((task.image for task, _ in stored if task.image in common_images), None)
    shots = {(task.image, task.codec, task.schedule.text): chain.snapshots for task, chain in stored}
    wanted = [CURVES] + ([SHEET] if any(0 in kept for kept in shots.values()) else [])
    there = all((folder / f"{name}.{ending}").exists() for name in wanted for ending in ("pdf", "png"))
    if image is None or (there and not changed):
        return
    from bench import plots
    from bench import run_figures as draw
    from bench.rd import generation_means

    note = " ".join(left_out(common))
    draw.save(plots.generations(generation_means(common.records), note=note), folder / CURVES)
    if SHEET in wanted:
        rows = {}
        mine = common.records[common.records["image"] == image]
        for (system, codec, schedule), part in mine.groupby(["system", "codec", "schedule"], sort=True):
            files = {n: store.snapshots / name for n, name in shots[image, codec, schedule].items()}
            rows[f"{system}, {schedule.replace(':', ' ')}"] = (part.set_index("generation"), files)
        draw.save(draw.sheet(image, rows, columns), folder / SHEET)


def entry() -> None:
    """The ``reencode`` program."""
    run(main)


class _Book:
    """Keeps ``run.json``: what was asked for, by whom it was answered, and how often the folder was run before."""

    def __init__(
        self,
        store: Store,
        argv: Sequence[str],
        options: argparse.Namespace,
        chosen: Sequence[tuple[CodecSpec, Codec, float]],
        images: Sequence[dict[str, Any]],
        settings: Settings,
    ) -> None:
        self._store = store
        self._before = list(itertools.islice(store.read_run().get("invocations", []), 100))
        self._run: dict[str, Any] = {
            "command": provenance.command("bench.reencode", argv),
            "options": {name: str(v) if isinstance(v, Path) else v for name, v in vars(options).items()},
            "when": provenance.now(),
            "status": "",
            "wall_s": None,
            "codecs": [identity_of(codec) | {"quality": quality} for _, codec, quality in chosen],
            "images": list(images),
            "averages": "means of per-image values",
            "seed": None,
            "jobs": settings.jobs,
            "threads": settings.threads,
            "machine": provenance.machine(),
            "versions": provenance.versions(),
            "git_commit": provenance.git_commit(),
        }

    def write(self, status: str, wall_s: float | None = None, chains: dict[str, int] | None = None) -> None:
        """Write it with this status."""
        self._run.update(status=status, wall_s=wall_s, chains=chains)
        entry = {name: self._run[name] for name in ("command", "when", "status", "wall_s", "chains")}
        self._store.write_run(self._run | {"invocations": [entry, *self._before]})


if __name__ == "__main__":
    entry()
