"""Products of integer matrices: bytes and float64 against Python's integers."""

import numpy as np
import pytest
import torch

from baselines.entropy import integers
from baselines.entropy.integers import IntegerMatrix, joined, operand, split


@pytest.mark.parametrize(
    ("values", "digits"),
    [
        ([0], 1),
        ([-128, 127], 1),
        ([128], 2),
        ([-129], 2),
        ([32639, -32896], 2),
        ([32640], 3),
        ([-32897], 3),
        ([8355711, -8421504], 3),
        ([8355712, 1 << 24, -(1 << 30), 1 << 30], 4),
    ],
)
def test_digits_are_as_few_as_hold_the_number(values: list[int], digits: int) -> None:
    x = torch.tensor([values]).double()
    found = split(x)
    assert found.dtype == torch.int8
    assert found.shape == (digits, 1, len(values))
    assert torch.equal(joined(found), x)
    assert sum(int(digit[0, 0]) * 256**place for place, digit in enumerate(found)) == values[0]
    assert len(split(x, 3)) == max(digits, 3)


@pytest.mark.parametrize("in_bytes", [False, True])
@pytest.mark.parametrize(("weights", "activations"), [(100, 100), (1 << 15, 1 << 15), (1 << 15, 1 << 24), (1 << 20, 9)])
def test_products_are_those_of_whole_numbers(
    weights: int, activations: int, in_bytes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_bytes and not integers.bytes_are_exact():
        pytest.skip("this processor does not sum products of bytes exactly")
    monkeypatch.setattr(integers, "bytes_pay", lambda: in_bytes)
    rng = np.random.default_rng(0)
    w = rng.integers(-weights, weights + 1, (9, 70))
    x = rng.integers(-activations, activations + 1, (5, 70))
    w[0], x[0] = weights, activations
    matrix, rows = IntegerMatrix(torch.from_numpy(w).double()), operand(torch.from_numpy(x).double())
    assert (matrix.bytes is not None) == (rows.dtype == torch.int8) == in_bytes
    base = rng.integers(-99, 99, 9)
    found = matrix.add_products(torch.from_numpy(base / 8), rows, 0.125)
    expected = (base + x @ w.T).astype(np.float64) / 8
    np.testing.assert_array_equal(found.numpy(), expected)


def test_weights_too_large_for_digits_are_multiplied_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integers, "bytes_pay", lambda: True)
    matrix = IntegerMatrix(torch.tensor([[2.0**40, 1.0]]).double())
    assert matrix.bytes is None
    found = matrix.add_products(torch.zeros(1, dtype=torch.float64), operand(torch.tensor([[300.0, 7.0]]).double()))
    assert found.item() == 300 * 2**40 + 7


def test_a_processor_that_saturates_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def saturating(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        pairs = x[:, 0::2].int()[:, :, None] * weights[0::2].int() + x[:, 1::2].int()[:, :, None] * weights[1::2].int()
        return pairs.clamp(-(1 << 15), (1 << 15) - 1).sum(1, dtype=torch.int32)

    def missing(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no kernel")

    for kernel in (saturating, missing):
        monkeypatch.setattr(torch, "_int_mm", kernel)
        assert not integers.bytes_are_exact()
