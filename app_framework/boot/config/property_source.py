"""A configuration source is a tree of values, each of which knows where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import PurePath

from pydantic import SecretBytes, SecretStr

from app_framework.boot.config.units import format_duration
from app_framework.boot.origin import Origin

KeyPath = tuple[str | int, ...]
"""The exact name of a place: keys and list positions, outermost first."""


@dataclass(frozen=True, slots=True, repr=False)
class ConfigValue:
    """A value of a source: a scalar, a list of values or a map of values.

    Args:
        value: what was written.
        origin: where the value starts.
        key_origin: where its key (or list item) starts.
        text: how a number or a boolean was spelled, for fields that want text (``version: 1.10``).
    """

    value: str | int | float | bool | list[ConfigValue] | dict[str, ConfigValue] | None
    origin: Origin
    key_origin: Origin
    text: str | None = None

    def __repr__(self) -> str:
        return f"<ConfigValue {self.origin}>"  # without the value, which may be a secret

    @property
    def children(self) -> dict[str, ConfigValue]:
        """The values by key when this is a map, otherwise nothing."""
        return self.value if isinstance(self.value, dict) else {}

    def at(self, step: str | int) -> ConfigValue | None:
        """Return the value one step below, None when there is none."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def find(self, path: Sequence[str | int]) -> ConfigValue | None:
        """Return the value at an exact path, None when nothing is set there."""
        found: ConfigValue | None = self
        for step in path:
            if found is None:
                return None
            found = found.at(step)
        return found

    def plain(self) -> object:
        """Return the value as ordinary Python scalars, lists and dicts."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def leaves(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, ConfigValue]]:
        """Yield every scalar, empty list and empty map below with its path, in the order written."""
        if isinstance(self.value, dict) and self.value:
            for key, child in self.value.items():
                yield from child.leaves((*path, key))
        elif isinstance(self.value, list) and self.value:
            for index, child in enumerate(self.value):
                yield from child.leaves((*path, index))
        else:
            yield path, self


@dataclass(frozen=True, slots=True, repr=False)
class PropertySource:
    """One place that settings come from: a document of a file, the environment, the command line.

    Args:
        name: what a person calls it, such as ``application.yml`` or ``command line``.
        root: its values.
    """

    name: str
    root: ConfigValue

    def entries(self) -> Iterator[tuple[str, object, Origin]]:
        """Yield each setting as dotted key (``servers[0]``), value as written, and origin.

        Values are not masked: whoever shows them passes them through `Environment.mask`.
        """
        for path, leaf in self.root.leaves():
            if path:
                yield dotted(path), leaf.plain(), leaf.origin

    def __repr__(self) -> str:
        return f"<PropertySource {self.name!r} {sum(1 for _ in self.entries())} settings>"


def merged(low: ConfigValue, high: ConfigValue) -> ConfigValue:
    """Return `high` over `low`: maps merge by key, lists and scalars replace entirely."""
    if not (isinstance(low.value, dict) and isinstance(high.value, dict)):
        return high
    combined = dict(low.value)
    for key, child in high.value.items():
        below = combined.get(key)
        combined[key] = child if below is None else merged(below, child)
    # A section that a variable adds one key to is still best pointed at where it is written out.
    place = low if low.origin.line is not None and high.origin.line is None else high
    return ConfigValue(combined, place.origin, place.key_origin)


def empty(origin: Origin) -> ConfigValue:
    """Return a map without keys."""
    return ConfigValue({}, origin, origin)


def from_python(value: object, origin: Origin) -> ConfigValue:
    """Return a Python value as a tree whose every part has the same origin.

    Raises:
        TypeError: if the value holds an object that no configuration file could say.
    """
    if isinstance(value, Mapping):
        children = {str(key): from_python(child, origin) for key, child in value.items()}
        return ConfigValue(children, origin, origin)
    if isinstance(value, (list, tuple, set, frozenset)):
        return ConfigValue([from_python(child, origin) for child in value], origin, origin)
    return ConfigValue(_scalar(value), origin, origin)


def _scalar(value: object) -> str | int | float | bool | None:
    if isinstance(value, Enum):
        return _scalar(value.value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, SecretBytes):
        return value.get_secret_value().decode()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be a configuration value")


def dotted(path: Sequence[str | int]) -> str:
    """Return the dotted form of a path; a key that holds a dot is put in brackets.

    >>> dotted(("nats", "servers", 0)), dotted(("logging", "level", "my.module"))
    ('nats.servers[0]', 'logging.level[my.module]')
    """
    text = ""
    for step in path:
        if isinstance(step, int) or any(mark in step for mark in ".[]") or not step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def segments(key: str) -> tuple[str, ...]:
    """Return the parts of a dotted key; brackets hold a part together.

    >>> segments("logging.level[my.module].x"), segments("servers[0]")
    (('logging', 'level', 'my.module', 'x'), ('servers', '0'))
    """
    parts: list[str] = []
    rest = key
    while rest:
        if rest.startswith("[") and "]" in rest:
            part, _, rest = rest[1:].partition("]")
            rest = rest.removeprefix(".")
        else:
            end = min((at for at in (rest.find("."), rest.find("[")) if at > 0), default=len(rest))
            part, rest = rest[:end], rest[end:].removeprefix(".")
        parts.append(part)
    return tuple(parts)
