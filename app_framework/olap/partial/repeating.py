"""The members at which the values of an application stand that it does not know: those that the question keeps."""

# ruff: noqa: S608 - columns are numbered, members are bound

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from app_framework.database.sql import quote
from app_framework.olap.condition import Condition, Predicate, levels_of
from app_framework.olap.dimension import Hierarchy, Level, place_of
from app_framework.olap.facts import Facts
from app_framework.olap.filter import In
from app_framework.olap.join import Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.partial.arranging import OfferedPaths
from app_framework.olap.partial.wire import came_back
from app_framework.olap.where import ConditionWriter

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

PATHS = "#paths"


class PathRows(Facts):
    """The paths of a hierarchy, in the place of rows."""

    def level(self, level: Level) -> str:
        """Return the column of a level."""
        return came_back(level.type, f"paths.m{level.ordinal}")

    def sort_key(self, level: Level, member: str) -> str:
        """Return the column of the sort key of a level."""
        return f"paths.o{level.ordinal}"

    def measure(self, measure: AggregateMeasure) -> str:
        """Paths have no measures."""
        raise AssertionError("paths have no measures")

    def filtered(self, measure: AggregateMeasure, condition: str) -> tuple[str, int]:
        """Paths have no measures."""
        raise AssertionError("paths have no measures")

    def source(self, joins: Iterable[Path]) -> str:
        """Return what stands after FROM."""
        return f"{quote(PATHS)} AS paths"


def paths_within(cursor: Cursor, paths: OfferedPaths, conditions: Iterable[Condition]) -> pa.Table:
    """Return the paths that pass the conditions on their hierarchy, and are at its default where only that counts."""
    hierarchy, rows = paths.hierarchy, PathRows()
    where, own = ConditionWriter(rows), [c for c in conditions if _is_of(levels_of(c)[0], hierarchy)]
    texts = [where.write(condition) for condition in own]
    if paths.at_default:
        texts.append(_at_default(hierarchy, where, rows))
    if not texts:
        return paths.table
    with cursor.offering(PATHS, paths.table):
        sql = f"SELECT * FROM {rows.source(())} WHERE {' AND '.join(texts)}"
        return cast("pa.Table", cursor.arrow(sql, where.parameters))


def _at_default(hierarchy: Hierarchy, where: ConditionWriter, rows: PathRows) -> str:
    first = hierarchy.levels[0]
    return rows.first(first) if hierarchy.default is None else where.write(Predicate(first, In((hierarchy.default,))))


def _is_of(level: Level, hierarchy: Hierarchy) -> bool:
    return place_of(level) == (hierarchy.dimension, hierarchy.name)
