"""Every fuzz target for a moment: its seeds, mutations of them, and what the fuzzer has found before."""

from __future__ import annotations

from random import Random

import pytest

from fuzz import NAMES, Target, target
from fuzz.mutate import mutated

SLOW = {"schedule", "parquet", "csv", "published", "png", "image", "avif", "heic"}

FOUND = {
    # one size written in two ways: the checksum was right and another stream said the same
    "envelope": [bytes.fromhex("b1028100" + "05") + b"payload" + bytes(4), b"\xb1\x02\xff\xff\x00\x03payload...."],
    "header": [b"\xa7\x01ab\x81\x00\x81\x00" + bytes(9) + b"payload"],
    # RecursionError, which is no ValueError
    "chain": [b"[" * 100_000, b'{"chain":' * 50_000],
    "report": [
        b"[" * 100_000,
        b'{"chain": {"records": [{"generation": 1e999, "status": "ok", "bytes": 1, "mse": 1}]}}',
    ],
    "experiment": [b"codecs = " + b"[" * 100_000],
    "card": [b'{"latent": "192"}', b'{"latent": 1e9}', b"[1]", b'{"coupling_hidden": [[99999999]]}', b"null"],
    # a generation that is no whole number; more fields than the header, which shifted every column; no columns
    "csv": [b"codec,bpp,psnr,generation\na,1,30,inf\n", b"codec,bpp,psnr\na,1,30,1\n", b"\n", b"codec,bpp,psnr\n\xff"],
    "published": [b"dataset,codec,point,bpp,psnr,ms_ssim,images\nkodak,a,,1,30,0.9,24\n", b"", b"value\nx\n"],
    "parquet": [b"PAR1", b"PAR1" + bytes(8) + b"PAR1"],
    # longer than a file name may be
    "schedule": [b"0.5," * 100, b"~nobody", b"quality:nan", b"\0", b"quality:inf:1"],
    "edits": [b"sample," * 100, b"resize:nan", b"~nobody"],
    "spec": [b"jpeg:1e999", b"[", b"jpeg[a=1;a=2]", b":", b"jpeg:\xef\xbc\x91"],
    "latents": [bytes(2), bytes((12, 3)) + b"\xff\xff\xff\xff", bytes((0, 3)) + b"\1\0\0\0", b"\xff" * 6],
}


def made(name: str) -> Target:
    found = target(name)
    if not found.seeds:
        pytest.skip(f"{name} is not installed here")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_seeds_mutations_and_old_findings(name: str) -> None:
    parser, random = made(name), Random(name)
    for data in [*parser.seeds, b"", *FOUND.get(name, ())]:
        parser.run(data)
    for _ in range(20 if name in SLOW else 100):
        parser.run(mutated(random.choice(parser.seeds), random))


def test_the_mutations_reach_every_kind_of_change() -> None:
    random, seed = Random(1), bytes(range(50))
    lengths = {len(mutated(seed, random)) - len(seed) for _ in range(300)}
    assert min(lengths) < 0 < max(lengths)
    assert 0 in lengths
    assert len({mutated(seed, random) for _ in range(300)}) > 250
