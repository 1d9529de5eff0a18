"""What flat facts consist of: a column per level, by code where members are text, and one per argument of a measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app_framework.olap.aggregates.covering import Need
from app_framework.olap.aggregation import COUNT_DISTINCT, Argument
from app_framework.olap.dimension import Level
from app_framework.olap.join import Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.model import CubeModel

NO_MEMBER = 0
"""The code of rows without a member."""


@dataclass(frozen=True, slots=True)
class FlatShape:
    """The columns of flat facts.

    Args:
        levels: what stands in the columns of levels, by column.
        columns: the column of each level, by the full name of the level: levels that are the same share one.
        arguments: what measures aggregate, by its SQL over rows, with its column.
        answers: the names of the measures that can be aggregated from them.
        joins: the paths of the tables that they are made of.
    """

    levels: Mapping[str, Level]
    columns: Mapping[str, str]
    arguments: Mapping[str, str]
    answers: frozenset[str]
    joins: frozenset[Path]

    @staticmethod
    def of(model: CubeModel) -> FlatShape:
        """Return the shape that a cube needs; what puts arrays together is left to the rows."""
        levels: dict[tuple[str, str], Level] = {}
        for level in model.levels:
            levels.setdefault((level.sql, level.order.key), level)
        # The engine does not tell columns apart that differ in case only.
        named = {each: f"#{i} {level.name}" for i, (each, level) in enumerate(levels.items())}
        columns = {level.full_name: named[level.sql, level.order.key] for level in model.levels}
        measures = [m for m in model.measures.values() if isinstance(m, AggregateMeasure) and not m.by_element]
        own = {named[each]: level for each, level in levels.items()}
        read = {a.sql for m in measures if coded_level(own.values(), m) is None for a in m.arguments}
        joins = {path for level in own.values() for path in level.joins | level.order.joins}
        return FlatShape(
            MappingProxyType(own),
            MappingProxyType(columns),
            MappingProxyType({sql: f"#argument {i}" for i, sql in enumerate(sorted(read))}),
            frozenset(measure.name for measure in measures),
            frozenset(joins.union(*(measure.joins for measure in measures))),
        )

    def covers(self, need: Need) -> bool:
        """Return whether cells can be aggregated from these columns as they are from rows."""
        return need.levels <= self.columns.keys() and all(measure.name in self.answers for measure in need.measures)

    def column_of(self, level: Level) -> str:
        """Return the name of the column of a level."""
        return self.columns[level.full_name]

    def __repr__(self) -> str:
        return f"<FlatShape {len(self.levels)} levels, {len(self.arguments)} arguments>"


@dataclass(frozen=True, slots=True)
class FlatFacts:
    """The flat facts of a cube as they are kept: they never change, those of a later version are others.

    Args:
        table: their table, as SQL.
        dictionaries: the table of the members of each coded column, as SQL: `code`, `member` and `key` to sort by.
        narrowed: the integer columns that are kept in fewer bytes than their level has.
        version: the data version that they were made of.
        rows: how many there are.
        bytes: what they take, as estimated.
        tables: the names of the tables that they are made of, the base left out.
    """

    shape: FlatShape
    table: str
    dictionaries: Mapping[str, str]
    narrowed: frozenset[str]
    version: int
    rows: int
    bytes: int
    tables: frozenset[str] = field(default=frozenset(), repr=False)

    def __str__(self) -> str:
        return f"flat facts, {self.rows:,} rows"


def is_coded(level: Level) -> bool:
    """Return whether numbers stand for the members of a level: for texts, and where members have sort keys."""
    return level.type.family in ("text", "uuid") or bool(level.order.key)


def coded_level(levels: Iterable[Level], measure: AggregateMeasure) -> Level | None:
    """Return the level whose codes are as many as the values that a distinct count counts."""
    if measure.aggregation is not COUNT_DISTINCT:
        return None
    counted: Argument = measure.arguments[0]
    return next((level for level in levels if is_coded(level) and level.sql == counted.sql), None)
