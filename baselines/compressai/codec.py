"""CompressAI's models, and anyone's built like them, as codecs with real bytes.

CompressAI is imported when it is needed, not before; it wants an environment of its own (docs/compressai.md).
"""

from __future__ import annotations

import hashlib
import inspect
import json
from difflib import get_close_matches
from functools import cached_property, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.compressai import zoo
from baselines.compressai.zoo import Metric
from baselines.entropy.header import Header, pack, unpack
from baselines.learned.device import check_device, check_threads, missing
from baselines.learned.files import sha256_of
from bench.codec import (
    BenchError,
    BitstreamError,
    Codec,
    CodecUnavailable,
    FloatImage,
    Image,
    QualityScale,
    check_image,
)

if TYPE_CHECKING:
    from baselines.compressai.runtime import Runtime

INSTALL = (
    "it needs the package compressai, which goes with NumPy 1 and so wants an environment of its own: "
    "pip install -c requirements-compressai.txt -e '.[compressai]'."
)
LOADED = 3
"""Models kept in memory."""


class CompressAICodec(Codec):
    """A model of CompressAI's zoo, or a class built like them: compress, decompress, update, from_state_dict.

    Args:
        model: name in the zoo, or ``package.module:Class``.
        checkpoint: state dict as CompressAI saves it, or several with commas between, from the lowest rate to the
            highest: quality 1 is the first, 2 the second. Without one the published weights, downloaded once.
        metric: what the published weights were trained for.
        multiple: images are padded to multiples of this many pixels a side, as CompressAI does.
        device: ``cpu``, ``cuda``, ``cuda:1``.
        threads: CPU threads of PyTorch; None leaves its default.

    A stream is a header (``baselines.entropy.header``) and the model's strings and shape. It decodes with the same
    weights, kind of device and versions of PyTorch and CompressAI, and is refused with others: CompressAI computes the
    tables for its entropy coder in floating point, so that another machine's rounding can turn a stream into noise.
    """

    def __init__(
        self,
        model: str = "",
        checkpoint: str = "",
        metric: Metric = "mse",
        multiple: int = 64,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.name = f"compressai:{model}" if model else "compressai"
        self.model, self.metric, self.multiple = model, metric, multiple
        self.threads = check_threads(threads, self.name)
        self.paths = [Path(part.strip()) for part in checkpoint.split(",")] if checkpoint.strip() else []
        self.device = device
        self._own = ":" in model
        self.variable = model in zoo.VARIABLE
        if model and not self._own and model not in zoo.QUALITIES:
            close = get_close_matches(model, zoo.QUALITIES, n=2)
            hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(zoo.QUALITIES)}."
            raise BenchError(f"CompressAI has no model {model!r}: {hint}")
        if metric not in zoo.METRICS:
            raise BenchError(f"{self.name}: metric must be {' or '.join(zoo.METRICS)}, got {metric!r}.")
        if multiple < 1:
            raise BenchError(f"{self.name}: multiple must be at least 1, got {multiple}.")
        if check_device(device, self.name) != "cpu" and self.variable:
            raise BenchError(
                f"{self.name}: --device must be cpu, all that CompressAI runs this model on, got {device!r}."
            )
        if self.variable and len(self.paths) > 1:
            raise BenchError(f"{self.name}: one checkpoint serves all rates, got {len(self.paths)}.")
        self.quality = self._scale()
        self._runtime = lru_cache(maxsize=LOADED)(self._load)

    def _scale(self) -> QualityScale:
        if self.variable:
            return QualityScale(1, 10, integer=False, default=4, better="low", unit="step")
        if self.paths:
            return QualityScale(1, len(self.paths), integer=True, default=1, unit="model")
        highest = zoo.QUALITIES.get(self.model) or 8
        return QualityScale(1, highest, integer=True, default=4)

    def available(self) -> tuple[bool, str]:
        reason = self._lacking() or missing(self.device)
        return not reason, reason

    def _lacking(self) -> str:
        """What is not installed or not there, one sentence; "" where all is."""
        if not self._own and any(find_spec(package) is None for package in ("compressai", "torchvision")):
            return INSTALL
        if not self.model:
            return f"name a model: compressai:mbt2018-mean, with one of {', '.join(zoo.QUALITIES)}."
        if not self.paths and not zoo.QUALITIES.get(self.model):
            return f"there are no published weights of it; name yours: compressai:{self.model}[checkpoint=FILE]."
        lacking = [path for path in self.paths if not path.is_file()]
        if lacking:
            return f"there is no checkpoint at {lacking[0]}."
        try:
            if self._own:
                zoo.user_class(self.model)
        except BenchError as error:
            return str(error)
        return ""

    def identity(self) -> dict[str, Any]:
        """Model, weights (sha256; published files carry its first digits in their names), versions, kind of device."""
        found = {
            "codec": self.name,
            "model": self.model,
            "source": self._source,
            "checkpoint": [path.name for path in self.paths] or self._published,
            "sha256": self._weights if self.paths else None,
            "metric": None if self.paths else self.metric,
            "multiple": self.multiple,
            "device": self.device.split(":")[0],
            "versions": self._versions,
        }
        return {key: value for key, value in found.items() if value is not None}

    def warm_up(self, quality: float) -> None:
        """Load the weights that ``encode`` at this quality uses, which may fetch them."""
        self._runtime(self._model_of(self.quality.check(quality, self.name)))

    def encode(self, image: Image, quality: float) -> bytes:
        return self._encode(check_image(image, self.name), quality)

    def encode_float(self, image: FloatImage, quality: float) -> bytes:
        """``encode`` without 8-bit rounding before it: (H, W, 3) float32 on the scale 0 to 255."""
        return self._encode(image, quality)

    def decode(self, stream: bytes) -> Image:
        return np.rint(self.decode_float(stream)).clip(0, 255).astype(np.uint8)

    def decode_float(self, stream: bytes) -> FloatImage:
        """``decode`` without rounding after it. CompressAI's models clip their output themselves."""
        header, payload = unpack(stream, self.name, stream[2:4])
        which = self._which(header.fingerprint)
        try:
            return self._runtime(which).decode(payload, header.height, header.width, header.level)
        except BitstreamError as error:
            raise BitstreamError(f"{self.name}: {error}") from error

    def _encode(self, image: Image | FloatImage, quality: float) -> bytes:
        value = self.quality.check(quality, self.name)
        which = self._model_of(value)
        gain = float(np.float32(1 / value)) if self.variable else 0.0
        payload = self._runtime(which).encode(image, gain)
        return pack(Header(image.shape[0], image.shape[1], gain, 0, self._fingerprint(which)), payload)

    def _model_of(self, quality: float) -> int:
        return 0 if self.variable else int(quality) - 1

    def _load(self, which: int) -> Runtime:
        self._require()
        from baselines.compressai.runtime import Runtime

        path = self.paths[which] if self.paths else zoo.fetched(zoo.published(self.model, self.metric)[which])
        return Runtime(self.model, path, not self.paths, self.multiple, self.device, self.threads)

    def _require(self) -> None:
        if reason := self._lacking():
            raise CodecUnavailable(f"{self.name}: {reason}")

    def _which(self, fingerprint: bytes) -> int:
        """The checkpoint of a stream; raises BitstreamError where it is none of ours."""
        for which in range(len(self._weights)):
            if self._fingerprint(which) == fingerprint:
                return which
        raise BitstreamError(
            f"{self.name}: the stream was made with another model, other weights, another kind of device, or another "
            f"version of PyTorch or CompressAI."
        )

    def _fingerprint(self, which: int) -> bytes:
        made = [self.model, self._weights[which], self.multiple, self.device.split(":")[0], self._versions]
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).digest()[:2]

    @cached_property
    def _weights(self) -> list[str]:
        """What tells the weights of each quality."""
        self._require()
        return [sha256_of(path) for path in self.paths] if self.paths else self._published

    @cached_property
    def _published(self) -> list[str]:
        return [zoo.file_name(address) for address in zoo.published(self.model, self.metric)]

    @cached_property
    def _versions(self) -> dict[str, str]:
        return {name: version(name).split("+")[0] for name in ("compressai", "torch") if find_spec(name)}

    @cached_property
    def _source(self) -> str | None:
        """sha256 of the file that holds a user's class."""
        if not self._own:
            return None
        self._require()
        return sha256_of(Path(inspect.getfile(zoo.user_class(self.model))))
