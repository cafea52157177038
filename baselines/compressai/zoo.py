"""CompressAI's models by name, and where their weights are.

``QUALITIES`` and ``VARIABLE`` are known without importing CompressAI, which takes seconds.
"""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from http.client import HTTPException
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

from baselines.learned.files import sha256_of
from bench.codec import BenchError, CodecUnavailable, load

Metric = Literal["mse", "ms-ssim"]
METRICS: tuple[Metric, ...] = get_args(Metric)

QUALITIES = {
    "bmshj2018-factorized": 8,
    "bmshj2018-factorized-relu": 0,
    "bmshj2018-hyperprior": 8,
    "mbt2018-mean": 8,
    "mbt2018": 8,
    "cheng2020-anchor": 6,
    "cheng2020-attn": 6,
    "cheng2020-anchor-checkerboard": 0,
    "elic2022-official": 0,
    "elic2022-chandelier": 0,
    "bmshj2018-hyperprior-vbr": 1,
    "mbt2018-mean-vbr": 1,
    "mbt2018-vbr": 1,
}
"""How many checkpoints of one metric CompressAI publishes of each model; 0: none, bring your own."""

VARIABLE = tuple(name for name in QUALITIES if name.endswith("-vbr"))
"""One checkpoint serves all rates; the quality is the quantisation step."""


def library() -> ModuleType:
    """CompressAI, imported; raises CodecUnavailable with the reason where that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a PyTorch newer than CompressAI
            import compressai
            import compressai.zoo
    except (ImportError, AttributeError, RuntimeError) as error:
        raise CodecUnavailable(f"CompressAI can't be imported: {' '.join(str(error).split())}.") from error
    return compressai


def zoo_class(name: str) -> Any:
    """The class of a model of ``QUALITIES``."""
    library()
    from compressai.registry import MODELS

    return MODELS[name]


def user_class(name: str) -> type:
    """The class that ``package.module:Class`` names.

    Raises:
        CodecUnavailable: its module, or something the module imports, is not installed.
        BenchError: it is not there, or lacks what a model must have.
    """
    found = load(name, name)
    if not inspect.isclass(found):
        raise BenchError(f"{name} is no class.")
    lacking = [each for each in ("compress", "decompress", "update", "load_state_dict") if not hasattr(found, each)]
    if lacking:
        raise BenchError(f"{name} is not built like a model of CompressAI: it lacks {', '.join(lacking)}.")
    return found


def published(model: str, metric: Metric) -> list[str]:
    """Addresses of CompressAI's weights from the lowest rate to the highest; raises BenchError where there are none."""
    zoo = library().zoo
    tables = zoo.image.model_urls | zoo.image_vbr.model_urls
    found = tables.get(model, {}).get(metric)
    if not found:
        raise BenchError(
            f"CompressAI publishes no weights of {model} for {metric}; name yours with --checkpoint or "
            f"compressai:{model}[checkpoint=FILE]."
        )
    return [found] if isinstance(found, str) else [found[quality] for quality in sorted(found)]


def file_name(address: str) -> str:
    """The last part of an address: model, quality, and the first digits of the file's sha256."""
    return address.rpartition("/")[2]


def fetched(address: str) -> Path:
    """The file of published weights, downloaded where PyTorch's cache does not hold it yet.

    Raises:
        CodecUnavailable: it is not there and can't be downloaded, or is not the file it should be.
    """
    import torch

    name = file_name(address)
    path = Path(torch.hub.get_dir(), "checkpoints", name)
    expected = re.findall(r"-([0-9a-f]{8})\.", name)[0]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(path), expected, progress=sys.stderr.isatty())
        except (OSError, RuntimeError, HTTPException) as error:
            raise CodecUnavailable(
                f"The weights {name} can't be downloaded ({' '.join(str(error).split())}); put that file of CompressAI "
                f"into {path.parent}, or name weights of your own with --checkpoint."
            ) from error
    found = sha256_of(path)
    if not found.startswith(expected):
        raise CodecUnavailable(
            f"{path} is damaged: its sha256 begins with {found[:8]} instead of {expected}; delete it, and it is "
            f"downloaded again."
        )
    return path
