"""Read YAML into values that know their line and column (the only file that imports yaml).

Scalars follow the core schema of YAML 1.2: ``on``, ``no``, ``012``, ``1:30``, ``2024-01-01`` and ``1_000`` are text.
Duplicate keys, unknown tags, documents that are no maps, and files beyond the bounds are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.property_source import ConfigValue, dotted, empty
from app_framework.boot.config.secrecy import is_secret_name
from app_framework.boot.config.snippet import snippet
from app_framework.boot.config.yaml_problems import explain_syntax
from app_framework.boot.config.yaml_scalars import CONVERTERS, TAG, plain_scalar
from app_framework.boot.origin import Origin

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class YamlLimits:
    """Bounds of one YAML text; each is named by the problem it causes.

    Args:
        max_bytes: size of the text.
        max_depth: how many maps and lists may be inside each other.
        max_values: number of values after every alias is expanded.
    """

    max_bytes: int = 8_000_000
    max_depth: int = 64
    max_values: int = 500_000


@dataclass(frozen=True, slots=True)
class YamlText:
    """The documents of one text, and what is wrong with it.

    Args:
        documents: the root map of each document, in order.
        problems: every mistake; after a syntax error the rest of the text is not read.
    """

    documents: tuple[ConfigValue, ...]
    problems: tuple[ConfigProblem, ...]


def read_yaml(
    text: str,
    source: str,
    path: Path | None = None,
    limits: YamlLimits = YamlLimits(),
) -> YamlText:
    """Read every document of a text.

    Args:
        text: the YAML.
        source: what messages call it, such as ``application.yml``.
        path: the absolute file it comes from.
        limits: bounds against texts that are made to exhaust memory.
    """
    if len(text.encode("utf-8", "surrogatepass")) > limits.max_bytes:
        return YamlText((), (_too_large(source, path, limits),))
    documents: list[ConfigValue] = []
    reader = _Reader(text, source, path, limits)
    try:
        documents.extend(reader.documents())
    except _Refused as refused:
        reader.problems.append(refused.problem)
    return YamlText(tuple(documents), tuple(reader.problems))


def read_flow(text: str, origin: Origin) -> ConfigValue:
    """Read a value that is written in one variable or argument: ``[a, b]``, ``{a: 1}``, ``8080``.

    Raises:
        ValueError: if the text is not YAML; the message says why.
    """
    reader = _Reader(text, origin.source, None, YamlLimits(), discreet=True)
    try:
        values = list(reader.values())
    except _Refused as refused:
        raise ValueError(refused.problem.message) from None
    if reader.problems:
        raise ValueError(reader.problems[0].message)
    return _moved(values[0], origin) if values else ConfigValue(None, origin, origin, text)


class _Refused(Exception):  # noqa: N818  (never leaves this file)
    """Ends the reading of a text."""

    def __init__(self, problem: ConfigProblem) -> None:
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A value that aliases refer to, with what an alias to it adds: values, and levels of depth."""

    value: ConfigValue | None
    count: int = 0
    height: int = 0


class _Reader:
    """Builds values from parser events, so that depth and aliases are bounded while reading."""

    def __init__(
        self, text: str, source: str, path: Path | None, limits: YamlLimits, *, discreet: bool = False
    ) -> None:
        self.problems: list[ConfigProblem] = []
        self._text = text
        self._source = source
        self._path = path
        self._limits = limits
        self._discreet = discreet  # no word of the text in messages: what it is for is not known here
        self._count = 0
        self._deepest = 0
        self._anchors: dict[str, _Anchor] = {}
        self._keys: list[str | int] = []
        self._loader = _Loader(text)

    def documents(self) -> Iterator[ConfigValue]:
        """Yield the root map of each document."""
        for value in self.values():
            if isinstance(value.value, dict):
                yield value
            elif value.value is None:
                yield empty(value.origin)
            else:
                kind = "list" if isinstance(value.value, list) else "single value"
                self._problem(
                    "not-a-map",
                    f"a document holds keys, not a {kind}",
                    value.origin,
                    "Write 'key: value' lines at the beginning of a line.",
                )

    def values(self) -> Iterator[ConfigValue]:
        """Yield the value of each document."""
        while True:
            event = self._next()
            if isinstance(event, yaml.StreamEndEvent):
                return
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors, self._keys = {}, []
                yield self._value(self._next(), None)

    def _next(self) -> yaml.Event:
        try:
            event: yaml.Event = self._loader.get_event()
        except yaml.YAMLError as error:
            raise self._syntax(error) from None
        return event

    def _value(self, event: yaml.Event, key_origin: Origin | None) -> ConfigValue:
        """Read the value that begins with `event`; recursion goes no deeper than the bound."""
        origin = self._at(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, origin, key_origin or origin)
        self._grow(1, origin)
        anchor: str | None = getattr(event, "anchor", None)
        if anchor is None:
            return self._fresh(event, origin, key_origin or origin)
        self._anchors[anchor] = _Anchor(None)
        before, deepest, self._deepest = self._count, self._deepest, len(self._keys)
        value = self._fresh(event, origin, key_origin or origin)
        self._anchors[anchor] = _Anchor(value, self._count - before + 1, self._deepest - len(self._keys))
        self._deepest = max(deepest, self._deepest)
        return value

    def _fresh(self, event: yaml.Event, origin: Origin, key_origin: Origin) -> ConfigValue:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, origin, key_origin)
        tag: str | None = getattr(event, "tag", None)
        if tag not in (None, "!", f"{TAG}map", f"{TAG}seq"):
            self._unknown_tag(str(tag), origin)
        self._deepen(len(self._keys) + 1, origin)
        if isinstance(event, yaml.MappingStartEvent):
            return ConfigValue(self._mapping(), origin, key_origin)
        return ConfigValue(self._sequence(), origin, key_origin)

    def _mapping(self) -> dict[str, ConfigValue]:
        """Read keys and values; what ``<<`` brings in is below the map's own keys."""
        own: dict[str, ConfigValue] = {}
        inherited: list[dict[str, ConfigValue]] = []
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key_origin = self._at(event)
            key = self._key(event, key_origin)
            self._keys.append(key)
            value = self._value(self._next(), key_origin)
            self._keys.pop()
            if key == "<<" and isinstance(event, yaml.ScalarEvent) and not event.style:
                inherited.extend(self._bases(value))
            elif key in own:
                self._duplicate(key, own[key].key_origin, key_origin)
            else:
                own[key] = value
        base: dict[str, ConfigValue] = {}
        for each in reversed(inherited):
            base |= each
        return {**base, **own}

    def _sequence(self) -> list[ConfigValue]:
        items: list[ConfigValue] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            self._keys.append(len(items))
            items.append(self._value(event, None))
            self._keys.pop()
        return items

    def _key(self, event: yaml.Event, origin: Origin) -> str:
        """Return a key as it is written: keys are always text, also ``1993`` and ``true``."""
        if isinstance(event, yaml.AliasEvent):
            target = self._alias(event, origin, origin)
            return target.text or str(target.value)
        if isinstance(event, yaml.ScalarEvent) and event.value:
            if event.anchor is not None:
                self._anchors[event.anchor] = _Anchor(self._scalar(event, origin, origin), 1)
            return str(event.value)
        raise self._refused(
            "bad-key",
            "a key must be a word, not empty, a list or a map",
            origin,
            "Quote the key if it is text that begins with '[', '{' or '?'.",
        )

    def _scalar(self, event: yaml.ScalarEvent, origin: Origin, key_origin: Origin) -> ConfigValue:
        text = event.value
        if event.tag in (None, "!"):
            value = plain_scalar(text) if event.implicit[0] else text
            return ConfigValue(value, origin, key_origin, None if value is text else text)
        convert = CONVERTERS.get(event.tag.removeprefix(TAG))
        if convert is None:
            self._unknown_tag(event.tag, origin)
            return ConfigValue(text, origin, key_origin)
        try:
            return ConfigValue(convert(text), origin, key_origin, text)
        except (ValueError, KeyError):
            self._problem(
                "bad-tag",
                f"the value is not a {event.tag.replace(TAG, '!!')}",
                origin,
                "Correct the value or remove its tag.",
            )
            return ConfigValue(text, origin, key_origin)

    def _alias(self, event: yaml.AliasEvent, origin: Origin, key_origin: Origin) -> ConfigValue:
        anchor = self._anchors.get(str(event.anchor))
        if anchor is None:
            name = "" if self._in_secret() else f" '*{event.anchor}'"
            raise self._refused(
                "unknown-alias",
                f"the alias{name} has no anchor above it",
                origin,
                "Define the anchor first, or quote text that begins with '*'.",
            )
        if anchor.value is None:
            raise self._refused(
                "alias-cycle",
                f"the alias '*{event.anchor}' contains itself",
                origin,
                "Remove the alias from inside its own anchor.",
            )
        self._grow(anchor.count, origin)
        self._deepen(len(self._keys) + anchor.height, origin)
        return replace(anchor.value, key_origin=key_origin)

    def _bases(self, value: ConfigValue) -> list[dict[str, ConfigValue]]:
        """Return the maps that a merge key names, the one that wins first."""
        maps = value.value if isinstance(value.value, list) else [value]
        bases = [each.value for each in maps if isinstance(each.value, dict)]
        if len(bases) != len(maps):
            self._problem(
                "bad-merge",
                "'<<' takes a map or a list of maps",
                value.origin,
                "Write '<<: *name' with the anchor of a map.",
            )
        return bases

    def _grow(self, count: int, origin: Origin) -> None:
        self._count += count
        if self._count > self._limits.max_values:
            bound = f"{self._limits.max_values:,} values"
            raise self._refused(
                "too-large",
                f"the text has more than {bound} once its aliases are expanded",
                origin,
                "Split the file, or use fewer aliases.",
            )

    def _deepen(self, depth: int, origin: Origin) -> None:
        self._deepest = max(self._deepest, depth)
        if depth > self._limits.max_depth:
            raise self._refused(
                "too-deep",
                f"the text is nested deeper than {self._limits.max_depth} levels",
                origin,
                "Use fewer levels.",
            )

    def _duplicate(self, key: str, first: Origin, second: Origin) -> None:
        message = f"key '{key}' is written twice; the first is at {first}"
        self._problem("duplicate-key", message, second, f"Keep one of the two '{key}'.")

    def _unknown_tag(self, tag: str, origin: Origin) -> None:
        name = "" if self._in_secret() else f" '{tag.replace(TAG, '!!')}'"
        self._problem(
            "unknown-tag",
            f"the tag{name} is not supported",
            origin,
            "Remove the tag, or quote text that begins with '!'.",
        )

    def _in_secret(self) -> bool:
        return self._discreet or any(isinstance(key, str) and is_secret_name(key) for key in self._keys)

    def _at(self, event: yaml.Event) -> Origin:
        mark = event.start_mark
        assert mark is not None
        return Origin(self._source, mark.line + 1, mark.column + 1, self._path)

    def _problem(self, code: str, message: str, origin: Origin, action: str) -> None:
        self.problems.append(ConfigProblem(code, message, origin, action=action, key=dotted(self._keys)))

    def _refused(self, code: str, message: str, origin: Origin, action: str) -> _Refused:
        return _Refused(ConfigProblem(code, message, origin, action=action, key=dotted(self._keys)))

    def _syntax(self, error: yaml.YAMLError) -> _Refused:
        message, line, column, action = explain_syntax(error, self._text)
        origin = Origin(self._source, line, column, self._path)
        shown = snippet(self._text, line, column)
        return _Refused(ConfigProblem("yaml-syntax", message, origin, action=action, snippet=shown))


def _too_large(source: str, path: Path | None, limits: YamlLimits) -> ConfigProblem:
    message = f"the text is larger than {limits.max_bytes:,} bytes"
    return ConfigProblem("too-large", message, Origin(source, path=path), action="Split the file.")


def _moved(value: ConfigValue, origin: Origin) -> ConfigValue:
    """Return the value with one origin everywhere: a line of a variable helps nobody."""
    inner = value.value
    if isinstance(inner, dict):
        inner = {key: _moved(child, origin) for key, child in inner.items()}
    elif isinstance(inner, list):
        inner = [_moved(child, origin) for child in inner]
    return ConfigValue(inner, origin, origin, value.text)
