"""Bring the keys of a source into their canonical spelling, and report those that nobody knows.

Keys of model fields become kebab-case (``joinTimeout`` is ``join-timeout``); keys of maps are the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.known_starters import KNOWN_STARTERS
from app_framework.boot.config.property_source import ConfigValue, KeyPath, dotted
from app_framework.boot.config.relaxed import edit_distance
from app_framework.boot.config.shape import Shape
from app_framework.boot.origin import Origin
from app_framework.errors import near_matches

_KEYS_LISTED_MAX = 12


class Canonical:
    """One pass over the sources of an environment.

    Args:
        shape: what the claimed models accept.

    Attributes:
        problems: what was refused on the way.
        unknown: keys and sections that nobody knows.
    """

    def __init__(self, shape: Shape) -> None:
        self.problems: list[ConfigProblem] = []
        self.unknown: list[ConfigProblem] = []
        self.shape = shape

    def root(self, root: ConfigValue) -> ConfigValue:
        """Return the root of a source in canonical spelling."""
        return self.value(root, self.shape, ())

    def value(self, value: ConfigValue, shape: Shape | None, path: KeyPath) -> ConfigValue:
        """Return a value in canonical spelling, given what is accepted at its place."""
        if shape is None:
            return value
        if isinstance(value.value, dict):
            return self._map(value, value.value, shape, path)
        if isinstance(value.value, list) and shape.items is not None:
            items = [self.value(child, shape.items, (*path, at)) for at, child in enumerate(value.value)]
            return replace(value, value=items)
        if value.value is None and shape.is_map and not shape.optional:
            return replace(value, value={}, text=None)  # a section with all its keys commented out
        return value

    def _map(self, value: ConfigValue, keys: dict[str, ConfigValue], shape: Shape, path: KeyPath) -> ConfigValue:
        if shape.values is None and not shape.has_fields:
            return value
        found: dict[str, ConfigValue] = {}
        for key, child in keys.items():
            if shape.values is None:
                self._place(found, key, child, shape, path)
            else:
                name, entry = _entry(key, child, shape.values)
                self._put(found, name, self.value(entry, shape.child(name), (*path, name)), path)
        return replace(value, value=found)

    def _place(self, found: dict[str, ConfigValue], key: str, child: ConfigValue, shape: Shape, path: KeyPath) -> None:
        """Put one key of a model's map under its canonical name."""
        name = shape.field_named(key)
        if name is None and "." in key:
            head, _, tail = key.partition(".")
            if shape.field_named(head) or not path:
                inner = ConfigValue({tail: child}, child.key_origin, child.key_origin)
                return self._place(found, head, inner, shape, path)
        if name is None:
            if not shape.takes_other_keys:
                self.unknown.append(unknown_key(key, shape, path, child.key_origin, self.shape))
            name = key
        self._put(found, name, self.value(child, shape.child(name), (*path, name)), path)
        return None

    def _put(self, found: dict[str, ConfigValue], key: str, child: ConfigValue, path: KeyPath) -> None:
        found[key] = self._combined(found[key], child, (*path, key)) if key in found else child

    def _combined(self, first: ConfigValue, second: ConfigValue, path: KeyPath) -> ConfigValue:
        """Return two spellings of one map as one; two values for one key are refused."""
        if not (isinstance(first.value, dict) and isinstance(second.value, dict)):
            message = f"{dotted(path)} is written twice; the first is at {first.key_origin}"
            action = f"Keep one of the two values of {dotted(path)}."
            self.problems.append(
                ConfigProblem("duplicate-key", message, second.key_origin, action=action, key=dotted(path))
            )
            return first
        keys = dict(first.value)
        for key, child in second.value.items():
            keys[key] = self._combined(keys[key], child, (*path, key)) if key in keys else child
        return replace(first, value=keys)


def _entry(key: str, child: ConfigValue, values: Shape) -> tuple[str, ConfigValue]:
    """Return the entry of a map that one line means: ``users.ana.password: x`` is about ``ana``.

    Keys of maps may hold dots themselves, so a key is taken apart only where its value cannot be a whole entry.
    """
    if "." not in key or values.scalars or values.anything or values.items:
        return key, child
    if isinstance(child.value, dict) and (not child.value or any(map(values.field_named, child.value))):
        return key, child
    parts = key.split(".")
    for at in range(1, len(parts)):
        if values.field_named(parts[at]):
            inner = ConfigValue({".".join(parts[at:]): child}, child.key_origin, child.key_origin)
            return ".".join(parts[:at]), inner
    return key, child


def unknown_key(key: str, shape: Shape, path: KeyPath, origin: Origin | None, root: Shape) -> ConfigProblem:
    """Return the problem of a key that the models at its place do not have."""
    if not path:
        return unknown_section(key, shape, origin)
    where = dotted(path)
    near = near_matches(key, shape.fields) or _elsewhere(key, root)
    known = sorted(shape.fields)
    shown = ", ".join(known[:_KEYS_LISTED_MAX]) + (", …" if len(known) > _KEYS_LISTED_MAX else "")
    if near:
        action = f"Write '{near[0]}' instead of '{key}'."
    else:
        action = f"Remove '{key}': '{where}' knows {shown}." if known else f"Remove '{key}' below '{where}'."
    message = f"unknown key '{key}' in '{where}'"
    return ConfigProblem("unknown-key", message, origin, near, action, key=dotted((*path, key)))


def unknown_section(
    key: str, root: Shape, origin: Origin | None, starters: Mapping[str, str] = KNOWN_STARTERS
) -> ConfigProblem:
    """Return the problem of a top-level key that no installed starter and no component claims."""
    distribution = starters.get(key)
    if distribution:
        message = f"section '{key}' has no owner; it belongs to {distribution}, which is not installed"
        action = f"Install it: pip install {distribution}. Or remove the section '{key}'."
        return ConfigProblem("unowned-section", message, origin, action=action, key=key)
    near = near_matches(key, root.fields) or _elsewhere(key, root)
    absent = () if near else tuple(name for name in starters if edit_distance(key, name, 1) <= 1)
    if near:
        action = f"Write '{near[0]}' instead of '{key}'."
    elif absent:
        action = f"Write '{absent[0]}' instead of '{key}', and pip install {starters[absent[0]]}, which owns it."
    else:
        action = f"Remove the section '{key}', or install the starter that owns it."
    message = f"unknown section '{key}': nothing that is installed claims it"
    return ConfigProblem("unknown-section", message, origin, near or absent, action, key=key)


def _elsewhere(key: str, root: Shape) -> tuple[str, ...]:
    """Return where a key would be known one level below the root: ``port`` is meant as ``server.port``."""
    homes = [
        f"{section}.{name}" for section, shape in root.fields.items() if (name := shape.field_named(key)) is not None
    ]
    return tuple(homes[:3]) if len(homes) <= 3 else ()
