"""CIEDE2000 against the published test data of Sharma, Wu and Dalal (2005), Table 1, and scikit-image."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from bench.ciede2000 import CieDe2000Reference, ciede2000, srgb_to_lab

# L1 a1 b1 L2 a2 b2 dE
SHARMA = np.array(
    """
    50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
    50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
    50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
    50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
    50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
    50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
    50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
    50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
    50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
    50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
    50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
    50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
    50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
    50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
    50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
    50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
    50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
    50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
    50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
    50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
    60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
    63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
    61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
    35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
    22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
    36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
    90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
    90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
    6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
    2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
    """.split(),  # noqa: SIM905
    np.float64,
).reshape(34, 7)


def test_published_pairs():
    np.testing.assert_allclose(ciede2000(SHARMA[:, :3], SHARMA[:, 3:6]), SHARMA[:, 6], rtol=0, atol=1e-4)


def test_published_pairs_in_the_other_order():
    np.testing.assert_allclose(ciede2000(SHARMA[:, 3:6], SHARMA[:, :3]), SHARMA[:, 6], rtol=0, atol=1e-4)


def test_float32_is_enough():
    first, second = SHARMA[:, :3].astype(np.float32), SHARMA[:, 3:6].astype(np.float32)
    found = ciede2000(first, second)
    assert found.dtype == np.float32
    # Pairs 9 to 15 straddle the jump at opposite hues, where rounding the input may choose the other side.
    smooth = np.r_[0:8, 15:34]
    np.testing.assert_allclose(found[smooth], SHARMA[smooth, 6], rtol=0, atol=2e-4)


@pytest.mark.parametrize("spread", [0.5, 5.0, 60.0])
def test_agrees_with_skimage_in_float64(spread):
    rng = np.random.default_rng(5)
    first = rng.uniform([0, -100, -100], [100, 100, 100], (20000, 3))
    second = first + rng.normal(0, spread, first.shape)
    np.testing.assert_allclose(ciede2000(first, second), deltaE_ciede2000(first, second), rtol=1e-5, atol=1e-5)


def test_greys():
    greys = np.array([[0.0, 0, 0], [50, 0, 0], [100, 0, 0]])
    np.testing.assert_array_equal(ciede2000(greys, greys), 0)
    np.testing.assert_allclose(ciede2000(greys, greys[::-1]), deltaE_ciede2000(greys, greys[::-1]), atol=1e-12)


def test_every_grey_and_primary_of_srgb_against_every_other():
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    corners = np.array(np.meshgrid([0, 128, 255], [0, 128, 255], [0, 128, 255]), np.uint8).reshape(3, -1).T
    colours = np.concatenate([np.repeat(levels[:, None], 3, axis=1), corners])
    first, second = (array.reshape(-1, 3) for array in np.broadcast_arrays(colours[:, None], colours[None]))
    found = np.array(
        [CieDe2000Reference(a[None, None]).compare(b[None, None]) for a, b in zip(first, second, strict=True)]
    )
    np.testing.assert_allclose(found, deltaE_ciede2000(rgb2lab(first), rgb2lab(second)), rtol=0, atol=1e-2)


def test_srgb_to_lab():
    pixels = np.random.default_rng(1).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    pixels[:2] //= 40  # the linear toe of both transfer functions
    np.testing.assert_allclose(srgb_to_lab(pixels), rgb2lab(pixels), rtol=0, atol=1e-10)


def test_per_pixel_precision_of_float32():
    rng = np.random.default_rng(2)
    first = rng.integers(0, 256, (4000, 3), dtype=np.uint8)
    second = np.clip(first + rng.integers(-12, 13, first.shape), 0, 255).astype(np.uint8)
    # A 1-pixel image gives the float32 value of that pixel; a strip of each keeps this quick.
    found = [CieDe2000Reference(a[None, None]).compare(b[None, None]) for a, b in zip(first, second, strict=True)]
    assert np.abs(np.array(found) - deltaE_ciede2000(rgb2lab(first), rgb2lab(second))).max() < 2e-3


def test_shapes_must_match():
    with pytest.raises(ValueError, match="one shape"):
        ciede2000(np.zeros((2, 3)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="one shape"):
        ciede2000(np.zeros((3, 4)), np.zeros((3, 4)))


def test_what_was_compared_before_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    source = rng.integers(0, 256, (97, 211, 3), dtype=np.uint8)
    reference = CieDe2000Reference(source)
    image = source
    for share in (0.5, 0.01, 0.0, 0.9, 1.0, 0.00005, 0.2):
        noise = rng.integers(-9, 10, source.shape) * (rng.random(source.shape[:2]) < share)[..., None]
        image = np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)
        assert reference.compare(image) == CieDe2000Reference(source).compare(image)
    one = image.copy()
    one[3, 5] ^= 8  # a single pixel
    assert reference.compare(one) == CieDe2000Reference(source).compare(one)
    assert reference.compare(source) == 0
