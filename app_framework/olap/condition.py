"""Conditions on rows: filters whose names have become levels and whose values members of their types."""

from __future__ import annotations

import json
from dataclasses import dataclass

from app_framework.olap.dimension import Level
from app_framework.olap.filter import Between, In, NotIn, StartsWith


@dataclass(frozen=True, slots=True)
class Predicate:
    """A filter on one level, its members of the level's type."""

    level: Level
    filter: In | NotIn | Between | StartsWith


@dataclass(frozen=True, slots=True)
class AnyPath:
    """A filter on a hierarchy: under one of several paths, each a member per level."""

    levels: tuple[Level, ...]
    paths: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class FirstMember:
    """The default of a slicing hierarchy that names none: its first level's first member in order."""

    level: Level


@dataclass(frozen=True, slots=True)
class Slice:
    """The default of a slicing hierarchy where a measure may read another member: it holds for all that do not."""

    default: Predicate | FirstMember

    @property
    def level(self) -> Level:
        """The level whose default member it is."""
        return self.default.level


Condition = Predicate | AnyPath | FirstMember | Slice


def levels_of(condition: Condition) -> tuple[Level, ...]:
    """Return the levels that a condition reads."""
    return condition.levels if isinstance(condition, AnyPath) else (condition.level,)


def shown(condition: Condition) -> str:
    """Return a condition in the words of a request, cut where it is long."""
    if isinstance(condition, Slice):
        return shown(condition.default)
    if isinstance(condition, FirstMember):
        return f"{condition.level.full_name} = its first member"
    if isinstance(condition, AnyPath):
        return f"{condition.levels[0].dimension}.{condition.levels[0].hierarchy} under {_clipped(condition.paths)}"
    return f"{condition.level.full_name}: {_clipped(condition.filter.to_json())}"


def _clipped(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."
