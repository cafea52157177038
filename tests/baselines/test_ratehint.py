"""Rate hints of learned codecs: the fit, what the card keeps of it, and how near the shipped one comes."""

import json
import math
import shutil

import numpy as np
import PIL.Image
import pytest
from pngs import save_png

from baselines import calibrate
from baselines.learned.files import SHIPPED
from baselines.learned.ratehint import QUALITIES, RateModel, features
from bench.codec import BenchError
from bench.registry import create

LEVELS = (0.0, 0.5, 1.0)


def photograph(seed: int, side: int = 96) -> np.ndarray:
    """Smooth noise, rougher with every seed."""
    noise = np.random.default_rng(seed).normal(size=(side, side, 3))
    for axis in (0, 1):
        for _ in range(12 - seed % 12):
            noise = (noise + np.roll(noise, 1, axis)) / 2
    return np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)


def test_fit_recovers_a_linear_law_and_inverts_it():
    images = [photograph(seed) for seed in range(12)]
    known = np.array([features(image) for image in images])
    law = np.array([[0.2, 0.3, 0.4, -1.0], [0.2, 0.3, 0.4, 0.1], [0.1, 0.3, 0.6, 0.9]])
    model = RateModel.fit(LEVELS, known, np.exp(known @ law.T))
    assert model.residual < 0.02
    for image in images:
        wanted = math.exp(features(image) @ law[1])
        assert model.level(image, wanted) == pytest.approx(0.5, abs=0.02)
    assert model.level(images[0], 1e-6) == 0.0
    assert model.level(images[0], 1e6) == 1.0


def test_card_keeps_the_model():
    known = np.array([features(photograph(seed)) for seed in range(9)])
    model = RateModel.fit(LEVELS, known, np.exp(known[:, :3]))
    again = RateModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert again is not None
    assert again.level(photograph(3), 1.0) == pytest.approx(model.level(photograph(3), 1.0), abs=1e-3)
    assert RateModel.from_dict(model.to_dict() | {"jpeg_qualities": [1, 2, 3]}) is None
    assert len(features(photograph(0))) == len(QUALITIES) + 1


def test_calibrate_writes_the_card_and_nothing_else(tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(SHIPPED / f"iat-compact{suffix}", tmp_path / f"own{suffix}")
    card = tmp_path / "own.json"
    before = json.loads(card.read_text())
    before.pop("rate_hint", None)
    card.write_text(json.dumps(before))
    (tmp_path / "photographs").mkdir()
    for seed in range(8):
        save_png(tmp_path / "photographs" / f"{seed}.png", photograph(seed, 64))
    name = f"iat[checkpoint={tmp_path / 'own.safetensors'}]"
    assert create(name).rate_hint(photograph(0), 1.0) is None
    options = ["--data", str(tmp_path / "photographs"), "--photographs", "8"]
    assert calibrate.main([name, *options]) == 0
    after = json.loads(card.read_text())
    assert after.pop("rate_hint")["photographs"] == 8
    assert after == before
    with pytest.raises(BenchError, match="no level to calibrate"):
        calibrate.main(["jpeg", *options])
    with pytest.raises(BenchError, match="at least 8"):
        calibrate.main([name, "--data", str(tmp_path / "photographs"), "--photographs", "3"])
    card.write_text("{")
    with pytest.raises(BenchError, match=r"own\.json, the card of own\.safetensors, can't be read as JSON"):
        calibrate.main([name, *options])


def test_a_photograph_that_cannot_be_read_is_told_with_the_option_of_this_command(tmp_path):
    for seed in range(8):
        save_png(tmp_path / f"{seed}.png", photograph(seed, 64))
    PIL.Image.new("CMYK", (64, 64)).save(tmp_path / "0.jpg")
    with pytest.raises(BenchError, match=r"0\.jpg: .* leave it out of the folder of --data\.$"):
        calibrate.main(["iat[checkpoint=iat-compact]", "--data", str(tmp_path)])


def test_shipped_hint_is_near():
    codec = create("iat")
    image = photograph(5, 192)
    level = codec.rate_hint(image, 1.0)
    assert 0 < level < 1
    bpp = 8 * len(codec.encode(image, level)) / image.shape[0] ** 2
    assert abs(math.log(bpp)) < 0.5  # noise is no photograph


def test_another_fit_is_another_id(tmp_path):
    shutil.copy(SHIPPED / "iat-compact.safetensors", tmp_path)
    codec = create(f"iat[checkpoint={tmp_path / 'iat-compact.safetensors'}]")
    assert codec.rate_hint_id() == ""
    card = json.loads((SHIPPED / "iat-compact.json").read_text())
    (tmp_path / "iat-compact.json").write_text(json.dumps(card))
    first = codec.rate_hint_id()
    assert first == create("iat[checkpoint=iat-compact]").rate_hint_id() != ""
    card["rate_hint"]["residual"] = 0.5
    (tmp_path / "iat-compact.json").write_text(json.dumps(card))
    assert codec.rate_hint_id() not in ("", first)


def test_an_image_too_long_for_jpeg_has_no_hint():
    assert create("iat").rate_hint(np.zeros((1, 65501, 3), np.uint8), 0.5) is None
    assert create("iat").rate_hint(np.zeros((1, 65500, 3), np.uint8), 0.5) is not None
