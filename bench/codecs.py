"""`python -m bench.codecs`: every codec, whether it can run here, its quality scale, versions and options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from inspect import Parameter
from numbers import Real
from typing import Any

from bench import registry
from bench.cli import OK, SOME_FAILED, Parser, run
from bench.codec import BenchError, QualityScale, one_sentence
from bench.options import bind, parameters

EPILOG = """Name a codec as NAME, NAME:QUALITY or NAME[option=value;option=value]:QUALITY, for example jpeg:75 or
avif[tune=psnr]:60; one of your own as package.module:Class."""


def describe(text: str) -> dict[str, Any]:
    """What there is to know of the codec that a spec names.

    Returns:
        ``name``, ``available``, ``reason`` (why not; "" where it is), ``quality`` (the scale, or None where the codec
        can't be created), ``options`` (by name, as the spec sets them or by default) and ``identity`` (or None). JSON
        values only.
    """
    row: dict[str, Any] = {
        "name": text,
        "available": False,
        "reason": "",
        "quality": None,
        "options": {},
        "identity": None,
    }
    try:
        with one_sentence(f"{text}: looking at it"):
            spec = registry.parse_spec(text)
            codec = registry.create(spec)
            row["quality"] = {key: _plain(value) for key, value in asdict(codec.quality).items()}
            row["options"] = _options(spec)
            row["available"], row["reason"] = registry.available(codec, spec.name)
            if row["available"]:
                row["identity"] = registry.identity(codec, spec.name)
    except BenchError as error:
        row["available"], row["reason"] = False, str(error)
    return row


def _options(spec: registry.CodecSpec) -> dict[str, Any]:
    """Options that a user can set, as the spec sets them, others with their defaults; None where one must be given."""
    entry, _ = registry.resolve(spec.name)
    factory = registry.load(entry.target, spec.name)
    free = {key: each.default for key, each in parameters(factory).items() if key not in entry.options}
    free |= bind(factory, spec.name, spec.options, fixed={}, context={})
    return {key: None if value is Parameter.empty else _plain(value) for key, value in free.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | str | None):
        return value
    return float(value) if isinstance(value, Real) else str(value)


def _scale(quality: dict[str, Any] | None) -> str:
    if quality is None:
        return "-"
    scale = QualityScale(**quality)
    step = "" if scale.integer else ", continuous"
    return f"{scale.unit} {scale.low:g} to {scale.high:g}{step}, default {scale.default:g}, {scale.better} is better"


def _settings(options: dict[str, Any]) -> str:
    words = {True: "true", False: "false", None: "none"}
    return "; ".join(
        f"{key}={value if type(value) in (int, float) else words.get(value, value)}" for key, value in options.items()
    )


def _versions(identity: dict[str, Any] | None) -> str:
    """Versions of libraries and of programs, as far as an identity states them in the usual places."""
    versions, programs = ((identity or {}).get(key) for key in ("versions", "programs"))
    found = dict(versions) if isinstance(versions, dict) else {}
    for role, program in programs.items() if isinstance(programs, dict) else ():
        found |= {role: program["version"]} if isinstance(program, dict) and "version" in program else {}
    return ", ".join(f"{key} {value}" for key, value in found.items())


def _training(identity: dict[str, Any] | None) -> str:
    """Minutes of training and the machine, as an identity of ``baselines.learned`` states them."""
    told = (identity or {}).get("training")
    each = [one for one in (told if isinstance(told, list) else [told]) if isinstance(one, dict)]
    sums = [total for one in each if isinstance(total := one.get("in_all"), dict)]
    minutes = [spent for total in sums if isinstance(spent := total.get("minutes"), (int, float))]
    if not minutes:
        return ""
    low, high = (f"{end(minutes):.0f}" for end in (min, max))
    devices = ", ".join(sorted({str(one["device"]) for one in each if one.get("device")}))
    return f"{low if low == high else f'{low} to {high}'} minutes in all" + (f", last on {devices}" if devices else "")


def as_text(rows: Sequence[dict[str, Any]]) -> str:
    """The table for people: one line a codec, details indented below it."""
    width = max([len(row["name"]) for row in rows], default=0)
    lines = []
    for row in rows:
        lines.append(f"{row['name']:{width}}  {'yes' if row['available'] else 'NO ':3}  {_scale(row['quality'])}")
        details = {
            "why not": row["reason"],
            "options": _settings(row["options"]),
            "training": _training(row["identity"]),
            "versions": _versions(row["identity"]),
        }
        lines += [f"{'':{width}}       {key}: {value}" for key, value in details.items() if value]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """List codecs; return 0, or 1 where one that was named can't run here."""
    parser = Parser(prog="python -m bench.codecs", description=__doc__, epilog=EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these codecs; all where none is named")
    parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")
    args = parser.parse_args(argv)
    names = [registry.parse_spec(text).text for text in args.names] or list(registry.entries())
    rows = [describe(name) for name in names]
    print(json.dumps(rows, indent=2) if args.json else as_text(rows))
    return SOME_FAILED if args.names and not all(row["available"] for row in rows) else OK


if __name__ == "__main__":
    run(main)
