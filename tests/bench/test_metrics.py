"""Metrics against pytorch-msssim, scikit-image, float64 and exact integers."""

import math

import cv2
import numpy as np
import pytest
import torch
from pytorch_msssim import ms_ssim as torch_ms_ssim
from skimage import data
from skimage.color import deltaE_ciede2000, rgb2lab

from bench.codec import BenchError
from bench.metrics import METRICS, Reference, ms_ssim_db, ms_ssim_db_of, mse, psnr, psnr_of, why_no_ms_ssim
from bench.ms_ssim import SMALLEST_SIDE, MsSsimReference


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def jpeg(pixels, quality):
    done, stream = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return np.ascontiguousarray(cv2.imdecode(stream, cv2.IMREAD_COLOR)[:, :, ::-1])


def crop(height, width):
    return np.ascontiguousarray(data.astronaut()[:height, :width])


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def independent_ms_ssim(first, second, *, exact=False):
    """pytorch-msssim in float64; ``exact`` also replaces its window, made in float32, whose sum is 1 - 3e-8."""
    tensors = [torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None] for image in (first, second)]
    window = np.exp(-(np.arange(-5.0, 6.0) ** 2) / (2 * 1.5**2))
    window = torch.from_numpy(window / window.sum())[None, None, None].repeat(3, 1, 1, 1)
    return float(torch_ms_ssim(*tensors, data_range=255, win=window if exact else None))


@pytest.mark.parametrize("size", [(161, 200), (161, 161), (176, 163), (333, 415), (512, 512), (162, 511)])
@pytest.mark.parametrize("quality", [3, 50, 95])
def test_ms_ssim_agrees_with_pytorch_msssim(size, quality):
    source = crop(*size)
    decoded = jpeg(source, quality)
    found = MsSsimReference(source).compare(decoded)
    assert found == pytest.approx(independent_ms_ssim(source, decoded), abs=1e-5)
    assert found == pytest.approx(independent_ms_ssim(source, decoded, exact=True), abs=2e-7)


def test_ms_ssim_agrees_on_unrelated_and_dark_images():
    source = crop(200, 181)
    dark = source // 50
    for first, second in [
        (source, noise(source.shape)),
        (noise(source.shape), noise(source.shape, 1)),
        (source, 255 - source),
        (dark, dark + noise(source.shape) % 3),
    ]:
        expected = independent_ms_ssim(first, second, exact=True)
        assert MsSsimReference(first).compare(second) == pytest.approx(expected, abs=2e-7)


@pytest.mark.parametrize("levels", [(0, 255), (250, 255), (3, 0)])
def test_ms_ssim_agrees_on_flat_images(levels):
    first, second = (np.full((200, 181, 3), level, np.uint8) for level in levels)
    expected = independent_ms_ssim(first, second, exact=True)
    assert MsSsimReference(first).compare(second) == pytest.approx(expected, abs=1e-5)


def test_ms_ssim_does_not_depend_on_how_the_image_is_cut_into_strips(monkeypatch):
    source = crop(300, 200)
    decoded = jpeg(source, 40)
    whole = MsSsimReference(source).compare(decoded)
    monkeypatch.setattr("bench.ms_ssim.STRIP", 2000)
    assert MsSsimReference(source).compare(decoded) == pytest.approx(whole, abs=1e-12)


def test_delta_e_agrees_with_skimage():
    source = crop(128, 301)
    for decoded in (jpeg(source, 10), jpeg(source, 90), noise(source.shape)):
        expected = deltaE_ciede2000(rgb2lab(source), rgb2lab(decoded)).mean()
        assert Reference(source).compare(decoded)["delta_e"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.9])
def test_delta_e_counts_unchanged_pixels_as_zero(share):
    source = crop(150, 170)
    changed = np.random.default_rng(3).random(source.shape[:2]) < share
    decoded = np.where(changed[..., None], jpeg(source, 20), source)
    expected = deltaE_ciede2000(rgb2lab(source), rgb2lab(decoded)).mean()
    assert Reference(source).compare(decoded)["delta_e"] == pytest.approx(expected, abs=1e-5)


def test_mse_is_exact_where_an_int32_sum_would_overflow():
    black, white = np.zeros((2000, 1100, 3), np.uint8), np.full((2000, 1100, 3), 255, np.uint8)
    assert mse(black, white) == 255**2
    first, second = noise((777, 1001, 3)), noise((777, 1001, 3), 1)
    assert mse(first, second) == int(((first.astype(np.int64) - second) ** 2).sum()) / first.size
    assert Reference(black[:200]).compare(white[:200])["mse"] == 255**2


def test_mse_takes_views():
    first, second = noise((40, 50, 3)), noise((40, 50, 3), 1)
    expected = np.mean((first[::2, ::-1].astype(np.float64) - second[::2, ::-1]) ** 2)
    assert mse(first[::2, ::-1], second[::2, ::-1]) == pytest.approx(expected, rel=1e-14)


def test_shift_is_the_signed_mean_of_each_channel():
    source = crop(60, 90)
    decoded = jpeg(source, 15)
    found = Reference(source).compare(decoded)
    expected = decoded.astype(np.float64).mean((0, 1)) - source.astype(np.float64).mean((0, 1))
    assert [found["shift_r"], found["shift_g"], found["shift_b"]] == pytest.approx(list(expected), abs=1e-11)


def test_equal_images():
    source = crop(170, 180)
    found = Reference(source).compare(source.copy())
    assert tuple(found) == tuple(METRICS)
    assert found == {
        "mse": 0,
        "psnr": math.inf,
        "ms_ssim": 1,
        "ms_ssim_db": math.inf,
        "delta_e": 0,
        "shift_r": 0,
        "shift_g": 0,
        "shift_b": 0,
    }


def test_small_images_have_everything_but_ms_ssim():
    assert why_no_ms_ssim(SMALLEST_SIDE, SMALLEST_SIDE) == ""
    assert "161" in why_no_ms_ssim(400, 160)
    for height, width in [(1, 1), (1, 7), (160, 400)]:
        source = crop(height, width)
        reference = Reference(source)
        found = reference.compare(255 - source)
        assert reference.why_no_ms_ssim == why_no_ms_ssim(height, width) != ""
        assert math.isnan(found.pop("ms_ssim"))
        assert math.isnan(found.pop("ms_ssim_db"))
        assert all(math.isfinite(value) for value in found.values())


def test_decibels():
    assert psnr(255**2) == 0
    assert psnr(1) == pytest.approx(48.130803608679)
    assert psnr(0) == math.inf
    assert ms_ssim_db(0.99) == pytest.approx(20)
    assert ms_ssim_db(1) == math.inf
    assert math.isnan(ms_ssim_db(math.nan))


@pytest.mark.filterwarnings("error")
def test_decibels_of_columns_are_those_of_single_values():
    errors, similar = [0.0, 0.3, 65025.0, math.nan], [1.0, 0.95, 0.0, math.nan]
    assert psnr_of(errors) == pytest.approx([math.inf, psnr(0.3), 0.0, math.nan], nan_ok=True)
    assert ms_ssim_db_of(similar) == pytest.approx([math.inf, ms_ssim_db(0.95), 0.0, math.nan], nan_ok=True)


def test_compare_repeats_bit_for_bit_and_changes_nothing():
    source = crop(200, 211)
    decoded = jpeg(source, 60)
    before = source.copy(), decoded.copy(), cv2.getNumThreads()
    reference = Reference(source)
    first = reference.compare(decoded)
    assert reference.compare(decoded) == first == Reference(source).compare(decoded)
    np.testing.assert_array_equal(source, before[0])
    np.testing.assert_array_equal(decoded, before[1])
    assert cv2.getNumThreads() == before[2]


def test_reference_keeps_its_own_pixels():
    source = crop(170, 170)
    decoded = jpeg(source, 60)
    reference = Reference(source)
    expected = reference.compare(decoded)
    source[:] = 0
    assert reference.compare(decoded) == expected


def test_read_only_and_strided_images_are_accepted():
    source = crop(200, 200)
    decoded = jpeg(source, 60)
    source.flags.writeable = decoded.flags.writeable = False
    expected = Reference(source).compare(decoded)
    assert Reference(source[::-1, ::-1][::-1, ::-1]).compare(np.asfortranarray(decoded)) == expected


@pytest.mark.parametrize(
    "decoded", [np.zeros((20, 31, 3), np.uint8), np.zeros((20, 30), np.uint8), np.zeros((20, 30, 3), np.float32)]
)
def test_images_that_do_not_match_are_refused(decoded):
    reference = Reference(np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(BenchError):
        reference.compare(decoded)
    with pytest.raises(BenchError):
        mse(reference.pixels, decoded)
