"""Settings: chroma sampling as other readers see it, identities, packages that are missing."""

from __future__ import annotations

import json
import re
import sys
from io import BytesIO

import numpy as np
import pytest
from everyday_cases import NAMES, codec_or_skip, photo, psnr
from PIL import Image as PILImage
from PIL import ImageFile, JpegImagePlugin

from bench.codec import CodecError, CodecUnavailable, QualityError
from bench.registry import create


def chroma_detail(name: str, quality: float) -> float:
    """PSNR of an image whose luma is flat and whose chroma changes at every pixel: low where chroma is subsampled."""
    y, x = np.indices((64, 64))
    image = np.where(((x + y) % 2 == 0)[..., None], [200, 80, 128], [56, 142, 128]).astype(np.uint8)
    codec = codec_or_skip(name)
    return psnr(codec.decode(codec.encode(image, quality)), image)


@pytest.mark.parametrize(
    ("name", "quality", "full"),
    [
        ("jpeg", 95, False),
        ("jpeg-444", 95, True),
        ("webp", 95, False),
        ("avif", 95, False),
        ("avif-444", 95, True),
        ("heic", 95, False),
        ("heic-444", 95, True),
        ("jpeg2000", 8, True),
        ("jpegxl", 99, True),
        ("null", 100, True),
    ],
)
def test_chroma_is_subsampled_where_the_name_says_so(name: str, quality: float, full: bool) -> None:
    assert (chroma_detail(name, quality) > 27) == full


@pytest.mark.parametrize(("name", "sampling"), [("jpeg", 2), ("jpeg-444", 0), ("jpeg[subsampling=4:2:2]", 1)])
def test_pillow_reads_the_jpeg_sampling_back(name: str, sampling: int) -> None:
    with PILImage.open(BytesIO(codec_or_skip(name).encode(photo(40, 50), 80))) as image:
        assert JpegImagePlugin.get_sampling(image) == sampling


@pytest.mark.parametrize(("name", "chroma"), [("heic", 420), ("heic-444", 444)])
def test_libheif_reads_the_heic_sampling_and_the_colour_space_back(name: str, chroma: int) -> None:
    stream = codec_or_skip(name).encode(photo(40, 50), 80)
    import pillow_heif

    info = pillow_heif.open_heif(BytesIO(stream), convert_hdr_to_8bit=False).info
    assert int(info["chroma"]) == chroma
    profile = info["nclx_profile"]
    assert (profile["matrix_coefficients"], profile["full_range_flag"]) == (6, 1)


@pytest.mark.parametrize(("name", "bits"), [("avif", 0x0C), ("avif-444", 0x00)])
def test_the_avif_states_its_sampling_and_its_colour_space(name: str, bits: int) -> None:
    stream = codec_or_skip(name).encode(photo(40, 50), 80)
    assert stream[stream.index(b"av1C") + 6] & 0x1C == bits
    colour = stream.index(b"colrnclx")
    assert stream[colour + 8 : colour + 15] == bytes([0, 1, 0, 13, 0, 6, 0x80])  # sRGB, BT.601 matrix, full range


@pytest.mark.parametrize("name", ["avif", "heic", "jpegxl", "webp", "jpeg"])
def test_no_profile_or_metadata_goes_into_the_file(name: str) -> None:
    codec = codec_or_skip(name)
    stream = codec.encode(photo(40, 50), codec.quality.default)
    assert not re.search(rb"Exif|ICC_PROFILE|iCCP|http://ns\.adobe", stream)


@pytest.mark.parametrize("name", NAMES)
def test_identity_is_json_and_names_versions_and_settings(name: str) -> None:
    identity = codec_or_skip(name).identity()
    assert json.loads(json.dumps(identity)) == identity
    assert identity["codec"] == name
    assert identity["settings"] or name in ("jpeg2000",)
    assert all(re.search(r"\d", version) for version in identity["versions"].values())
    assert identity["versions"] or name == "null"


def test_options_are_part_of_the_identity() -> None:
    identities = [create(text).identity() for text in ("webp", "webp[method=6]", "jpeg", "jpeg-444", "avif[speed=8]")]
    assert len({json.dumps({**identity, "codec": ""}, sort_keys=True) for identity in identities}) == 5


def test_a_setting_that_does_not_exist_is_refused() -> None:
    for text, words in (
        ("jpeg[subsampling=4:1:1]", "4:2:0, 4:2:2, 4:4:4"),
        ("webp[method=7]", "method must be one of"),
        ("avif[tune=fast]", "default, iq, psnr, ssim"),
        ("heic[preset=best]", "ultrafast"),
    ):
        with pytest.raises(CodecError, match=words):
            create(text)


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("jpegxl", "pillow_jxl", "jxl"), ("heic", "pillow_heif", "heic")]
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    codec = create(name)
    available, reason = codec.available()
    assert not available
    assert f"reencode-bench[{extra}]" in reason
    for call in (lambda: codec.encode(photo(8, 8), 50), lambda: codec.decode(b"")):
        with pytest.raises(CodecUnavailable, match="pip install"):
            call()


def test_a_pillow_without_a_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda feature: False)
    for name in ("webp", "avif", "jpeg2000"):
        with pytest.raises(CodecUnavailable, match=f"{name} needs a Pillow"):
            create(name).encode(photo(8, 8), 50)


def test_the_number_of_cores_does_not_change_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    image = photo(300, 300)
    for name in ("avif", "heic", "jpegxl"):
        codec = codec_or_skip(name)
        expected = codec.encode(image, 50)
        with monkeypatch.context() as patch:
            patch.setattr("os.sched_getaffinity", lambda pid: set(range(64)), raising=False)
            patch.setattr("os.cpu_count", lambda: 64)
            assert codec.encode(image, 50) == expected


def test_avif_is_decoded_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import AvifImagePlugin

    codec = codec_or_skip("avif")
    stream, given = codec.encode(photo(40, 50), 50), []
    decoder = AvifImagePlugin._avif.AvifDecoder
    before = AvifImagePlugin.DEFAULT_MAX_THREADS

    class Recording:
        def __new__(cls, data: bytes, name: str, threads: int) -> object:
            given.append(threads)
            return decoder(data, name, threads)

    monkeypatch.setattr(AvifImagePlugin._avif, "AvifDecoder", Recording)
    codec.decode(stream)
    assert given == [1]
    assert before == AvifImagePlugin.DEFAULT_MAX_THREADS


@pytest.mark.parametrize("name", ["jpeg-444[optimize=true]", "jpeg-444[progressive=true]", "jpeg[progressive=true]"])
def test_jpeg_has_room_for_noise(name: str) -> None:
    rng = np.random.default_rng(0)
    codec = create(name)
    for image in (rng.integers(0, 256, (300, 300, 3)), rng.integers(0, 2, (300, 300, 3)) * 255):
        for quality in (90, 94, 100):
            assert codec.decode(codec.encode(image.astype(np.uint8), quality)).shape == image.shape
    assert ImageFile.MAXBLOCK == 65536


@pytest.mark.parametrize("name", ["avif", "avif[tune=iq]", "avif-444[tune=iq]", "avif[tune=psnr]", "avif[tune=ssim]"])
def test_avif_codes_at_the_end_of_its_scale(name: str) -> None:
    codec = codec_or_skip(name)
    assert codec.quality.high == (99 if "iq" in name else 100)
    image = photo(40, 50)
    assert psnr(codec.decode(codec.encode(image, codec.quality.high)), image) > 30
    with pytest.raises(QualityError, match=rf"from 0 to {codec.quality.high}"):
        codec.encode(image, codec.quality.high + 1)
