"""bench.task: codecs are made once a process."""

import pytest

from bench.codec import QualityError
from bench.registry import parse_spec
from bench.task import Settings, forget_codecs, make_codec, other_codec

SETTINGS = Settings(jobs=1, threads=1)


def made(text, settings=SETTINGS, make=make_codec):
    return make(parse_spec(text), settings)


def test_one_codec_serves_all_qualities():
    assert made("jpeg:30") is made("jpeg:90") is made("jpeg")
    assert made("jpeg[optimize=true]:30") is made("jpeg[ optimize = true ]")


def test_other_options_settings_and_instances_are_other_codecs():
    kept = made("jpeg:30")
    assert made("jpeg[optimize=true]:30") is not kept
    assert made("jpeg:30", Settings(jobs=1, threads=2)) is not kept
    assert made("jpeg:30", make=other_codec) is not kept
    assert made("jpeg:30", make=other_codec) is made("jpeg:90", make=other_codec)
    forget_codecs()
    assert made("jpeg:30") is not kept


@pytest.mark.parametrize("make", [make_codec, other_codec])
def test_every_quality_is_checked(make):
    made("jpeg:30", make=make)
    with pytest.raises(QualityError, match="jpeg: quality must be a whole number from 1 to 100, got 101"):
        made("jpeg:101", make=make)
