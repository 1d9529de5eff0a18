"""Names of levels and hierarchies in a filter, looked up in a model; the mistakes go to whoever asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app_framework.errors import near_matches
from app_framework.olap.condition import AnyPath, Condition, Predicate
from app_framework.olap.dimension import Hierarchy, Level
from app_framework.olap.errors import INVALID_QUERY, UNKNOWN_LEVEL
from app_framework.olap.filter import AtPath, Between, Filter, NotIn, StartsWith
from app_framework.olap.member import MemberError, parse_member
from app_framework.olap.model import CubeModel

T = TypeVar("T", Level, Hierarchy)
Refuse = Callable[[str, str, str, tuple[str, ...]], None]
"""Keeps a problem: its code, the field it is in, what is wrong, and what was probably meant."""


class NameReader:
    """Looks up names in a model and gives members their types; what is wrong goes to `refuse`."""

    def __init__(self, model: CubeModel, refuse: Refuse) -> None:
        self._model = model
        self._refuse = refuse

    def level(self, field: str, name: str) -> Level | None:
        """Return the level a name means, None when it means none or several."""
        found = self._model.find_levels(name)
        if not found:
            near = near_matches(name, self._model.level_names)
            self._refuse(UNKNOWN_LEVEL, field, f"cube {self._model.name!r} has no level {name!r}.", near)
        return self._only("level", field, name, found)

    def hierarchy(self, field: str, name: str, hint: str = "") -> Hierarchy | None:
        """Return the hierarchy a name means, None when it means none or several."""
        found = self._model.find_hierarchies(name)
        if not found:
            near = near_matches(name, [h.name for h in self._model.hierarchies])
            text = f"cube {self._model.name!r} has no hierarchy {name!r}{hint}."
            self._refuse(UNKNOWN_LEVEL, field, text, near)
        return self._only("hierarchy", field, name, found)

    def condition(self, field: str, name: str, filter_: Filter) -> Condition | None:
        """Return the condition that a filter on a level or a hierarchy means."""
        if isinstance(filter_, AtPath):
            return self._any_path(field, name, filter_)
        level = self.level(field, name)
        if level is None:
            return None
        if isinstance(filter_, StartsWith):
            if level.type.family != "text":
                self._refuse(INVALID_QUERY, f"{field}.prefix", f"level {name!r} is {level.type.name}, not text.", ())
            return Predicate(level, filter_)
        if isinstance(filter_, Between):
            low = self.member(f"{field}.from", filter_.low, level)
            return Predicate(level, Between(low, self.member(f"{field}.to", filter_.high, level)))
        within = f"{field}.not" if isinstance(filter_, NotIn) else field
        return Predicate(level, type(filter_)(self._members(within, filter_.members, level)))

    def _any_path(self, field: str, name: str, filter_: AtPath) -> AnyPath | None:
        hierarchy = self.hierarchy(field, name, "; `path` filters a hierarchy")
        if hierarchy is None:
            return None
        paths = []
        for i, path in enumerate(filter_.paths):
            if len(path) > len(hierarchy.levels):
                text = f"the path is longer than hierarchy {name!r} with {len(hierarchy.levels)} levels."
                self._refuse(INVALID_QUERY, f"{field}.path[{i}]", text, ())
            steps = enumerate(zip(path, hierarchy.levels, strict=False))
            paths.append(tuple(self.member(f"{field}.path[{i}][{d}]", m, level) for d, (m, level) in steps))
        return AnyPath(hierarchy.levels, tuple(paths))

    def _members(self, field: str, values: tuple[object, ...], level: Level) -> tuple[object, ...]:
        """Return values as members of a level; where each of them is in the field is only said where one is none."""
        try:
            return tuple(None if value is None else parse_member(value, level.type) for value in values)
        except MemberError:
            several = len(values) > 1
            return tuple(
                self.member(f"{field}[{i}]" if several else field, value, level) for i, value in enumerate(values)
            )

    def member(self, field: str, value: object, level: Level) -> object:
        """Return a value as a member of a level."""
        if value is None:
            return None
        try:
            return parse_member(value, level.type)
        except MemberError as error:
            self._refuse(INVALID_QUERY, field, f"{error}.", ())
            return None

    def _only(self, what: str, field: str, name: str, found: tuple[T, ...]) -> T | None:
        if len(found) > 1:
            choices = tuple(each.full_name for each in found)
            text = f"{what} {name!r} is ambiguous: it may be {', '.join(choices)}."
            self._refuse(UNKNOWN_LEVEL, field, text, choices)
        return found[0] if len(found) == 1 else None
