"""IAT as a codec: pixels to a complete stream at any level L in [0, 1], and back.

PyTorch is imported when the first image is coded, not before: listing codecs and resuming a finished run stay quick.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.entropy.header import Header, pack, unpack
from bench.codec import BenchError, BitstreamError, Codec, Image, QualityScale, check_image

if TYPE_CHECKING:
    from baselines.iat.runtime import Runtime

SHIPPED = Path(__file__).parent.parent / "checkpoints"
MULTIPLE = 64


class IATCodec(Codec):
    """Cai et al. 2022 with real bytes.

    Args:
        checkpoint: a file, or the name of a shipped one (``iat-compact``).
        device: ``cpu`` or ``cuda``; streams decode on either.
        threads: CPU threads of PyTorch; None leaves its default.
    """

    quality = QualityScale(0.0, 1.0, integer=False, default=0.5, unit="level")

    def __init__(
        self, checkpoint: str = "iat-compact", device: str = "cpu", threads: int | None = None, name: str = "iat"
    ) -> None:
        self.name = name
        self.path = Path(checkpoint)
        if not self.path.suffix:
            self.path = SHIPPED / f"{checkpoint}.safetensors"
        if device.split(":")[0] not in ("cpu", "cuda"):
            raise BenchError(f"{name}: --device must be cpu or cuda, got {device!r}.")
        self.device, self.threads = device, None if threads is None else int(threads)

    def available(self) -> tuple[bool, str]:
        if not self.path.is_file():
            return (
                False,
                f"there is no checkpoint at {self.path}; name one with --checkpoint or {self.name}[checkpoint=FILE].",
            )
        return True, ""

    @cached_property
    def sha256(self) -> str:
        """Of the checkpoint file."""
        if not self.path.is_file():
            raise BenchError(f"{self.name}: {self.available()[1]}")
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def identity(self) -> dict[str, Any]:
        """Checkpoint and what made it, library versions, kind of device."""
        card_file = self.path.with_suffix(".json")
        card = json.loads(card_file.read_text()) if card_file.is_file() else {}
        training = card.get("training", {})
        return {
            "codec": self.name,
            "checkpoint": self.path.name,
            "sha256": self.sha256,
            "preset": card.get("preset"),
            "training": {k: training.get(k) for k in ("iterations", "images_seen", "minutes", "device", "commit")},
            "quantisation": "straight",
            "device": self.device.split(":")[0],
            "torch": importlib.metadata.version("torch").split("+")[0],
            "constriction": importlib.metadata.version("constriction"),
        }

    @cached_property
    def _runtime(self) -> Runtime:
        from baselines.iat.runtime import Runtime

        return Runtime(self.path, self.device, self.threads)

    def encode(self, image: Image, quality: float) -> bytes:
        level = float(np.float32(self.quality.check(quality, self.name)))
        image = check_image(image, self.name)
        height, width = image.shape[:2]
        padded = np.pad(image, ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), "edge")
        payload, bits = self._runtime.encode(padded, level)
        return pack(Header(height, width, level, bits, self._fingerprint), payload)

    def decode(self, stream: bytes) -> Image:
        header, payload = unpack(stream, self.name, self._fingerprint)
        size = (header.height + -header.height % MULTIPLE, header.width + -header.width % MULTIPLE)
        try:
            image = self._runtime.decode(payload, header.bits, size, header.level)
        except BitstreamError as error:
            raise BitstreamError(f"{self.name}: {error}") from error
        return np.ascontiguousarray(image[: header.height, : header.width])

    @property
    def _fingerprint(self) -> bytes:
        return bytes.fromhex(self.sha256[:4])
