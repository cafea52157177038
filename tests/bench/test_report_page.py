"""The viewer in a headless Chromium: what a person does with it, from disk and over http."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import os
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import report_run
from PIL import Image as Pillow

from bench import reencode
from bench.report.__main__ import main

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'reencode-bench[test]'")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
READY = "#stage[data-ready]"


@pytest.fixture(scope="module")
def browser():
    program = os.environ.get("BENCH_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with playwright.sync_playwright() as drive:
        if program is None and not Path(drive.chromium.executable_path).exists():
            pytest.skip("needs Chromium: apt-get install chromium, or name one with BENCH_CHROMIUM")
        found = drive.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Folder of a report of two images and three codecs, one of which fails."""
    root = tmp_path_factory.mktemp("viewer")
    report_run.make(root / "run")
    main([str(root / "run"), "--out", str(root / "report"), "--quiet"])
    return root / "report"


@pytest.fixture(scope="module")
def server(report):
    """Address of the report over http, where pixels may be read."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(report))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}/index.html"
        found.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """Folder of a report of images of three sizes: 0 is wide, 1 upright, 2 one pixel wide."""
    root = tmp_path_factory.mktemp("sizes")
    wide, tall = report_run.photographs().values()
    images = {"a": wide, "b": np.ascontiguousarray(tall[:70, :40]), "c": np.ascontiguousarray(tall[:70, :1])}
    report_run.make(root / "run", images=images)
    main([str(root / "run"), "--out", str(root / "report"), "--quiet"])
    return root / "report"


@pytest.fixture(scope="module")
def cropped(tmp_path_factory):
    """Folder of a report of one image that ten codecs hand on, losing 8 pixels at the top and left each time."""
    root = tmp_path_factory.mktemp("cropped")
    (root / "images").mkdir()
    Pillow.fromarray(report_run.photographs()["im0"]).save(root / "images" / "a.png")
    codecs = ",".join(f"jpeg:{90 + i},webp:{90 + i}" for i in range(5))
    command = ["--chain", codecs, "--dataset", str(root / "images"), "--edit", "crop:8", "--generations", "3"]
    reencode.main([*command, "--jobs", "1", "--out", str(root / "run"), "--quiet"])
    main([str(root / "run"), "--out", str(root / "report"), "--quiet"])
    return root / "report"


@pytest.fixture
def visit(browser, report, server):
    """Open the page; afterwards nothing may have been said on the console, and nothing asked of anyone else."""
    said, asked, contexts, places = [], [], [], [report]

    def opened(hash="", *, disk=False, other=None, width=1200, height=900, **options):
        """``other``: folder of another report, which is opened from disk."""
        folder = other or report
        places.append(folder)
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(((folder / "index.html").as_uri() if disk or other else server) + hash)
        page.wait_for_selector(READY, state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    here = (*(folder.as_uri() for folder in places), server.removesuffix("/index.html"), "data:")
    assert [url for url in asked if not url.startswith(here)] == []


def pixels(page, layer):
    """(H, W, 3) uint8 of a canvas, as the browser has it."""
    url = page.evaluate("(id) => document.querySelector(`#layer-${id} canvas`).toDataURL()", layer)
    return np.asarray(Pillow.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


def until(page, condition):
    """Wait for a JavaScript expression; the page itself forbids the way Playwright would do it."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {condition}")


def shown(page, left, right, generation, right_generation="same", image=0):
    """Wait until this is on the stage; codecs by name."""
    place = {"coarse": 0, "fails": 1, "jpeg": 2}
    wanted = f"{image} {place[left]} {place[right]} {generation} {right_generation}"
    page.wait_for_selector(f"#stage[data-ready='{wanted}']")


def chain(codec, image="im0"):
    return report_run.chain(codec, report_run.photographs()[image])


def slide(page, generation):
    page.locator("#generation").fill(str(generation))


@pytest.mark.parametrize("disk", [True, False])
def test_it_opens_from_disk_and_over_http(visit, disk):
    page = visit(disk=disk)
    assert page.locator("#about").inner_text().startswith("2 images, 3 codecs, up to 12 generations")
    assert page.locator("#curves svg").count() == 4
    assert page.locator("#curves [data-metric=psnr] .curve").count() == 3
    sizes = page.eval_on_selector_all("#layer-left canvas", "all => all.map((c) => [c.width, c.height])")
    assert sizes == [[144, 96]]


def test_the_slider_moves_the_image(visit):
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&mode=side")
    kept = chain("jpeg")
    for generation in (1, 5, 10, 2, 0):
        slide(page, generation)
        shown(page, "jpeg", "coarse", generation)
        np.testing.assert_array_equal(pixels(page, "left"), kept[generation])
    assert "source" in page.locator("#caption-left").inner_text()


def test_the_nearest_kept_generation_is_shown_and_what_was_asked_for_is_said(visit):
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&generation=7")
    shown(page, "jpeg", "coarse", 7)
    caption = page.locator("#caption-left").inner_text()
    assert "generation 5 " in caption
    assert "generation 5 (7 was not kept) · " in caption
    np.testing.assert_array_equal(pixels(page, "left"), chain("jpeg")[5])
    # Both sides show one generation, also where one of them could show the one asked for.
    assert "generation 5 (7 was not kept) · " in page.locator("#caption-right").inner_text()
    page.keyboard.press("Shift+ArrowRight")
    shown(page, "jpeg", "coarse", 10)
    assert "kept" not in page.locator("#caption-left").inner_text()
    # At a fixed point the pixels of another generation are those asked for, and nothing needs to be excused.
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&generation=10&right-generation=7")
    shown(page, "jpeg", "coarse", 10, 7)
    caption = page.locator("#caption-right").inner_text()
    assert "generation 7 " in caption
    assert "kept" not in caption


def test_swapping_exchanges_generations_too(visit):
    page = visit("#left=jpeg|quality:25&right=jpeg|quality:25&generation=10&right-generation=1")
    shown(page, "jpeg", "jpeg", 10, 1)
    page.locator("#swap").click()
    shown(page, "jpeg", "jpeg", 1, 10)
    np.testing.assert_array_equal(pixels(page, "left"), chain("jpeg")[1])
    page.keyboard.press("x")
    shown(page, "jpeg", "jpeg", 10, 1)


def test_the_own_generation_1_stays_that_of_the_codec_on_the_left(visit):
    page = visit("#left=jpeg|quality:25&right=jpeg|quality:25&generation=10&right-generation=1")
    page.locator("#left").select_option("0")
    shown(page, "coarse", "coarse", 10, 1)
    assert page.locator("#right-generation").input_value() == "own"


@pytest.mark.parametrize(("left", "right"), [("fails", "jpeg"), ("jpeg", "fails")])
def test_wiping_over_what_is_missing_says_why_on_its_side(visit, left, right):
    page = visit(f"#left={left}|quality:25&right={right}|quality:25&generation=10&mode=wipe&wipe=0.25")
    shown(page, left, right, 10)
    (message,) = (one for one in page.locator(".message").all() if one.is_visible())
    assert message.inner_text().startswith("Failed at generation")
    box, port = message.bounding_box(), page.locator("#port-left").bounding_box()
    edge = port["x"] + port["width"] / 4
    assert box["x"] + box["width"] <= edge + 1 if left == "fails" else box["x"] >= edge - 1


def test_labels_of_the_axes_are_whole(visit):
    page = visit()
    outside = page.eval_on_selector_all(
        "#curves svg", "all => all.flatMap((s) => [...s.querySelectorAll('text.end')].map((t) => t.getBBox().x))"
    )
    assert outside
    assert min(outside) >= 0


def test_pictures_stay_level_where_one_caption_takes_two_lines(visit):
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&generation=7&mode=side", width=900)
    shown(page, "jpeg", "coarse", 7)
    line = page.locator("#caption-left .side").bounding_box()["height"]
    assert page.locator("#caption-left").bounding_box()["height"] > 2 * line
    left, right = (page.locator(f"#port-{side}").bounding_box() for side in ("left", "right"))
    assert (left["y"], left["height"]) == (right["y"], right["height"])


def test_figures_follow_the_slider(visit):
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&generation=7&table=left")
    row = page.locator("#table tr[aria-current]")
    assert row.locator("th").inner_text() == "7"
    before = page.locator("[data-metric=psnr] .now-values").inner_text()
    dot = page.locator("[data-metric=psnr] circle.left")
    at = float(dot.get_attribute("cx"))
    slide(page, 10)
    shown(page, "jpeg", "coarse", 10)
    assert row.locator("th").inner_text() == "10"
    assert float(dot.get_attribute("cx")) > at
    assert page.locator("[data-metric=psnr] .now-values").inner_text() != before
    mse = ((chain("jpeg")[10].astype(float) - chain("jpeg")[0]) ** 2).mean()
    expected = f"{10 * np.log10(255**2 / mse):.2f}"
    assert page.locator("[data-metric=psnr] .now-values").inner_text().startswith(expected)
    assert expected in page.locator("#caption-left").inner_text()
    page.locator("#table tbody button").nth(2).click()
    shown(page, "jpeg", "coarse", 3)


def test_the_difference_is_exact(visit):
    page = visit(
        "#left=jpeg|quality:25&right=coarse|quality:25&generation=10&right-generation=0&mode=difference&gain=4"
    )
    shown(page, "jpeg", "coarse", 10, 0)
    kept = chain("jpeg")
    expected = np.abs(kept[10].astype(int) - kept[0])
    np.testing.assert_array_equal(pixels(page, "difference"), np.minimum(255, 4 * expected))
    page.locator("#gain").select_option("32")
    np.testing.assert_array_equal(pixels(page, "difference"), np.minimum(255, 32 * expected))


def test_differences_add_up_for_every_pair_of_values(visit):
    wrong = visit().evaluate(
        """async () => {
            const { sum } = await import("viewer/sum");
            const fill = (value) => {
                const canvas = Object.assign(document.createElement("canvas"), { width: 256, height: 256 });
                const context = canvas.getContext("2d", { willReadFrequently: true });
                const data = new ImageData(256, 256);
                for (let i = 0; i < 65536; i++) data.data.set([...Array(3).fill(value(i & 255, i >> 8)), 255], 4 * i);
                context.putImageData(data, 0, 0);
                return canvas;
            };
            const shift = (before, after) => after - before + 128;
            const fits = (before, after) => shift(before, after) >= 0 && shift(before, after) <= 255;
            const base = fill((before) => before);
            const found = sum(base, fill((before, after) => (fits(before, after) ? shift(before, after) : 128)));
            const { data } = found.getContext("2d").getImageData(0, 0, 256, 256);
            const expected = (before, after) => (fits(before, after) ? after : before);
            const right = (i) => (i % 4 === 3 ? 255 : expected((i >> 2) & 255, i >> 10));
            return Array.from(data).filter((v, i) => v !== right(i)).length;
        }"""
    )
    assert wrong == 0


def test_it_looks_the_same_from_disk_as_over_http(visit, report):
    assert "-from-" in "".join(path.name for path in (report / "pictures").iterdir())
    link = "#left=jpeg|quality:25&right=jpeg|quality:25&generation=10&right-generation=2&mode=side"
    looks = []
    for disk in (True, False):
        page = visit(link, disk=disk)
        shown(page, "jpeg", "jpeg", 10, 2)
        looks.append(page.locator("#stage").screenshot())
        assert "most are stored as the difference" in page.locator("#provenance").text_content()
    np.testing.assert_array_equal(*(np.asarray(Pillow.open(io.BytesIO(look))) for look in looks))


@pytest.mark.parametrize("disk", [True, False])
def test_the_wipe_shows_left_on_the_left_and_right_on_the_right(visit, disk):
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&generation=10&mode=wipe&wipe=0.5", disk=disk)
    shown(page, "jpeg", "coarse", 10)

    def photo(wipe=None):
        if wipe is not None:
            page.evaluate(f"location.hash = location.hash.replace(/wipe=[^&]*/, 'wipe={wipe}')")
            until(page, f"document.querySelector('#wipe').style.left === '{100 * wipe:g}%'")
        page.wait_for_timeout(100)
        return np.asarray(Pillow.open(io.BytesIO(page.locator("#port-left").screenshot())).convert("RGB")).astype(int)

    until(page, "location.hash.includes('wipe=0.5')")
    right, left, half = photo(0), photo(1), photo(0.5)
    middle, margin = half.shape[1] // 2, 30
    there = slice(margin, -margin)
    np.testing.assert_array_equal(half[there, margin : middle - margin], left[there, margin : middle - margin])
    np.testing.assert_array_equal(half[there, middle + margin : -margin], right[there, middle + margin : -margin])
    assert np.abs(left - right)[there, margin:-margin].max() > 20
    box = page.locator("#port-left").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert page.locator("#wipe").get_attribute("aria-valuenow") == "80"
    page.mouse.move(1, 1)
    end = int(0.8 * half.shape[1]) - margin
    np.testing.assert_array_equal(photo()[there, margin:end], left[there, margin:end])
    page.locator("#wipe").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#wipe").get_attribute("aria-valuenow") == "78"
    for key, value in (("ArrowUp", "80"), ("Home", "0"), ("End", "100")):
        page.keyboard.press(key)
        assert page.locator("#wipe").get_attribute("aria-valuenow") == value
    assert "generation=10" in page.url


def test_zoom_and_pan_go_in_step_and_show_pixels(visit):
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&mode=side")

    def transforms():
        return page.eval_on_selector_all(
            "#layer-left canvas, #layer-right canvas", "all => all.map((c) => c.style.transform)"
        )

    whole = transforms()
    box = page.locator("#port-right").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    until(page, "document.querySelector('#stage').classList.contains('zoomed')")
    zoomed = transforms()
    assert zoomed[0] == zoomed[1] != whole[0]
    style = page.eval_on_selector("#layer-left canvas", "(c) => c.style.imageRendering")
    assert style == "pixelated"
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25 + 30, box["y"] + box["height"] * 0.25 + 20, steps=3)
    page.mouse.up()
    moved = transforms()
    assert moved[0] == moved[1] != zoomed[0]
    page.locator("#zoom-fit").click()
    assert transforms() == whole


@pytest.mark.parametrize("density", [1, 2])
def test_one_to_one_is_one_pixel_on_one_pixel(visit, density):
    """Of an image smaller than the stage, whose middle lies between two pixels of the screen or not."""
    link = "#left=jpeg|quality:25&right=jpeg|quality:25&generation=10&mode=left"
    for width in (1200, 1201):
        page = visit(link, width=width, device_scale_factor=density)
        shown(page, "jpeg", "jpeg", 10)
        said = page.locator("#zoom-text")
        fitting = said.inner_text()
        assert re.fullmatch(r"\d{3,} %: one image pixel is [\d.]+ screen pixels wide", fitting)
        page.locator("#zoom-one").click()
        assert said.inner_text() == "100 %: one image pixel is one screen pixel"
        until(page, "location.hash.includes('zoom=1:1')")
        seen = np.asarray(Pillow.open(io.BytesIO(page.locator("#port-left").screenshot())).convert("RGB"))
        wanted = chain("jpeg")[10]
        rows, columns = ((seen.shape[axis] - wanted.shape[axis]) // 2 for axis in (0, 1))
        places = [(rows + y, columns + x) for y in (-1, 0, 1, 2) for x in (-1, 0, 1, 2)]
        found = [seen[y : y + wanted.shape[0], x : x + wanted.shape[1]] for y, x in places]
        assert any(np.array_equal(one, wanted) for one in found)
        page.locator("#zoom-out").click()
        assert said.inner_text().startswith("100 %")
        page.keyboard.press("0")
        assert said.inner_text() == fitting
        page.keyboard.press("9")
        assert said.inner_text().startswith("100 %")


def test_one_to_one_stays_so_until_the_next_zoom(visit, sizes):
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&generation=10&mode=left", other=sizes)
    said, one = page.locator("#zoom-text"), "100 %: one image pixel is one screen pixel"
    page.locator("#zoom-one").click()
    page.keyboard.press("PageDown")
    shown(page, "jpeg", "coarse", 10, image=1)
    assert said.inner_text() == one
    until(page, "location.hash.includes('zoom=1:1') && location.hash.includes('image=tiny/b')")
    link = page.evaluate("location.hash")
    again = visit(link, other=sizes, width=700, device_scale_factor=2)
    shown(again, "jpeg", "coarse", 10, image=1)
    assert again.locator("#zoom-text").inner_text() == one
    page.locator("#zoom-in").click()
    assert said.inner_text().startswith("200 %")
    page.locator("#zoom-fit").click()
    fitting = said.inner_text()
    page.keyboard.press("PageUp")
    shown(page, "jpeg", "coarse", 10)
    assert one != said.inner_text() != fitting
    # A number, as in links from before, stops at one pixel on one pixel too.
    page.evaluate("location.hash = location.hash.replace(/zoom=[^&]*/, 'zoom=0.01')")
    until(page, f"document.querySelector('#zoom-text').textContent === '{one}'")


@pytest.mark.parametrize(
    ("left", "right", "image", "size"),
    [("fails", "jpeg", 1, (40, 70)), ("jpeg", "fails", 2, (1, 70)), ("fails", "fails", 1, (40, 70))],
)
def test_size_and_zoom_are_not_those_of_a_picture_shown_before(visit, sizes, left, right, image, size):
    """Where the left one is missing, is one pixel wide, or both are missing."""
    page = visit(f"#left={left}|quality:25&right={right}|quality:25&generation=2&mode=side", other=sizes)
    shown(page, left, right, 2)
    slide(page, 4)
    shown(page, left, right, 4)
    for _ in range(image):
        page.keyboard.press("PageDown")
    shown(page, left, right, 4, image=image)
    box = page.locator("#port-left").bounding_box()
    percent = int(page.locator("#zoom-text").inner_text().partition(" ")[0])
    assert percent == pytest.approx(100 * min(box["width"] / size[0], box["height"] / size[1]), abs=1)
    page.locator("#zoom-one").click()
    there = [side for side, codec in (("left", left), ("right", right)) if codec == "jpeg"]
    for side in there:
        box = page.locator(f"#layer-{side} canvas").bounding_box()
        assert (box["width"], box["height"]) == size


def test_sides_of_different_sizes_have_one_scale_and_lie_on_each_other(visit, cropped):
    page = visit("#generation=3&right-generation=0&mode=side", other=cropped)

    def boxes():
        return [page.locator(f"#layer-{side} canvas").bounding_box() for side in ("left", "right")]

    left, right = boxes()
    assert left["width"] / 128 == pytest.approx(left["height"] / 80) == pytest.approx(right["width"] / 144)
    page.locator("#zoom-one").click()
    page.locator("#modes label", has_text="Wipe").click()
    left, right = boxes()
    assert [(box["width"], box["height"]) for box in (left, right)] == [(128, 80), (144, 96)]
    until(page, "location.hash.includes('mode=wipe')")
    looks = []
    for wipe in (0, 1):
        page.evaluate(f"location.hash = location.hash.replace(/wipe=[^&]*/, 'wipe={wipe}')")
        until(page, f"document.querySelector('#wipe').style.left === '{100 * wipe}%'")
        look = Pillow.open(io.BytesIO(page.screenshot(clip=left))).convert("RGB")
        looks.append(np.asarray(look).astype(int))
    assert looks[0].shape == (80, 128, 3)
    # One pixel beside it, the photograph differs by more than coding does.
    assert 0 < np.abs(looks[0] - looks[1]).mean() < np.abs(looks[0][1:, 1:] - looks[1][:-1, :-1]).mean()


@pytest.mark.parametrize("mode", ["side", "wipe"])
@pytest.mark.parametrize("width", [390, 1200])
def test_long_names_stay_in_their_pane(visit, cropped, width, mode):
    page = visit(f"#generation=3&right-generation=1&mode={mode}", other=cropped, width=width)
    captions = [page.locator(f"#caption-{side}") for side in ("left", "right")]
    assert "webp:94" in captions[0].inner_text()
    for caption in captions:
        assert caption.evaluate("(c) => c.scrollWidth <= c.clientWidth")
    page.locator("#tables label", has_text="all").click()
    assert (
        page.locator("#table tbody th").bounding_box()["width"] < 0.6 * width
    )  # figures can be scrolled out beside it
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_where_no_pixels_were_kept_there_are_figures_only(visit, tmp_path):
    """Of one image; the next one has pixels."""
    report_run.make(tmp_path / "run", codecs=("jpeg",), images={"b": report_run.photographs(1)["im0"]})
    table = {"codec": "jpeg", "dataset": "tiny", "image": "a", "schedule": "quality:25", "generation": [1, 2]}
    pd.DataFrame(table | {"bpp": 0.5, "psnr": [31.0, 30.0]}).to_csv(tmp_path / "a.csv", index=False)
    main([str(tmp_path / "run"), str(tmp_path / "a.csv"), "--out", str(tmp_path / "report"), "--quiet"])
    page = visit("#mode=difference&zoom=1", other=tmp_path / "report")
    pixels = [page.locator(f"#{name}") for name in ("stage", "zoom", "modes", "gain", "before", "after")]
    assert page.locator("#image option:checked").inner_text() == "a"
    assert not any(one.is_visible() for one in pixels)
    assert page.locator("#no-pixels").inner_text().startswith("No pixels of this image were kept")
    assert page.locator("#curves [data-metric=psnr] .curve").is_visible()
    for key in ("+", "d", "9", "0"):
        page.keyboard.press(key)
    until(page, "location.hash.includes('zoom=1&x=0.5&y=0.5')")
    page.keyboard.press("PageDown")
    assert all(one.is_visible() for one in pixels)
    assert not page.locator("#no-pixels").is_visible()


def test_an_image_of_another_set_shows_what_was_coded_of_it(visit, tmp_path):
    images = report_run.photographs()
    report_run.make(tmp_path / "one", codecs=("coarse",), images={"a": images["im0"]}, dataset="one")
    report_run.make(tmp_path / "two", codecs=("fails", "jpeg"), images={"b": images["im1"]}, dataset="two")
    main([str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(tmp_path / "report"), "--quiet"])
    page = visit("#generation=5&mode=side", other=tmp_path / "report")
    shown(page, "coarse", "coarse", 5, 1)
    page.keyboard.press("PageDown")
    shown(page, "fails", "jpeg", 5, 1, image=1)
    until(page, "location.hash.includes('left=fails') && location.hash.includes('right=jpeg')")
    page.locator("#legend button", has_text="jpeg").click()
    shown(page, "jpeg", "jpeg", 5, 1, image=1)
    page.keyboard.press("PageUp")
    shown(page, "coarse", "coarse", 5, 1)


def test_values_that_no_line_shows_are_marked(visit, tmp_path):
    """Equal pictures at their beginning and end, and a value between gaps."""
    psnr = [np.inf, np.inf, np.inf, 40, 39, np.inf, 38, np.nan, 37, np.nan, 36, 35]
    table = {"codec": "jpeg", "dataset": "tiny", "image": "a", "schedule": "quality:25", "generation": range(1, 13)}
    pd.DataFrame(table | {"bpp": 0.5, "psnr": psnr}).to_csv(tmp_path / "a.csv", index=False)
    main([str(tmp_path / "a.csv"), "--out", str(tmp_path / "report"), "--quiet"])
    page = visit(other=tmp_path / "report")
    chart = page.locator("#curves [data-metric=psnr] svg")
    found = chart.evaluate(
        "(svg) => [...svg.querySelectorAll('.curve path')].map((one) => one.getAttribute('transform'))"
    )
    texts = chart.evaluate(
        "(svg) => [...svg.querySelectorAll('.middle')].map((one) => [one.textContent, +one.getAttribute('x')])"
    )
    labels = dict(texts)
    step = (labels["12"] - labels["2"]) / 10
    marked = sorted({round(2 + (float(re.search("[0-9.]+", one)[0]) - labels["2"]) / step) for one in found})
    assert marked == [1, 3, 6, 7, 9]


def test_own_generation_1_beside_the_current_one_is_one_action(visit):
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&generation=10")
    choice = page.locator("#right-generation")
    choice.select_option(label="same codec, generation 1")
    shown(page, "jpeg", "jpeg", 10, 1)
    assert choice.input_value() == "own"
    np.testing.assert_array_equal(pixels(page, "right"), chain("jpeg")[1])
    choice.select_option(label="same generation")
    page.keyboard.press("l")
    page.locator("#stage").focus()
    page.keyboard.press("l")
    page.keyboard.press("e")
    until(page, "/right-generation=1&/.test(location.hash) && /left=([^&]*)&right=\\1&/.test(location.hash)")


def test_the_table_says_in_what_a_chain_has_settled(visit):
    page = visit("#left=coarse|quality:25&right=jpeg|quality:25&table=left")
    last = page.locator("#table thead th").all_inner_texts().index("settled")
    cells = [row.split("\t")[last] for row in page.locator("#table tbody tr").all_inner_texts()]
    assert cells == ["no"] + ["fixed point"] * 11
    said = page.evaluate(
        """async () => {
            const { settled, zoomText } = await import("viewer/format");
            return [settled(1, 2), settled(0, 0), zoomText(2.38), zoomText(0.43), zoomText(64)];
        }"""
    )
    assert said == [
        "cycle of 2",
        "no",
        "238 %: one image pixel is 2.4 screen pixels wide",
        "43 %: one screen pixel is 2.3 image pixels wide",
        "6400 %: one image pixel is 64 screen pixels wide",
    ]


def test_of_how_many_images_means_are_is_said_where_it_is_known(visit, tmp_path):
    report_run.make(tmp_path / "run", codecs=("jpeg", "coarse"))
    (tmp_path / "means.csv").write_text("dataset,codec,quality,bpp,psnr\ntiny,mine,1,0.4,30\n")
    main([str(tmp_path / "run"), str(tmp_path / "means.csv"), "--out", str(tmp_path / "report"), "--quiet"])
    page = visit("#scope=mean&table=all&generation=1", other=tmp_path / "report")
    assert "2 or an unknown number of images that all codecs coded" in page.locator("#scope-note").inner_text()
    assert "mean over 2 or an unknown number of images" in page.locator("#table-note").inner_text()


def test_of_a_hand_over_it_says_whose_turn_it_was(visit, cropped):
    page = visit("#generation=2&right-generation=1&table=left", other=cropped)
    captions = [page.locator(f"#caption-{side}").inner_text() for side in ("left", "right")]
    assert [re.search(r"generation (\d by \w+)", caption)[1] for caption in captions] == ["2 by webp", "1 by jpeg"]
    for scope in ("image", "mean"):
        page.evaluate(f"location.hash = location.hash.replace(/&scope=[^&]*|$/, '&scope={scope}')")
        until(page, f"location.hash.includes('scope={scope}')")
        head = page.locator("#table thead th").all_inner_texts()
        cells = [row.split("\t")[head.index("codec")] for row in page.locator("#table tbody tr").all_inner_texts()]
        assert cells == ["jpeg", "webp", "jpeg"]
    page = visit("#left=coarse|quality:25&right=jpeg|quality:25&table=left")
    assert " by " not in page.locator("#caption-left").inner_text()
    assert "codec" not in page.locator("#table thead th").all_inner_texts()


@pytest.mark.parametrize("disk", [True, False])
def test_a_link_restores_everything(visit, disk):
    page = visit(disk=disk)
    page.locator("#image").select_option("1")
    page.locator("#left").select_option(label="jpeg, quality 25")
    page.locator("#right").select_option(label="coarse, quality 25")
    page.locator("#right-generation").select_option("1")
    page.locator("#modes label", has_text="Wipe").click()
    page.locator("#scopes label", has_text="mean").click()
    page.locator("#tables label", has_text="right").click()
    slide(page, 5)
    page.locator("#stage").focus()
    for key in ("+", "+", "d", "z", "]"):
        page.keyboard.press(key)
    shown(page, "jpeg", "coarse", 5, 1, image=1)
    until(page, "location.hash.includes('wipe=0.55') && location.hash.includes('generation=5')")
    link = page.evaluate("location.hash")

    def everything(page):
        return page.evaluate(
            """() => ({
                captions: [...document.querySelectorAll("figcaption")].map((c) => c.textContent),
                choices: [...document.querySelectorAll("select")].map((s) => s.value),
                radios: [...document.querySelectorAll("input:checked")].map((r) => r.value),
                slider: document.querySelector("#generation").value,
                wipe: document.querySelector("#wipe").style.left,
                transform: document.querySelector("#layer-left canvas").style.transform,
                table: document.querySelector("#table").textContent,
                note: document.querySelector("#table-note").textContent,
            })"""
        )

    again = visit(link, disk=disk)
    shown(again, "jpeg", "coarse", 5, 1, image=1)
    first, second = everything(page), everything(again)
    # Four decimals of the place stand in the link.
    parts = [[float(x) for x in re.findall(r"[-.0-9]+", state.pop("transform"))] for state in (first, second)]
    assert first == second
    np.testing.assert_allclose(*parts, atol=1)
    assert first["radios"] == ["wipe", "mean", "right"]


def test_a_link_that_makes_no_sense_shows_the_beginning(visit):
    page = visit("#left=nonsense&generation=-3&zoom=999&mode=toString&image=tiny/none&x=&wipe=abc")
    assert page.locator("#generation").input_value() == "10"
    assert page.locator("input[name=mode]:checked").input_value() == "side"
    page.evaluate("location.hash = '#generation=9999&right-generation=7'")
    until(page, "document.querySelector('#number').textContent === '12 of 12'")
    assert page.locator("#right-generation").input_value() == "7"


@pytest.mark.parametrize("name", ["image", "left", "right"])
def test_a_link_may_name_what_every_object_has(visit, name):
    page = visit(f"#{name}=constructor&generation=5")
    shown(page, "coarse", "fails", 5)


def test_a_failed_chain_is_shown_with_its_reason(visit):
    page = visit("#left=fails|quality:25&right=jpeg|quality:25&generation=4&mode=side")
    shown(page, "fails", "jpeg", 4)
    message = page.locator("#port-left .message")
    assert message.inner_text() == f"Failed at generation 3: {report_run.REASON}"
    assert page.locator("#failed li").count() == 2
    assert "(failed at 3)" in page.locator("#left").inner_text()
    slide(page, 2)
    shown(page, "fails", "jpeg", 2)
    assert not message.is_visible()
    np.testing.assert_array_equal(pixels(page, "left"), chain("fails")[2])


def test_by_keyboard_alone(visit):
    page = visit("#left=jpeg|quality:25&right=coarse|quality:25&generation=5&mode=side")
    state = functools.partial(page.eval_on_selector, expression="(c) => c.value")
    page.keyboard.press("ArrowLeft")
    assert state("#generation") == "4"
    page.keyboard.press("End")
    assert state("#generation") == "12"
    page.keyboard.press("Home")
    assert state("#generation") == "0"
    page.keyboard.press("3")
    assert page.locator("input[name=mode]:checked").input_value() == "difference"
    page.keyboard.press("g")
    assert state("#gain") == "16"
    page.keyboard.press("x")
    assert (state("#left"), state("#right")) == ("0", "2")
    page.keyboard.press("PageDown")
    assert state("#image") == "1"
    page.keyboard.press("o")
    assert state("#right-generation") == "0"
    page.keyboard.press("m")
    assert "mean of per-image values" in page.locator("#scope-note").inner_text()
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    assert page.locator("#keys tr").count() == 17
    page.keyboard.press("ArrowRight")
    assert state("#generation") == "0"
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_labels_for_those_who_cannot_see_it(visit):
    page = visit("#mode=wipe")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, canvas, svg[role=img], [role=slider]")]
            .filter((e) => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length)
                && e.id !== "" && !e.closest("[hidden]")).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []
    assert "jpeg" in page.locator("#live").inner_text() or "coarse" in page.locator("#live").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(visit, scheme):
    page = visit(width=375, height=740, color_scheme=scheme, device_scale_factor=2, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.locator("input[name=mode]:checked").input_value() == "wipe"
    box = page.locator("#port-left").bounding_box()
    assert box["width"] > 340
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    page.locator("#modes label", has_text="Side by side").tap()
    boxes = [page.locator(f"#port-{side}").bounding_box() for side in ("left", "right")]
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
