"""Whatever the number of threads, coding gives the bits that one thread gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.data import astronaut

from baselines.inn.pointwise import convolve
from baselines.learned.codec import LearnedCodec
from baselines.learned.threads import SameForAnyThreads, one_thread
from bench.registry import create


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("spec", "quality", "size"),
    [
        ("sft[checkpoint=sft-compact]", 0.1, (128, 192)),
        ("xie[checkpoint=xie-compact-0.0075]", 1, (128, 192)),
        ("iat[checkpoint=iat-compact]", 0.1, (64, 64)),
        ("ainn[checkpoint=ainn-compact-0.0075]", 1, (64, 64)),
    ],
)
def test_trained_models_give_the_same_stream_and_floats(spec: str, quality: float, size: tuple[int, int]) -> None:
    image = np.ascontiguousarray(astronaut()[: size[0], : size[1]])
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        codec = create(spec)  # loaded again: a decoder keeps the inverses of its matrices
        assert isinstance(codec, LearnedCodec)
        stream = codec.encode(image, quality)
        found.append((stream, codec.decode_float(stream).tobytes()))
        assert torch.get_num_threads() == threads
    assert found[0] == found[1] == found[2]


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def last(*shape: int) -> torch.Tensor:
    return numbers(*shape).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "operation",
    [
        lambda: F.conv_transpose2d(numbers(1, 128, 2, 3), numbers(128, 64, 3, 3), numbers(64), 2, 1, 1),
        lambda: F.conv_transpose2d(numbers(1, 12, 96, 96), numbers(12, 12, 3, 3), numbers(12), 2, 1, 1),
        lambda: F.conv2d(numbers(1, 128, 4, 6), numbers(64, 128, 3, 3), None, 2, 1),
        lambda: F.conv2d(numbers(1, 193, 8, 12), weight=numbers(48, 193, 3, 3), padding=1),
        lambda: F.conv2d(numbers(1, 512, 40, 40), numbers(512, 512, 1, 1)),
        lambda: F.conv2d(last(1, 128, 32, 48), last(128, 128, 5, 5), None, 2, 2),
        lambda: F.conv2d(numbers(1, 384, 16, 24), weight=last(192, 384, 5, 5), padding=2),
        lambda: convolve(last(1, 576, 8, 12), last(48, 576, 3, 3)),
        lambda: torch.linalg.inv(numbers(768, 768).double()),
        lambda: torch.sigmoid(numbers(1, 1, 250, 316)),
        lambda: F.interpolate(numbers(1, 3, 250, 316), scale_factor=2, mode="bilinear"),
        lambda: torch.einsum("bcp,bcq->bpq", numbers(1, 64, 48), numbers(1, 64, 48)),
    ],
    ids=[
        "grow",
        "grow large",
        "halve",
        "small",
        "pointwise",
        *["long sums"] * 3,
        "inverse",
        "sigmoid",
        "interpolation",
        "attention",
    ],
)
@torch.inference_mode()
def test_what_depends_on_threads_is_done_by_one(operation: Callable[[], torch.Tensor]) -> None:
    """Or so that it does not depend on them."""
    found = []
    for threads in (1, 2, 3, 4, 8):
        torch.set_num_threads(threads)
        with SameForAnyThreads():
            found.append(operation())
        assert torch.get_num_threads() == threads
    assert all(torch.equal(each, found[0]) for each in found)
    assert torch.allclose(found[0], operation(), rtol=1e-3, atol=1e-3)
    assert found[0].stride() == operation().stride()


def test_threads_are_given_back_after_an_error() -> None:
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError), SameForAnyThreads():
        F.conv_transpose2d(numbers(1, 3, 2, 2), numbers(4, 4, 3, 3))
    assert torch.get_num_threads() == 2
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
