"""The exact state of a training: written at every evaluation, and taken up where it was left."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from baselines.learned.weights import mismatch
from baselines.training.options import TrainingOptions
from bench.codec import BenchError

if TYPE_CHECKING:
    from baselines.training.loop import Trainer


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder for one training; raise BenchError where another one holds it."""
    lock = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        reason = str(error.strerror).lower()
        raise BenchError(f"{folder} can't be the folder of a training: {reason}; choose another by --out.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), lock.stat()):  # its holder, at its end, took it away
                raise FileNotFoundError(lock)
        except OSError as error:
            raise BenchError(
                f"Another training is at work in {folder}: wait for its end, or choose another folder by --out."
            ) from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()  # where nothing was learned nothing is left


LASTING = {"only": "--only", "lagrangian": "--lambda", "distortion": "--distortion", "identity": "--identity"}
"""What a training keeps to the end, and its options: what is trained, and for which loss."""


def save(trainer: Trainer) -> None:
    """Write the exact state (atomically) and the log."""
    trainer.folder.mkdir(parents=True, exist_ok=True)
    state = {
        "model": trainer.model.state_dict(),
        "average": trainer.average,
        "optimizer": trainer.optimizer.state_dict(),
        "crops": trainer.generator.get_state(),
        "noise": torch.get_rng_state(),
        "iteration": trainer.iteration,
        "joint": trainer.joint,
        "images": trainer.images,
        "seconds": trainer.seconds,
        "skipped": trainer.skipped,
        "pool": trainer.pool.state(),
        "worn": trainer.worn,
        "history": json.dumps(trainer.history),
        "began": json.dumps(trainer.began),
        "options": json.dumps(asdict(trainer.options)),
        "photographs": trainer.data.digest,
    }
    if trainer.device.type == "cuda":
        state["noise_cuda"] = torch.cuda.get_rng_state(trainer.device)
    temporary = trainer.folder / "state.pt.part"
    try:
        torch.save(state, temporary)
        temporary.replace(trainer.folder / "state.pt")
    except (OSError, RuntimeError) as error:  # its writer has an error of its own for a full disk
        temporary.unlink(missing_ok=True)
        raise BenchError(
            f"{trainer.folder / 'state.pt'} can't be written: {str(error).splitlines()[0]}; make room for about "
            f"{_size(state) / 1e9:.1f} GB, or choose another folder by --out."
        ) from error
    with (trainer.folder / "log.csv").open("w", newline="") as file:
        names = dict.fromkeys(name for row in trainer.history for name in row)
        writer = csv.DictWriter(file, list(names) or ["iteration"])
        writer.writeheader()
        writer.writerows(trainer.history)


def _size(value: Any) -> int:
    """Bytes of all tensors in nested dictionaries and lists."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return sum(_size(part) for part in parts)


def restore(trainer: Trainer) -> None:
    """Continue exactly where ``save`` left off (on the same kind of device).

    Raises:
        BenchError: the file is damaged or something else, or another model, other parameters of it, or for another
            loss, were trained.
    """
    path = trainer.folder / "state.pt"
    state = _read(path, trainer.device)
    try:
        _check_same_training(trainer, state)
        _take_up(trainer, state)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise BenchError(
            f"{path} is not what a training writes there: delete the file, or choose another folder by --out."
        ) from error


def _check_same_training(trainer: Trainer, state: dict[str, Any]) -> None:
    """Raise BenchError where the state is of another model or another training than the options ask for."""
    before, now = json.loads(state["options"]), asdict(trainer.options)
    for key, option in LASTING.items():
        values = [before.get(key, getattr(TrainingOptions, key)), now[key]]
        if values[0] != values[1]:
            told = [f"{option} {value}" if value else f"no {option}" for value in values]
            raise BenchError(
                f"What is in {trainer.folder} was trained with {told[0]} and can't go on with {told[1]}: "
                "repeat the option, or begin with its checkpoint by --weights and another --out."
            )
    if state.get("photographs", trainer.data.digest) != trainer.data.digest:
        raise BenchError(
            f"What is in {trainer.folder} was trained on other photographs than those of --data, and others of them "
            "were held back: name the folder of then, or begin with its checkpoint by --weights and another --out."
        )
    if problem := mismatch(trainer.model.state_dict(), state["model"]):
        raise BenchError(
            f"What is in {trainer.folder} is another model than the options ask for: {problem}; "
            "repeat the options it was trained with, or choose another --out."
        )


def _take_up(trainer: Trainer, state: dict[str, Any]) -> None:
    """Set the trainer to a state."""
    trainer.model.load_state_dict(state["model"])
    trainer.average = state["average"]
    asked = [{key: group[key] for key in ("peak", "entropy")} for group in trainer.optimizer.param_groups]
    trainer.optimizer.load_state_dict(state["optimizer"])
    for group, own in zip(trainer.optimizer.param_groups, asked, strict=True):
        group.update(own)  # the rates asked for now, not those of before
    trainer.generator.set_state(state["crops"].cpu())
    torch.set_rng_state(state["noise"].cpu())
    if "noise_cuda" in state and trainer.device.type == "cuda":
        torch.cuda.set_rng_state(state["noise_cuda"].cpu(), trainer.device)
    trainer.iteration, trainer.seconds, trainer.skipped = state["iteration"], state["seconds"], state["skipped"]
    # states of before had none of these
    trainer.joint = state.get("joint", trainer.iteration)
    trainer.images = state.get("images", trainer.iteration * trainer.options.batch)
    trainer.began = json.loads(state.get("began", "{}"))
    trainer.pool.restore(state["pool"], trainer.options.crop // 16)
    trainer.worn = state["worn"]
    trainer.history = json.loads(state["history"])


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:  # what torch.save writes; torch.load does not look at its checksums
            if broken := archive.testzip():
                raise zipfile.BadZipFile(broken)
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # the reader of damaged files raises nearly anything
        raise BenchError(
            f"{path} is damaged and nothing can go on from it: begin with the checkpoint beside it by --weights and "
            "another --out, or delete the file."
        ) from error
    return state
