# ruff: noqa: E402 - thread limits must be set before numpy and torch are imported
"""How fast the metrics of one generation are, beside the libraries they agree with: ratios in one run, on one thread.

    python -m benchmarks.bench_metrics [--image FILE] [--quality Q] [--repeats N]

Times are CPU time, medians over interleaved repeats, so that another process on the machine disturbs both sides alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import itertools
import os
from collections.abc import Callable, Sequence

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import cv2
import numpy as np
import PIL.Image
import torch
from pytorch_msssim import ms_ssim as torch_ms_ssim
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

from bench import datasets
from bench.ciede2000 import CieDe2000Reference
from bench.cli import OK, Parser, run
from bench.codec import Image
from bench.images import load_image
from bench.metrics import Reference, mse
from bench.ms_ssim import MsSsimReference
from benchmarks.row import Row, interleaved, seconds


def pytorch_ms_ssim(first: Image, second: Image, dtype: torch.dtype = torch.float32) -> float:
    """MS-SSIM as the papers' scripts compute it."""
    with torch.no_grad():
        pair = [torch.from_numpy(image).permute(2, 0, 1)[None].to(dtype) for image in (first, second)]
        return float(torch_ms_ssim(*pair, data_range=255))


def torchmetrics_ms_ssim(first: Image, second: Image) -> float:
    """MS-SSIM as torchmetrics computes it."""
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

    with torch.no_grad():
        return float(
            measure(
                *(torch.from_numpy(each).permute(2, 0, 1)[None].float() for each in (first, second)), data_range=255.0
            )
        )


def skimage_ssim(first: Image, second: Image) -> float:
    """Single-scale SSIM, for orientation: three quarters of the filtering of a plain MS-SSIM."""
    return float(
        structural_similarity(first, second, channel_axis=2, gaussian_weights=True, use_sample_covariance=False)
    )


def skimage_delta_e(first: Image, second: Image) -> float:
    """Mean CIEDE2000 in float64."""
    return float(deltaE_ciede2000(rgb2lab(first), rgb2lab(second)).mean())


def numpy_mse_and_shift(first: Image, second: Image) -> float:
    """Mean squared error and channel shift in float64."""
    difference = second.astype(np.float64) - first
    difference.mean(axis=(0, 1))
    return float((difference**2).mean())


def naive(first: Image, second: Image) -> float:
    """Every metric of a generation, from the libraries."""
    numpy_mse_and_shift(first, second)
    skimage_delta_e(first, second)
    return pytorch_ms_ssim(first, second)


def pictures(image: str | None, quality: int) -> tuple[Image, Image]:
    """A photograph, 768x512 where none is named, and what JPEG leaves of it."""
    if image:
        source = load_image(image).pixels
    else:
        photograph = next(ref for ref in datasets.load("sample") if ref.name == "coffee").load().pixels
        source = np.asarray(cv2.resize(photograph, (768, 512), interpolation=cv2.INTER_CUBIC), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(source).save(buffer, "JPEG", quality=quality)
    return source.copy(), np.array(PIL.Image.open(buffer))


def measure(source: Image, decoded: Image, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """CPU seconds of every call, and by metric how far our figure is from the library's."""
    reference, structure, colour = Reference(source), MsSsimReference(source), CieDe2000Reference(source)
    found = reference.compare(decoded)
    exact = pytorch_ms_ssim(source, decoded, torch.float64)
    apart = {
        "MS-SSIM": abs(found["ms_ssim"] - exact),
        "CIEDE2000": abs(found["delta_e"] - skimage_delta_e(source, decoded)),
        "MSE": abs(found["mse"] - numpy_mse_and_shift(source, decoded)),
    }
    # CIEDE2000 of unchanged pixels is kept from one image to the next: give it images that differ everywhere
    pair = (255 - decoded, decoded)
    images, others = itertools.cycle(pair), itertools.cycle(pair)
    calls: dict[str, Callable[[], object]] = {
        "MS-SSIM": lambda: structure.compare(decoded),
        "pytorch-msssim": lambda: pytorch_ms_ssim(source, decoded),
        "skimage SSIM, one scale": lambda: skimage_ssim(source, decoded),
        "CIEDE2000": lambda: colour.compare(next(images)),
        "skimage, float64": lambda: skimage_delta_e(source, decoded),
        "MSE": lambda: mse(source, decoded),
        "numpy, with shift": lambda: numpy_mse_and_shift(source, decoded),
        "compare()": lambda: reference.compare(next(others)),
        "the three libraries": lambda: naive(source, decoded),
        "Reference()": lambda: Reference(source).compare(decoded),
    }
    if importlib.util.find_spec("torchmetrics"):
        calls["torchmetrics"] = lambda: torchmetrics_ms_ssim(source, decoded)
    return interleaved(calls, repeats), apart


PAIRS = (  # what, ours, theirs
    ("MS-SSIM", "MS-SSIM", "pytorch-msssim"),
    ("MS-SSIM (torchmetrics)", "MS-SSIM", "torchmetrics"),
    ("MS-SSIM, of which one scale", "MS-SSIM", "skimage SSIM, one scale"),
    ("CIEDE2000", "CIEDE2000", "skimage, float64"),
    ("MSE and channel shift", "MSE", "numpy, with shift"),
    ("all metrics of a generation", "compare()", "the three libraries"),
)


def rows(quick: bool = False) -> list[Row]:
    """Metrics against the libraries they agree with; torchmetrics where it is installed."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    times, apart = measure(*pictures(None, 75), 3 if quick else 9)
    found = []
    for name, ours, theirs in PAIRS:
        if theirs in times:
            against = f"{seconds(times[theirs])} {theirs}" + (f", {apart[name]:.0e} apart" if name in apart else "")
            found.append(Row(name, times[theirs] / times[ours], seconds(times[ours]), against))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m benchmarks.bench_metrics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--image", help="image file (default: coffee from scikit-image, resized to 768x512)")
    parser.add_argument("--quality", type=int, default=75, help="of the JPEG that is compared with it (default: 75)")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)

    source, decoded = pictures(options.image, options.quality)
    times, apart = measure(source, decoded, options.repeats)
    changed = (source != decoded).any(axis=2).mean()
    print(f"{source.shape[1]}x{source.shape[0]}, JPEG quality {options.quality}, {changed:.0%} of the pixels differ")
    print(f"{'':<29}{'ms':>8}   {'against':<25}{'ms':>8}{'ratio':>8}   difference")
    for name, ours, theirs in PAIRS:
        if theirs in times:
            a, b = 1e3 * times[ours], 1e3 * times[theirs]
            print(
                f"{name:<29}{a:8.2f}   {theirs:<25}{b:8.2f}{b / a:8.1f}   "
                + (f"{apart[name]:.1e}" if name in apart else "")
            )
    print(f"Reference() and its first compare() {1e3 * times['Reference()']:7.2f} ms")
    return OK


if __name__ == "__main__":
    run(main)
