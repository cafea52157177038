"""Damaged, cut and foreign streams: BitstreamError or a valid image, never anything else."""

from __future__ import annotations

import zlib
from io import BytesIO
from struct import pack

import numpy as np
import pytest
from everyday_cases import NAMES, codec_or_skip, photo
from PIL import Image as PILImage

from bench.codec import BitstreamError, Codec
from bench.limits import CodecTimeout
from bench.registry import create


def stream_of(codec: Codec, height: int = 48, width: int = 61) -> bytes:
    return codec.encode(photo(height, width), codec.quality.default)


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_is_found_at_every_byte(name: str) -> None:
    codec = codec_or_skip(name)
    stream = stream_of(codec)
    rng = np.random.default_rng(1)
    lengths = {*range(min(len(stream), 700)), *rng.integers(len(stream), size=100).tolist(), len(stream) - 1}
    for length in sorted(lengths):
        with pytest.raises(BitstreamError, match=name):
            codec.decode(stream[:length])


@pytest.mark.parametrize("name", NAMES)
def test_streams_of_other_codecs_are_refused(name: str) -> None:
    codec = codec_or_skip(name)
    for other in NAMES:
        if other != name and create(other).available()[0]:
            with pytest.raises(BitstreamError):
                codec.decode(stream_of(create(other)))


@pytest.mark.parametrize("name", NAMES)
def test_garbage_is_refused(name: str) -> None:
    codec = codec_or_skip(name)
    rng = np.random.default_rng(2)
    head = stream_of(codec)[:16]
    for garbage in (b"", b"\0", b"\0" * 1000, b"\xff" * 1000, rng.bytes(5000), head + rng.bytes(5000)):
        with pytest.raises(BitstreamError):
            codec.decode(garbage)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "jpegxl"])  # its codestream states no length
def test_bytes_after_the_end_are_refused(name: str) -> None:
    codec = codec_or_skip(name)
    with pytest.raises(BitstreamError):
        codec.decode(stream_of(codec) + b"\0")


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_signature_is_refused(name: str) -> None:
    codec = codec_or_skip(name)
    stream = stream_of(codec)
    for bit in range(8 * {"jpegxl": 2, "webp": 20, "jpeg2000": 24, "jpeg": 4, "jpeg-444": 4}.get(name, 4)):
        damaged = bytearray(stream)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bits_give_an_error_or_an_image(name: str) -> None:
    codec = codec_or_skip(name)
    stream = stream_of(codec)
    rng = np.random.default_rng(3)
    refused = 0
    for trial in range(400):
        damaged = bytearray(stream)
        reach = min(len(stream), 400) if trial % 2 else len(stream)  # every second one hits the headers
        for _ in range(1 + trial % 3):
            damaged[int(rng.integers(reach))] ^= 1 << int(rng.integers(8))
        try:
            image = codec.decode(bytes(damaged))
        except BitstreamError:
            refused += 1
        else:
            assert image.dtype == np.uint8
            assert image.ndim == 3
            assert image.shape[2] == 3
    assert refused > 0 if name != "null" else refused == 400


@pytest.mark.parametrize("name", ["jpeg", "jpeg-444"])
def test_a_flipped_bit_in_a_jpeg_table_is_found(name: str) -> None:
    codec = codec_or_skip(name)
    stream = stream_of(codec)
    start, end = stream.index(b"\xff\xdb"), stream.index(b"\xff\xc0")
    codes, scan = stream.index(b"\xff\xc4"), stream.index(b"\xff\xda")
    for position in [*range(start, end), *range(codes, scan)]:
        damaged = bytearray(stream)
        damaged[position] ^= 0x10
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))


def test_absurd_sizes_are_refused_before_anything_is_allocated() -> None:
    jpeg = codec_or_skip("jpeg")
    stream = bytearray(stream_of(jpeg))
    frame = stream.index(b"\xff\xc0")
    stream[frame + 5 : frame + 9] = pack(">HH", 65535, 65535)
    with pytest.raises(BitstreamError, match="65535x65535 pixels"):
        jpeg.decode(bytes(stream))
    null = codec_or_skip("null")
    body = b"YCC8" + pack(">BII", 0, 1 << 31, 1 << 31)
    with pytest.raises(BitstreamError):
        null.decode(body + pack(">I", zlib.crc32(body)))


def test_a_jpeg_of_another_kind_is_refused() -> None:
    """CMYK, grey and progressive files are JPEG, but not what this codec writes."""
    image = PILImage.fromarray(photo(40, 40))
    for mode, options in (("CMYK", {}), ("L", {}), ("RGB", {"progressive": True}), ("RGB", {"subsampling": 1})):
        file = BytesIO()
        image.convert(mode).save(file, "JPEG", **options)
        with pytest.raises(BitstreamError):
            codec_or_skip("jpeg").decode(file.getvalue())


@pytest.mark.parametrize(("name", "format"), [("webp", "WEBP"), ("jpegxl", "JXL")])
def test_a_lossless_file_is_refused(name: str, format: str) -> None:
    codec, file = codec_or_skip(name), BytesIO()
    PILImage.fromarray(photo(40, 40)).save(file, format, lossless=True)
    with pytest.raises(BitstreamError, match="plain"):
        codec.decode(file.getvalue())


def test_a_decode_that_takes_too_long_is_no_damaged_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = create("jpeg")
    stream = stream_of(codec)

    def alarm(stream: bytes) -> None:
        raise CodecTimeout("jpeg: decode took longer than 0.2 s")

    monkeypatch.setattr(codec, "read", alarm)
    with pytest.raises(CodecTimeout, match="longer than"):
        codec.decode(stream)
