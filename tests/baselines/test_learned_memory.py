"""What learned codecs say they need, without PyTorch and without an image."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.learned.memory import NEEDS, needed
from baselines.learned.system import SYSTEMS
from bench import memory
from bench.codec import CodecError, EstimatesMemory
from bench.coding import Calls, GenerationFailed
from bench.registry import create
from bench.schedule import Step

MEASURED = {  # GiB, python -m benchmarks.bench_memory; smaller images with their sizes put in
    ("ainn", "compact"): {(682, 1024): 0.643},
    ("iat", "compact"): {(682, 1024): 0.681, (1365, 2048): 1.231},
    ("sft", "compact"): {(682, 1024): 0.904, (1365, 2048): 2.42},
    ("xie", "compact"): {(682, 1024): 0.558, (1365, 2048): 0.999},
    ("ainn", "paper"): {(682, 1024): 2.108},
    ("iat", "paper"): {(682, 1024): 1.035, (1365, 2048): 1.733},
    ("sft", "paper"): {(682, 1024): 1.826, (1365, 2048): 6.01},
    ("xie", "paper"): {(682, 1024): 0.994},
}


@pytest.mark.parametrize(("name", "preset"), MEASURED)
def test_estimates_are_a_little_above_what_was_measured(name, preset):
    for size, gibibytes in MEASURED[name, preset].items():
        assert 1.005 < needed(name, preset, *size) / 2**30 / gibibytes < 1.3


def test_all_systems_have_one_and_unknown_presets_get_the_larger():
    assert set(NEEDS) == set(SYSTEMS)
    assert (
        needed("iat", "None", 10**3, 10**3)
        == needed("iat", "paper", 10**3, 10**3)
        > needed("iat", "compact", 10**3, 10**3)
    )


def test_a_huge_image_is_refused_before_it_is_coded(monkeypatch):
    codec = create("iat")
    assert isinstance(codec, EstimatesMemory)
    assert codec.memory_needed(9000, 12000) == needed("iat", "compact", 9024, 12032)
    assert create("iat[device=cuda]").memory_needed(9000, 12000) == 0
    monkeypatch.setattr(memory, "available", lambda: 8 * 2**30)
    with pytest.raises(CodecError, match=r"^iat: 12000x9000 takes about 33\.9 GiB of memory and \d+\.\d GiB are"):
        memory.check(codec, 9000, 12000)
    monkeypatch.setattr(memory, "available", lambda: 0)
    monkeypatch.setattr(memory, "_own", lambda: 0)
    with pytest.raises(GenerationFailed, match="use smaller images"):
        Calls().code(codec, np.zeros((8, 8, 3), np.uint8), Step(quality=0.5))


def test_a_family_of_checkpoints_needs_what_its_files_need():
    assert create("xie").memory_needed(1365, 2048) == create("xie[checkpoint=xie-compact-0.018]").memory_needed(
        1365, 2048
    )


def test_an_image_of_few_rows_takes_more_a_pixel():
    few, many = needed("xie", "compact", 64, 24576), needed("xie", "compact", 1248, 1260)
    assert few > 1.17e9 > many > 0.79e9  # both as measured
    assert needed("sft", "compact", 64, 24576) == needed("sft", "compact", 256, 6144)
