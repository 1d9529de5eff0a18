"""Find the place that the name of a variable or a dotted key means, along what the property models accept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from app_framework.boot.config.property_source import ConfigValue, KeyPath, segments
from app_framework.boot.config.relaxed import by_variable, edit_distance, spells, squashed, variable_name
from app_framework.boot.config.shape import ANYTHING, Shape

_INDEX_DIGITS_MAX = 4
_KNOWN_MAX = 20_000
_DEPTH_MAX = 10
_PARTS_MAX = 20  # readings double with every part that may be a map's key
_SHORTCUT = "app"

Place = tuple[KeyPath, Shape]
"""An exact path and what is accepted there."""


def variable_place(name: str, shape: Shape, below: ConfigValue, text: str = "{}") -> Place | None:
    """Return where a variable belongs: the full path first, then below the section ``app``.

    Args:
        name: the variable without its prefix.
        shape: what is accepted.
        below: what the lower sources say, for the keys of maps.
        text: what the variable says; only text like ``{a: 1}`` makes a new entry of a map of models.
    """
    tokens = tuple(name.split("_"))
    if len(tokens) > _PARTS_MAX:
        return None
    whole = _is_whole(text)
    found = next(_variable_places(tokens, shape, below, whole), None)
    own = shape.fields.get(_SHORTCUT)
    if found is None and own is not None:
        for path, target in _variable_places(tokens, own, below.at(_SHORTCUT), whole):
            return (_SHORTCUT, *path), target
    return found


def _variable_places(tokens: tuple[str, ...], shape: Shape, below: ConfigValue | None, whole: bool) -> Iterator[Place]:
    """Yield every reading of the tokens along the shape, the longest names first."""
    if not tokens:
        yield (), shape
        return
    for count, name in _spelled(tokens, shape.by_variable):
        yield from _below(name, _variable_places(tokens[count:], shape.fields[name], _at(below, name), whole))
    if shape.items is not None and (index := _index(tokens[0])) is not None:
        yield from _below(index, _variable_places(tokens[1:], shape.items, None, whole))
    if shape.values is not None:
        for count, key in _spelled(tokens, by_variable(below.children if below else ())):
            yield from _below(key, _variable_places(tokens[count:], shape.values, _at(below, key), whole))
        for count in _new_key_lengths(len(tokens), shape.values, whole):
            key = "_".join(tokens[:count]).lower()
            yield from _below(key, _variable_places(tokens[count:], shape.values, None, whole))


def _spelled(tokens: tuple[str, ...], names: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, str]]:
    """Yield the names that the first tokens spell, and how many tokens it takes, the longest first."""
    for count in range(len(tokens), 0, -1):
        for name in names.get("".join(tokens[:count]), ()):
            if spells(tokens[:count], name):
                yield count, name


def key_place(key: str, shape: Shape, below: ConfigValue, text: str = "{}") -> Place | None:
    """Return where a dotted key belongs, None when the models know no such place."""
    parts = segments(key)
    return next(_key_places(parts, shape, below, _is_whole(text)), None) if len(parts) <= _PARTS_MAX else None


def find_path(key: str, shape: Shape, below: ConfigValue) -> KeyPath | None:
    """Return the exact path that a dotted key means, None when the models know no such place."""
    place = key_place(key, shape, below)
    return place[0] if place else None


def _key_places(parts: tuple[str, ...], shape: Shape, below: ConfigValue | None, whole: bool) -> Iterator[Place]:
    """Yield every reading of the parts of a dotted key; keys of maps may hold dots themselves."""
    if not parts:
        yield (), shape
        return
    name = shape.field_named(parts[0])
    if name is not None:
        yield from _below(name, _key_places(parts[1:], shape.fields[name], _at(below, name), whole))
    if shape.items is not None and (index := _index(parts[0])) is not None:
        yield from _below(index, _key_places(parts[1:], shape.items, None, whole))
    if shape.values is not None:
        existing = below.children if below else {}
        for count in range(len(parts), 0, -1):
            if (key := ".".join(parts[:count])) in existing:
                yield from _below(key, _key_places(parts[count:], shape.values, _at(below, key), whole))
        for count in _new_key_lengths(len(parts), shape.values, whole):
            key = ".".join(parts[:count])
            yield from _below(key, _key_places(parts[count:], shape.values, None, whole))
    elif shape.takes_other_keys and name is None:
        yield parts, ANYTHING


def _new_key_lengths(parts: int, values: Shape, whole: bool) -> range:
    """Return how many parts may be a new key; all of them only if the text is a whole entry of the map."""
    return range(1, parts + 1 if whole or not values.has_fields or values.scalars or values.anything else parts)


def _is_whole(text: str) -> bool:
    return text.lstrip().startswith(("{", "${"))


def _below(step: str | int, places: Iterable[Place]) -> Iterator[Place]:
    for path, shape in places:
        yield (step, *path), shape


def _at(value: ConfigValue | None, key: str) -> ConfigValue | None:
    return value.at(key) if value else None


def _index(token: str) -> int | None:
    return int(token) if token.isdecimal() and len(token) <= _INDEX_DIGITS_MAX else None


def near_variables(name: str, prefix: str, shape: Shape, below: ConfigValue) -> tuple[str, ...]:
    """Return the variables that differ from `name` by a slip of the pen, the nearest first."""
    word = squashed(name.removeprefix(prefix))
    slips = 0 if len(word) < 4 else 1 if len(word) < 8 else 2
    tokens = {token.lower() for token in name.removeprefix(prefix).split("_") if token}
    nearest: dict[str, int] = {}
    for path in known_paths(shape, below, tokens):
        for known in (path, path[1:]) if path[0] == _SHORTCUT else (path,):
            distance = edit_distance(word, squashed("".join(map(str, known))), slips)
            if known and distance <= slips:
                nearest[variable_name(known, prefix)] = distance
    return tuple(sorted(nearest, key=lambda variable: (nearest[variable], variable)))[:3]


def known_paths(shape: Shape, below: ConfigValue | None, keys: Iterable[str] = ()) -> Iterator[KeyPath]:
    """Yield the paths that can be set, up to a bound; maps have the keys they have and those in `keys`."""
    extra = tuple(keys)
    waiting: deque[tuple[KeyPath, Shape, ConfigValue | None]] = deque([((), shape, below)])
    for _ in range(_KNOWN_MAX):
        if not waiting:
            return
        path, here, value = waiting.popleft()
        if path:
            yield path
        if len(path) < _DEPTH_MAX:
            waiting.extend(((*path, key), child, _at(value, key)) for key, child in here.fields.items())
            if here.items is not None and here.items.has_fields:
                waiting.extend(((*path, int(key)), here.items, None) for key in extra if _index(key) is not None)
            if here.values is not None:
                names = dict.fromkeys((*(value.children if value else ()), *extra))
                waiting.extend(((*path, key), here.values, _at(value, key)) for key in names)
