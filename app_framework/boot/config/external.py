"""Put environment variables and command-line arguments on the places that the property models have for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from app_framework.boot.config.canonical import Canonical, unknown_key
from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.places import Place, key_place, near_variables, variable_place
from app_framework.boot.config.property_source import (
    ConfigValue,
    KeyPath,
    PropertySource,
    dotted,
    empty,
    from_python,
    merged,
    segments,
)
from app_framework.boot.config.shape import Shape
from app_framework.boot.config.text_value import text_value
from app_framework.boot.origin import Origin

JSON_VARIABLE = "APPLICATION_JSON"
COMMAND_LINE = Origin("command line")
Setting = tuple[KeyPath, ConfigValue]


@dataclass(frozen=True, slots=True)
class External:
    """What a set of variables or arguments says.

    Args:
        source: their values.
        unknown: problems of the names that nobody knows and that look like a known one.
        strangers: the same for names that look like nothing we know.
    """

    source: PropertySource
    unknown: tuple[ConfigProblem, ...] = ()
    strangers: tuple[ConfigProblem, ...] = ()


def variables(environ: Mapping[str, str], prefix: str, below: ConfigValue, canonical: Canonical) -> External:
    """Return the variables that begin with `prefix` as a source.

    ``APP_NATS_CONNECT_TIMEOUT`` and ``APP_NATS_CONNECTTIMEOUT`` set ``nats.connect-timeout``; keys of the section
    ``app`` may leave it out (``APP_NAME``).

    Args:
        environ: the environment of the process.
        prefix: what our variables begin with.
        below: what the lower sources say, for the keys of maps.
        canonical: knows the shape, spells keys and collects problems.
    """
    settings: list[Setting] = []
    unknown: list[str] = []
    for name in sorted(environ):
        if not name.startswith(prefix) or name in (prefix, prefix + JSON_VARIABLE):
            continue
        place = variable_place(name.removeprefix(prefix), canonical.shape, below, environ[name])
        if place is None:
            unknown.append(name)
        else:
            origin = Origin(f"environment variable {name}")
            settings.extend(_setting(place, environ[name], origin, canonical))
    source = PropertySource("environment", _tree(settings, Origin("environment"), canonical))
    if not prefix or canonical.shape.open:
        return External(source)
    strangers = [(name, near_variables(name, prefix, canonical.shape, below)) for name in unknown]
    return External(
        source,
        tuple(_unknown_variable(name, near) for name, near in strangers if near),
        tuple(_unknown_variable(name, near) for name, near in strangers if not near),
    )


def arguments(
    texts: Iterable[str], below: ConfigValue, canonical: Canonical, origin: Origin = COMMAND_LINE
) -> External:
    """Return arguments such as ``--server.port=0`` and ``--debug`` (which is true) as a source."""
    settings: list[Setting] = []
    unknown: list[ConfigProblem] = []
    for text in texts:
        key, equals, value = text.removeprefix("--").partition("=")
        if not text.startswith("--") or not key:
            unknown.append(_not_a_setting(text, origin))
        elif place := key_place(key, canonical.shape, below, value):
            settings.extend(_setting(place, value if equals else "true", origin, canonical))
        else:
            unknown.append(_unknown_property(key, canonical.shape, origin))
    return External(PropertySource(origin.source, _tree(settings, origin, canonical)), tuple(unknown))


def properties(values: Mapping[str, object], below: ConfigValue, canonical: Canonical, origin: Origin) -> External:
    """Return a mapping such as ``{"server.port": 0}`` as a source; nested mappings are fine."""
    settings: list[Setting] = []
    unknown: list[ConfigProblem] = []
    for key, value in values.items():
        place = key_place(key, canonical.shape, below)
        if place is None:
            unknown.append(_unknown_property(key, canonical.shape, origin))
        elif isinstance(value, str):
            settings.extend(_setting(place, value, origin, canonical))
        else:
            path, shape = place
            settings.append((path, canonical.value(from_python(value, origin), shape, path)))
    return External(PropertySource(origin.source, _tree(settings, origin, canonical)), tuple(unknown))


def _setting(place: Place, text: str, origin: Origin, canonical: Canonical) -> Iterator[Setting]:
    path, shape = place
    try:
        value = text_value(text, shape, origin)
    except ValueError as error:
        message = f"the text for {dotted(path)} is neither a list nor a map: {error}"
        action = f"Correct the value of {dotted(path)}; quote it in YAML if it is text that begins with '[' or '{{'."
        canonical.problems.append(ConfigProblem("bad-value", message, origin, action=action, key=dotted(path)))
        return
    yield path, canonical.value(value, shape, path)


def _tree(settings: list[Setting], origin: Origin, canonical: Canonical) -> ConfigValue:
    """Return the map that the settings of one source make together."""
    return _grown(settings, (), origin, canonical) if settings else empty(origin)


def _grown(settings: list[Setting], path: KeyPath, origin: Origin, canonical: Canonical) -> ConfigValue:
    here = [value for rest, value in settings if not rest]
    groups: dict[str | int, list[Setting]] = {}
    for rest, value in settings:
        if rest:
            groups.setdefault(rest[0], []).append((rest[1:], value))
    if len(here) > 1 or (here and groups and not isinstance(here[0].value, dict)):
        canonical.problems.append(_set_twice(path, [value for _, value in settings]))
        return here[0]
    if here and not groups:
        return here[0]
    if all(isinstance(step, int) for step in groups):
        return _grown_list(groups, path, canonical)
    first = here[0].origin if here else next(iter(groups.values()))[0][1].origin
    children = {str(step): _grown(group, (*path, step), origin, canonical) for step, group in groups.items()}
    branch = ConfigValue(children, first if path else origin, first if path else origin)
    return merged(here[0], branch) if here else branch


def _grown_list(groups: dict[str | int, list[Setting]], path: KeyPath, canonical: Canonical) -> ConfigValue:
    """Return a list that is set item by item; the items must be numbered from 0 without a gap."""
    numbers = sorted(step for step in groups if isinstance(step, int))
    items = [_grown(groups[number], (*path, number), COMMAND_LINE, canonical) for number in numbers]
    if numbers != list(range(len(numbers))):
        missing = next(at for at in range(len(numbers)) if at not in groups)
        message = f"item {missing} of {dotted(path)} is not set, but item {numbers[-1]} is"
        action = f"Number the items of {dotted(path)} from 0 without a gap."
        canonical.problems.append(
            ConfigProblem("missing-item", message, items[-1].origin, action=action, key=dotted(path))
        )
    return ConfigValue(items, items[0].origin, items[0].origin)


def _set_twice(path: KeyPath, values: list[ConfigValue]) -> ConfigProblem:
    origins = list(dict.fromkeys(str(value.origin) for value in values))
    names = " and ".join(origin.removeprefix("environment variable ") for origin in origins)
    message = f"{dotted(path)} is set twice, by {names}" if len(origins) > 1 else f"{dotted(path)} is set twice"
    return ConfigProblem(
        "set-twice", message, values[0].origin, action=f"Keep one of them for {dotted(path)}.", key=dotted(path)
    )


def _unknown_property(key: str, root: Shape, origin: Origin) -> ConfigProblem:
    """Return the problem of a dotted key, at the first part that is not known."""
    shape, parts = root, segments(key)
    path: KeyPath = ()
    for part in parts:
        name = shape.field_named(part) or (part if shape.values else None)
        inner = shape.child(name) if name else None
        if name is None or inner is None:
            return unknown_key(part, shape, path, origin, root)
        shape, path = inner, (*path, name)
    return unknown_key(parts[-1], shape, path[:-1], origin, root)


def _not_a_setting(text: str, origin: Origin) -> ConfigProblem:
    message = f"argument '{text.partition('=')[0]}' is not a setting"
    return ConfigProblem("bad-argument", message, origin, action="Write settings as --key=value.")


def _unknown_variable(name: str, near: tuple[str, ...]) -> ConfigProblem:
    action = f"Rename it to {near[0]}, or unset {name}." if near else f"Unset {name} if it is not needed."
    return ConfigProblem(
        "unknown-variable", "no property has this name", Origin(f"environment variable {name}"), near, action
    )
