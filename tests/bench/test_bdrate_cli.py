"""``python -m bench.bdrate`` from files to text, CSV and JSON, and its answers to wrong use."""

import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bench import tables
from bench.bdrate import main
from bench.chain_state import identity_id
from bench.cli import USER_ERROR, call
from bench.codec import BenchError
from bench.columns import frame

FACTOR = {"jpeg": 1.0, "webp": 0.8, "iat": 0.5}


def table(codec, qualities=(10, 30, 50, 70, 90), images="abcdef", generations=3, **more):
    """Whole chains of a codec that needs FACTOR of jpeg's rate and loses 0.5 dB a generation."""
    rows = []
    for number, image in enumerate(images):
        for quality in qualities:
            for generation in range(1, generations + 1):
                psnr = 25 + quality / 8 + number - 0.5 * (generation - 1)
                rows.append(
                    {
                        "codec": codec, "dataset": "kodak", "image": image, "schedule": f"quality:{quality}",
                        "generation": generation, "quality": quality, "psnr": psnr, "mse": 255**2 / 10 ** (psnr / 10),
                        "bpp": FACTOR[codec] * 0.1 * 2 ** (quality / 25) * (1 + number / 10), "bytes": quality,
                        "ms_ssim": 1 - 10 ** (-psnr / 25), "ms_ssim_db": psnr / 2.5, "carrier": "uint8",
                        "status": "ok", "codec_id": "0" * 8, "image_id": image,
                    }
                    | more
                )  # fmt: skip
    return frame(rows)


@pytest.fixture
def runs(tmp_path):
    """A run folder for each codec: parquet for jpeg and iat, CSV for webp."""
    for codec in FACTOR:
        folder = tmp_path / codec
        folder.mkdir()
        if codec == "webp":
            table(codec).to_csv(folder / "generations.csv", index=False)
        else:
            table(codec).to_parquet(folder / "generations.parquet")
    return tmp_path


def rows(capsys, *argv):
    """The rows of the JSON output, by codec and generation."""
    assert main([*map(str, argv), "--format", "json"]) == 0
    return {(row["codec"], row["generation"]): row for row in json.loads(capsys.readouterr().out)["rows"]}


def test_codecs_against_the_anchor(runs, capsys):
    found = rows(capsys, runs / "iat", runs / "webp", runs / "jpeg")
    assert set(found) == {("iat", 1), ("webp", 1)}
    assert found["webp", 1]["anchor"] == "jpeg"  # though it was named last
    assert found["webp", 1]["bd_rate"] == pytest.approx(-20, abs=1e-9)
    assert found["iat", 1]["bd_rate"] == pytest.approx(-50, abs=1e-9)
    assert found["iat", 1]["bd_psnr"] > found["webp", 1]["bd_psnr"] > 0
    assert (found["iat", 1]["images"], found["iat", 1]["points"], found["iat", 1]["anchor_points"]) == (6, 5, 5)
    assert found["iat", 1]["overlap_share"] == 1


def test_anchor_test_and_generations_can_be_chosen(runs, capsys):
    argv = [runs / name for name in FACTOR]
    found = rows(capsys, *argv, "--anchor", "iat", "--test", "webp", "--generation", "1,3")
    assert set(found) == {("webp", 1), ("webp", 3)}
    assert found["webp", 3]["bd_rate"] == pytest.approx(60, abs=1e-9)
    assert found["webp", 3]["anchor_generation"] == 3


def test_names_with_commas_can_be_tests(tmp_path, capsys):
    table("jpeg").to_parquet(tmp_path / "a.parquet")
    held = table("webp")
    held.assign(schedule="bpp:" + held["quality"].astype(str) + ",hold:0.05").to_parquet(tmp_path / "b.parquet")
    table("iat").to_parquet(tmp_path / "c.parquet")
    argv = [*tmp_path.glob("*.parquet"), "--anchor", "jpeg"]
    for text in ("webp [bpp,hold:0.05]", "webp [bpp,hold:0.05], iat", "iat,webp [bpp,hold:0.05]"):
        names = {"iat", "webp"} if "iat" in text else {"webp"}
        assert {codec.partition(" ")[0] for codec, _ in rows(capsys, *argv, "--test", text)} == names


def test_the_source_of_a_table_made_elsewhere_is_no_encoding(tmp_path, capsys):
    made = table("jpeg")
    source = made[made["generation"] == 1].assign(generation=0, psnr=float("inf"), bpp=24.0)
    pd.concat([source, made]).to_csv(tmp_path / "with.csv", index=False)
    assert tables.read([tmp_path / "with.csv"])["generation"].min() == 1


def test_qualities_of_tables_made_elsewhere_keep_their_digits(tmp_path):
    text = "codec,image,quality,bpp,psnr\nx,a,0.1234567,1,30\nx,a,0.1234568,2,31\nx,a,20,3,32\n"
    (tmp_path / "t.csv").write_text(text)
    schedules = set(tables.read([tmp_path / "t.csv"])["schedule"])
    assert schedules == {"quality:0.1234567", "quality:0.1234568", "quality:20"}


def test_against_its_own_generation_1(runs, capsys):
    found = rows(capsys, runs / "jpeg", runs / "webp", "--self")
    assert set(found) == {("jpeg", 3), ("webp", 3)}
    row = found["jpeg", 3]
    assert (row["anchor"], row["anchor_generation"]) == ("jpeg", 1)
    assert row["bd_psnr"] == pytest.approx(-1, abs=1e-9)
    # 1 dB is 8 steps of quality, and a step of 25 doubles the rate.
    assert row["bd_rate"] == pytest.approx(100 * (2 ** (8 / 25) - 1), abs=1e-6)


def test_qualities_spread_over_several_runs_make_one_curve(tmp_path, capsys):
    paths = []
    for codec in ("jpeg", "webp"):
        for quality in (10, 30, 50, 70):
            paths.append(tmp_path / f"{codec}-{quality}.csv")
            table(codec, [quality]).to_csv(paths[-1], index=False)
    whole = rows(capsys, *paths)["webp", 1]
    assert whole["bd_rate"] == pytest.approx(-20, abs=1e-9)
    # A run named twice changes nothing; a run too few is said.
    assert rows(capsys, *paths, paths[0])["webp", 1] == whole
    row = rows(capsys, *paths[:-1])["webp", 1]
    assert row["bd_rate"] is None
    assert row["reason"] == "3 points, 4 needed: run bench.reencode at more qualities"
    assert main([str(path) for path in paths[:5]]) == 0
    assert "n/a: 1 point, 4 needed: run bench.reencode at more qualities" in capsys.readouterr().out
    assert main([str(paths[0]), str(paths[4])]) == 0
    assert "n/a: both curves: 1 point, 4 needed: run bench.reencode at more qualities\n" in capsys.readouterr().out


def test_ms_ssim_in_decibels(runs, capsys):
    row = rows(capsys, runs / "jpeg", runs / "webp", "--metric", "ms_ssim_db")["webp", 1]
    assert row["bd_rate"] == pytest.approx(-20, abs=1e-9)
    assert row["bd_ms_ssim_db"] > 0
    assert "bd_psnr" not in row


def test_text_shows_what_matters(runs, capsys):
    assert main([str(runs / name) for name in FACTOR]) == 0
    text = capsys.readouterr().out
    assert text.startswith("kodak: against jpeg, psnr, mean of per-image values\n")
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert lines["webp"][1:6] == ["1", "6", "5/5", "-20.00", "-20.00"]
    assert lines["iat"][-1] == "100%"


def test_csv_is_the_table(runs, capsys):
    assert main([*(str(runs / name) for name in FACTOR), "--format", "csv"]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["codec"] for row in found] == ["iat", "webp"]
    assert float(found[1]["bd_rate"]) == pytest.approx(-20, abs=1e-9)


def test_output_goes_to_a_file(runs, tmp_path, capsys):
    out = tmp_path / "bd.json"
    assert main([str(runs / "jpeg"), str(runs / "webp"), "--format", "json", "--output", str(out)]) == 0
    assert json.loads(out.read_text())["rows"][0]["codec"] == "webp"
    assert capsys.readouterr().out == f"Wrote {out}.\n"


def test_json_has_null_where_there_is_no_number(tmp_path, capsys):
    lossless = table("webp")
    lossless["psnr"] = np.inf
    table("jpeg").to_csv(tmp_path / "jpeg.csv", index=False)
    lossless.to_parquet(tmp_path / "webp.parquet")
    assert main([str(tmp_path / "jpeg.csv"), str(tmp_path / "webp.parquet"), "--format", "json"]) == 0

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    row = json.loads(capsys.readouterr().out, parse_constant=refuse)["rows"][0]
    assert (row["bd_rate"], row["bd_psnr"], row["overlap_low"]) == (None, None, None)
    assert row["reason"].startswith("0 points, 4 needed")
    assert row["notes"] == "test: 5 of 5 points left out: not finite, or lossless"


def test_a_failed_image_is_left_out_for_all_and_named(runs, capsys):
    broken = table("iat")
    broken.loc[(broken["image"] == "b") & (broken["quality"] == 50), ["status", "reason"]] = ["failed", "out of memory"]
    broken.to_parquet(runs / "iat" / "generations.parquet")
    argv = [str(runs / name) for name in FACTOR]
    assert {row["images"] for row in rows(capsys, *argv).values()} == {5}
    assert main(argv) == 0
    assert "Left out for all codecs: b of kodak, because of iat, quality 50: out of memory" in capsys.readouterr().out
    assert main([*argv, "--format", "csv"]) == 0
    assert "out of memory" in capsys.readouterr().err


def test_published_curves_alone_give_the_known_facts(capsys):
    names = "vtm,xie2021-invcompress,compressai-cheng2020-anchor_mse_cuda"
    found = rows(capsys, "--published", names, "--anchor", "published:vtm")
    assert round(found["published:xie2021-invcompress", 1]["bd_rate"], 2) == -0.36
    assert round(found["published:compressai-cheng2020-anchor_mse_cuda", 1]["bd_rate"], 2) == 3.68
    assert "colour conversion" in found["published:xie2021-invcompress", 1]["notes"]


def test_a_published_anchor_is_labelled_and_stays_at_generation_1(runs, capsys):
    found = rows(capsys, runs / "jpeg", "--anchor", "published:vtm", "--generation", "3")
    row = found["jpeg", 3]
    assert (row["anchor"], row["anchor_generation"]) == ("published:vtm", 1)
    assert row["bd_rate"] is not None
    assert "24 images in the anchor's means, 6 in the test's" in row["notes"]
    assert main([str(runs / "jpeg"), "--anchor", "published:vtm", "--generation", "3"]) == 0
    assert "3 / 1" in capsys.readouterr().out


def test_datasets_are_never_mixed(runs, tmp_path, capsys):
    for codec in ("jpeg", "webp"):
        table(codec, dataset="mine").to_csv(tmp_path / f"mine-{codec}.csv", index=False)
    argv = [runs / "jpeg", runs / "webp", tmp_path / "mine-jpeg.csv", tmp_path / "mine-webp.csv"]
    assert main([*map(str, argv), "--published", "vtm", "--format", "json"]) == 0
    found = [(row["dataset"], row["codec"], row["images"]) for row in json.loads(capsys.readouterr().out)["rows"]]
    assert found == [("kodak", "webp", 6), ("kodak", "published:vtm", 24), ("mine", "webp", 6)]
    assert set(rows(capsys, *argv, "--dataset", "mine")) == {("webp", 1)}
    with pytest.raises(BenchError, match="No published points on dataset 'mine'"):
        main([*map(str, argv), "--published", "vtm", "--dataset", "mine"])


def test_ms_ssim_against_a_published_curve_uses_the_same_average_on_both_sides(runs, capsys):
    argv = [runs / "jpeg", "--published", "vtm", "--anchor", "vtm", "--metric", "ms_ssim_db"]
    row = rows(capsys, *argv)["jpeg", 1]
    assert row["metric"] == "ms_ssim_db_of_mean"
    assert "MS-SSIM as dB of the mean" in row["notes"]


def test_a_codec_that_was_run_for_fewer_generations_has_a_row_that_says_so(runs, capsys):
    table("webp", generations=2).to_csv(runs / "webp" / "generations.csv", index=False)
    found = rows(capsys, *(runs / name for name in FACTOR), "--generation", "3")
    assert found["webp", 3]["reason"] == "webp has no generation 3, its last is 2"
    assert found["iat", 3]["bd_rate"] == pytest.approx(-50, abs=1e-9)


def test_a_published_test_has_no_later_generation(runs, capsys):
    row = rows(capsys, runs / "jpeg", "--published", "vtm", "--generation", "2")["published:vtm", 2]
    assert row["reason"] == "published:vtm has no generation 2, its last is 1"


def test_bootstrap_interval(runs, capsys):
    noisy = table("webp")
    noisy["bpp"] *= noisy["image"].map(dict(zip("abcdef", np.linspace(0.9, 1.1, 6), strict=True)))
    noisy.to_csv(runs / "webp" / "generations.csv", index=False)
    argv = [runs / "jpeg", runs / "webp", "--bootstrap", "100"]
    row = rows(capsys, *argv)["webp", 1]
    assert row["bd_rate_low"] < row["bd_rate"] < row["bd_rate_high"]
    assert rows(capsys, *argv)["webp", 1] == row
    other = rows(capsys, *argv, "--published", "vtm")["published:vtm", 1]
    assert other["bd_rate_low"] is None
    assert "no per-image values" in other["notes"]


def test_a_table_made_elsewhere_needs_codec_bpp_and_psnr_only(tmp_path, capsys):
    path = tmp_path / "theirs.csv"
    lines = ["codec,bpp,psnr"]
    lines += [f"a,{0.1 * 2**n},{28 + 3 * n}" for n in range(5)] + [f"b,{0.09 * 2**n},{28 + 3 * n}" for n in range(5)]
    path.write_text("\n".join(lines))
    row = rows(capsys, path)["b", 1]
    assert row["bd_rate"] == pytest.approx(-10, abs=1e-9)
    assert (row["dataset"], row["anchor"]) == ("unknown", "a")


def means_of(codec):
    """Means of a codec as its authors would tell them: the columns that a table of one's own needs."""
    made = table(codec, generations=1).groupby("quality")[["bpp", "psnr"]].mean()
    return made.reset_index().assign(codec="MyNet", dataset="kodak")


def test_means_of_ones_own_stand_beside_measured_codecs_and_leave_their_images_alone(runs, capsys):
    means_of("iat").to_csv(runs / "own.csv", index=False)
    argv = [runs / "own.csv", runs / "webp", runs / "jpeg", "--bootstrap", "100"]
    found = rows(capsys, *argv)
    assert found["MyNet", 1]["bd_rate"] == pytest.approx(-50, abs=1e-6)
    assert (found["MyNet", 1]["images"], found["webp", 1]["images"]) == (None, 6)
    assert (found["MyNet", 1]["bd_rate_low"], found["webp", 1]["bd_rate_low"]) == (None, pytest.approx(-20))
    notes = (
        "MyNet: means as given, over images that its table does not name; no interval: MyNet has no per-image values"
    )
    assert (found["MyNet", 1]["notes"], found["webp", 1]["notes"]) == (notes, "")
    against = rows(capsys, *argv, "--anchor", "MyNet")
    assert against["jpeg", 1]["bd_rate"] == pytest.approx(100, abs=1e-6)
    assert (against["jpeg", 1]["images"], against["jpeg", 1]["notes"]) == (None, notes)
    assert main([str(word) for word in argv]) == 0
    text = capsys.readouterr().out
    assert "\n  MyNet: means as given, over images" in text
    assert "Left out" not in text


def test_a_point_that_means_lack_is_left_out_alone(runs, capsys):
    own = means_of("iat")
    own.loc[own["quality"] == 30, "psnr"] = np.nan
    own.to_csv(runs / "own.csv", index=False)
    argv = [str(runs / "own.csv"), str(runs / "jpeg")]
    row = rows(capsys, *argv)["MyNet", 1]
    assert (row["points"], row["anchor_points"]) == (4, 5)
    assert main(argv) == 0
    assert "Left out on every image of kodak: MyNet, quality 30: no psnr\n" in capsys.readouterr().out


def test_means_of_ones_own_have_the_generations_that_they_have(runs, capsys):
    means_of("iat").to_csv(runs / "own.csv", index=False)
    found = rows(capsys, runs / "own.csv", runs / "jpeg", runs / "webp", "--generation", "3")
    assert found["MyNet", 3]["reason"] == "MyNet has no generation 3, its last is 1"
    assert found["webp", 3]["images"] == 6


@pytest.mark.parametrize(
    ("given", "column", "note"), [("ms_ssim", "ms_ssim_db_of_mean", True), ("ms_ssim_db", "ms_ssim_db", False)]
)
def test_ms_ssim_of_ones_own_means_is_compared_as_it_was_averaged(runs, capsys, given, column, note):
    own = means_of("iat")
    own[given] = table("iat", generations=1).groupby("quality")[given].mean().to_numpy()
    own.to_csv(runs / "own.csv", index=False)
    row = rows(capsys, runs / "own.csv", runs / "jpeg", "--metric", "ms_ssim_db")["MyNet", 1]
    assert row["metric"] == column
    assert row["bd_rate"] == pytest.approx(-50, abs=1e-6)
    assert ("MS-SSIM as dB of the mean, since one side is given so" in row["notes"]) == note


def test_identities_that_look_like_numbers_survive_csv(tmp_path, capsys):
    for number, (codec, identity) in enumerate((("jpeg", "00000123"), ("jpeg", "123"), ("webp", "1e5"))):
        table(codec, codec_id=identity).to_csv(tmp_path / f"{number}.csv", index=False)
    found = rows(capsys, tmp_path / "2.csv", tmp_path / "0.csv", tmp_path / "1.csv", "--anchor", "webp")
    assert set(found) == {("jpeg [00000123]", 1), ("jpeg [123]", 1)}


def test_the_codec_named_null_is_not_a_missing_one(tmp_path, capsys):
    for codec in ("null", "jpeg"):
        table("jpeg").assign(codec=codec).to_csv(tmp_path / f"{codec}.csv", index=False)
    assert set(rows(capsys, tmp_path / "null.csv", tmp_path / "jpeg.csv")) == {("null", 1)}


def test_csv_and_parquet_give_the_same_numbers_to_the_last_bit(tmp_path, capsys):
    whole = pd.concat([table("jpeg"), table("webp", generations=3)], ignore_index=True)
    whole["psnr"] += np.random.default_rng(3).normal(0, 0.01, len(whole))
    whole.to_csv(tmp_path / "t.csv", index=False)
    whole.to_parquet(tmp_path / "t.parquet")
    assert rows(capsys, tmp_path / "t.csv", "--self") == rows(capsys, tmp_path / "t.parquet", "--self")


def test_list_published(capsys):
    assert main(["--list-published", "--dataset", "tecnick"]) == 0
    text = capsys.readouterr().out
    assert "xie2021-invcompress" in text
    assert "vtm" not in text
    assert main(["--list-published"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) < 100
    assert re.search(r"^kodak +points  bpp$", text, re.MULTILINE)
    assert re.search(r"^  vtm\* +8  0\.0\d+ to \d\.\d+$", text, re.MULTILINE)
    assert text.endswith("\n* reference went through the same colour conversion: PSNR too high\n")
    assert "https" not in text
    assert main(["--list-published", "--verbose"]) == 0
    assert (
        "\n    https://github.com/InterDigitalInc/CompressAI results/image/kodak/vtm.json\n" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "Nothing to compare"),
        (["--seed", "abc"], "Argument --seed: expected a whole number, got 'abc'"),
        (["nowhere"], "nowhere does not exist"),
        (["{runs}"], "is not a run folder: it has no generations.parquet"),
        (
            ["{runs}/jpeg", "--anchor", "vtm"],
            "No codec 'vtm' in these tables, only jpeg on kodak; change it with --anchor.",
        ),
        (["{runs}/jpeg", "--test", "vtm"], "change it with --test"),
        (["{runs}/jpeg"], "There is only the anchor in these tables"),
        (["--dataset", "kodak", "--published", "vtm"], "There is only the anchor: name another curve with --published"),
        (["--dataset", "kodak", "--published", "vtm", "--self"], "A published curve has one generation and can't be"),
        (["{runs}/once.csv", "--self"], "These tables hold generation 1 only, and --self compares later ones with it"),
        (
            ["{runs}/mine.csv", "{runs}/jpeg", "--test", "MyNet"],
            "MyNet is on 'unknown', as its table has no column dataset, and there is nothing to compare it with: give "
            "it a column dataset that says kodak, or choose one dataset with --dataset.",
        ),
        (["{runs}/mine.csv", "{runs}/jpeg"], "give it a column dataset that says kodak"),
        (
            ["{runs}/mine.csv", "{runs}/jpeg", "--test", "MyNet", "--dataset", "kodak"],
            "Codec 'MyNet' is on 'unknown' and not on 'kodak', where there is only jpeg: a table without a column "
            "dataset is on 'unknown', give it one that says kodak, or choose one dataset with --dataset, or other "
            "codecs with --test.",
        ),
        (
            ["{runs}/clic.csv", "{runs}/jpeg", "--anchor", "jpeg"],
            "Codec 'jpeg' is on 'kodak' and not on 'clic', where there is only MyNet: choose one dataset with "
            "--dataset, or other codecs with --anchor.",
        ),
        (["{runs}/jpeg", "--self", "--anchor", "jpeg"], "With --self"),
        (["{runs}/jpeg", "--generation", "0"], "--generation takes whole numbers from 1"),
        (["{runs}/jpeg", "--generation", "x"], "--generation takes whole numbers from 1"),
        (
            ["{runs}/jpeg", "--self", "--generation", "99"],
            "--generation 99 is too far: the last one of these tables is 3.",
        ),
        (["{runs}/jpeg", "{runs}/webp", "--generation", "1,4"], "--generation 4 is too far"),
        (
            ["--published", "vtm,xie2021-invcompress", "--generation", "2"],
            "--generation 2 is too far: the last one of these tables is 1.",
        ),
        (["{runs}/jpeg", "--dataset", "clic"], "No records on 'clic' in these tables, only on kodak"),
        (["{runs}/jpeg", "--published", "vtn"], "did you mean vtm"),
        (["{runs}/jpeg", "--metric", "vmaf"], "invalid choice: 'vmaf'"),
        (["{runs}/jpeg", "{runs}/webp", "--bootstrap", "-3"], "expected a whole number of at least 100"),
        (["{runs}/jpeg", "{runs}/webp", "--bootstrap", "1"], "expected a whole number of at least 100, got '1'"),
        (["{runs}/jpeg", "{runs}/webp", "--output", "{runs}/no/such.txt"], "can't be written"),
        (["{runs}/broken.csv"], "has no column 'bpp'"),
        (["{runs}/words.csv"], "column 'psnr' must hold numbers"),
        (["{runs}/empty.csv"], "can't be read as a table"),
        (["{runs}/no.parquet"], "can't be read as a table"),
        (["{runs}/jpeg", "{runs}/other.csv"], "different results for jpeg quality:10 on a, generation 1"),
        (["{runs}/jpeg", "{runs}/pixels.csv"], "a of kodak has different pixels"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(runs, capsys, argv, sentence):
    (runs / "broken.csv").write_text("codec,psnr\njpeg,30\n")
    (runs / "words.csv").write_text("codec,bpp,psnr\njpeg,0.5,good\n")
    (runs / "empty.csv").write_text("")
    (runs / "no.parquet").write_bytes(b"not parquet")
    table("jpeg", generations=1).to_csv(runs / "once.csv", index=False)
    means_of("iat").drop(columns="dataset").to_csv(runs / "mine.csv", index=False)
    means_of("iat").assign(dataset="clic").to_csv(runs / "clic.csv", index=False)
    other = table("jpeg")
    other.assign(bytes=1).to_csv(runs / "other.csv", index=False)
    other.assign(image_id="else").to_csv(runs / "pixels.csv", index=False)
    assert call(main, [text.format(runs=runs) for text in argv]) == USER_ERROR
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_rerun_that_went_well_replaces_a_failure(tmp_path, capsys):
    failed = table("webp")
    failed.loc[failed["image"] == "a", ["status", "reason", "psnr", "bytes"]] = ["failed", "died", np.nan, pd.NA]
    failed.to_csv(tmp_path / "first.csv", index=False)
    table("webp").to_csv(tmp_path / "again.csv", index=False)
    table("jpeg").to_csv(tmp_path / "jpeg.csv", index=False)
    paths = [tmp_path / name for name in ("jpeg.csv", "first.csv", "again.csv")]
    assert rows(capsys, *paths)["webp", 1]["images"] == 6
    assert rows(capsys, *paths[:2])["webp", 1]["images"] == 5


def test_an_ambiguous_anchor_is_asked_about(tmp_path, capsys):
    for identity in ("one", "two"):
        table("jpeg", codec_id=identity).to_csv(tmp_path / f"{identity}.csv", index=False)
    with pytest.raises(BenchError, match=r"'jpeg' is one of jpeg \[one\], jpeg \[two\]"):
        main([str(tmp_path / "one.csv"), str(tmp_path / "two.csv"), "--anchor", "jpeg"])
    row = rows(capsys, tmp_path / "one.csv", tmp_path / "two.csv", "--anchor", "jpeg [two]")
    assert set(row) == {("jpeg [one]", 1)}


def test_versions_of_a_codec_are_told_apart_by_where_they_are_from(runs, capsys):
    book = {"new": {"version": "2", "weights": {"sha256": "a" * 64}}, "old": {"version": "1", "device": "cpu"}}
    ids = {name: identity_id("iat", identity) for name, identity in book.items()}
    for name, identity in book.items():
        (runs / name).mkdir()
        table("iat", codec_id=ids[name]).to_parquet(runs / name / "generations.parquet")
        codecs = [None, {"name": "iat"}, {"name": "iat", "identity": identity, "quality": 1}]
        (runs / name / "run.json").write_text(json.dumps({"codecs": codecs}))
    table("iat", codec_id="third").to_csv(runs / "third.csv", index=False)
    argv = [str(runs / name) for name in ("jpeg", "new", "old", "third.csv")]
    assert main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"iat [{ids['new']}]: {argv[1]}; device none, version 2, weights.sha256 {'a' * 12}" in lines
    assert f"iat [{ids['old']}]: {argv[2]}; device cpu, version 1, weights.sha256 none" in lines
    assert f"iat [third]: {argv[3]}" in lines
    assert main([*argv, "--format", "csv"]) == 0
    assert f"iat [third]: {argv[3]}\n" in capsys.readouterr().err
    assert main([*argv, "--format", "json", "--test", f"iat [{ids['old']}]"]) == 0
    told = json.loads(capsys.readouterr().out)["versions"]
    assert [(one["codec"], one["codec_id"], one["tables"]) for one in told] == [("iat", ids["old"], [argv[2]])]
    assert main(argv[:2]) == 0
    assert str(runs) not in capsys.readouterr().out


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "bench.bdrate", "nowhere"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("nowhere does not exist")
    assert "Traceback" not in done.stderr
