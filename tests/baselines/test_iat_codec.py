"""The shipped IAT codec: streams that stand alone, any size, any level, and refusals."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import chelsea, coffee

from baselines.checkpoint import load_checkpoint, save_checkpoint
from baselines.iat.codec import IATCodec
from baselines.learned.files import SHIPPED
from bench.codec import BenchError, BitstreamError, QualityError

SIZES = [(1, 1), (7, 5), (64, 64), (255, 257), (512, 768)]


@pytest.fixture(scope="module")
def codec() -> IATCodec:
    return IATCodec()


def photograph(height: int, width: int) -> np.ndarray:
    tiled = np.tile(coffee(), (2, 2, 1))
    return np.ascontiguousarray(tiled[:height, :width])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b.astype(float)).mean()))


def test_streams_decode_alike_in_a_fresh_process(codec: IATCodec, tmp_path: Path) -> None:
    for height, width in SIZES:
        stream = codec.encode(photograph(height, width), 0.4)
        (tmp_path / f"{height}x{width}.bin").write_bytes(stream)
        decoded = codec.decode(stream)
        assert decoded.shape == (height, width, 3)
        assert decoded.dtype == np.uint8
        np.save(tmp_path / f"{height}x{width}.npy", decoded)
    script = (
        "import sys, numpy as np\nfrom pathlib import Path\nfrom baselines.iat.codec import IATCodec\n"
        "codec = IATCodec()\n"
        "for f in sorted(Path(sys.argv[1]).glob('*.bin')):\n"
        "    same = np.array_equal(codec.decode(f.read_bytes()), np.load(f.with_suffix('.npy')))\n"
        "    print(f.stem, same)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split("\n")[:-1]) == sorted(f"{h}x{w} True" for h, w in SIZES)


def test_quality_is_monotone_and_continuous(codec: IATCodec) -> None:
    image = photograph(256, 320)
    points = []
    for level in (0.0, 0.25, 0.5, 0.501, 0.75, 1.0):
        stream = codec.encode(image, level)
        points.append((len(stream), psnr(codec.decode(stream), image)))
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(points))
    assert points[3][0] - points[2][0] < 0.02 * points[2][0]


def test_same_bytes_and_pixels_again_and_with_another_number_of_threads(codec: IATCodec) -> None:
    image = photograph(200, 300)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first = codec.encode(image, 0.6)
        pixels = codec.decode(first)
        assert codec.encode(image, 0.6) == first
        torch.set_num_threads(2)
        np.testing.assert_array_equal(codec.decode(first), pixels)
    finally:
        torch.set_num_threads(threads)


def test_damaged_and_foreign_streams_are_refused(codec: IATCodec) -> None:
    stream = codec.encode(chelsea()[:70, :90].copy(), 0.3)
    rng = np.random.default_rng(0)
    for cut in (0, 1, 5, 12, len(stream) // 2, len(stream) - 1):
        with pytest.raises(BitstreamError):
            codec.decode(stream[:cut])
    for _ in range(60):
        bad = bytearray(stream)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        with pytest.raises(BitstreamError):
            codec.decode(bytes(bad))
    for foreign in (b"\xff\xd8\xff\xe0 a JPEG", b"RIFFxxxxWEBP", stream + b"\0"):
        with pytest.raises(BitstreamError):
            codec.decode(foreign)


def test_quality_off_the_scale(codec: IATCodec) -> None:
    for level in (-0.01, 1.01, 75, float("nan")):
        with pytest.raises(QualityError, match="level must be a number from 0 to 1"):
            codec.encode(photograph(8, 8), level)


def test_identity_names_checkpoint_and_budget_without_pytorch(codec: IATCodec) -> None:
    identity = json.loads(json.dumps(codec.identity()))
    assert identity["checkpoint"] == "iat-long.safetensors"
    assert len(identity["sha256"]) == 64
    assert identity["training"]["iterations"] > 0
    script = (
        "import sys\nfrom baselines.iat.codec import IATCodec\nIATCodec().identity()\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_missing_and_foreign_checkpoints_get_a_sentence(tmp_path: Path) -> None:
    missing = IATCodec(checkpoint=str(tmp_path / "none.safetensors"))
    assert missing.available()[0] is False
    assert "--checkpoint" in missing.available()[1]
    with pytest.raises(BenchError, match=r"[Nn]o checkpoint at"):
        missing.encode(photograph(8, 8), 0.5)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a checkpoint at all")
    with pytest.raises(BenchError, match="not a readable safetensors checkpoint"):
        IATCodec(checkpoint=str(broken)).encode(photograph(8, 8), 0.5)
    for device in ("mps", "cuda:", "cuda:one", "cpu:0"):
        with pytest.raises(BenchError, match="must be cpu, cuda or, of several, one as cuda:1, got '" + device):
            IATCodec(device=device)


def test_checkpoint_keeps_tensors_and_card(tmp_path: Path) -> None:
    card = {"config": {"latent": 3}, "training": {"loss": "bpp + λ·MSE"}}
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1.5], dtype=torch.float16)}
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, tensors, card)
    loaded, read, sha256 = load_checkpoint(path)
    assert read == card == json.loads(path.with_suffix(".json").read_text())
    assert len(sha256) == 64
    assert loaded["b"].dtype == torch.float32
    torch.testing.assert_close(loaded["a"], tensors["a"])


def test_every_shipped_checkpoint_has_a_card() -> None:
    files = sorted(SHIPPED.glob("*.safetensors"))
    assert files
    for file in files:
        card = json.loads(file.with_suffix(".json").read_text())
        assert {"system", "preset", "config", "training"} <= set(card)
        assert {"loss", "iterations", "minutes", "device", "photographs", "commit"} <= set(card["training"])
        assert card["kodak_rd"]["levels"], file.name
    assert sum(file.stat().st_size for file in files) < 150e6
