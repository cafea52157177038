"""bench.schedule_options: what the options of a command line come to, and the sentences where they contradict."""

from __future__ import annotations

import pytest
import rate_codecs
import synthetic_codecs as synthetic

from bench.cli import Parser
from bench.codec import BenchError
from bench.published import rates
from bench.registry import create
from bench.schedule_options import add_options, generations, points

CODECS = {"quantiser": rate_codecs.Quantiser, "continuous": rate_codecs.Continuous, "table": synthetic.Table}


def options(*argv):
    parser = Parser()
    add_options(parser)
    found = parser.parse_args(list(argv))
    found.generations = None
    return found


def make(spec):
    codec = CODECS[spec.name.removeprefix("rate_codecs:").removeprefix("synthetic_codecs:").lower()]()
    codec.name = spec.label.split(":")[-1].lower()
    return codec


def chosen(*argv):
    return [([c.name for c in point.codecs], point.schedule.text) for point in points(options(*argv), make)]


BOTH = "rate_codecs:Quantiser,rate_codecs:Continuous"


def test_each_codec_gets_each_point():
    assert chosen("--codec", BOTH) == [(["quantiser"], "quality:20"), (["continuous"], "quality:0.5")]
    assert chosen("--codec", "rate_codecs:Quantiser:7,rate_codecs:Continuous", "--quality", "1") == [
        (["quantiser"], "quality:7"),
        (["continuous"], "quality:1"),
    ]
    assert [text for _, text in chosen("--codec", BOTH, "--bpp", "0.5,1")] == ["bpp:0.5", "bpp:1"] * 2
    assert [text for _, text in chosen("--codec", BOTH, "--bpp", "0.5,0.5")] == ["bpp:0.5"] * 2


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--bpp", "0.5", "--rate-side", "below"], "bpp:0.5,below"),
        (["--bpp", "0.5", "--rate-hold", "5%"], "bpp:0.5,hold:0.05"),
        (["--walk", "1:0.25", "--rate-hold", "0.02", "--edit", "shift:1"], "walk:0.25:1@0,hold:0.02+shift:1"),
        (["--drift", "1.0267:0.7907"], "drift:1.0267:0.7907"),
        (["--drift", "quality:30:10"], "drift:quality:30:10"),
        (["--walk", "1:0.25", "--seed", "4"], "walk:0.25:1@4"),
        (["--schedule", "1, 0.5"], "list:1,0.5"),
        (["--schedule", "quality:9,8"], "list:quality:9,8"),
        (["--bpp", "0.5", "--edit", "shift:1,crop:8"], "bpp:0.5+shift:1+crop:8"),
    ],
)
def test_options_come_to_schedules(argv, text):
    assert chosen("--codec", "rate_codecs:Quantiser", *argv) == [(["quantiser"], text)]


def test_a_hand_over_names_each_codec_once():
    argv = ["--chain", "rate_codecs:Quantiser:7,rate_codecs:Continuous,rate_codecs:Quantiser:9"]
    assert chosen(*argv) == [(["quantiser", "continuous"], "chain:quantiser:7,continuous:0.5,quantiser:9")]
    (point,) = points(options(*argv), make)
    assert [step.codec for step in point.schedule.steps(4)] == [0, 1, 0, 0]


def test_a_hand_over_may_ask_for_rates():
    argv = ["--chain", "rate_codecs:Quantiser@0.8bpp, rate_codecs:Continuous:0.25", "--rate-side", "below"]
    assert chosen(*argv) == [(["quantiser", "continuous"], "chain:quantiser@0.8bpp-below,continuous:0.25")]
    (point,) = points(options(*argv), make)
    steps = point.schedule.steps(3)
    asked = [(step.codec, step.quality, step.target) for step in steps]
    assert asked == [(0, None, 0.8), (1, 0.25, None), (0, None, 0.8)]


@pytest.mark.parametrize(("name", "codec"), [("iat-fig6-iat", "iat2022"), ("iat-fig6-song", "song2021-sft")])
def test_the_printed_lists_are_those_of_the_paper(name, codec):
    (point,) = points(options("--codec", "rate_codecs:Continuous", "--schedule", name), make)
    table = rates("iat-fig6-drift")
    printed = table[table["codec"] == codec].sort_values("generation")["bpp"]
    assert [step.target for step in point.schedule.steps(16)] == list(printed)
    assert generations(options("--schedule", name)) == 16
    assert point.schedule.text.startswith(f"list:{name}@")


def test_a_file_of_rates(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# my rates\n1.5\n1.0 0.5  # two at once\n")
    (point,) = points(options("--codec", "rate_codecs:Quantiser", "--schedule", str(path)), make)
    assert [step.target for step in point.schedule.steps(4)] == [1.5, 1.0, 0.5, 1.5]
    assert point.schedule.text.startswith("list:mine@")
    assert generations(options("--schedule", str(path))) == 3
    path.write_text("quality: 9\n8\n")
    (point,) = points(options("--codec", "rate_codecs:Quantiser", "--schedule", str(path)), make)
    assert [step.quality for step in point.schedule.steps(2)] == [9, 8]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--bpp", "1", "--drift", "1:2"], "--bpp and --drift both say what the generations are asked for: use one"),
        (["--quality", "1", "--walk", "1:2"], "--quality and --walk both say"),
        (["--codec", "rate_codecs:Quantiser:7", "--bpp", "1"], "names a quality and --bpp names what to code at"),
        (["--codec", "rate_codecs:Quantiser", "--chain", "rate_codecs:Quantiser:7"], "leave out --codec"),
        (["--chain", "rate_codecs:Quantiser:7@1bpp"], "rate_codecs:Quantiser:7@1bpp names a quality and a rate"),
        (["--chain", "rate_codecs:Quantiser@1"], "--chain needs a rate behind the @, as in jpeg@0.5bpp, got"),
        (["--chain", "rate_codecs:Quantiser@0bpp"], "--chain needs rates in bits per pixel, above 0 and below 1000"),
        (["--bpp", "much"], "--bpp needs numbers separated by commas, got 'much'"),
        (["--bpp", "0"], "--bpp needs rates in bits per pixel, above 0 and below 1000, got 0"),
        (["--bpp", "1000"], "--bpp needs rates in bits per pixel, above 0 and below 1000, got 1000"),
        (["--codec", "rate_codecs:Quantiser:7", "--quality", "9"], "and rate_codecs:Quantiser:7 names its own: leave"),
        (
            ["--codec", "rate_codecs:Quantiser:7,rate_codecs:Quantiser:8", "--quality", "9"],
            "all of these name their own",
        ),
        (["--seed", "1"], "--seed is that of --walk: use it with --walk, or leave it out"),
        (["--bpp", "1", "--seed", "1"], "--seed is that of --walk"),
        (["--rate-side", "below"], "--rate-side is about rates: use it with --bpp, or a schedule of rates"),
        (["--drift", "quality:30:10", "--rate-side", "below"], "--rate-side is about rates"),
        (["--chain", "rate_codecs:Quantiser:7", "--rate-side", "below"], "--rate-side is about rates"),
        (["--codec", ""], "--codec: expected a value, got ''; see"),
        (["--drift", "1"], "--drift needs two numbers, A:B in bpp or quality:A:B, got '1'"),
        (["--walk", "0:2"], "--walk needs rates"),
        (["--schedule", "no-such-list"], "or one of iat-fig6-iat, iat-fig6-song, got 'no-such-list'"),
        (["--drift", "quality:1:99"], "must be a whole number from 1 to 40, got 99; change it with --drift."),
        (
            ["--schedule", "quality:75.5,30"],
            "must be a whole number from 1 to 40, got 75.5; change it with --schedule.",
        ),
        (["--quality", "1.5"], "must be a whole number"),
        (["--rate-by", "dataset"], "--rate-by dataset chooses a quality by rate"),
        (["--rate-by", "originals", "--quality", "50"], "--rate-by originals chooses a quality by rate"),
        (["--rate-by", "dataset", "--drift", "quality:1:9"], "--rate-by dataset chooses a quality by rate"),
        (["--rate-by", "dataset", "--schedule", "quality:9,8"], "--rate-by dataset chooses a quality by rate"),
        (["--rate-hold", "0.05"], "--rate-hold is about rates"),
        (["--rate-hold", "0.05", "--drift", "quality:1:9"], "--rate-hold is about rates"),
        (["--bpp", "1", "--rate-hold", "much"], "--rate-hold needs a share from 0.005 to below 1, as 0.05 or 5%, got"),
        (["--bpp", "1", "--rate-hold", "0.001"], "--rate-hold needs a share from 0.005"),
        (["--edit", "spin:1"], "Unknown edit"),
        (["--carrier", "float"], "--carrier float needs codecs that can do without rounding"),
        (["--carrier", "float", "--edit", "shift:1"], "--edit works on 8-bit images"),
        (["--rate-side", "above"], "invalid choice: 'above'"),
    ],
)
def test_contradictions_are_one_sentence(argv, sentence):
    codec = [] if {"--codec", "--chain"} & set(argv) else ["--codec", "rate_codecs:Quantiser"]
    with pytest.raises(BenchError) as error:
        points(options(*codec, *argv), make)
    assert sentence in str(error.value)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("option", ["--codec", "--chain"])
def test_codecs_that_no_table_tells_apart_are_refused(option):
    text = "vvenc[preset=fast;timeout=5]:22,null,vvenc[preset=fast;encoder=a]:37"
    with pytest.raises(BenchError) as error:
        points(options(option, text), create)
    assert str(error.value).startswith(
        "vvenc[preset=fast;timeout=5] and vvenc[preset=fast;encoder=a] are both vvenc[preset=fast] in tables, whose "
        "names hold no timeout, encoder: leave one of them out"
    )
    same = "null[matrix=bt709]:100,null:100,null[matrix=bt709]:100"
    assert len(points(options("--codec", same), create)) == 2


def test_generations_without_a_list():
    assert generations(options()) == 50
