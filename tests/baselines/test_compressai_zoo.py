"""CompressAI's own models as codecs, against CompressAI: `make test-compressai` runs these in their own environment."""

from __future__ import annotations

import functools
import hashlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import torch
from pngs import save_png
from skimage.data import astronaut

from baselines.compressai import zoo
from baselines.compressai.codec import CompressAICodec
from baselines.compressai.packing import pack_value, unpack_value
from baselines.compressai.runtime import padding
from baselines.entropy.header import unpack
from bench import reencode, run
from bench.codec import BenchError, BitstreamError, CodecUnavailable
from bench.registry import create
from bench.runner import run_tasks

pytestmark = pytest.mark.skipif(
    find_spec("compressai") is None, reason="needs the package compressai: make test-compressai"
)

SIZES: dict[str, tuple[Any, ...]] = {
    "bmshj2018-factorized": (16, 24),
    "bmshj2018-factorized-relu": (16, 24),
    "bmshj2018-hyperprior": (16, 24),
    "mbt2018-mean": (16, 24),
    "mbt2018": (16, 24),
    "cheng2020-anchor": (16,),
    "cheng2020-attn": (16,),
    "cheng2020-anchor-checkerboard": (16,),
    "bmshj2018-hyperprior-vbr": (16, 24, True),
    "mbt2018-mean-vbr": (16, 24, True),
    "mbt2018-vbr": (16, 24),
}
"""Channels of small models; the variable-rate ones with their variable-rate hyperprior, as published."""

FIXED = [name for name in SIZES if name not in zoo.VARIABLE]
IMAGE = np.ascontiguousarray(astronaut()[60:121, 150:240])


@functools.cache
def model_of(name: str) -> Any:
    """A small model with random weights, its latents spread over a few dozen values."""
    torch.manual_seed(0)
    model = zoo.zoo_class(name)(*SIZES[name]).eval()
    with torch.no_grad():
        last = next(layer for layer in reversed(model.g_a) if hasattr(layer, "weight"))
        last.weight.mul_(100)
    model.update(force=True)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


def saved(folder: Path, name: str) -> Path:
    path = folder / f"{name}.pth"
    if not path.is_file():
        torch.save(model_of(name).state_dict(), path)
    return path


def by_compressai(name: str, image: np.ndarray, **scale: Any) -> tuple[dict[str, Any], np.ndarray]:
    """Strings and shape, and the decoded 8-bit image, as CompressAI's ``eval_model`` gets them."""
    from compressai.ops import compute_padding

    model = model_of(name)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    pad, unpad = compute_padding(*image.shape[:2], min_div=64)
    with torch.no_grad():
        coded = model.compress(torch.nn.functional.pad(x, pad), **scale)
        decoded = torch.nn.functional.pad(model.decompress(coded["strings"], coded["shape"], **scale)["x_hat"], unpad)
    pixels = (decoded * 255).clamp(0, 255).round()[0].permute(1, 2, 0).numpy().astype(np.uint8)
    return coded, pixels


def strings_in(value: Any) -> list[bytes]:
    if isinstance(value, bytes):
        return [value]
    return [string for each in value for string in strings_in(each)]


def test_the_tables_are_those_of_compressai() -> None:
    library = zoo.library().zoo
    assert {*library.image_models} <= {*zoo.QUALITIES}
    for name, count in zoo.QUALITIES.items():
        assert zoo.zoo_class(name)
        for metric in zoo.METRICS:
            if count and (metric == "mse" or name not in zoo.VARIABLE):
                assert len(zoo.published(name, metric)) == count
            else:
                with pytest.raises(BenchError, match=f"publishes no weights of {name} for {metric}"):
                    zoo.published(name, metric)


def test_padding_is_that_of_compressai() -> None:
    from compressai.ops import compute_padding

    for height, width in ((1, 1), (64, 65), (99, 200)):
        assert padding(height, width, 64) == compute_padding(height, width, min_div=64)


@pytest.mark.parametrize("name", FIXED)
def test_streams_are_those_of_compressai_and_a_header(name: str, folder: Path) -> None:
    codec, other = (CompressAICodec(name, checkpoint=str(saved(folder, name))) for _ in range(2))
    stream = codec.encode(IMAGE, 1)
    coded, pixels = by_compressai(name, IMAGE)
    payload = unpack(stream, name, stream[2:4])[1]
    strings = strings_in(coded["strings"])
    assert strings_in(unpack_value(payload)[0]) == strings
    assert sum(map(len, strings)) > 200
    assert len(stream) == 15 + len(pack_value((coded["strings"], coded["shape"])))
    assert len(stream) - sum(map(len, strings)) <= 50
    np.testing.assert_array_equal(other.decode(stream), pixels)
    assert pixels.std() > 1


@pytest.mark.parametrize("name", zoo.VARIABLE)
def test_variable_rate(name: str, folder: Path) -> None:
    codec = CompressAICodec(name, checkpoint=str(saved(folder, name)))
    for step in (1.5, 6.0, 1.5):
        scale = torch.tensor(1 / step, dtype=torch.float32)
        if name != "mbt2018-vbr":
            with torch.no_grad():
                model_of(name).update(force=True, scale=scale)
        coded, pixels = by_compressai(name, IMAGE, stage=2, s=0, inputscale=scale)
        stream = codec.encode(IMAGE, step)
        assert strings_in(unpack_value(unpack(stream, name, stream[2:4])[1])[0]) == strings_in(coded["strings"])
        fresh = CompressAICodec(name, checkpoint=str(saved(folder, name)))
        np.testing.assert_array_equal(fresh.decode(stream), pixels)
    assert len(codec.encode(IMAGE, 1)) > 1.2 * len(codec.encode(IMAGE, 10))


@pytest.mark.parametrize("name", ["bmshj2018-factorized", "mbt2018-mean"])
def test_old_names_and_states_that_were_never_updated(name: str, folder: Path, tmp_path: Path) -> None:
    state = model_of(name).state_dict()
    tables = ("_quantized_cdf", "_offset", "_cdf_length", "scale_table")
    bare = {key: value[:0] if key.rpartition(".")[2] in tables else value for key, value in state.items()}
    older = {re.sub(r"\.(matrices|biases|factors)\.", r"._\1.", f"module.{key}"): value for key, value in bare.items()}
    singular = {"_matrices.": "_matrix", "_biases.": "_bias", "_factors.": "_factor"}
    old = {
        re.sub(r"_(matrices|biases|factors)\.", lambda found: singular[found[0]], key): v for key, v in older.items()
    }
    assert "module.entropy_bottleneck._matrices.0" in older
    assert "module.entropy_bottleneck._matrix0" in old
    expected = CompressAICodec(name, checkpoint=str(saved(folder, name))).encode(IMAGE, 1)
    for number, content in enumerate((bare, older, {"state_dict": old, "epoch": 1, "loss": torch.ones(1)})):
        path = tmp_path / f"{number}.pth.tar"
        torch.save(content, path)
        stream = CompressAICodec(name, checkpoint=str(path)).encode(IMAGE, 1)
        assert unpack(stream, name, stream[2:4])[1] == unpack(expected, name, expected[2:4])[1]


def test_damaged_streams_and_weights_that_do_not_fit(folder: Path) -> None:
    codec = CompressAICodec("mbt2018-mean", checkpoint=str(saved(folder, "mbt2018-mean")))
    stream = codec.encode(IMAGE, 1)
    flipped = bytearray(stream)
    flipped[-9] ^= 1
    for bad in (b"", stream[:9], stream[:-1], bytes(flipped)):
        with pytest.raises(BitstreamError):
            codec.decode(bad)
    other = CompressAICodec("mbt2018", checkpoint=str(saved(folder, "mbt2018")))
    with pytest.raises(BitstreamError, match="another model"):
        other.decode(stream)
    wrong = CompressAICodec("mbt2018-mean", checkpoint=str(saved(folder, "cheng2020-anchor")))
    with pytest.raises(BenchError, match=r"does not fit mbt2018-mean: it lacks the key g_a.0.weight"):
        wrong.encode(IMAGE, 1)


def test_float_carrier_is_the_same_before_rounding(folder: Path) -> None:
    codec = CompressAICodec("mbt2018-mean", checkpoint=str(saved(folder, "mbt2018-mean")))
    stream = codec.encode_float(IMAGE.astype(np.float32), 1)
    assert stream == codec.encode(IMAGE, 1)
    floats = codec.decode_float(stream)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(np.rint(floats), codec.decode(stream))
    assert (floats != np.rint(floats)).any()


def test_three_generations_by_the_command(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "run_tasks", functools.partial(run_tasks, backend="sequential"))
    (tmp_path / "images").mkdir()
    save_png(tmp_path / "images" / "one.png", IMAGE)
    names = ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018", "cheng2020-anchor"]
    specs = ",".join(f"compressai:{name}[checkpoint={saved(folder, name)}]" for name in names)
    options = ["--dataset", str(tmp_path / "images"), "--out", str(tmp_path / "run"), "--jobs", "1"]
    assert reencode.main(["--codec", specs, "--generations", "3", *options]) == 0
    table = pd.read_parquet(tmp_path / "run" / "generations.parquet")
    assert len(table) == 3 * len(names)
    assert (table["status"] == "ok").all()
    for name, records in table.groupby("codec"):
        image = IMAGE
        for record in records.sort_values("generation").itertuples():
            coded, image = by_compressai(str(name).partition("[")[0].partition(":")[2], image)
            assert 0 < record.bytes - sum(map(len, strings_in(coded["strings"]))) <= 50
            error = np.square(image.astype(float) - IMAGE).mean()
            assert record.mse == pytest.approx(error, rel=1e-9)


def test_weights_that_can_not_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def unreachable(*arguments: Any, **options: Any) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    codec = create("compressai:mbt2018-mean:4")
    assert codec.available() == (True, "")
    assert codec.identity()["checkpoint"][3] == "mbt2018-mean-4-6dba02a3.pth.tar"
    with pytest.raises(
        CodecUnavailable, match=r"mbt2018-mean-4-6dba02a3.pth.tar can't be downloaded .*no route"
    ) as info:
        codec.encode(IMAGE, 4)
    assert str(tmp_path) in str(info.value)


def test_published_weights_come_from_the_cache_and_are_checked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = saved(folder, "mbt2018-mean").read_bytes()
    name = f"mbt2018-mean-4-{hashlib.sha256(content).hexdigest()[:8]}.pth.tar"
    table = zoo.library().zoo.image.model_urls["mbt2018-mean"]["mse"]
    monkeypatch.setitem(table, 4, f"https://example.invalid/{name}")
    cached = tmp_path / "hub" / "checkpoints" / name
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    codec = create("compressai:mbt2018-mean")
    np.testing.assert_array_equal(codec.decode(codec.encode(IMAGE, 4)), by_compressai("mbt2018-mean", IMAGE)[1])
    cached.write_bytes(content[:-1] + b"?")
    with pytest.raises(CodecUnavailable, match="is damaged: its sha256 begins with"):
        create("compressai:mbt2018-mean").encode(IMAGE, 4)
