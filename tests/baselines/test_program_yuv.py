"""RGB <-> Y'CbCr planes against exact rational arithmetic, over generations, and as files."""

from fractions import Fraction
from itertools import product
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.classical import yuv
from bench.codec import BenchError

LAYOUTS = [yuv.Layout(*parts) for parts in product(("bt601", "bt709"), ("444", "420"), (8, 10))]
LUMA = {"bt601": ("0.299", "0.587", "0.114"), "bt709": ("0.2126", "0.7152", "0.0722")}


def photograph_like(height, width, seed=0):
    """Smooth colours with noise, some of them at the limits."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [128 + 140 * np.sin(x / (9 + i) + y / (13 - i)) for i in range(3)]
    return (np.stack(waves, -1) + rng.normal(0, 8, (height, width, 3))).clip(0, 255).astype(np.uint8)


def exact(pixel, matrix, depth):
    """Unrounded Y', Cb, Cr of one pixel: BT.601-7 and BT.709-6, full range, as fractions."""
    r, g, b = (Fraction(int(value)) * (2**depth - 1) / 255 for value in pixel)
    kr, kg, kb = map(Fraction, LUMA[matrix])
    luma = kr * r + kg * g + kb * b
    middle = 2 ** (depth - 1)
    return luma, (b - luma) / (2 - 2 * kb) + middle, (r - luma) / (2 - 2 * kr) + middle


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("depth", [8, 10])
def test_planes_are_the_nearest_to_exact_values(matrix, depth):
    rng = np.random.default_rng(1)
    corners = np.array(list(product((0, 255), repeat=3)))
    halves = [[157, 157, 126], [182, 182, 179], [191, 191, 160], [160, 37, 28], [189, 66, 57]]  # in BT.709 at 8 bit
    pixels = np.concatenate([corners, halves, rng.integers(0, 256, (2000, 3))]).astype(np.uint8)
    planes = yuv.from_rgb(pixels[None], yuv.Layout(matrix, "444", depth))
    for i, pixel in enumerate(pixels):
        for value, plane in zip(exact(pixel, matrix, depth), planes, strict=True):
            assert plane[0, i] == min(floor(value + Fraction(1, 2)), 2**depth - 1)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("depth", [8, 10])
def test_rgb_is_the_nearest_to_the_exact_inverse(matrix, depth):
    rng = np.random.default_rng(2)
    planes = tuple(rng.integers(0, 2**depth, (1, 2000)).astype(yuv.Layout(depth=depth).dtype) for _ in range(3))
    image = yuv.to_rgb(planes, yuv.Layout(matrix, "444", depth))
    kr, kg, kb = map(Fraction, LUMA[matrix])
    for i in range(image.shape[1]):
        luma, cb, cr = (Fraction(int(plane[0, i])) for plane in planes)
        red = luma + (2 - 2 * kr) * (cr - 2 ** (depth - 1))
        blue = luma + (2 - 2 * kb) * (cb - 2 ** (depth - 1))
        green = (luma - kr * red - kb * blue) / kg
        for found, value in zip(image[0, i], (red, green, blue), strict=True):
            assert found == min(max(floor(value * 255 / (2**depth - 1) + Fraction(1, 2)), 0), 255)


def test_ten_bits_carry_every_rgb_exactly():
    values = np.array([0, 1, 2, 63, 64, 65, 127, 128, 129, 191, 192, 253, 254, 255], np.uint8)
    image = np.stack(np.meshgrid(values, values, values), -1).reshape(1, -1, 3)
    for matrix in ("bt601", "bt709"):
        layout = yuv.Layout(matrix, "444", 10)
        np.testing.assert_array_equal(yuv.to_rgb(yuv.from_rgb(image, layout), layout), image)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_fifty_generations_do_not_drift(matrix):
    layout = yuv.Layout(matrix, "444", 8)
    image = photograph_like(128, 192)
    generations = [image]
    for _ in range(50):
        generations.append(yuv.to_rgb(yuv.from_rgb(generations[-1], layout), layout))
    np.testing.assert_array_equal(generations[5], generations[50])
    error = generations[50].astype(float) - image
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 52
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.1


def test_chroma_420_is_the_mean_and_comes_back_repeated():
    image = np.zeros((2, 4, 3), np.uint8)
    image[:, :2] = [[[255, 0, 0], [255, 0, 0]], [[0, 0, 255], [0, 0, 255]]]
    layout = yuv.Layout("bt601", "420", 8)
    _, cb, cr = yuv.from_rgb(image, layout)
    assert cb.shape == cr.shape == (1, 2)
    # JFIF: red has Cb 84.97, Cr 255.5, blue Cb 255.5, Cr 107.27; black has 128.
    np.testing.assert_array_equal(cb, [[170, 128]])
    np.testing.assert_array_equal(cr, [[181, 128]])
    grey = np.repeat(photograph_like(16, 16)[..., :1], 3, axis=2)
    np.testing.assert_array_equal(yuv.to_rgb(yuv.from_rgb(grey, layout), layout), grey)


@given(st.sampled_from(LAYOUTS), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_files_round_trip(layout, rows, columns, seed):
    image = np.random.default_rng(seed).integers(0, 256, (2 * rows, 2 * columns, 3), dtype=np.uint8)
    planes = yuv.from_rgb(image, layout)
    data = yuv.to_bytes(planes)
    pixels = image.shape[0] * image.shape[1]
    assert len(data) == pixels * (3 if layout.chroma == "444" else 3 / 2) * (1 if layout.depth == 8 else 2)
    for before, after in zip(planes, yuv.from_bytes(data, *image.shape[:2], layout), strict=True):
        np.testing.assert_array_equal(before, after)
    with pytest.raises(ValueError, match="expected"):
        yuv.from_bytes(data[:-1], *image.shape[:2], layout)


def test_ten_bit_samples_are_little_endian():
    white = np.full((1, 1, 3), 255, np.uint8)
    assert yuv.to_bytes(yuv.from_rgb(white, yuv.Layout("bt709", "444", 10))) == b"\xff\x03\x00\x02\x00\x02"


def test_codes_are_distinct_and_read_back():
    assert len({layout.code for layout in LAYOUTS}) == len(LAYOUTS)
    assert all(yuv.Layout.from_code(layout.code) == layout for layout in LAYOUTS)
    for code in (0, 0x88, 0xFF, 0x07):
        with pytest.raises(ValueError, match="layout"):
            yuv.Layout.from_code(code)


def test_padding_repeats_the_edge():
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    padded = yuv.pad(image, 4, 8)
    assert padded.shape == (8, 8, 3)
    np.testing.assert_array_equal(padded[:2, :3], image)
    np.testing.assert_array_equal(padded[5, :3], image[1])
    np.testing.assert_array_equal(padded[1, 6], image[1, 2])
    assert yuv.pad(padded, 4, 8) is padded
    assert yuv.pad(np.zeros((9, 17, 3), np.uint8), 8, 8).shape == (16, 24, 3)
    assert yuv.pad_width(image, 5).shape == (2, 5, 3)


def test_unknown_layouts_are_refused():
    with pytest.raises(BenchError, match="chroma must be one of 444, 420, got '422'"):
        yuv.Layout(chroma="422")
    with pytest.raises(ValueError, match="even"):
        yuv.from_rgb(np.zeros((3, 4, 3), np.uint8), yuv.Layout(chroma="420"))
