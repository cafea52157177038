"""The null codec, which is colour conversion alone, over 50 generations."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from everyday_cases import codec_or_skip, psnr


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
