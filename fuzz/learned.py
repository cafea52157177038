"""Streams and checkpoints of the learned codecs."""

from __future__ import annotations

import json
import struct
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.entropy.header import Header, pack, unpack
from baselines.entropy.hyperprior import EntropyConfig, EntropyModel
from baselines.entropy.latents import LatentCoder
from baselines.learned.official import read_state_dict
from baselines.learned.system import SYSTEMS, system
from bench.codec import BenchError, BitstreamError
from fuzz import Target

FINGERPRINT = b"ab"
SIDE = 8


def make(name: str) -> Target:
    """The targets of this module."""
    return {"header": header, "latents": latents, "checkpoint": checkpoint, "authors": authors, "card": card}[name]()


def header() -> Target:
    """The header; damaged streams are tried with a right checksum too, or nothing behind it would ever be reached."""

    def parse(stream: bytes) -> None:
        with suppress(BitstreamError):
            found, payload = unpack(stream, "learned", FINGERPRINT)
            assert pack(found, payload) == stream, "another stream says the same"

    def run(data: bytes) -> None:
        parse(data)
        for at in range(6, min(len(data), 17)):
            front, payload = data[: at + 5], data[at + 9 :]
            parse(front + struct.pack("<I", zlib.crc32(payload, zlib.crc32(front))) + payload)

    sizes = [(1, 1), (512, 768), (30000, 2)]
    return Target(run, [pack(Header(h, w, 0.5, 5, FINGERPRINT), b"payload!") for h, w in sizes], 64)


def latents() -> Target:
    """The latents: two bytes that say how, then the payload."""
    torch.manual_seed(0)
    widths = {"hyper_width": 4, "hyper_middle": 4, "hyper_outputs": 4, "context_outputs": 4, "parameter_widths": (5, 5)}
    config = EntropyConfig(latent=6, hyper_latent=3, context=True, domain="log", **widths)  # type: ignore[arg-type]
    coder = LatentCoder(EntropyModel(config).eval(), torch.device("cpu"))
    rng = np.random.default_rng(0)

    def run(data: bytes) -> None:
        if len(data) >= 2:
            with suppress(BitstreamError), torch.inference_mode():
                coder.decode(data[2:], data[0], SIDE * (1 + data[1] % 4), SIDE, bool(data[1] & 128))

    seeds = []
    for spread in (0.5, 3, 60):
        y = np.rint(rng.normal(0, spread, (6, SIDE, SIDE))).astype(np.int32)
        z = rng.integers(-3, 4, (3, SIDE // 4, SIDE // 4)).astype(np.int32)
        for centred in (False, True):
            with torch.inference_mode():
                payload, bits = coder.encode(y.astype(np.float64) if centred else y, z, centred)
            seeds.append(bytes((bits, 128 * centred)) + payload)
    return Target(run, seeds, 1024)


def checkpoint() -> Target:
    """A safetensors file with a card."""
    tensors = {"a.weight": torch.zeros(2, 3), "b": torch.ones(1, dtype=torch.float16)}
    card = {"system": "iat", "config": {"latent": 384}}
    return _of_a_file("weights.safetensors", load_checkpoint, _saved(lambda path: save_checkpoint(path, tensors, card)))


def authors() -> Target:
    """A PyTorch file, zipped or not."""
    content = {"state_dict": {"module.h_a.0.weight": torch.zeros(2, 3), "b": torch.ones(1, dtype=torch.float16)}}
    zipped = _saved(lambda path: torch.save(content, path))
    legacy = _saved(lambda path: torch.save(content, path, _use_new_zipfile_serialization=False))
    return _of_a_file("weights.pth", read_state_dict, zipped, legacy)


def card() -> Target:
    """The configuration in a card: any JSON."""

    def run(data: bytes) -> None:
        try:
            values = json.loads(data)
        except (ValueError, RecursionError):
            return
        for name in SYSTEMS:
            with suppress(BenchError):
                system(name).config.from_dict(values)

    seeds = [json.dumps(config.to_dict()).encode() for name in SYSTEMS for config in system(name).presets.values()]
    return Target(run, seeds)


def _of_a_file(name: str, read: Callable[[Path], object], *seeds: bytes) -> Target:
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, name)

    def run(data: bytes, keep: object = folder) -> None:
        path.write_bytes(data)
        with suppress(BenchError):
            read(path)

    return Target(run, seeds, 8192)


def _saved(save: Callable[[Path], object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.safetensors")
        save(path)
        return path.read_bytes()
