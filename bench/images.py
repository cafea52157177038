"""One image file: read, brought to 8-bit RGB by stated rules, and identified by its pixels.

What is not 8-bit RGB already is normalised, and ``SourceImage.note`` says so:

* grey, bilevel and palette become RGB;
* 16 bits a sample are rounded to 8, ``round(x / 257)`` (Pillow alone would cut 16-bit colour in PNG and TIFF off at the
  high byte), and so are the 9 to 16 bits of JPEG 2000, HEIC and PPM; those of AVIF are reduced by Pillow;
* transparency is composited on white, in code values at the file's depth, and rounded once; an alpha channel that is
  opaque everywhere is dropped;
* the EXIF orientation is applied, of HEIC the rotation its boxes tell;
* of an animation or a file of several pages, the first frame is taken, of HEIC the main picture;
* an embedded ICC profile, gamma or chromaticity is ignored: code values are taken as sRGB.

CMYK, L*a*b*, floating point and 32-bit integers have no one meaning as 8-bit RGB and are refused, and so is what
neither library reads in full: TIFF of 12 bits a sample, or of 16 in planes or with premultiplied alpha, JPEG 2000 of
more than 8 in YCbCr or with channels that differ.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from bench import heif, jpeg2000, lossy
from bench.boxes import main_picture
from bench.codec import BenchError, Image
from bench.image_samples import Refused, Samples, by_opencv, orient, rescaled, to_rgb

SUFFIXES = frozenset(
    ".avif .bmp .gif .j2k .jfif .jp2 .jpe .jpeg .jpg .pgm .png .pnm .ppm .tga .tif .tiff .webp".split()  # noqa: SIM905
)
"""File name endings, in lower case, that count as images when a folder is searched; those of HEIC are in
``bench.heif``."""

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
"""What a file may hold, whatever its name. Pillow knows others: some start programs (EPS: Ghostscript), and which ones
there are depends on what was imported before."""

ADVICE = "convert it to an 8-bit RGB PNG, or leave it out of --dataset"

_GREY = frozenset({"1", "L", "LA", "I;16", "I;16L", "I;16B", "I;16N", "I"})
_RGB = frozenset({"RGB", "RGBA", "P", "PA"})
_ORIENTATION_TAG = 0x0112
_BITS_TAG, _PHOTOMETRIC_TAG, _PLANES_TAG, _EXTRA_TAG = 258, 262, 284, 338


@dataclass(frozen=True, eq=False, slots=True)
class SourceImage:
    """An image as it enters a chain.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, C-contiguous, read-only.
        name: what tables call it: the file's name without its ending, unless a dataset chose another.
        path: the file it came from.
        sha256: of the pixels and their shape, see ``pixel_sha256``; the file's format does not matter.
        note: what was done to bring the file to 8-bit RGB; empty where nothing had to be.
        format: of the file, such as ``PNG`` or ``JPEG``.
        lossy: whether the file was coded with losses, as far as it tells.
    """

    pixels: Image
    name: str
    path: Path
    sha256: str
    note: str
    format: str = ""
    lossy: bool = False

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.pixels.shape[1]


def pixel_sha256(pixels: Image) -> str:
    """Hexadecimal sha256 of the shape, written as ``(H, W, 3)``, followed by the pixels in row order."""
    found = hashlib.sha256(repr(tuple(map(int, pixels.shape))).encode())
    found.update(np.ascontiguousarray(pixels).data)
    return found.hexdigest()


def image_id(sha256: str) -> str:
    """What stands for an image's pixels in tables: the start of their sha256."""
    return sha256[:16]


def load_image(path: str | Path, name: str | None = None) -> SourceImage:
    """Read an image file as 8-bit RGB, by the rules at the top of this module.

    Raises:
        BenchError: the file is missing, unreadable, damaged, too large to be decoded safely, or of a refused kind.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise BenchError(f"{path}: a link to a file that is not there; leave it out of --dataset.") from None
        raise BenchError(f"{path}: there is no such image file; change it with --dataset.") from None
    except OSError as error:
        raise BenchError(f"{path}: the image cannot be read ({error.strerror}).") from error
    try:
        decoded = _decode(data)
    except Refused as refusal:
        raise BenchError(f"{path}: {refusal}; {ADVICE}.") from None
    except (PIL.Image.DecompressionBombError, MemoryError):
        limit = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise BenchError(f"{path}: the image has more pixels than is safe to decode, {limit:.0f} million.") from None
    except UnidentifiedImageError:
        raise BenchError(f"{path}: not an image in a format that can be read here; {ADVICE}.") from None
    except Exception as error:  # decoders of damaged files raise nearly anything
        raise BenchError(f"{path}: the image file is damaged or cut short ({_one_line(error)}).") from error
    decoded.pixels.flags.writeable = False
    sha256, note = pixel_sha256(decoded.pixels), "; ".join(decoded.notes)
    return SourceImage(decoded.pixels, name or path.stem, path, sha256, note, decoded.format, decoded.lossy)


@dataclass(frozen=True, slots=True)
class _Decoded:
    pixels: Image
    notes: list[str]
    format: str
    lossy: bool


def _decode(data: bytes) -> _Decoded:
    """Pixels, what was done to them, and what kind of file they come from."""
    notes: list[str] = []
    if heif.is_heif(data):
        return _Decoded(_packed(to_rgb(heif.read(data, notes), notes)), notes, lossy.HEIC, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bombs raise an error of their own; metadata warnings change no pixel
        with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as file:
            kind = lossy.NAMES.get(str(file.format), str(file.format)), lossy.is_lossy(file, data)
            if getattr(file, "n_frames", 1) > 1:
                notes.append(f"first of {file.n_frames} frames")  # type: ignore[attr-defined]
            if "icc_profile" in file.info:
                notes.append("ICC profile ignored")
            deep = _is_16_bit_colour(file)  # before anything loads the pixels: after that the file no longer tells
            orientation = file.getexif().get(_ORIENTATION_TAG, 1)
            turned = file.format == "TIFF"  # by either library while it reads
            samples = _read(file, data, deep, notes)
    pixels = to_rgb(samples, notes)
    if orientation in range(2, 9):
        notes.append("EXIF orientation applied")
        pixels = pixels if turned else orient(pixels, orientation)
    return _Decoded(_packed(pixels), notes, *kind)


def _packed(pixels: Image) -> Image:
    return np.array(pixels, np.uint8, order="C")


def _read(file: PIL.Image.Image, data: bytes, is_16_bit_colour: bool, notes: list[str]) -> Samples:
    """Samples by the library that reads all of their bits."""
    _check_deep_tiff(file)
    if file.format == "JPEG2000" and file.mode in _GREY | _RGB:
        found = jpeg2000.header(data)
        jpeg2000.check(found)
        if found.bits > 8:
            return jpeg2000.deep_samples(file, data, found)
    if is_16_bit_colour:
        return Samples(_samples_16_bit(file, data), 16)
    if file.format == "AVIF":
        about = main_picture(data)
        notes += [f"{about.bits} bits reduced to 8"] * (about.bits > 8)
        notes += filter(None, [about.colour_note()])
    if file.format == "PNG" and file.mode == "L" and "transparency" in file.info and data[24] in (2, 4):
        # Pillow stretches grey of so few bits to 8, and leaves the transparent value as it was
        file.info["transparency"] *= 255 // (2 ** data[24] - 1)
    deep = _ppm_bits(file)
    values = _samples(file, notes)
    if deep > 8:  # Pillow has scaled them, grey to 16 bits, colour to 8
        notes.append(f"{deep} bits rounded to 8")
        values = rescaled(values, 65535 if values.dtype == np.uint16 else 255)
    return Samples(values, 16 if values.dtype == np.uint16 else 8)


def _samples(file: PIL.Image.Image, notes: list[str]) -> NDArray[np.generic]:
    """(H, W) or (H, W, 2 to 4) samples, uint8 or uint16: grey, grey and alpha, RGB or RGBA."""
    if file.mode not in _GREY | _RGB or (file.mode == "I" and file.format not in {"PNG", "PPM"}):
        kind = {"F": "floating-point", "I": "32-bit integer", "LAB": "L*a*b*"}.get(file.mode, file.mode)
        raise Refused(f"{kind} pixels have no one meaning as 8-bit RGB")
    if file.mode in {"P", "PA"}:
        notes.append("palette")
    if file.mode.startswith("I"):
        return _samples_16_bit_grey(file)
    if file.mode in {"P", "PA"} or "transparency" in file.info:
        has_alpha = file.mode == "PA" or "transparency" in file.info
        return np.asarray(file.convert("RGBA" if has_alpha else "RGB"))
    if file.mode == "1":
        return np.asarray(file.convert("L"))
    return np.asarray(file)


def _samples_16_bit_grey(file: PIL.Image.Image) -> NDArray[np.uint16]:
    """(H, W), or (H, W, 2) where a value is transparent: Pillow reads all of the bits, and nothing else rightly."""
    inverted = _tags(file).get(_PHOTOMETRIC_TAG) == 0  # a TIFF in which 0 is white
    grey = np.asarray(file).astype(np.uint16)
    grey = 65535 - grey if inverted else grey
    if "transparency" not in file.info:
        return grey
    return np.dstack([grey, np.where(grey == file.info["transparency"], 0, 65535).astype(np.uint16)])


def _tags(file: PIL.Image.Image) -> Mapping[int, Any]:
    """Those of a TIFF, none of any other file."""
    return getattr(file, "tag_v2", {}) if file.format == "TIFF" else {}


def _check_deep_tiff(file: PIL.Image.Image) -> None:
    """Raise Refused where a TIFF of more than 8 bits a sample would be read as something else than it is."""
    tags = _tags(file)
    bits = max(tags.get(_BITS_TAG, (1,)))
    if bits not in (1, 2, 4, 8, 16, 32, 64):
        raise Refused(f"TIFF with {bits} bits a sample cannot be read in full")
    if bits == 16 and tags.get(_PLANES_TAG) == 2 and len(file.getbands()) > 1:
        raise Refused("16-bit TIFF with a plane for each channel cannot be read in full")
    if bits == 16 and 1 in tags.get(_EXTRA_TAG, ()):
        raise Refused("16-bit TIFF with premultiplied alpha cannot be read in full")


def _is_16_bit_colour(file: PIL.Image.Image) -> bool:
    """Whether the file stores 16 bits a sample where Pillow shows 8: its raw modes are then RGB;16B and the like."""
    raw_modes = [str(tile[3]) for tile in getattr(file, "tile", ())]
    return file.mode in {"RGB", "RGBA", "LA"} and any(";16" in raw_mode for raw_mode in raw_modes)


def _samples_16_bit(file: PIL.Image.Image, data: bytes) -> NDArray[np.generic]:
    file.load()  # raises where the file is cut short; OpenCV would fill the rest with something
    found = by_opencv(data)
    if found is None:
        raise Refused("16-bit colour of this kind cannot be read in full")
    if found.ndim == 2:
        return found
    # A fourth channel that the file does not call alpha is in no mode of Pillow's, and means nothing here.
    return found[:, :, :3] if file.mode == "RGB" and "transparency" not in file.info else found


def _ppm_bits(file: PIL.Image.Image) -> int:
    """Bits of the largest value of a PPM, 8 for any other file: Pillow scales and rounds its values."""
    tiles = getattr(file, "tile", ())
    arguments = tiles[0][3] if file.format == "PPM" and tiles else ""
    return int(arguments[1]).bit_length() if isinstance(arguments, tuple) and len(arguments) == 2 else 8


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
