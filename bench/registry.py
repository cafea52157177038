"""Which codecs there are, and how a user names one.

A codec is named by a *spec*, the same everywhere on a command line:

    NAME                            jpeg
    NAME:QUALITY                    jpeg:75
    NAME[key=value;key=value]       avif[tune=psnr;speed=4]:60
    package.module:Class            mypackage.codecs:MyCodec
    package.module:Class:QUALITY    mypackage.codecs:MyCodec:0.5

What follows the last colon is a quality if and only if it is a number. Options are the keyword arguments of the codec's
constructor. A codec of another package appears under its own name where that package declares an entry point:

    [project.entry-points."reencode_bench.codecs"]
    mycodec = "mypackage.codecs:MyCodec"

Nothing is imported before a codec is created, so that naming ``jpeg`` does not load PyTorch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.metadata import entry_points
from numbers import Real
from typing import Any

from bench.codec import BenchError, Codec, QualityScale, load, one_line, one_sentence
from bench.options import bind, parameters
from bench.own_code import is_built_in, whole_identity

GROUP = "reencode_bench.codecs"
"""The entry point group in which other packages declare codecs."""

LIST_COMMAND = "python -m bench.codecs"


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered codec.

    Attributes:
        target: ``"package.module:Class"``, imported when the codec is created.
        options: keyword arguments that this name fixes.
        variant: the keyword argument that ``NAME:VARIANT`` sets, for families of codecs; "" where there are none.
    """

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""


BUILTIN: dict[str, Entry] = {
    "iat": Entry("baselines.iat.codec:IATCodec"),
    "xie": Entry("baselines.xie.codec:XieCodec"),
    "sft": Entry("baselines.sft.codec:SFTCodec"),
    "ainn": Entry("baselines.ainn.codec:AINNCodec"),
    "compressai": Entry("baselines.compressai.codec:CompressAICodec", variant="model"),
    "jpeg": Entry("baselines.classical.jpeg:JPEGCodec"),
    "jpeg-444": Entry("baselines.classical.jpeg:JPEGCodec", {"subsampling": "4:4:4"}),
    "jpeg2000": Entry("baselines.classical.jpeg2000:JPEG2000Codec"),
    "webp": Entry("baselines.classical.webp:WebPCodec"),
    "avif": Entry("baselines.classical.avif:AVIFCodec"),
    "avif-444": Entry("baselines.classical.avif:AVIFCodec", {"subsampling": "4:4:4"}),
    "jpegxl": Entry("baselines.classical.jpegxl:JPEGXLCodec"),
    "heic": Entry("baselines.classical.heic:HEICCodec"),
    "heic-444": Entry("baselines.classical.heic:HEICCodec", {"subsampling": "4:4:4"}),
    "bpg": Entry("baselines.classical.bpg:Bpg"),
    "vtm": Entry("baselines.classical.vtm:Vtm"),
    "vvenc": Entry("baselines.classical.vvenc:Vvenc"),
    "ffmpeg-vvenc": Entry("baselines.classical.ffmpeg:FfmpegVvenc"),
    "ffmpeg-aom": Entry("baselines.classical.ffmpeg_aom:FfmpegAom"),
    "ffmpeg-aom-444": Entry("baselines.classical.ffmpeg_aom:FfmpegAom444"),
    "ffmpeg-x264": Entry("baselines.classical.ffmpeg_x264:FfmpegX264"),
    "ffmpeg-x265": Entry("baselines.classical.ffmpeg:FfmpegX265In420"),
    "ffmpeg-x265-444": Entry("baselines.classical.ffmpeg:FfmpegX265"),
    "null": Entry("baselines.classical.null:NullCodec"),
}


def entries() -> dict[str, Entry]:
    """All registered codecs by name, ours first; an entry point can't take the name of one of ours."""
    declared = {point.name: Entry(point.value) for point in entry_points(group=GROUP)}
    return BUILTIN | {name: entry for name, entry in sorted(declared.items()) if name not in BUILTIN}


@dataclass(frozen=True)
class CodecSpec:
    """A codec as the user named it. Strings only, so that it can be stored and sent to another process.

    Attributes:
        text: what the user typed, without spaces around it.
        name: registry name, ``"family:variant"``, or ``"package.module:Class"``.
        options: constructor arguments as typed, in the order typed.
        quality: on the codec's scale, or None where the user named none.
    """

    text: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    quality: float | None = None

    @property
    def label(self) -> str:
        """Name and options without the quality: what tables call the codec, unless some have no effect."""
        options = ";".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}[{options}]" if options else self.name

    def without(self, options: Collection[str]) -> CodecSpec:
        """The spec without some of its options."""
        return replace(self, options={key: value for key, value in self.options.items() if key not in options})


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SPEC = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<options>[^\[\]]*)\])?(:(?P<rest>[^\[\]]*))?")
_OUTSIDE_COMMA = re.compile(r",(?![^\[\]]*\])")


def parse_specs(text: str) -> list[CodecSpec]:
    """Parse specs separated by commas; commas inside brackets belong to an option."""
    return [parse_spec(part) for part in split_specs(text)]


def split_specs(text: str) -> list[str]:
    """The parts of a list of specs."""
    return _OUTSIDE_COMMA.split(text)


def parse_spec(text: str) -> CodecSpec:
    """Parse one spec (grammar above); raise BenchError where it is malformed or names no known codec."""
    text = text.strip()
    parsed = _SPEC.fullmatch(text)
    if not parsed:
        raise BenchError(f"Can't read the codec {text!r}; expected NAME, NAME:QUALITY or NAME[key=value;...]:QUALITY.")
    name, tail = parsed["name"], parsed["rest"]
    if parsed["options"] is None:  # the pattern has given every colon to the name
        name, colon, last = name.rpartition(":")
        if not colon or not _NUMBER.fullmatch(last):
            name, last = text, ""
        tail = last or None
    elif tail is not None and not _NUMBER.fullmatch(tail):
        raise BenchError(f"Quality must be a number, got {tail!r} in {text!r}.")
    name = name.strip()
    _check_name(name, text)
    return CodecSpec(text, name, _parse_options(parsed["options"], text), None if tail is None else float(tail))


def _parse_options(inside: str | None, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in (inside or "").split(";") if inside is not None else ():
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not value or not key.isidentifier() or key in options:
            raise BenchError(
                f"Can't read the option {part.strip()!r} in {text!r}; expected each key=value once, with ; between."
            )
        options[key] = value
    return options


def _check_name(name: str, text: str) -> None:
    """Raise BenchError unless ``name`` is registered, a variant of a family, or looks like package.module:Class."""
    known = entries()
    family, colon, variant = name.partition(":")
    if name in known:
        return
    if family in known:
        if known[family].variant and variant:
            return
        if _NUMBER.fullmatch(variant):
            raise BenchError(f"A codec takes one quality, got two in {text!r}; name it twice, with a comma between.")
        raise BenchError(f"Quality must be a number, got {variant!r} in {text!r}.")
    if colon and all(part.isidentifier() for part in [*family.split("."), *variant.split(".")]):
        return
    raise BenchError(f"Unknown codec {name!r}: {_meant(name, known)}{LIST_COMMAND} lists them all.")


def _meant(name: str, known: Mapping[str, Entry]) -> str:
    """A question whether something like it was meant, or ""."""
    family = name.partition("-")[0]
    if family != name and family in known and name not in known and takes(CodecSpec(family, family), "checkpoint"):
        return f"did you mean the checkpoint {family}[checkpoint={name}]? "
    if close := get_close_matches(name.lower(), known, n=3):
        return f"did you mean {' or '.join(close)}? "
    module, dot, attribute = name.rpartition(".")
    return f"did you mean {module}:{attribute}? " if dot and attribute.isidentifier() else ""


def create(spec: CodecSpec | str, context: Mapping[str, Any] | None = None) -> Codec:
    """Make the codec that a spec names; its ``name`` is the spec's label, less options that its class says to be
    ``without_effect`` on what it codes.

    Args:
        spec: from ``parse_spec``, or its text.
        context: what the command line says for all codecs at once, such as ``device`` or ``timeout``; goes to the
            constructors that have an argument of that name. Options in the spec win.

    Raises:
        BenchError: unknown name or option, an option of the wrong type, or a class that is no codec.
        CodecUnavailable: its module, or something the module imports, is not installed.
        QualityError: the spec's quality is off the codec's scale.
    """
    spec = parse_spec(spec) if isinstance(spec, str) else spec
    entry, registered = resolve(spec.name)
    clash = sorted(spec.options.keys() & entry.options.keys())
    if clash:
        raise BenchError(
            f"{spec.name} fixes {clash[0]}={entry.options[clash[0]]}; it can't be an option of {spec.text!r}."
        )
    factory = load(entry.target, spec.name)
    with one_sentence(f"{spec.name}: its constructor"):
        codec: Codec = factory(**bind(factory, spec.name, spec.options, fixed=entry.options, context=context or {}))
    with one_sentence(f"{spec.name}: looking at its attributes"):
        _check_codec(codec, spec.name)
        if not registered and codec.name in BUILTIN and not is_built_in(codec):
            raise BenchError(f"{spec.name}: {codec.name!r} is a codec of the suite; give the class a name of its own.")
        if registered or spec.options:
            label = spec.without(getattr(codec, "without_effect", ())).label
            codec.name = label if registered else label.replace(spec.name, codec.name, 1)
    if spec.quality is not None:
        codec.quality.check(spec.quality, codec.name)
    return codec


def takes(spec: CodecSpec, option: str) -> bool:
    """Whether a codec's constructor has an argument of that name, and neither the spec nor its name sets it."""
    entry, _ = resolve(spec.name)
    return option in parameters(load(entry.target, spec.name)) and option not in {*entry.options, *spec.options}


def resolve(name: str) -> tuple[Entry, bool]:
    """The entry behind a spec's name, and whether it is registered (or else named by module and class)."""
    known = entries()
    if name in known:
        return known[name], True
    family, _, variant = name.partition(":")
    if family in known:
        entry = known[family]
        return Entry(entry.target, {**entry.options, entry.variant: variant}), True
    return Entry(name), False


def available(codec: Codec, name: str) -> tuple[bool, str]:
    """``codec.available()``; raise BenchError, beginning with ``name``, where that goes wrong."""
    with one_sentence(f"{name}: available()"):
        there, reason = codec.available()
        return (True, "") if there else (False, str(reason or "available() does not say why"))


def identity(codec: Codec, name: str) -> dict[str, Any]:
    """``codec.identity()``, and of a codec that is not built in the sha256 of its source.

    Raises BenchError, beginning with ``name``, where that goes wrong or can't be stored.
    """
    with one_sentence(f"{name}: identity()"):
        found = whole_identity(codec)
    try:
        json.dumps(found, sort_keys=True, allow_nan=False)
        why = "" if isinstance(found, dict) else f"got {type(found).__name__}"
    except (TypeError, ValueError, RecursionError) as error:
        why = one_line(str(error)).rstrip(".")
    if why:
        raise BenchError(f"{name}: identity() must return a dict of JSON values: {why}.")
    return found


def _check_codec(codec: Any, name: str) -> None:
    required = ("name", "quality", "deterministic", "identity", "encode", "decode")
    lacking = [each for each in (*required, "available", "encode_many", "decode_many") if not hasattr(codec, each)]
    if lacking:
        raise BenchError(f"{name} is no codec: it lacks {', '.join(lacking)}; derive it from bench.codec.Codec.")
    if not isinstance(codec.name, str):
        raise BenchError(f"{name}: its name must be text, got {codec.name!r}.")
    scale = codec.quality
    ends = (scale.low, scale.high, scale.default) if isinstance(scale, QualityScale) else (None,)
    if not all(isinstance(number, Real) for number in ends):
        raise BenchError(f"{name}: its quality must be a bench.codec.QualityScale of numbers, got {scale!r}.")
    if not scale.low <= scale.default <= scale.high:
        raise BenchError(
            f"{name}: its default quality must be from {scale.low:g} to {scale.high:g}, got {scale.default:g}."
        )
