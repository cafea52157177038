"""The learned codecs: pixels to a complete stream, and back.

PyTorch is imported when the first image is coded, not before: listing codecs and resuming a finished run stay quick.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.entropy.header import Header, pack, unpack
from baselines.learned.batches import batches, numbered
from baselines.learned.budget import budget
from baselines.learned.device import check_device, check_threads, missing
from baselines.learned.files import card_of, family, is_pytorch, located, nearest, sha256_of
from baselines.learned.memory import needed
from bench import memory
from bench.codec import (
    MAX_PIXELS,
    BenchError,
    BitstreamError,
    Codec,
    CodecError,
    FloatImage,
    Image,
    QualityScale,
    check_image,
)

if TYPE_CHECKING:
    from baselines.learned.runtime import Runtime

MULTIPLE = 64

Quantisation = Literal["straight", "centred"]


class _Parsed(NamedTuple):
    """A stream: the checkpoint it belongs to, its header, its latents."""

    path: Path
    header: Header
    payload: bytes


class LearnedCodec(Codec):
    """Base of the learned codecs; a subclass names the system.

    Args:
        checkpoint: a file, or the name of a shipped one.
        device: ``cpu``, ``cuda``, ``cuda:1``; streams decode on either.
        threads: CPU threads of PyTorch; None leaves its default.
        quantisation: ``straight`` rounds y, and the mean only moves the density; ``centred`` rounds y - mean. Straight
            is the more stable one over generations. The stream says which it is.
        name: registry name.
    """

    system: ClassVar[str]
    smallest_side: ClassVar[int] = MULTIPLE
    """Images are padded to at least this many pixels a side."""

    def __init__(
        self,
        checkpoint: str,
        device: str = "cpu",
        threads: int | None = None,
        quantisation: Quantisation = "straight",
        name: str | None = None,
    ) -> None:
        self.name = name or self.system
        self.path = located(checkpoint)
        if quantisation not in ("straight", "centred"):
            raise BenchError(f"{self.name}: quantisation must be straight or centred, got {quantisation!r}.")
        self.device, self.threads = check_device(device, self.name), check_threads(threads, self.name)
        self.quantisation = quantisation
        self._runtime = cache(self._load)

    def _load(self, path: Path) -> Runtime:
        from baselines.learned.runtime import Runtime

        return Runtime(self.system, path, self.device, self.threads)

    @property
    def paths(self) -> list[Path]:
        """The checkpoints, of which an encode uses one."""
        return [self.path]

    def available(self) -> tuple[bool, str]:
        reason = self._lacking() or missing(self.device)
        return not reason, reason and f"{self.name}: {reason}"

    def _lacking(self) -> str:
        """Which checkpoint is not there, or tells by its card or first bytes that it is no such one: one sentence; ""
        where all are there."""
        option = f"--checkpoint or {self.name.partition('[')[0]}[checkpoint=FILE]."
        for path in self.paths:
            if not path.is_file():
                hint = f"{meant} Use" if (meant := nearest(path)) else "; use"
                return f"there is no checkpoint at {path}{hint} {option}"
            if (other := card_of(path).get("system", self.system)) != self.system:
                return f"{path} holds {other}, not {self.system}; name another with {option}"
            if path.suffix != ".safetensors" and not is_pytorch(path):
                return f"{path} is not a PyTorch file; name another with {option}"
        return ""

    @cached_property
    def checksums(self) -> dict[Path, str]:
        """sha256 of the checkpoint files."""
        if reason := self._lacking():
            raise BenchError(f"{self.name}: {reason}")
        return {path: sha256_of(path) for path in self.paths}

    def identity(self) -> dict[str, Any]:
        """Checkpoint and what made it, library versions, kind of device."""
        cards = [card_of(path) for path in self.paths]
        return {
            "codec": self.name,
            "checkpoint": _one([path.name for path in self.paths]),
            "sha256": _one(list(self.checksums.values())),
            "preset": _one([card.get("preset") for card in cards]),
            "training": _one([budget(card) for card in cards]),
            "quantisation": self.quantisation,
            "device": "cpu" if self.device == "cpu" else "cuda, float32",
            "torch": importlib.metadata.version("torch").split("+")[0],
            "constriction": importlib.metadata.version("constriction"),
        }

    def warm_up(self, quality: float) -> None:
        """Load the checkpoint that ``encode`` at this quality uses."""
        self._runtime(self._operating_point(self.quality.check(quality, self.name))[1])

    def encode(self, image: Image, quality: float) -> bytes:
        return self._encode([check_image(image, self.name)], quality)[0]

    def encode_many(self, images: Sequence[Image], quality: float) -> list[bytes]:
        """``encode`` of each, with the same bytes; where quantisation is centred, images of one size share a sweep."""
        sizes = [self._padded(*check_image(image, self.name).shape[:2]) for image in images]
        found: dict[int, bytes] = {}
        for batch in batches(sizes, [height * width for height, width in sizes]):
            found.update(zip(batch, self._encode([images[at] for at in batch], quality), strict=True))
        return [found[at] for at in range(len(images))]

    def encode_float(self, image: FloatImage, quality: float) -> bytes:
        """``encode`` without 8-bit rounding before it: (H, W, 3) float32 on the scale 0 to 255."""
        return self._encode([image], quality)[0]

    def rate_hint(self, image: Image, bpp: float) -> float | None:
        """A level whose rate is about ``bpp``, where the checkpoint's card has a fit: see ``ratehint``."""
        from baselines.learned.ratehint import RateModel, can_tell

        if not can_tell(image):
            return None
        kept = card_of(self.path).get("rate_hint")
        model = RateModel.from_dict(kept) if kept else None
        return None if model is None else model.level(image, bpp)

    def rate_hint_id(self) -> str:
        """What ``rate_hint`` answers by, which decides where rate control ends; "" without a fit."""
        kept = card_of(self.path).get("rate_hint")
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16] if kept else ""

    def memory_needed(self, height: int, width: int) -> int:
        """Bytes that coding takes, about; 0 on a GPU, whose memory is its own."""
        if self.device != "cpu":
            return 0
        rows, columns = self._padded(height, width)
        presets = {str(card_of(path).get("preset")) for path in self.paths}
        return max(needed(self.system, preset, rows, columns) for preset in presets)

    def decode(self, stream: bytes) -> Image:
        return self._decode([self._parsed(stream)])[0]

    def decode_many(self, streams: Sequence[bytes]) -> list[Image]:
        """``decode`` of each, with the same pixels; images of one size share a sweep.

        Raises:
            BitstreamError: as ``decode``, and which stream it is.
        """
        parsed: list[_Parsed] = []
        for at, stream in enumerate(streams):
            with numbered(at, len(streams)):
                parsed.append(self._parsed(stream))
        sizes = [self._padded(each.header.height, each.header.width) for each in parsed]
        kinds = [(each.path, size, each.header.centred) for each, size in zip(parsed, sizes, strict=True)]
        found: dict[int, Image] = {}
        for batch in batches(kinds, [height * width for height, width in sizes]):
            try:
                found.update(zip(batch, self._decode([parsed[at] for at in batch]), strict=True))
            except BitstreamError:
                for at in batch:
                    with numbered(at, len(streams)):
                        self._decode([parsed[at]])
                raise
        return [found[at] for at in range(len(streams))]

    def decode_float(self, stream: bytes) -> FloatImage:
        """``decode`` without rounding and clipping after it."""
        return self._decode([self._parsed(stream)], rounded=False)[0]

    def _encode(self, images: Sequence[Image | FloatImage], quality: float) -> list[bytes]:
        """Streams of images of one padded size."""
        level, path = self._operating_point(self.quality.check(quality, self.name))
        centred = self.quantisation == "centred"
        coded = self._runtime(path).encode([self._pad(image) for image in images], level, centred)
        mark = self._fingerprint(path)
        return [
            pack(Header(image.shape[0], image.shape[1], level, bits, mark, centred), payload)
            for image, (payload, bits) in zip(images, coded, strict=True)
        ]

    def _pad(self, image: Image | FloatImage) -> NDArray[Any]:
        height, width = image.shape[:2]
        if height * width > MAX_PIXELS:
            raise CodecError(f"{self.name}: {width}x{height} is too large; the limit is {MAX_PIXELS} pixels.")
        rows, columns = self._padded(height, width)
        return np.pad(image, ((0, rows - height), (0, columns - width), (0, 0)), "edge")

    def _parsed(self, stream: bytes) -> _Parsed:
        path = next((path for path in self.paths if stream[2:4] == self._fingerprint(path)), self.paths[0])
        return _Parsed(path, *unpack(stream, self.name, self._fingerprint(path)))

    def _decode(self, streams: Sequence[_Parsed], rounded: bool = True) -> list[NDArray[Any]]:
        """Pixels of streams of one checkpoint, padded size and quantisation."""
        path, first, _ = streams[0]
        runtime, size = self._runtime(path), self._padded(first.height, first.width)
        finish = runtime.pixels if rounded else runtime.floats
        coded = [(payload, header.bits) for _, header, payload in streams]
        levels = [header.level for _, header, _ in streams]
        try:
            latents = runtime.latents(coded, size, first.centred)
            # a stream may announce any size: say so, before memory runs out
            memory.check(self, first.height, first.width)
            found: list[NDArray[Any]] = [finish(x) for x in runtime.images(latents, levels)]
        except BitstreamError as error:
            raise BitstreamError(f"{self.name}: {error}") from error
        return [
            np.ascontiguousarray(pixels[: header.height, : header.width])
            for pixels, (_, header, _) in zip(found, streams, strict=True)
        ]

    def _operating_point(self, quality: float) -> tuple[float, Path]:
        """The level in the stream, and the checkpoint, for a quality on the scale."""
        return float(np.float32(quality)), self.path

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        return (
            max(self.smallest_side, height + -height % MULTIPLE),
            max(self.smallest_side, width + -width % MULTIPLE),
        )

    def _fingerprint(self, path: Path) -> bytes:
        return bytes.fromhex(self.checksums[path][:4])


class SingleRateCodec(LearnedCodec):
    """Base of the systems that train one model for each rate.

    Args:
        checkpoint: one file, or several with commas between, from the lowest rate to the highest: quality 1 is the
            first, 2 the second, and so on. A stream finds its own by the fingerprint in its header. ``xie-compact``
            are the shipped ``xie-compact-LAMBDA``, in the order of lambda.
        device, threads, quantisation, name: see ``LearnedCodec``.
    """

    def __init__(
        self,
        checkpoint: str,
        device: str = "cpu",
        threads: int | None = None,
        quantisation: Quantisation = "straight",
        name: str | None = None,
    ) -> None:
        super().__init__(checkpoint, device, threads, quantisation, name)
        self._paths = [path for part in checkpoint.split(",") for path in family(part.strip())]
        last = len(self._paths)
        self.quality = QualityScale(1, last, integer=True, default=(last + 1) // 2, unit="model")

    @property
    def paths(self) -> list[Path]:
        return self._paths

    def _operating_point(self, quality: float) -> tuple[float, Path]:
        return 0.0, self._paths[int(quality) - 1]


def _one(values: list[Any]) -> Any:
    """The value where there is one, otherwise the list."""
    return values[0] if len(values) == 1 else values
