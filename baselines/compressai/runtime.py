"""A CompressAI model at work: pixels to its strings and shape, and back."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.compressai.packing import pack_value, unpack_value
from baselines.compressai.zoo import library, user_class, zoo_class
from baselines.learned.arithmetic import exact_convolutions
from baselines.learned.device import missing
from baselines.learned.official import read_state_dict
from bench.codec import BenchError, BitstreamError, CodecError, CodecUnavailable, FloatImage

TABLES = ("_offset", "_quantized_cdf", "_cdf_length")


class Runtime:
    """One checkpoint on one device.

    Args:
        model: of the zoo, or ``package.module:Class``.
        path: its weights.
        published: whether they are CompressAI's own, whose tables for the entropy coder are used as they are; those
            of other files are computed anew, as CompressAI's ``eval_model`` does.
        multiple: height and width are padded with zeros to multiples of this, half on each side.
        device: ``cpu``, ``cuda``, ``cuda:1``.
        threads: CPU threads of PyTorch; None leaves its default.

    Raises:
        BenchError: the weights can't be read or don't fit, or there is no such class.
        CodecUnavailable: CompressAI or the device is not there.
    """

    def __init__(
        self, model: str, path: Path, published: bool, multiple: int, device: str, threads: int | None
    ) -> None:
        if reason := missing(device):
            raise CodecUnavailable(reason)
        if threads:
            torch.set_num_threads(threads)
        self.multiple, self.device = multiple, torch.device(device)
        self.model = _loaded(model, path)
        self._gain = 0.0
        self.variable = "inputscale" in inspect.signature(self.model.compress).parameters
        with _calling("update", CodecError), torch.no_grad():
            self.model.update(force=not published)
        self.model.to(self.device)

    def encode(self, image: NDArray[Any], gain: float = 0.0) -> bytes:
        """(H, W, 3) on the scale 0 to 255 -> the model's strings and shape; ``gain`` is for models of variable rate."""
        pad, _ = padding(image.shape[0], image.shape[1], self.multiple)
        x = torch.tensor(image).permute(2, 0, 1)[None].to(self.device, torch.float32).div_(255)
        with _calling("compress", CodecError), torch.no_grad(), exact_convolutions():
            coded = self.model.compress(torch.nn.functional.pad(x, pad), **self._scale(gain))
            value = (coded["strings"], coded["shape"])
        return pack_value(value)

    def decode(self, payload: bytes, height: int, width: int, gain: float = 0.0) -> FloatImage:
        """The inverse: (H, W, 3) float32 on the scale 0 to 255, not rounded; the model itself clamps it.

        Raises:
            BitstreamError: the payload is not what ``encode`` made of an image of that size.
            CodecError: the model's output is not finite.
        """
        value = unpack_value(payload)
        if not isinstance(value, tuple) or len(value) != 2:
            raise BitstreamError("the stream does not hold strings and a shape.")
        pad, unpad = padding(height, width, self.multiple)
        with _calling("decompress", BitstreamError), torch.no_grad(), exact_convolutions():
            decoded = self.model.decompress(*value, **self._scale(gain))["x_hat"]
        size = (1, 3, height + pad[2] + pad[3], width + pad[0] + pad[1])
        if tuple(decoded.shape) != size:
            raise BitstreamError(f"the stream decodes to {tuple(decoded.shape)} instead of {size}.")
        if not torch.isfinite(decoded).all():
            raise CodecError("the model decodes to values that are not finite.")
        cropped = torch.nn.functional.pad(decoded, unpad)[0].mul(255).permute(1, 2, 0)
        return np.ascontiguousarray(cropped.float().cpu().numpy())

    def _scale(self, gain: float) -> dict[str, Any]:
        """Arguments that set the rate of a model of variable rate; its tables are computed anew where it changes."""
        if not self.variable:
            return {}
        scale = torch.tensor(gain)
        if gain != self._gain and "scale" in inspect.signature(self.model.update).parameters:
            self.model.update(force=True, scale=scale)
            self._gain = gain
        return {"inputscale": scale}


def padding(height: int, width: int, multiple: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What brings a size up to multiples and back, (left, right, top, bottom): CompressAI's ``compute_padding``."""
    rows, columns = -height % multiple, -width % multiple
    pad = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return pad, tuple(-each for each in pad)


def _loaded(name: str, path: Path) -> Any:
    """The model with the weights of a file; parts' names in older versions of CompressAI are known."""
    tensors = read_state_dict(path)
    if ":" in name:
        kind = user_class(name)
    else:
        kind, tensors = zoo_class(name), library().zoo.load_state_dict(tensors)
    try:
        if not hasattr(kind, "from_state_dict"):
            model = kind()
            model.load_state_dict(tensors)
        elif any(key.startswith("gayn2zqstep.") for key in tensors):
            # CompressAI can't read the tables of this bottleneck back; they are computed anew for each rate.
            empty = {f"entropy_bottleneck.{each}": torch.IntTensor() for each in TABLES}
            model = kind.from_state_dict(tensors | empty, vr_entbttlnck=True)
        else:
            model = kind.from_state_dict(tensors)
    except KeyError as error:
        raise BenchError(f"{path} does not fit {name}: it lacks the key {error.args[0]}.") from error
    except Exception as error:
        raise BenchError(f"{path} does not fit {name}: {_reason(error)}.") from error
    return model.eval().requires_grad_(False)


@contextmanager
def _calling(call: str, kind: type[CodecError]) -> Iterator[None]:
    """What a model's own code raises becomes one of our errors that names the call."""
    try:
        yield
    except (BenchError, MemoryError):
        raise
    except Exception as error:
        raise kind(f"the model's {call} raised {_reason(error)}.") from error


def _reason(error: Exception, limit: int = 200) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    return text if len(text) <= limit else f"{text[:limit]}..."
