"""Constructor arguments from strings: the options in the brackets of a codec spec."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from bench.codec import BenchError


def parameters(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a class or function by name, with evaluated annotations where possible.

    Where the constructor of a class passes ``**options`` on, those of its base classes count as well.
    """
    functions: list[Callable[..., Any]] = [factory]
    if inspect.isclass(factory):
        functions = [vars(base)["__init__"] for base in factory.__mro__[:-1] if "__init__" in vars(base)]
    found: dict[str, inspect.Parameter] = {}
    for function in functions:
        own = list(_signature(function).parameters.values())[
            inspect.isclass(factory) :
        ]  # a method's own starts with self
        found = {each.name: each for each in own if each.kind in _BY_NAME} | found
        if all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in own):
            break
    return found


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except Exception:  # an annotation that only a type checker can resolve
        return inspect.signature(function)


def bind(
    factory: Callable[..., Any],
    name: str,
    options: Mapping[str, str],
    fixed: Mapping[str, Any],
    context: Mapping[str, Any],
) -> dict[str, Any]:
    """Keyword arguments for ``factory``.

    Args:
        factory: a codec class.
        name: of the codec, for messages.
        options: what the user typed; converted to the annotated types.
        fixed: passed as they are.
        context: passed where ``factory`` has an argument of that name and neither of the others sets it.

    Raises:
        BenchError: an unknown key, or a value that can't be converted.
    """
    known = parameters(factory)
    free = [key for key in known if key not in fixed]
    unknown = [key for key in options if key not in known]
    if unknown:
        has = f"its options are {', '.join(free)}" if free else "it has no options"
        raise BenchError(f"{name} has no option {unknown[0]!r}; {has}.")
    typed = {key: convert(value, _type_of(known[key]), f"{name}: option {key}") for key, value in options.items()}
    shared = {key: value for key, value in context.items() if key in known}
    return {**shared, **fixed, **typed}


def _type_of(parameter: inspect.Parameter) -> Any:
    """The annotation of an argument, or without one the type of its default: of a whole number any number."""
    if parameter.annotation is not inspect.Parameter.empty or parameter.default in (None, inspect.Parameter.empty):
        return parameter.annotation
    kind = type(parameter.default)
    return int | float if kind is int else kind


def convert(text: str, annotation: Any, what: str) -> Any:
    """Convert ``text`` to an annotated type: bool, int, float, str, Path, Literal, or a union of them.

    Other annotations leave the string as it is. Raises BenchError, beginning with ``what``, where no type fits.
    """
    kinds = _kinds(annotation)
    for kind in kinds:
        try:
            return kind.convert(text)
        except (ValueError, KeyError):
            continue
    raise BenchError(f"{what} must be {' or '.join(kind.expected for kind in kinds)}, got {text!r}.")


class _Kind(NamedTuple):
    """A converter, which raises ValueError or KeyError, and the words for what it takes."""

    convert: Callable[[str], Any]
    expected: str


_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_TEXT = _Kind(str, "text")
_KINDS = {
    bool: _Kind(lambda text: _BOOLEANS[text.lower()], "true or false"),
    int: _Kind(int, "a whole number"),
    float: _Kind(float, "a number"),
    Path: _Kind(Path, "a path"),
    type(None): _Kind(lambda text: {"none": None}[text.lower()], "none"),
}


def _kinds(annotation: Any) -> list[_Kind]:
    """Converters to try in turn; text, which takes anything, comes last."""
    if get_origin(annotation) is Literal:
        values = {str(value): value for value in get_args(annotation)}
        return [_Kind(values.__getitem__, " or ".join(values))]
    if get_origin(annotation) in (Union, UnionType):
        found = [kind for each in get_args(annotation) for kind in _kinds(each)]
        return sorted(found, key=lambda kind: kind is _TEXT)
    return [_KINDS.get(annotation, _TEXT)]
