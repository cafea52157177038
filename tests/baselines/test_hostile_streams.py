"""Streams made to take memory, and images of odd shapes: measured in a process of their own, with a limit."""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from everyday_cases import NAMES, codec_or_skip, photo

from baselines.classical.envelope import Envelope, unwrap, wrap
from baselines.entropy.header import Header, pack, unpack
from baselines.iat.codec import IATCodec
from bench.codec import MAX_PIXELS, BitstreamError, CodecError
from bench.registry import create

CLAIMED = (3000, 7001)
"""21 million pixels, which a stream may announce; that many are allocated before the decoder finds that it was cut."""


def claiming(name: str, size: tuple[int, int]) -> bytes:
    """A small stream of a codec that announces another size in all its headers."""
    stream = bytearray(codec_or_skip(name).encode(photo(48, 61), create(name).quality.default))
    height, width = size
    if name.startswith("jpeg") and name not in ("jpeg2000", "jpegxl"):
        at = stream.index(b"\xff\xc0") + 5
        stream[at : at + 4] = struct.pack(">HH", height, width)
    elif name == "webp":
        stream[26:30] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    elif name == "jpeg2000":
        box, code = stream.index(b"ihdr") + 4, stream.index(b"\xff\x4f\xff\x51") + 8
        stream[box : box + 8] = struct.pack(">II", height, width)
        stream[code : code + 8] = struct.pack(">II", width, height)
        stream[code + 16 : code + 24] = struct.pack(">II", width, height)
    elif name.startswith(("avif", "heic")):
        at = stream.index(b"ispe") + 8
        stream[at : at + 8] = struct.pack(">II", width, height)
        if b"clap" in stream:
            at = stream.index(b"clap") + 4
            stream[at : at + 16] = struct.pack(">IIII", width, 1, height, 1)
    elif name == "jpegxl":
        bits = (height - 1) << 3 | 2 << 1 | (width - 1) << 24 | 2 << 22  # both sides in 18 bits
        stream[2:9] = (bits | 3 << 42 | 1 << 46).to_bytes(7, "little")
    else:
        body = struct.pack(">4sBII", b"YCC8", 0, height, width) + bytes(60)
        stream = bytearray(body + struct.pack(">I", zlib.crc32(body)))
    return bytes(stream)


@pytest.mark.parametrize("name", NAMES)
def test_thirty_thousand_a_side_is_refused(name: str) -> None:
    if name == "webp":
        pytest.skip("the format has 14 bits a side")
    with pytest.raises(BitstreamError, match=f"{name}: "):
        codec_or_skip(name).decode(claiming(name, (30000, 30000)))


DECODE = """
import json, resource, sys
from pathlib import Path
from bench.codec import BenchError
from bench.registry import create
codec, found = create(sys.argv[1]), []
def peak():
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # ru_maxrss begins at what the process was forked from
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
for path in sys.argv[2:]:
    before = peak()
    try:
        said = str(codec.decode(Path(path).read_bytes()).shape)
    except BenchError as error:
        said = f"{type(error).__name__}: {error}"
    found.append((said, peak() - before))
print(json.dumps(found))
"""


def measured(name: str, streams: list[bytes], folder: Path) -> list[tuple[str, float]]:
    """What came of decoding each stream, and the megabytes it took more than those before; 4 GB are all there is."""
    paths = [folder / str(number) for number in range(len(streams))]
    for path, stream in zip(paths, streams, strict=True):
        path.write_bytes(stream)
    command = [sys.executable, "-c", DECODE, name, *map(str, paths)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))

    done = subprocess.run(command, capture_output=True, text=True, timeout=250, preexec_fn=limit, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    return [(said, megabytes) for said, megabytes in json.loads(done.stdout)]


@pytest.mark.parametrize("name", ["jpeg", "jpeg2000", "webp", "avif", "jpegxl", "heic"])
def test_memory_is_bounded_by_the_pixels_announced(name: str, tmp_path: Path) -> None:
    small = codec_or_skip(name).encode(photo(48, 61), create(name).quality.default)
    _, (said, megabytes) = measured(name, [small, claiming(name, CLAIMED)], tmp_path)
    assert said.startswith("BitstreamError") or name in ("webp", "avif")  # valid, if odd: grey, or enlarged
    assert megabytes < 16 * CLAIMED[0] * CLAIMED[1] / 2**20
    assert megabytes < 1 or name != "jpeg"  # its image data say how many pixels there can be


def test_a_learned_stream_takes_no_more_memory_than_its_bytes_or_its_padding_need(tmp_path: Path) -> None:
    """A header that announces 13000 x 13000 over few bytes; and 400 x 2 pixels, padded to 448 x 64."""
    codec = IATCodec()
    small = codec.encode(np.full((64, 64, 3), 128, np.uint8), 0)
    narrow = codec.encode(photo(400, 2), 0.5)
    fingerprint = codec._fingerprint(codec.path)
    _, payload = unpack(small, "iat", fingerprint)
    bomb = pack(Header(13000, 13000, 0.5, 3, fingerprint), payload)
    _, (said, megabytes), (shape, more) = measured("iat", [small, bomb, narrow], tmp_path)
    assert "too few for the size it announces" in said
    assert megabytes < 20
    assert shape == "(400, 2, 3)"
    assert more < 448 * 64 * 1500 / 2**20 + 20
    with pytest.raises(BitstreamError, match="end too soon"):  # long enough, but what is in it is not
        codec.decode(pack(Header(64, 64, 0.5, 3, fingerprint), b"\1\0\0\0"))


def test_sizes_above_the_limit_are_refused_by_every_header() -> None:
    side = 13378
    assert side * side > MAX_PIXELS
    with pytest.raises(BitstreamError, match="13378 x 13378"):
        unpack(pack(Header(side, side, 0.5, 3, b"ab"), b"payload"), "iat", b"ab")
    with pytest.raises(BitstreamError, match="not valid"):
        unwrap(1, wrap(1, Envelope(0, side, side, b"payload")), "fake")
    huge = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (side, side, 3))
    with pytest.raises(CodecError, match="too large"):
        IATCodec().encode_float(huge, 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("444")])
@pytest.mark.parametrize("size", [(1, 1), (2, 30000), (30000, 2)])
def test_odd_shapes_come_back_or_are_refused_in_a_sentence(name: str, size: tuple[int, int]) -> None:
    codec = codec_or_skip(name)
    image = np.resize(photo(300, 200), (*size, 3)).astype(np.uint8)
    if max(size) > codec.max_side:  # type: ignore[attr-defined]
        with pytest.raises(CodecError, match=f"{name}: {size[1]}x{size[0]} is too large"):
            codec.encode(image, codec.quality.default)
    else:
        assert codec.decode(codec.encode(image, codec.quality.default)).shape == image.shape
