"""bench.store: whole files or none, damage noticed, tables that depend on nothing but the records."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow

from bench import columns
from bench.codec import BenchError
from bench.files import plain, write_atomically
from bench.images import pixel_sha256
from bench.store import STALE, Store

IDENTITY = {
    "codecs": [{"name": "jpeg", "identity": {"version": "1"}}],
    "image": "ab" * 32,
    "schedule": "quality:75",
    "generations": 2,
}


def record(generation=1, image="a", **changes):
    base = {column.name: "x" if column.type == "string" else 1 for column in columns.COLUMNS}
    base |= {column.name: 0.1 * generation for column in columns.COLUMNS if column.type == "float64"}
    base |= {"generation": generation, "image": image, "status": "ok", "fixed_point": False, "filled": False}
    return base | changes


RECORDS = [record(1, psnr=math.inf, ms_ssim=math.nan), record(2, encode_s=None, bytes=None, status="failed")]


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "run")


def test_what_is_written_is_read(store):
    store.write(IDENTITY, RECORDS, {}, 1.5, {"machine": "here"})
    chain, problem = store.read(IDENTITY)
    assert problem == ""
    assert chain.records[0]["psnr"] == math.inf
    assert chain.records[0]["ms_ssim"] is None
    assert chain.records[0]["bpp"] == RECORDS[0]["bpp"]
    assert chain.records[1] == RECORDS[1]
    assert chain.coded_s == 1.5
    assert not chain.ok
    json.loads(store.path(IDENTITY).read_text(), parse_constant=pytest.fail)  # JSON as the standard has it: no NaN


@pytest.mark.parametrize(
    "change",
    [
        {"image": "cd" * 32},
        {"schedule": "quality:76"},
        {"generations": 3},
        {"codecs": [{"name": "jpeg", "identity": {"version": "2"}}]},
    ],
)
def test_whatever_determines_the_result_is_part_of_the_key(store, change):
    store.write(IDENTITY, RECORDS, {}, 1.0, {})
    assert store.read(IDENTITY | change) == (None, "")


def test_any_damage_is_noticed(store):
    """Cuts and a hundred flipped bits: the chain is read as it was written, or not at all."""
    store.write(IDENTITY, RECORDS, {}, 1.0, {})
    path = store.path(IDENTITY)
    whole = path.read_bytes()
    good, _ = store.read(IDENTITY)
    rng = random.Random(3)
    damaged = [whole[:cut] for cut in range(0, len(whole), 61)]
    for _ in range(100):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        damaged.append(bytes(flipped))
    noticed = 0
    for data in damaged:
        path.write_bytes(data)
        chain, problem = store.read(IDENTITY)
        assert chain in (None, good)
        noticed += chain is None
        assert (chain is None) == (problem == f"{path} is damaged.")
    assert noticed > 0.95 * len(damaged)  # the rest is a space for another, or the like


def test_other_json_in_place_of_a_chain_is_damage(store):
    for text in ("[]", "{}", "null", '{"sha256": 1, "chain": 2}', "\xff"):
        store.path(IDENTITY).write_text(text, encoding="latin-1")
        assert store.read(IDENTITY)[1].endswith("is damaged.")


def test_snapshots_are_lossless_shared_and_needed(store):
    pixels = np.random.default_rng(4).integers(0, 256, (20, 30, 3), np.uint8)
    name = store.save_snapshot("kodim01", "ab" * 32, pixels)
    assert name == store.save_snapshot("kodim01", "ab" * 32, pixels)
    with Pillow.open(store.snapshots / name) as file:
        np.testing.assert_array_equal(np.asarray(file.convert("RGB")), pixels)
    done = [record(1), record(2)]
    store.write(IDENTITY, done, {0: name, 1: name}, 1.0, {})
    assert store.read(IDENTITY, [0, 1])[0].snapshots == {0: name, 1: name}
    assert store.read(IDENTITY, [0, 1, 2]) == (None, "")  # never kept: code it again
    (store.snapshots / name).write_bytes(b"")
    assert store.read(IDENTITY, [0])[1].endswith("is damaged.")
    (store.snapshots / name).unlink()
    assert store.read(IDENTITY, [0]) == (None, "")
    assert store.read(IDENTITY)[0] is not None


def test_a_snapshot_of_the_same_size_with_other_bytes_is_damage(store):
    pixels = np.random.default_rng(7).integers(0, 256, (20, 30, 3), np.uint8)
    path = store.snapshots / store.save_snapshot("a", pixel_sha256(pixels), pixels)
    store.write(IDENTITY, [record(1), record(2)], {0: path.name}, 1.0, {})
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert store.read(IDENTITY, [0]) == (None, f"{path} is damaged.")
    store.save_snapshot("a", pixel_sha256(pixels), pixels)
    assert store.read(IDENTITY, [0])[0] is not None


def test_another_file_of_the_same_pixels_is_as_good(store):
    """What another version of libwebp wrote, on another machine of a cluster."""
    pixels = np.random.default_rng(8).integers(0, 256, (20, 30, 3), np.uint8)
    path = store.snapshots / store.save_snapshot("a", pixel_sha256(pixels), pixels)
    store.write(IDENTITY, [record(1), record(2)], {0: path.name}, 1.0, {})
    before = path.read_bytes()
    Pillow.fromarray(pixels).save(path, "WEBP", lossless=True, exact=True, quality=80, method=4)
    assert path.read_bytes() != before
    assert store.read(IDENTITY, [0])[0] is not None


@pytest.mark.parametrize("left", [b"", b"RIFF", None])
def test_a_damaged_snapshot_is_replaced_and_not_taken_over(store, left):
    pixels = np.random.default_rng(6).integers(0, 256, (20, 30, 3), np.uint8)
    path = store.snapshots / store.save_snapshot("a", "ab" * 32, pixels)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] if left is None else left)
    store.save_snapshot("a", "ab" * 32, pixels)
    assert path.read_bytes() == whole


def test_an_image_too_wide_for_webp_is_kept_as_png(store):
    pixels = np.random.default_rng(5).integers(0, 256, (1, 16384, 3), np.uint8)
    name = store.save_snapshot("long", "cd" * 32, pixels)
    with Pillow.open(store.snapshots / name) as file:
        np.testing.assert_array_equal(np.asarray(file.convert("RGB")), pixels)


def test_the_table_depends_on_nothing_but_the_records(store, tmp_path):
    records = [record(n, image) for image in "abc" for n in range(1, 12)] + RECORDS
    records = records[:-2]
    table, changed = store.write_table(records)
    assert changed
    first = {name: (store.root / name).read_bytes() for name in ("generations.parquet", "generations.csv")}
    random.Random(1).shuffle(records)
    _, changed = store.write_table(records)
    assert not changed
    for name, data in first.items():
        assert (store.root / name).read_bytes() == data
    assert list(table["generation"][:12]) == [*range(1, 12), 1]
    assert tuple(table.columns) == columns.NAMES


def test_infinite_and_missing_values_survive_both_files(store):
    store.write_table(RECORDS)
    parquet = pd.read_parquet(store.root / "generations.parquet")
    csv = pd.read_csv(store.root / "generations.csv")
    for table in (parquet, csv):
        assert table["psnr"][0] == math.inf
        assert math.isnan(table["ms_ssim"][0])
        assert pd.isna(table["bytes"][1])
        assert table["bpp"][1] == RECORDS[1]["bpp"]
    schema = pq.read_schema(store.root / "generations.parquet")
    assert schema.field("psnr").metadata[b"unit"] == b"dB"


def test_a_column_nobody_described_is_refused(store):
    with pytest.raises(KeyError, match="surprise"):
        store.write_table([record() | {"surprise": 1}])


def test_old_temporary_files_are_swept_and_new_ones_left(store):
    old, new = store.chains / ".a.tmp", store.chains / ".b.tmp"
    for path in (old, new):
        path.touch()
    past = time.time() - STALE - 60
    os.utime(old, (past, past))
    Store.open(store.root)
    assert not old.exists()
    assert new.exists()


def test_the_progress_of_a_run_that_goes_on_is_kept_however_long_a_generation_takes(store):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    past = time.time() - STALE - 60
    alive, dead, no_process = (store.root / f".progress-{name}.tmp" for name in (os.getpid(), ended.pid, 10**30))
    for path in (alive, dead, no_process):
        path.touch()
        os.utime(path, (past, past))
    Store.open(store.root)
    assert [path.exists() for path in (alive, dead, no_process)] == [True, False, False]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match=r"Can't write to .*file/run .*--out\.$"):
        Store.open(tmp_path / "file" / "run")


def test_a_failed_write_leaves_nothing_behind(store, monkeypatch):
    path = store.root / "x"
    write_atomically(path, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert not list(store.root.glob(".*.tmp"))


def test_writers_killed_at_any_moment_leave_whole_files(tmp_path):
    """Two processes write one file in turn without end; both are killed; what is there is one of the two contents."""
    path = tmp_path / "file"
    code = (
        "import sys; from pathlib import Path; from bench.files import write_atomically\n"
        "while True: write_atomically(Path(sys.argv[1]), sys.argv[2].encode() * 300_000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), letter]) for letter in "ab"]
    while not path.exists():
        time.sleep(0.01)
    time.sleep(random.Random(6).random() / 5)
    for writer in writers:
        writer.kill()
        writer.wait()
    assert path.read_bytes() in (b"a" * 300_000, b"b" * 300_000)


def test_plain_names():
    assert plain("a b/c:d[e=f]") == "a-b-c-d-e-f"
    assert plain("../..") == "unnamed"
    assert len(plain("x" * 500)) == 60
