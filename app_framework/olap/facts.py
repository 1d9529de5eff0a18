"""What cells are aggregated from: rows of the base table with what they refer to, or what is kept of them."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from app_framework.olap.condition import Condition
from app_framework.olap.dimension import Level
from app_framework.olap.frames import Key
from app_framework.olap.join import JoinTree, Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.ordering import NATURAL


class Facts(Protocol):
    """Rows that cells can be aggregated from, and how to write what a question needs of them.

    A row may have numbers in the place of members: then cells are grouped by those, and `decoded` afterwards.
    """

    of_rows: bool = True
    """Whether they are single rows, and no groups of rows."""

    grouping: str = ""
    """What says of which grouping a row is, as SQL, where there are rows for each, without the members it rolls up."""

    def level(self, level: Level) -> str:
        """Return what stands for the member of a level as SQL over a row."""

    def sort_key(self, level: Level, member: str) -> str:
        """Return the sort key of a level as SQL over a row, null where there is no `member`; "" if decoding adds it."""

    def measure(self, measure: AggregateMeasure) -> str:
        """Return a measure as SQL over the rows of a cell."""

    def filtered(self, measure: AggregateMeasure, condition: str) -> tuple[str, int]:
        """Return a measure over the rows that pass a condition too, and how often the condition stands in it."""

    def within(self, measure: AggregateMeasure, context: Sequence[Condition]) -> str | None:
        """Return a measure over the rows that pass conditions, where that is kept apart; None to have them written."""
        return None

    def element(self, measure: AggregateMeasure, element: str) -> str:
        """Return the aggregation of what stands at one place of arrays, as SQL over an `element`."""
        return f"{measure.aggregation.by_element}({element})"

    def source(self, joins: Iterable[Path]) -> str:
        """Return what stands after FROM; `joins` are the paths of the tables that are read."""

    def member(self, level: Level) -> str:
        """Return the member of a level as SQL inside of a condition that `among` is given."""
        return self.level(level)

    def among(self, level: Level, condition: str) -> str:
        """Return the SQL over a row of a condition on its `member` of a level."""
        return condition

    def under(self, levels: Sequence[Level], paths: str) -> str:
        """Return the SQL that the members of a row stand in a line of `paths`, a query of columns `m0`, `m1`, …."""
        own = map(self.level, levels)
        same = " AND ".join(f"paths.m{i} IS NOT DISTINCT FROM {sql}" for i, sql in enumerate(own))
        return f"EXISTS (SELECT 1 FROM ({paths}) AS paths WHERE {same})"

    def first(self, level: Level) -> str:
        """Return the SQL that a row has the first member of a level."""
        order, sql = level.order, self.level(level)
        source = self.source(level.joins | order.joins).replace("\n", " ")
        if order == NATURAL:
            return f"{sql} IS NOT DISTINCT FROM (SELECT min({sql}) FROM {source})"
        terms = ", ".join(order.terms(sql, self.sort_key(level, sql)))
        return f"{sql} IS NOT DISTINCT FROM (SELECT {sql} FROM {source} ORDER BY {terms} LIMIT 1)"

    def decoded(self, keys: Sequence[Key], cells: str) -> str:
        """Return the query of cells with members and sort keys in the place of what stood for them."""
        return cells


class BaseRows(Facts):
    """The rows of the base table, joined with those that they refer to."""

    def __init__(self, tree: JoinTree) -> None:
        self._tree = tree

    def level(self, level: Level) -> str:
        """Return the member of a level as SQL over a row."""
        return level.sql

    def sort_key(self, level: Level, member: str) -> str:
        """Return the sort key of a level as SQL over a row, null where there is no `member`."""
        return level.order.row_key(member)

    def measure(self, measure: AggregateMeasure) -> str:
        """Return a measure as SQL over the rows of a cell."""
        return measure.sql

    def filtered(self, measure: AggregateMeasure, condition: str) -> tuple[str, int]:
        """Return a measure over the rows that pass a condition too, and how often the condition stands in it."""
        return measure.filtered(condition)

    def source(self, joins: Iterable[Path]) -> str:
        """Return what stands after FROM; `joins` are the paths of the tables that are read."""
        return self._tree.from_clause(self._tree.needed(joins))

    def __repr__(self) -> str:
        return f"<BaseRows {self._tree.base.name}>"
