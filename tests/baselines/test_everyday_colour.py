"""Colour conversion against exact rational arithmetic, and the null codec over 50 generations."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import skimage.data
from everyday_cases import codec_or_skip, psnr

from baselines.classical.colour import rgb_to_ycbcr, ycbcr_to_rgb

WEIGHTS = {"bt601": ("0.299", "0.114"), "bt709": ("0.2126", "0.0722")}
CORNERS = [(r, g, b) for r in (0, 255) for g in (0, 255) for b in (0, 255)]


def nearest(value: Fraction) -> int:
    return min(255, max(0, floor(value + Fraction(1, 2))))


def samples(count: int) -> np.ndarray:
    random = np.random.default_rng(5).integers(0, 256, (count, 3), dtype=np.uint8)
    return np.concatenate([np.array(CORNERS, np.uint8), random])


@pytest.mark.parametrize("matrix", WEIGHTS)
def test_rgb_to_ycbcr_is_the_rounded_exact_value(matrix: str) -> None:
    kr, kb = map(Fraction, WEIGHTS[matrix])
    for pixel, found in zip(samples(3000), rgb_to_ycbcr(samples(3000), matrix), strict=True):
        r, g, b = map(int, pixel)
        y = kr * r + (1 - kr - kb) * g + kb * b
        expected = [y, 128 + (b - y) / (2 * (1 - kb)), 128 + (r - y) / (2 * (1 - kr))]
        assert found.tolist() == [nearest(value) for value in expected]


@pytest.mark.parametrize("matrix", WEIGHTS)
def test_ycbcr_to_rgb_is_the_rounded_exact_value(matrix: str) -> None:
    kr, kb = map(Fraction, WEIGHTS[matrix])
    for pixel, found in zip(samples(3000), ycbcr_to_rgb(samples(3000), matrix), strict=True):
        y, cb, cr = int(pixel[0]), int(pixel[1]) - 128, int(pixel[2]) - 128
        r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
        expected = [r, (y - kr * r - kb * b) / (1 - kr - kb), b]
        assert found.tolist() == [nearest(value) for value in expected]


def test_an_unknown_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match="bt2020"):
        rgb_to_ycbcr(np.zeros((1, 1, 3), np.uint8), "bt2020")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["null", "null[matrix=bt709]"])
@pytest.mark.parametrize("photograph", ["astronaut", "chelsea", "coffee", "rocket"])
def test_null_stays_above_50_db_and_stops_changing(name: str, photograph: str) -> None:
    codec, source = codec_or_skip(name), getattr(skimage.data, photograph)()
    generations = [source]
    for _ in range(50):
        generations.append(codec.decode(codec.encode(generations[-1], 100)))
    assert min(psnr(image, source) for image in generations) > 50
    assert all(np.array_equal(image, generations[2]) for image in generations[3:])


def test_null_ignores_the_quality_and_costs_24_bits_a_pixel() -> None:
    codec, image = codec_or_skip("null"), skimage.data.rocket()
    stream = codec.encode(image, 0)
    assert stream == codec.encode(image, 100)
    assert len(stream) == image.nbytes + 17
