"""Deprecated keys: a warning with the successor, and their value carried over to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app_framework.boot.config.errors import ConfigProblem
from app_framework.boot.config.properties import Deprecated
from app_framework.boot.config.property_source import ConfigValue, KeyPath, PropertySource, dotted, merged, segments
from app_framework.boot.config.shape import Shape


class Deprecations:
    """One pass over the sources, the lowest first.

    Attributes:
        sources: the sources with what was carried over.
        warnings: keys that still work.
        problems: keys that do not any more.
    """

    def __init__(self, sources: Sequence[PropertySource], shape: Shape) -> None:
        self.warnings: list[ConfigProblem] = []
        self.problems: list[ConfigProblem] = []
        self._all = sources
        self.sources = [PropertySource(source.name, self._carried(source.root, shape)) for source in sources]

    def _carried(self, root: ConfigValue, shape: Shape) -> ConfigValue:
        carried = root
        for path, value, mark in list(_marked(root, shape, ())):
            problem = _problem(path, value, mark)
            (self.problems if mark.level == "error" else self.warnings).append(problem)
            target = _successor(path, mark)
            if target and mark.level == "warning" and not any(s.root.find(target) for s in self._all):
                carried = merged(carried, _nested(target, value))
        return carried


def _marked(
    value: ConfigValue, shape: Shape | None, path: KeyPath
) -> Iterator[tuple[KeyPath, ConfigValue, Deprecated]]:
    """Yield the values below that stand at a deprecated key."""
    if shape is None:
        return
    if shape.deprecated:
        yield path, value, shape.deprecated
    if isinstance(value.value, dict):
        for key, child in value.value.items():
            yield from _marked(child, shape.child(key), (*path, key))
    elif isinstance(value.value, list):
        for at, child in enumerate(value.value):
            yield from _marked(child, shape.items, (*path, at))


def _successor(path: KeyPath, mark: Deprecated) -> KeyPath | None:
    """Return the path of the replacement: one without a dot is beside the deprecated key."""
    if not mark.replacement or any(isinstance(step, int) for step in path):
        return None
    return segments(mark.replacement) if "." in mark.replacement else (*path[:-1], mark.replacement)


def _nested(path: KeyPath, value: ConfigValue) -> ConfigValue:
    for step in reversed(path):
        value = ConfigValue({str(step): value}, value.origin, value.key_origin)
    return value


def _problem(path: KeyPath, value: ConfigValue, mark: Deprecated) -> ConfigProblem:
    since = f" since {mark.since}" if mark.since else ""
    reason = f": {mark.reason}" if mark.reason else ""
    verb = "is deprecated" if mark.level == "warning" else "is no longer supported"
    action = f"Remove {dotted(path)}."
    if target := _successor(path, mark):
        action = f"Write {dotted(target)} instead of {dotted(path)}."
    message = f"{dotted(path)} {verb}{since}{reason}"
    if target:
        message += f"; use {dotted(target)}"
    return ConfigProblem("deprecated-key", message, value.key_origin, action=action, key=dotted(path))
