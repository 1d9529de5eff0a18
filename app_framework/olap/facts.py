"""What cells are aggregated from: rows of the base table with what they refer to, or groups of them that are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from app_framework.olap.dimension import Level
from app_framework.olap.join import JoinTree, Path
from app_framework.olap.measure import AggregateMeasure


class Facts(Protocol):
    """Rows that cells can be aggregated from, and how to write what a question needs of them."""

    def level(self, level: Level) -> str:
        """Return the member of a level as SQL over a row."""

    def sort_key(self, level: Level, member: str) -> str:
        """Return the sort key of a level as SQL over a row, null where there is no `member`."""

    def measure(self, measure: AggregateMeasure) -> str:
        """Return a measure as SQL over the rows of a cell."""

    def filtered(self, measure: AggregateMeasure, condition: str) -> tuple[str, int]:
        """Return a measure over the rows that pass a condition too, and how often the condition stands in it."""

    def source(self, joins: Iterable[Path]) -> str:
        """Return what stands after FROM; `joins` are the paths of the tables that are read."""


class BaseRows:
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
