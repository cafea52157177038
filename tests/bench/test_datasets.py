"""Finding image sets on disk, and downloading them from a server that is a folder."""

import os
import shutil
import socket
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pngs import save_png

from bench import dataset_sets, datasets, download, heif
from bench.cli import call
from bench.codec import BenchError
from bench.images import pixel_sha256
from bench.report.__main__ import MARK
from bench.unreadable import Unreadable

RNG = np.random.default_rng(4)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    save_png(path, pixels)
    return pixels


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data of this machine, and no network."""

    def refuse(*_args, **_kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def names(dataset):
    return [ref.name for ref in dataset]


def test_sample_comes_with_scikit_image():
    dataset = datasets.load("sample")
    assert names(dataset) == ["astronaut", "chelsea", "coffee", "rocket"]
    assert len(dataset) == dataset_sets.SETS["sample"].count
    assert not dataset.warnings
    assert [ref.load().pixels.shape for ref in dataset] == [(512, 512, 3), (300, 451, 3), (400, 600, 3), (427, 640, 3)]


def test_natural_order_and_no_debris(tmp_path):
    for name in ("im10.png", "im2.png", "IM1.png", ".hidden.png", "__MACOSX/im3.png", ".git/im4.png"):
        picture(tmp_path / "set" / name)
    (tmp_path / "set" / "notes.txt").write_text("no image")
    assert names(datasets.load(str(tmp_path / "set"))) == ["IM1", "im2", "im10"]


def test_what_runs_and_reports_wrote_is_no_input(tmp_path):
    for run in ("set", "set/trip", "set/results/runs/a"):  # --out may be the folder of the photographs itself
        for name in ("snapshots/1.png", "figures/generations.png", "report/pictures/1.png"):
            picture(tmp_path / run / name)
        (tmp_path / run / "chains").mkdir()
        (tmp_path / run / "run.json").write_text("{}")
        (tmp_path / run / "report" / "index.html").write_text(f"<!doctype html>{MARK}")
    for name in ("set/1.png", "set/trip/2.png", "set/snapshots of mine/3.png", "set/other/pictures/4.png"):
        picture(tmp_path / name)
    (tmp_path / "set" / "other" / "index.html").write_text("<title>A page of mine</title>")
    assert names(datasets.load(str(tmp_path / "set"))) == ["1", "4", "3", "2"]
    assert names(datasets.load(str(tmp_path / "set/trip/snapshots"))) == ["1"]
    with pytest.raises(BenchError, match=r"no images found .* what runs and reports wrote does not count"):
        datasets.load(str(tmp_path / "set/results"))


def test_equal_file_names_in_subfolders_get_distinct_names(tmp_path):
    for name in ("a/1.png", "b/1.png", "b/2.png", "3.png", "3.bmp"):
        picture(tmp_path / "set" / name)
    assert names(datasets.load(str(tmp_path / "set"))) == ["3.bmp", "3.png", "a__1", "b__1", "2"]


def test_names_stay_distinct_when_folders_and_files_conspire(tmp_path):
    for name in ("a__1.png", "a/1.png", "b/1.png"):
        picture(tmp_path / "set" / name)
    found = names(datasets.load(str(tmp_path / "set")))
    assert len(set(found)) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="file systems elsewhere take no such names")
def test_names_that_are_not_utf_8_are_text_and_distinct(tmp_path):
    folder = tmp_path / os.fsdecode(b"th\xe9")
    paths = [folder / os.fsdecode(name) for name in (b"caf\xe8.png", b"caf\xe9.png", "café.png".encode())]
    pixels = {path: picture(path) for path in paths}
    dataset = datasets.load(str(folder))
    assert dataset.name == "th\ufffd"
    assert set(names(dataset)) == {"caf\ufffd.png", "caf\ufffd.png~2", "café"}
    for ref in dataset:
        np.testing.assert_array_equal(ref.load().pixels, pixels[ref.path])
    assert datasets.load(str(paths[0])).name == "caf\ufffd"


def test_single_file_and_lists(tmp_path):
    first, second, third = tmp_path / "x" / "1.png", tmp_path / "y" / "1.png", tmp_path / "z,z.png"
    for path in (first, second, third):
        picture(path)
    assert names(datasets.load(str(first))) == ["1"]
    assert names(datasets.load(str(third))) == ["z,z"]
    both = datasets.load(f"{first.parent}, {second}")
    assert (both.name, names(both)) == ("x+1", ["x__1", "1__1"])
    twice = datasets.load(f"{first},{first.parent},sample")
    assert (twice.name, names(twice)) == ("1+x+sample", ["1", "astronaut", "chelsea", "coffee", "rocket"])


def test_what_is_passed_over_in_a_folder_is_told_in_one_line(tmp_path, monkeypatch):
    for name in ("mixed/1.png", "mixed/2.jfif", "mixed/3.jpe", "other/4.png"):
        picture(tmp_path / name)
    folder = tmp_path / "mixed"
    (folder / "notes.txt").write_text("")
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "Thumbs.db").write_bytes(b"")
    (folder / "README").write_text("no picture")
    assert not datasets.load(str(folder)).warnings
    shutil.copy(folder / "1.png", folder / "noext")
    for name in ("a.heic", "B.HEIC", "raw.dng", ".hidden.heic"):
        (folder / name).write_bytes(b"")
    (folder / "album").symlink_to(tmp_path / "other")
    (folder / "loop").symlink_to(".")
    monkeypatch.setattr(heif, "available", lambda: False)
    dataset = datasets.load(str(folder))
    assert names(dataset) == ["1", "2", "3"]
    assert dataset.warnings == (
        "Passed over in mixed: 1 .dng, 2 .heic (pip install 'reencode-bench[heic]'), 1 without ending, "
        "1 linked folder.",
    )
    assert datasets.load(f"{folder},sample").warnings == dataset.warnings
    monkeypatch.setattr(heif, "available", lambda: True)
    dataset = datasets.load(str(folder))
    assert names(dataset) == ["1", "2", "3", "a", "B"]
    assert dataset.warnings == ("Passed over in mixed: 1 .dng, 1 without ending, 1 linked folder.",)


def test_a_folder_of_what_cannot_be_read_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "1.heic").write_bytes(b"")
    monkeypatch.setattr(heif, "available", lambda: False)
    with pytest.raises(
        BenchError, match=r"no images found .*; passed over: 1 \.heic \(pip install 'reencode-bench\[heic"
    ):
        datasets.load(str(tmp_path / "phone"))


def test_links_to_a_file_in_a_folder_count_once(tmp_path):
    picture(tmp_path / "set" / "b.png")
    picture(tmp_path / "elsewhere" / "d.png")
    for link, target in {"a.png": "b.png", "c.png": "a.png", "d1.png": "../elsewhere/d.png"}.items():
        (tmp_path / "set" / link).symlink_to(target)
    dataset = datasets.load(str(tmp_path / "set"))
    assert names(dataset) == ["b", "d1"]
    assert dataset.warnings == ("Passed over in set: 2 links to images that count already.",)
    (tmp_path / "set" / "d2.png").symlink_to("d1.png")
    assert names(datasets.load(str(tmp_path / "set"))) == ["b", "d1"]


def test_a_dangling_link_is_told_as_one(tmp_path):
    picture(tmp_path / "set" / "1.png")
    (tmp_path / "set" / "2.png").symlink_to("nothing.png")
    _, link = datasets.load(str(tmp_path / "set"))
    with pytest.raises(BenchError, match=r"2\.png: a link to a file that is not there; leave it out of --dataset\."):
        link.load()
    unreadable = Unreadable(datasets.load(str(tmp_path / "set")))
    for ref in unreadable.dataset:
        unreadable.load(ref)
    assert unreadable.text() == "2.png (a link to a file that is not there)"


@pytest.mark.parametrize(
    "text", ["comma, name.png,k3", "k3, comma, name.png", "comma, name.png , a,b,c,k3,a,b,c/1.png"]
)
def test_names_with_commas_in_a_list(text):
    for name in ("comma, name.png", "k3/1.png", "a,b,c/1.png", "comma/2.png"):
        picture(Path(name))
    found = {ref.path for ref in datasets.load(text)}
    wanted = {"comma, name.png", "k3/1.png"} | ({"a,b,c/1.png"} if "a,b" in text else set())
    assert {str(path) for path in found} == wanted
    with pytest.raises(BenchError, match=r"^nowhere/x\.png: there is no such folder or image file"):
        datasets.load(f"{text},nowhere/x.png")


def test_folders_of_one_name_in_a_list(tmp_path):
    for parent in "ab":
        picture(tmp_path / parent / "set" / "1.png")
    both = datasets.load(f"{tmp_path / 'a' / 'set'},{tmp_path / 'b' / 'set'}")
    assert names(both) == ["set__1", "set__1~2"]
    assert [ref.path.parent.parent.name for ref in both] == ["a", "b"]


@pytest.mark.parametrize("folder", ["kodak", "Kodak", "kodak_24", "KODAK-PhotoCD"])
def test_tolerant_folder_names(tmp_path, folder):
    picture(tmp_path / "root" / folder / "kodim01.png")
    dataset = datasets.load("kodak", tmp_path / "root")
    assert (dataset.name, names(dataset)) == ("kodak", ["kodim01"])
    assert dataset.warnings == (f"kodak has 24 images, {tmp_path / 'root' / folder} holds 1.",)


def test_where_sets_are_looked_for(tmp_path, monkeypatch):
    def found():
        return datasets.load("kodak").images[0].path.parts

    picture(tmp_path / "cache" / "reencode-bench" / "kodak" / "1.png")
    assert "cache" in found()
    picture(tmp_path / "here" / "data" / "kodak" / "1.png")
    assert "here" in found() or "data" in found()
    picture(tmp_path / "env" / "kodak" / "1.png")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "env"))
    assert "env" in found()
    picture(tmp_path / "option" / "kodak" / "1.png")
    assert "option" in datasets.load("kodak", tmp_path / "option").images[0].path.parts
    assert "option" in datasets.load("kodak", tmp_path / "option" / "kodak").images[0].path.parts
    assert "cache" in datasets.load("kodak", tmp_path / "elsewhere").images[0].path.parts


def test_only_the_right_folder_of_an_archive_with_several_sizes(tmp_path):
    picture(tmp_path / "tecnick" / "TESTIMAGES" / "RGB" / "RGB_OR_1200x1200" / "a.png")
    picture(tmp_path / "tecnick" / "TESTIMAGES" / "RGB" / "RGB_R02_0600x0600" / "b.png")
    assert names(datasets.load("tecnick", tmp_path)) == ["a"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("kodak", ["fetch kodak", "--data-root", "BENCH_DATA", "https://r0k.us/graphics/kodak/"]),
        ("tecnick", ["fetch tecnick", "100 images"]),
        ("kodka", ["did you mean kodak", "--dataset"]),
        ("", ["--dataset"]),
        (",", ["--dataset"]),
        ("./kodak", ["no such folder or image file", "--dataset"]),
        ("photo.png", ["no such folder or image file"]),
        ("sample,photo.png", ["photo.png: there is no such folder"]),
        ("empty", ["no images found", "--dataset"]),
    ],
)
def test_what_is_not_there_is_one_sentence(name, words):
    Path("empty").mkdir()
    Path("empty", "notes.txt").write_text("")
    with pytest.raises(BenchError) as caught:
        datasets.load(name)
    sentence = str(caught.value)
    assert all(word in sentence for word in words), sentence
    assert "\n" not in sentence


def test_images_are_opened_one_by_one_and_a_broken_one_says_its_name(tmp_path):
    good = picture(tmp_path / "set" / "1.png")
    (tmp_path / "set" / "2.png").write_bytes(b"no image")
    first, second = datasets.load(str(tmp_path / "set"))
    image = first.load()
    np.testing.assert_array_equal(image.pixels, good)
    assert first.verified(image) is None
    with pytest.raises(BenchError, match=r"2\.png"):
        second.load()


def test_the_published_pixels_of_kodak_and_clic_are_known():
    assert len(dataset_sets.known_pixels("kodak")) == 24
    assert len(dataset_sets.known_pixels("clic2025-valid")) == 8
    assert dataset_sets.known_pixels("tecnick") == frozenset()


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A registered set of three known images, and the folder that plays its server."""
    server = tmp_path / "server"
    pixels = [picture(server / f"t{number}.png") for number in range(3)]
    spec = dataset_sets.DatasetSpec(
        name="tiny",
        count=3,
        about="",
        licence="free",
        home="http://home",
        files=tuple(f"http://x/t{n}.png" for n in range(3)),
    )
    known = frozenset(map(pixel_sha256, pixels))
    monkeypatch.setitem(dataset_sets.SETS, "tiny", spec)
    for module in (dataset_sets, datasets, download):
        monkeypatch.setattr(module, "known_pixels", lambda name: known if name == "tiny" else frozenset())
    return server


def copy_from(server, asked=None):
    def retrieve(url, target):
        if asked is not None:
            asked.append(url)
        shutil.copy(server / Path(url).name, target)
        return target

    return retrieve


def test_verify_tells_published_pixels_from_others(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "root" / "tiny")
    assert datasets.load("tiny", tmp_path / "root").verify() is True
    picture(tmp_path / "root" / "tiny" / "t1.png")
    dataset = datasets.load("tiny", tmp_path / "root")
    assert dataset.verify() is False
    assert [ref.verified(ref.load()) for ref in dataset] == [True, False, True]
    assert datasets.load("sample").verify() is None


def test_fetch_puts_a_whole_set_in_place(tiny, tmp_path):
    sentence = download.fetch("tiny", tmp_path / "root", copy_from(tiny))
    assert "3 images" in sentence
    assert "pixels verified" in sentence
    assert datasets.load("tiny", tmp_path / "root").verify() is True
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["tiny"]
    assert "already" in download.fetch("tiny", tmp_path / "root", copy_from(tiny))


def test_fetch_does_not_take_a_part_for_the_whole(tiny, tmp_path):
    picture(tmp_path / "root" / "tiny" / "t0.png")
    with pytest.raises(BenchError, match=r"root/tiny holds 1 of the 3 images of tiny: move it away .*http://home"):
        download.fetch("tiny", tmp_path / "root", copy_from(tiny))


def test_fetch_without_a_data_root_fills_the_cache(tiny, tmp_path):
    download.fetch("tiny", None, copy_from(tiny))
    assert datasets.load("tiny").images[0].path.parent == tmp_path / "cache" / "reencode-bench" / "tiny"


def test_fetch_goes_on_where_the_connection_broke(tiny, tmp_path):
    hidden = tiny / "t2.png"
    hidden.rename(tiny / "later.png")
    with pytest.raises(BenchError, match="http://home"):
        download.fetch("tiny", tmp_path / "root", copy_from(tiny))
    with pytest.raises(BenchError):
        datasets.load("tiny", tmp_path / "root")
    (tiny / "later.png").rename(hidden)
    asked = []
    download.fetch("tiny", tmp_path / "root", copy_from(tiny, asked))
    assert asked == ["http://x/t2.png"]


def test_fetch_refuses_other_pixels_and_forgets_them(tiny, tmp_path):
    good = (tiny / "t1.png").read_bytes()
    for bad in (b"<html>moved</html>", None):
        if bad is None:
            picture(tiny / "t1.png")
        else:
            (tiny / "t1.png").write_bytes(bad)
        with pytest.raises(BenchError, match=r"does not give the published pixels of t1\.png"):
            download.fetch("tiny", tmp_path / "root", copy_from(tiny))
    (tiny / "t1.png").write_bytes(good)
    download.fetch("tiny", tmp_path / "root", copy_from(tiny))


def pack(server, entries):
    with zipfile.ZipFile(server / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, name in entries.items():
            archive.write(server / name, entry)


def as_archive(monkeypatch, **changes):
    spec = replace(dataset_sets.SETS["tiny"], files=(), archive="http://x/all.zip", **changes)
    monkeypatch.setitem(dataset_sets.SETS, "tiny", spec)


def test_fetch_unpacks_the_images_of_an_archive_and_nothing_else(tiny, tmp_path, monkeypatch):
    as_archive(monkeypatch, inside="right")
    (tiny / "readme.txt").write_text("hello")
    entries = {"right/t0.png": "t0.png", "a/right/t1.png": "t1.png", "right/b/t2.png": "t2.png"}
    debris = {"right/readme.txt": "readme.txt", "__MACOSX/right/._t0.png": "t0.png", "wrong/t3.png": "t0.png"}
    pack(tiny, entries | debris | {"../../right/t4.png": "t0.png"})
    download.fetch("tiny", tmp_path / "root", copy_from(tiny))
    assert sorted(path.name for path in (tmp_path / "root").rglob("*")) == ["t0.png", "t1.png", "t2.png", "tiny"]


def damaged(whole, damage):
    """A zip file with something in it, or instead of it, that was not expected."""
    first, listed = 30 + len("0.png"), whole.index(b"PK\1\2")  # its data; in the list, flags are at 8, the method at 10
    return {
        "count": whole,
        "cut": whole[:200],
        "text": b"<html>",
        "data": whole[:first] + b"\xff" + whole[first + 1 :],
        "method": whole[: listed + 10] + b"\x63" + whole[listed + 11 :],
        "encrypted": whole[: listed + 8] + b"\1" + whole[listed + 9 :],
    }[damage]


@pytest.mark.parametrize("damage", ["count", "cut", "text", "data", "method", "encrypted"])
def test_fetch_refuses_a_wrong_archive_and_downloads_it_anew(tiny, tmp_path, monkeypatch, damage):
    as_archive(monkeypatch)
    entries = {f"{n}.png": f"t{n}.png" for n in range(3)}
    pack(tiny, dict(list(entries.items())[:2]) if damage == "count" else entries)
    whole = (tiny / "all.zip").read_bytes()
    (tiny / "all.zip").write_bytes(damaged(whole, damage))
    with pytest.raises(BenchError, match="http://home"):
        download.fetch("tiny", tmp_path / "root", copy_from(tiny))
    pack(tiny, entries)
    download.fetch("tiny", tmp_path / "root", copy_from(tiny))
    assert datasets.load("tiny", tmp_path / "root").verify() is True


def test_fetch_needs_a_folder_it_can_write(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="tiny could not be downloaded"):
        download.fetch("tiny", tmp_path / "file" / "root", copy_from(tiny))


def test_command_line_lists_every_set(capsys, tmp_path):
    picture(tmp_path / "kodak" / "1.png")
    assert call(datasets.main, ["--data-root", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in dataset_sets.SETS)
    assert "1 of 24 images" in text
    assert "missing" in text


def test_command_line_verify_reports_other_pixels(capsys, tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "root" / "tiny")
    assert call(datasets.main, ["--verify", "--data-root", str(tmp_path / "root")]) == 0
    assert "verified" in capsys.readouterr().out
    picture(tmp_path / "root" / "tiny" / "t1.png")
    assert call(datasets.main, ["--verify", "--data-root", str(tmp_path / "root")]) == 1
    assert "OTHER PIXELS" in capsys.readouterr().out
    (tmp_path / "root" / "tiny" / "t1.png").write_bytes(b"\x89PNG")
    assert call(datasets.main, ["--verify", "--data-root", str(tmp_path / "root")]) == 1
    said = capsys.readouterr()
    assert "DAMAGED" in said.out
    assert "t1" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch", "kodak"], ["no connection to r0k.us", "put them into a folder named kodak"]),
        (["fetch", "div2k-valid"], ["no connection to data.vision.ee.ethz.ch"]),
        (["fetch", "nope"], ["Unknown dataset 'nope'"]),
        (["fetch"], ["required"]),
        (["--nope"], ["--nope"]),
    ],
)
def test_command_line_errors_are_one_sentence_and_exit_code_2(capsys, arguments, words):
    assert call(datasets.main, arguments) == 2
    printed = capsys.readouterr()
    assert all(word in printed.err for word in words), printed.err
    assert "Traceback" not in printed.err
    assert printed.err.count("\n") == 1


def test_command_line_fetch_of_what_is_there(capsys, tmp_path):
    for number in range(24):
        picture(tmp_path / "kodak" / f"{number}.png")
    assert call(datasets.main, ["fetch", "sample"]) == 0
    assert call(datasets.main, ["--data-root", str(tmp_path), "fetch", "kodak"]) == 0
    assert call(datasets.main, ["fetch", "kodak", "--data-root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("already in") == 2


def test_a_set_without_a_verb_is_told_how_it_is_downloaded(capsys):
    assert call(datasets.main, ["kodak"]) == 2
    assert capsys.readouterr().err == "To download kodak, run `python -m bench.datasets fetch kodak`.\n"


def test_a_missing_set_is_said_to_be_in_neither_place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = f"Dataset kodak is neither under {tmp_path} nor under {tmp_path / 'cache' / 'reencode-bench'}: run"
    with pytest.raises(BenchError) as error:
        datasets.load("kodak", tmp_path)
    assert str(error.value).startswith(place)
