"""bench.edits: what is done between generations, and what that costs by itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as Pillow
from skimage.data import astronaut

from bench import edits, metrics
from bench.cli import USER_ERROR, call
from bench.codec import BenchError
from bench.edits import Crop, apply_all, check_size, cost_table, own_cost, parse_edits

images = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(lambda size: arrays(np.uint8, (*size, 3)))
texts = st.lists(
    st.one_of(
        st.sampled_from([0.05, 0.3, 0.5, 1.0, 1.7, 4.0]).map("resize:{}".format),
        st.integers(-20, 20).map("shift:{}".format),
        st.integers(1, 3).map("crop:{}".format),
        st.integers(-255, 255).map("brightness:{}".format),
    ),
    min_size=1,
    max_size=3,
).map(",".join)


@settings(deadline=None)
@given(images, texts)
def test_any_edits_of_any_image_give_an_image(image, text):
    before = image.copy()
    done = parse_edits(text)
    crops = sum(edit.pixels for edit in done if isinstance(edit, Crop))
    if crops >= min(image.shape[:2]):
        with pytest.raises(BenchError, match=r"crop:\d leaves nothing of an image of"):
            apply_all(done, image)
        return
    result = apply_all(done, image)
    np.testing.assert_array_equal(image, before)
    assert result.dtype == np.uint8
    assert result.ndim == 3
    assert min(result.shape) >= 1
    assert result.flags["C_CONTIGUOUS"]
    assert ",".join(edit.text for edit in done) == text
    assert result.shape == (image.shape[0] - crops, image.shape[1] - crops, 3)


@settings(deadline=None)
@given(images, st.integers(-20, 20), st.integers(1, 13), st.integers(-255, 255))
def test_edits_against_their_definition(image, shift, crop, levels):
    height, width, _ = image.shape
    (moved,) = [apply_all(parse_edits(f"shift:{shift}"), image)]
    bright = apply_all(parse_edits(f"brightness:{levels}"), image)
    for y in range(height):
        for x in range(width):
            assert (moved[(y + shift) % height, (x + shift) % width] == image[y, x]).all()
            assert bright[y, x, 0] == min(255, max(0, int(image[y, x, 0]) + levels))
    if crop < min(height, width):
        np.testing.assert_array_equal(apply_all(parse_edits(f"crop:{crop}"), image), image[crop:, crop:])
    np.testing.assert_array_equal(apply_all(parse_edits(f"shift:{shift},shift:{-shift}"), image), image)


def test_resize_is_lanczos_there_and_back():
    image = astronaut()[:101, :150]
    small = Pillow.fromarray(image).resize((75, 50), Pillow.Resampling.LANCZOS)
    expected = np.asarray(small.resize((150, 101), Pillow.Resampling.LANCZOS))
    np.testing.assert_array_equal(apply_all(parse_edits("resize:0.5"), image), expected)
    np.testing.assert_array_equal(apply_all(parse_edits("resize:1"), image), image)


def test_shift_and_crop_cost_nothing_and_resize_and_clipping_do():
    image = astronaut()[:180, :200]
    for text in ("shift:1", "crop:2", "shift:3,crop:1", "resize:1"):
        assert [row["psnr"] for row in own_cost(image, parse_edits(text), range(1, 6)).values()] == [np.inf] * 5
    resized = [row["psnr"] for row in own_cost(image, parse_edits("resize:0.5"), range(1, 6)).values()]
    assert resized[0] == np.inf
    assert all(later < earlier for earlier, later in pairwise(resized))
    assert resized[-1] < 35
    back_and_forth = own_cost(image, parse_edits("brightness:60,brightness:-60"), (1, 2, 3))
    assert back_and_forth[1]["mse"] == 0
    assert back_and_forth[2]["mse"] == back_and_forth[3]["mse"] > 1


def test_only_generations_that_are_shown_are_measured(monkeypatch):
    image = astronaut()[:180, :200]
    every = own_cost(image, parse_edits("shift:1,resize:0.5"), range(1, 7))
    compare, compared = metrics.Reference.compare, []
    monkeypatch.setattr(metrics.Reference, "compare", lambda *args: compared.append(1) or compare(*args))
    some = own_cost(image, parse_edits("shift:1,resize:0.5"), (6, 2))
    assert some == {2: every[2], 6: every[6]}
    assert len(compared) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rotate:3", r"Unknown edit 'rotate:3': --edit takes resize:N, shift:N, crop:N, brightness:N\."),
        ("resize:0", r"--edit resize needs a factor from 0\.05 to 4, got '0'\."),
        ("shift:half", r"--edit shift needs a whole number of pixels, got 'half'\."),
        ("shift", r"--edit shift needs a whole number of pixels, got ''\."),
        ("crop:-1", r"--edit crop needs a whole number of pixels, 1 or more, got '-1'\."),
        ("shift:1,", r"Unknown edit ''"),
    ],
)
def test_what_is_no_edit_is_one_sentence(text, sentence):
    with pytest.raises(BenchError, match=sentence):
        parse_edits(text)


def test_the_command_prints_what_edits_cost(tmp_path, capsys):
    from pngs import save_png

    save_png(tmp_path / "a.png", astronaut()[:180, :200])
    assert edits.main(["shift:1,resize:0.5", "--dataset", str(tmp_path), "--generations", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("No codec, shift:1,resize:0.5 between generations")
    assert lines[2].split() == ["1", "inf", "1.00000", "0.00"]
    assert [line.split()[0] for line in lines[2:]] == ["1", "2", "3"]


@pytest.mark.parametrize("text", ["crop:5", "crop:2,shift:1,crop:3", "crop:7", "crop:39", "crop:40", "crop:80"])
def test_what_leaves_nothing_is_known_beforehand(text):
    done, image, last = parse_edits(text), np.zeros((40, 60, 3), np.uint8), 1
    while min(image.shape[:2]) > sum(edit.pixels for edit in done if isinstance(edit, Crop)):
        image, last = apply_all(done, image), last + 1
    with pytest.raises(BenchError, match="leaves nothing of an image of"):
        apply_all(done, image)
    check_size(done, (40, 60), last, "a")
    with pytest.raises(
        BenchError, match=rf"nothing of a \(60x40 pixels\) at generation {last + 1} of {last + 9}: crop"
    ):
        check_size(done, (40, 60), last + 9, "a")
    check_size(parse_edits("shift:99,resize:0.05"), (1, 1), 1000, "a")


def test_a_crop_that_leaves_nothing_is_one_sentence(tmp_path, capsys):
    from pngs import save_png

    save_png(tmp_path / "a.png", astronaut()[:64, :96])
    assert call(edits.main, ["crop:80", "--dataset", str(tmp_path), "--generations", "3"]) == USER_ERROR
    assert capsys.readouterr().err == (
        "--edit crop:80 leaves nothing of a (96x64 pixels) at generation 2 of 3: crop less, or ask for fewer "
        "--generations.\n"
    )
    assert call(edits.main, ["crop:63", "--dataset", str(tmp_path), "--generations", "2"]) == 0


def test_a_table_of_one_image_is_no_mean():
    (edit,) = parse_edits("shift:1")
    image = np.full((8, 8, 3), 9, np.uint8)
    assert "between generations (one image): what" in cost_table([image], [edit], [1])
    assert "between generations (mean over 2 images): what" in cost_table([image] * 2, [edit], [1])
