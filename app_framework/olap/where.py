"""Conditions as SQL: every value is bound, long lists as one array, so that a filter costs what a join costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from app_framework.database.datatype import DataType
from app_framework.olap.condition import AnyPath, Condition, FirstMember, Predicate, Slice
from app_framework.olap.dimension import Level
from app_framework.olap.facts import Facts
from app_framework.olap.filter import Between, In, NotIn, StartsWith
from app_framework.olap.member import member_fits

LIST_LONG = 20
"""From here on a list is bound as one array: 10,000 question marks take seconds, an array of them milliseconds."""


class ConditionWriter:
    """Writes the conditions of one statement.

    Args:
        facts: the rows that they are on.
        parameters: the values bound before, where others write the same statement.

    Attributes:
        parameters: the bound values, in the order of their question marks.
    """

    def __init__(self, facts: Facts, parameters: list[object] | None = None) -> None:
        self.parameters: list[object] = [] if parameters is None else parameters
        self._facts = facts

    def over(self, facts: Facts) -> ConditionWriter:
        """Return the writer of conditions on other rows of the same statement."""
        return ConditionWriter(facts, self.parameters)

    def write(self, condition: Condition) -> str:
        """Return a condition as SQL."""
        if isinstance(condition, Slice):
            return self.write(condition.default)
        if isinstance(condition, FirstMember):
            return self._facts.first(condition.level)
        if isinstance(condition, AnyPath):
            return self._any_path(condition)
        return self._predicate(condition)

    def _predicate(self, predicate: Predicate) -> str:
        level, filter_ = predicate.level, predicate.filter
        if isinstance(filter_, In):
            return self._in(level, filter_.members)
        if isinstance(filter_, NotIn):
            return self._facts.among(level, self._not_in(level, filter_.members))
        if isinstance(filter_, StartsWith):
            begins = f"starts_with({self._facts.member(level)}, {self._bind(filter_.prefix)})"
            return self._facts.among(level, begins)
        return self._facts.among(level, self._between(level, filter_))

    def _in(self, level: Level, members: Sequence[object]) -> str:
        possible, sql = list(_possible(level.type, members)), self._facts.member(level)
        parts = []
        if len(possible) == 1:
            parts.append(f"{sql} = {self._bind(possible[0])}")
        elif possible:
            parts.append(f"{sql} IN ({self._list(level.type, possible)})")
        if None in members:
            parts.append(f"{sql} IS NULL")
        if not parts:
            return "false"
        return self._facts.among(level, f"({' OR '.join(parts)})" if len(parts) == 2 else parts[0])

    def _not_in(self, level: Level, members: Sequence[object]) -> str:
        possible, sql = list(_possible(level.type, members)), self._facts.member(level)
        listed = f"{sql} NOT IN ({self._list(level.type, possible)})" if possible else "true"
        if None in members:
            return f"({listed} AND {sql} IS NOT NULL)"
        return f"({listed} OR {sql} IS NULL)" if possible else "true"

    def _list(self, kind: DataType, members: Sequence[object]) -> str:
        if len(members) <= LIST_LONG:
            return ", ".join(self._bind(member) for member in members)
        return f"SELECT {self._array(kind, members)}"

    def _between(self, level: Level, bounds: Between) -> str:
        parts, sql = [], self._facts.member(level)
        if bounds.low is not None:
            parts.append(f"{sql} >= {self._bind(_clamped(level.type, bounds.low))}")
        if bounds.high is not None:
            parts.append(f"{sql} <= {self._bind(_clamped(level.type, bounds.high))}")
        return f"({' AND '.join(parts)})"

    def _any_path(self, condition: AnyPath) -> str:
        parts: list[str] = []
        for length, group in groupby(sorted(condition.paths, key=len), key=len):
            levels = condition.levels[:length]
            paths = [path for path in group if _path_possible(levels, path)]
            if len(paths) > LIST_LONG:
                parts.append(self._under_many(levels, paths))
            else:
                parts += [self._under(levels, path) for path in paths]
        return f"({' OR '.join(parts)})" if parts else "false"

    def _under(self, levels: Sequence[Level], path: Sequence[object]) -> str:
        steps = [self._in(level, (member,)) for level, member in zip(levels, path, strict=True)]
        return f"({' AND '.join(steps)})"

    def _under_many(self, levels: Sequence[Level], paths: Sequence[Sequence[object]]) -> str:
        columns = zip(*paths, strict=True)
        arrays = [
            f"{self._array(level.type, members)} AS m{i}"
            for i, (level, members) in enumerate(zip(levels, columns, strict=True))
        ]
        return self._facts.under(levels, f"SELECT {', '.join(arrays)}")

    def _bind(self, value: object) -> str:
        self.parameters.append(_bindable(value))
        return "CAST(? AS TIMESTAMPTZ)" if isinstance(value, datetime) and value.tzinfo is not None else "?"

    def _array(self, kind: DataType, members: Sequence[object]) -> str:
        self.parameters.append([_bindable(member) for member in members])
        # A FLOAT column is compared as the double that its members are written as.
        element = "DOUBLE" if kind.family == "float" else kind.sql
        return f"unnest(CAST(? AS {element}[]))"


def _bindable(value: object) -> object:
    """Return a value as the engine takes it: an instant as text, which needs no zone library."""
    return value.isoformat() if isinstance(value, datetime) and value.tzinfo is not None else value


def _possible(kind: DataType, members: Sequence[object]) -> Iterator[object]:
    """Yield the members, null left out, that the level's type can hold: no row has any other."""
    return (member for member in members if member is not None and member_fits(kind, member))


def _path_possible(levels: Sequence[Level], path: Sequence[object]) -> bool:
    return all(member is None or member_fits(level.type, member) for level, member in zip(levels, path, strict=True))


def _clamped(kind: DataType, bound: object) -> object:
    """Return a bound that the engine can bind: a number beyond 128 bits compares as the last one within."""
    if kind.family == "integer" and isinstance(bound, int):
        return max(-(2**127) + 1, min(2**127 - 1, bound))
    return bound
