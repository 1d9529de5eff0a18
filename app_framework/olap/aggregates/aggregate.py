"""Aggregates: groups of rows that are kept with what cells are made of, so that questions need not read the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app_framework.database.sql import quote
from app_framework.olap.aggregates.parts import ROWS, Part, parts_of
from app_framework.olap.aggregation import COUNT_DISTINCT, MAX, MIN, SINGLE_VALUE
from app_framework.olap.dimension import Level
from app_framework.olap.join import Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.sorting import sort_key

LEVELS_SHOWN = 8
_OF_MEMBERS = (COUNT_DISTINCT, MIN, MAX, SINGLE_VALUE)
"""The aggregations that are the same over rows and over the members that stand in them."""


@dataclass(frozen=True, slots=True)
class AggregateShape:
    """What an aggregate keeps: a group per combination of members, and parts of measures for each.

    Args:
        levels: what rows are grouped by, at least one.
        parts: what is kept of each group by its SQL over rows, with the name of its column.
        joins: the paths of the tables that it is made of.
        names: the full names of its levels.
        answers: the names of the measures that can be made of it.
        exact: those of them that can be made of it less the rows that left.
    """

    levels: tuple[Level, ...]
    parts: Mapping[str, tuple[Part, str]]
    joins: frozenset[Path]
    names: frozenset[str]
    answers: frozenset[str]
    exact: frozenset[str]

    @staticmethod
    def of(levels: Iterable[Level], measures: Iterable[AggregateMeasure]) -> AggregateShape:
        """Return the shape that keeps the parts of measures; those that have none are left out."""
        levels, measures = tuple(levels), tuple(measures)
        parts: dict[str, tuple[Part, str]] = {ROWS.sql: (ROWS, "#rows")}
        joins = {path for level in levels for path in level.joins | level.order.joins}
        answers = {measure.name for measure in measures if member_level(levels, measure) is not None}
        exact = set(answers)
        for measure in measures:
            kept = parts_of(measure)
            if kept is not None:
                answers.add(measure.name)
                exact |= {measure.name} if all(part.counted for part in kept.each) else set()
                joins |= measure.joins
                for part in kept.each:
                    parts.setdefault(part.sql, (part, f"#{part.name} {measure.name}"))
        names = frozenset(level.full_name for level in levels)
        kept_parts = MappingProxyType(parts)
        return AggregateShape(levels, kept_parts, frozenset(joins), names, frozenset(answers), frozenset(exact))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its table: levels, their sort keys, parts."""
        keys = [sort_key(level.full_name) for level in self.levels if level.order.key]
        return (*(level.full_name for level in self.levels), *keys, *(name for _, name in self.parts.values()))

    def covers(self, other: AggregateShape) -> bool:
        """Return whether another shape could be made of this one."""
        return self.names >= other.names and self.parts.keys() >= other.parts.keys()

    def __str__(self) -> str:
        names = [level.name for level in self.levels]
        more = [f"{len(names) - LEVELS_SHOWN} more"] if len(names) > LEVELS_SHOWN else []
        return " x ".join([*names[:LEVELS_SHOWN], *more])

    def __repr__(self) -> str:
        return f"<AggregateShape {self}: {len(self.parts)} parts>"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate of a cube as it is kept: it never changes, that of a later version is another one.

    Args:
        table: its table, as SQL.
        version: the data version that it was made of.
        rows: how many groups there are.
        tables: the names of the tables that it is made of, the base left out.
    """

    cube: str
    shape: AggregateShape
    table: str
    version: int
    rows: int
    tables: frozenset[str] = field(default=frozenset(), repr=False)

    def column(self, part: Part) -> str:
        """Return the column of a part, as SQL."""
        return quote(self.shape.parts[part.sql][1])

    def __str__(self) -> str:
        return f"aggregate {self.shape}, {self.rows:,} rows"


def member_level(levels: Iterable[Level], measure: AggregateMeasure) -> Level | None:
    """Return the level whose members are what is aggregated, where it does not matter how often each stands there."""
    if not any(measure.aggregation is known for known in _OF_MEMBERS) or not measure.arguments:
        return None
    return next((level for level in levels if level.sql == measure.arguments[0].sql), None)
