"""What the configurations of all learned systems share: to and from the dictionary that a checkpoint stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar

from bench.codec import BenchError


@dataclass(frozen=True)
class ModelConfig:
    """Base of the frozen dataclasses that shape a network."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of ``to_dict`` (lists from JSON become tuples); unknown keys raise BenchError."""
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            system = cls.__name__.removesuffix("Config")
            raise BenchError(f"{system}: unknown configuration keys {sorted(unknown)} in the checkpoint.")
        return cls(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


Config = TypeVar("Config", bound=ModelConfig)


def choose(presets: Mapping[str, Config], name: str, system: str) -> Config:
    """The preset called ``name``; raises BenchError for an unknown name."""
    if name not in presets:
        raise BenchError(
            f"{system}: preset must be one of {', '.join(presets)}, got {name!r}; change it with --preset."
        )
    return presets[name]
