"""The CIEDE2000 colour difference, in cartesian form: no hue angle is ever computed where none is needed.

The formula is CIE 142-2001 as spelt out by Sharma, Wu, Dalal: The CIEDE2000 color-difference formula: implementation
notes, supplementary test data, and mathematical observations, Color Research and Application 30(1), 2005. Equation
numbers in comments are theirs. Written with angles it needs seven transcendental functions a pixel. Written with the
vectors (a', b) it needs square roots: with p = C1' C2', dot and cross the products of the two vectors,

    dH' = 2 sqrt(p) sin(dh/2) = cross / sqrt((p + dot) / 2)

the mean hue is the direction of the sum of the unit vectors, and the cosines of its multiples in T are polynomials of
its cosine and sine. Only the rotation term needs the angle, and only for hues around 275 degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.codec import Image

Float = NDArray[np.floating]

BLOCK = 1 << 14
"""Pixels computed at a time: the intermediate arrays of one block stay in the second-level cache."""

_TINY_CHROMA = 1e-9  # stands for zero, so that a grey takes its hue from the other colour and nothing is divided by 0
_25_POW_7 = 25.0**7


def _linear_light() -> NDArray[np.float64]:
    """sRGB code value to linear light, IEC 61966-2-1."""
    value = np.arange(256) / 255
    return np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)


# Linear sRGB to XYZ over the D65 white point (2 degree observer), both with the digits skimage.color uses.
_WHITE = np.array([0.95047, 1.0, 1.08883])
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_TO_XYZ /= _WHITE[:, None]
_LINEAR = _linear_light()


def _planes_to_lab(planes: Sequence[Image], dtype: type[np.floating] = np.float32) -> Float:
    """Three (n,) uint8 planes of sRGB to (3, n) L*, a*, b* under D65."""
    linear = np.empty((3, planes[0].size), dtype)
    table = _LINEAR.astype(dtype)
    for row, plane in zip(linear, planes, strict=True):
        np.take(table, plane, out=row, mode="clip")
    # spelt out: a matrix product rounds a pixel differently depending on where in the block it stands
    red, green, blue = linear
    xyz = np.empty_like(linear)
    for row, (r, g, b) in zip(xyz, _TO_XYZ.astype(dtype), strict=True):
        np.multiply(red, r, out=row)
        row += g * green
        row += b * blue
    root = np.cbrt(xyz)
    dark = xyz <= 0.008856
    if dark.any():
        np.copyto(root, 7.787 * xyz + 16 / 116, where=dark)
    x, y, z = root
    lab = linear
    np.subtract(116 * y, 16, out=lab[0])
    np.multiply(x - y, 500, out=lab[1])
    np.multiply(y - z, 200, out=lab[2])
    return lab


def srgb_to_lab(pixels: Image) -> NDArray[np.float64]:
    """CIE L*a*b* (D65, 2 degree observer) of 8-bit sRGB, in float64.

    Args:
        pixels: (..., 3) uint8 sRGB.

    Returns:
        (..., 3) float64; L* from 0 to 100.
    """
    planes = np.ascontiguousarray(pixels.reshape(-1, 3).T)
    return _planes_to_lab(list(planes), dtype=np.float64).T.reshape(pixels.shape).astype(np.float64, copy=False)


def ciede2000(lab1: NDArray[np.floating], lab2: NDArray[np.floating]) -> NDArray[np.floating]:
    """CIEDE2000 colour difference of CIE L*a*b* colours, with kL = kC = kH = 1.

    Args:
        lab1, lab2: (..., 3) float32 or float64, same shape. The result has their precision.

    Returns:
        (...,) colour differences, 0 for equal colours.

    Raises:
        ValueError: shapes differ or the last axis is not three long.
    """
    if lab1.shape != lab2.shape or lab1.shape[-1:] != (3,):
        raise ValueError(f"expected two (..., 3) arrays of one shape, got {lab1.shape} and {lab2.shape}")
    first = np.moveaxis(lab1, -1, 0).reshape(3, -1)
    second = np.moveaxis(lab2, -1, 0).reshape(3, -1)
    return _difference(first, np.hypot(first[1], first[2]), second).reshape(lab1.shape[:-1])


def _chroma_ratio(chroma: Float) -> Float:
    """sqrt(C^7 / (C^7 + 25^7))."""
    square = chroma * chroma
    power = square * square * square * chroma
    return np.sqrt(power / (power + _25_POW_7))


def _difference(lab1: Float, chroma1: Float, lab2: Float) -> Float:
    """CIEDE2000 of (3, n) and (3, n) L*a*b*, with the chroma of the first given."""
    (light1, a1, b1), (light2, a2, b2) = lab1, lab2
    chroma2 = np.sqrt(a2 * a2 + b2 * b2)
    stretch = 1.5 - 0.5 * _chroma_ratio(0.5 * (chroma1 + chroma2))  # 1 + G, eq. 4
    a1, a2 = a1 * stretch, a2 * stretch
    c1 = np.maximum(np.sqrt(a1 * a1 + b1 * b1), _TINY_CHROMA)
    c2 = np.maximum(np.sqrt(a2 * a2 + b2 * b2), _TINY_CHROMA)

    product = c1 * c2
    dot = a1 * a2 + b1 * b2
    cross = a1 * b2 - a2 * b1
    with np.errstate(divide="ignore", invalid="ignore"):  # exactly opposite hues, set right below
        hue_difference = cross / np.sqrt(0.5 * (product + dot))
    mean_x, mean_y = a1 * c2 + a2 * c1, b1 * c2 + b2 * c1
    opposed = dot < 0
    if opposed.any():
        _set_opposed(np.flatnonzero(opposed), hue_difference, mean_x, mean_y, (a1, b1, c1), (a2, b2, c2))
    norm = np.maximum(np.sqrt(mean_x * mean_x + mean_y * mean_y), 1e-30)  # 0 for two greys, whose hue plays no part
    cos, sin = mean_x / norm, mean_y / norm

    chroma = 0.5 * (c1 + c2)
    offset = 0.5 * (light1 + light2) - 50
    offset *= offset
    lightness_term = (light2 - light1) / (1 + 0.015 * offset / np.sqrt(20 + offset))
    chroma_term = (c2 - c1) / (1 + 0.045 * chroma)
    hue_term = hue_difference / (1 + 0.015 * chroma * _hue_weight(cos, sin))
    square = lightness_term * lightness_term + chroma_term * chroma_term + hue_term * hue_term
    _add_rotation(square, cos, sin, chroma, chroma_term, hue_term)
    return np.sqrt(np.maximum(square, 0))


def _set_opposed(
    where: NDArray[np.intp],
    hue_difference: Float,
    mean_x: Float,
    mean_y: Float,
    first: tuple[Float, Float, Float],
    second: tuple[Float, Float, Float],
) -> None:
    """Recompute hue difference and mean hue where the hues are over 90 degrees apart.

    There p + dot and the sum of the unit vectors cancel; p - dot and the difference of the unit vectors, turned by a
    right angle, do not. Exactly opposite hues have two bisectors: the formula means the one at (h1 + h2) / 2.
    """
    a1, b1, c1 = (part[where] for part in first)
    a2, b2, c2 = (part[where] for part in second)
    cross = a1 * b2 - a2 * b1
    first_is_lower = (b1 > 0) | ((b1 == 0) & (a1 > 0))  # hue in [0, 180)
    side = np.where(cross != 0, np.sign(cross), np.where(first_is_lower, 1, -1).astype(cross.dtype))
    hue_difference[where] = side * np.sqrt(2 * (c1 * c2 - (a1 * a2 + b1 * b2)))
    mean_x[where] = side * (b2 * c1 - b1 * c2)
    mean_y[where] = side * (a1 * c2 - a2 * c1)


def _cos_sin(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


_COS_30, _SIN_30 = _cos_sin(30)
_COS_6, _SIN_6 = _cos_sin(6)
_COS_63, _SIN_63 = _cos_sin(63)
_COS_275, _SIN_275 = _cos_sin(275)


def _hue_weight(cos: Float, sin: Float) -> Float:
    """T, eq. 15: 1 - 0.17 cos(h - 30) + 0.24 cos 2h + 0.32 cos(3h + 6) - 0.20 cos(4h - 63).

    cos 3h = cos h (2 cos 2h - 1), sin 3h = sin h (2 cos 2h + 1), and so on, collected by powers of cos 2h.
    """
    cos2 = (cos - sin) * (cos + sin)
    sin2_half = sin * cos
    by_cos = 0.64 * _COS_6 * cos2 - (0.17 * _COS_30 + 0.32 * _COS_6)
    by_sin = -0.64 * _SIN_6 * cos2 - (0.17 * _SIN_30 + 0.32 * _SIN_6)
    by_cos2 = 0.24 - 0.40 * _COS_63 * cos2 - 0.80 * _SIN_63 * sin2_half
    return (1 + 0.20 * _COS_63) + cos * by_cos + sin * by_sin + cos2 * by_cos2


def _add_rotation(square: Float, cos: Float, sin: Float, chroma: Float, chroma_term: Float, hue_term: Float) -> None:
    """Add R_T dC'/S_C dH'/S_H, eqs. 16, 17 and 21, to ``square``.

    Over 90 degrees from 275 its factor sin(2 dtheta) is below 3e-6 and left out.
    """
    near = np.flatnonzero(cos * _COS_275 + sin * _SIN_275 > 0)
    if near.size == 0:
        return
    cos, sin = cos[near], sin[near]
    angle = np.arctan2(sin * _COS_275 - cos * _SIN_275, cos * _COS_275 + sin * _SIN_275)
    scaled = angle * (1 / math.radians(25))
    rotation = -2 * np.sin(math.radians(60) * np.exp(-scaled * scaled)) * _chroma_ratio(chroma[near])
    square[near] += rotation * chroma_term[near] * hue_term[near]


def _planes(pixels: Image) -> list[Image]:
    return [plane.ravel() for plane in cast(Sequence[Image], cv2.split(pixels))]


class CieDe2000Reference:
    """The L*a*b* coordinates of a reference image, ready to be compared with many decoded images.

    From one generation to the next most pixels of a chain stay what they were, so the differences of the image compared
    last are kept and only those of changed pixels are computed. Each pixel's difference depends on that pixel
    alone: what was compared before changes the time, never the result.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
    """

    def __init__(self, pixels: Image) -> None:
        self._last = _planes(pixels)
        self._delta = np.zeros(self._last[0].size, np.float32)
        self._lab = np.empty((3, self._delta.size), np.float32)
        for start in range(0, self._delta.size, BLOCK):
            block = slice(start, start + BLOCK)
            self._lab[:, block] = _planes_to_lab([plane[block] for plane in self._last])
        self._chroma = np.sqrt(self._lab[1] * self._lab[1] + self._lab[2] * self._lab[2])

    def compare(self, decoded: Image) -> float:
        """Mean CIEDE2000 over the pixels of ``decoded``, (H, W, 3) uint8 sRGB of the reference's size."""
        planes = _planes(decoded)
        changed = np.not_equal(planes[0], self._last[0])
        for plane, last in zip(planes[1:], self._last[1:], strict=True):
            changed |= plane != last
        count = int(np.count_nonzero(changed))
        everything = 4 * count > 3 * changed.size  # gathering the changed pixels would cost more than it saves
        indices = None if everything else np.flatnonzero(changed)
        for start in range(0, changed.size if indices is None else count, BLOCK):
            block = slice(start, start + BLOCK)
            chosen = block if indices is None else indices[block]
            lab = _planes_to_lab([plane[chosen] for plane in planes])
            self._delta[chosen] = _difference(self._lab[:, chosen], self._chroma[chosen], lab)
        self._last = planes
        return float(np.sum(self._delta, dtype=np.float64)) / changed.size
