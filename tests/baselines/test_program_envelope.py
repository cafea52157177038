"""The envelope of program streams: reads back, and notices every damage."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.classical.envelope import Envelope, unwrap, wrap
from bench.codec import MAX_PIXELS, BitstreamError


@given(st.integers(0, 255), st.integers(1, 65535), st.integers(1, 65535), st.binary(min_size=1, max_size=200))
def test_reads_back(layout, height, width, payload):
    width = min(width, MAX_PIXELS // height)
    envelope = Envelope(layout, height, width, payload)
    assert unwrap(0xB1, wrap(0xB1, envelope), "fake") == envelope


def test_costs_ten_bytes_for_a_kodak_image():
    assert len(wrap(1, Envelope(0, 512, 768, b"x" * 1000))) == 1010


def test_every_flipped_bit_and_every_cut_is_noticed():
    stream = wrap(0xB1, Envelope(0x81, 300, 7, b"payload"))
    for position in range(8 * len(stream)):
        damaged = bytearray(stream)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(BitstreamError):
            unwrap(0xB1, bytes(damaged), "fake")
    for length in range(len(stream)):
        with pytest.raises(BitstreamError):
            unwrap(0xB1, stream[:length], "fake")
    with pytest.raises(BitstreamError):
        unwrap(0xB1, stream + b"\0", "fake")


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (1 << 20, 5), (13378, 13378)])
def test_impossible_sizes_are_refused_even_with_a_right_checksum(height, width):
    with pytest.raises(BitstreamError, match="header is not valid"):
        unwrap(1, wrap(1, Envelope(0, height, width, b"payload")), "fake")


def test_a_size_is_written_in_one_way_only():
    """128 as 80 81 00: found by the fuzzer, a second stream with a right checksum that said the same."""
    body = bytes([1, 0, 0x85, 0x00, 0x05]) + b"payload"
    with pytest.raises(BitstreamError, match="header is not valid"):
        unwrap(1, body + zlib.crc32(body).to_bytes(4, "little"), "fake")


def test_another_codecs_stream_is_foreign():
    with pytest.raises(BitstreamError, match="another codec"):
        unwrap(2, wrap(1, Envelope(0, 5, 5, b"payload")), "fake")
