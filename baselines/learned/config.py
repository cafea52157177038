"""What the configurations of all learned systems share: to and from the dictionary that a checkpoint stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import UnionType
from typing import Any, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from bench.codec import BenchError

LARGEST, MOST = 1024, 16
"""Channels of a layer, and entries of a list: a few bytes in a card must not build a model without bound."""


@dataclass(frozen=True)
class ModelConfig:
    """Base of the frozen dataclasses that shape a network."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of ``to_dict``, of values that anyone may have written (lists from JSON become tuples).

        Raises:
            BenchError: unknown keys, a value of another type, or a size above LARGEST.
        """
        system = cls.__name__.removesuffix("Config")
        if not isinstance(values, dict):
            raise BenchError(f"{system}: the configuration in the checkpoint is no table but {values!r:.40}.")
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise BenchError(f"{system}: unknown configuration keys {sorted(unknown)} in the checkpoint.")
        kinds, found = get_type_hints(cls), {key: _tuples(value) for key, value in values.items()}
        for key, value in found.items():
            if not _fits(value, kinds[key]):
                raise BenchError(f"{system}: the checkpoint's configuration has {key} = {value!r:.60}.")
        return cls(**found)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type, and all sizes in it are from 1 to LARGEST."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Literal:
        return isinstance(value, str) and value in inside
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in inside)
    if origin is tuple:
        if not isinstance(value, tuple) or len(value) > MOST:
            return False
        kinds = inside[:1] * len(value) if inside[1:] == (...,) else inside
        return len(value) == len(kinds) and all(map(_fits, value, kinds))
    if kind is int:
        return type(value) is int and 1 <= value <= LARGEST
    return isinstance(value, kind)


Config = TypeVar("Config", bound=ModelConfig)


def choose(presets: Mapping[str, Config], name: str, system: str) -> Config:
    """The preset called ``name``; raises BenchError for an unknown name."""
    if name not in presets:
        raise BenchError(
            f"{system}: preset must be one of {', '.join(presets)}, got {name!r}; change it with --preset."
        )
    return presets[name]
