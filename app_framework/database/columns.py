"""Columns that were sent beside those of a table: which belong together, and what each must become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from app_framework.database.changes import ArrowStream
from app_framework.database.datatype import DataType
from app_framework.database.errors import RowProblem
from app_framework.database.schema import Column, TableSchema
from app_framework.database.sql import names, quote
from app_framework.errors import near_matches


def is_arrow(rows: object) -> TypeGuard[ArrowStream]:
    """Whether rows come as columns of Arrow."""
    return hasattr(rows, "__arrow_c_stream__")


class ColumnMatch:
    """How typed columns become those of a table, without a value that is cut, rounded or guessed.

    Args:
        table: the table.
        sent: the columns that were sent, with the types they have.

    Attributes:
        problems: columns that the table has not, or whose values could never be its.
        casts: whether a column must become another type, or is missing.
    """

    def __init__(self, table: TableSchema, sent: Mapping[str, Column]) -> None:
        self._table = table
        self._sent = sent
        self.problems = [*self._unknown(), *self._unfit()]
        self.casts = any(name not in sent or sent[name].type.sql != c.type.sql for name, c in table.columns.items())

    @property
    def taken(self) -> str:
        """The columns that are read, as SQL, in the table's order."""
        return names(name for name in self._table.columns if name in self._sent)

    @property
    def cast(self) -> str:
        """The table's columns out of those that were read, as SQL; one that was not sent is null."""
        return ", ".join(
            f"CAST({quote(name) if name in self._sent else 'NULL'} AS {column.type.sql}) AS {quote(name)}"
            for name, column in self._table.columns.items()
        )

    @property
    def checks(self) -> list[tuple[Column, str]]:
        """The columns whose values may not fit, with the SQL condition that finds those."""
        return [
            (column, _misfit(quote(name), self._sent[name].type, column.type))
            for name, column in self._table.columns.items()
            if name in self._sent and self._sent[name].type.sql != column.type.sql
        ]

    def _unknown(self) -> list[RowProblem]:
        columns = self._table.columns
        return [
            RowProblem(0, name, f"table {self._table.name!r} has no such column", near_matches(name, columns))
            for name in self._sent
            if name not in columns
        ]

    def _unfit(self) -> list[RowProblem]:
        return [
            RowProblem(0, name, f"{self._sent[name].type.name} was sent, the table has {column.type.name}")
            for name, column in self._table.columns.items()
            if name in self._sent and not _fits(self._sent[name].type, column.type)
        ]


def _fits(sent: DataType, kept: DataType) -> bool:
    if sent.sql == kept.sql or sent.sql.strip('"') == "NULL":
        return True
    if kept.family == "array" and sent.sql in ("NULL[]", '"NULL"[]'):
        return True
    if sent.numeric and kept.numeric:
        return True
    return kept.family in _BECOMES.get(sent.family, ())


_BECOMES = {
    "text": ("text", "uuid"),
    "boolean": ("boolean",),
    "date": ("date", "timestamp", "zoned"),
    "time": ("time",),
    "timestamp": ("date", "timestamp", "zoned"),
    "zoned": ("zoned",),
    "uuid": ("uuid", "text"),
    "array": ("array",),
}
"""Which families of types a column may become, beside numbers among each other."""


def _misfit(name: str, sent: DataType, kept: DataType) -> str:
    """Write what holds of a value that would not be the same afterwards."""
    cast = f"TRY_CAST({name} AS {kept.sql})"
    if kept.family == "uuid":
        return f"{name} IS NOT NULL AND {cast} IS NULL"
    if kept.family == sent.family == "array" and kept.element.family == "float":
        # An element that does not fit becomes null; the nearest double is the value here, too.
        return f"{name} IS NOT NULL AND list_count({cast}) IS DISTINCT FROM list_count({name})"
    if kept.family == "float" and sent.family in ("float", "decimal"):
        # The nearest double is the value, as with every number that is written in decimals.
        return f"{name} IS NOT NULL AND ({cast} IS NULL OR (isinf({cast}) AND NOT isinf(CAST({name} AS DOUBLE))))"
    if sent.family == "float" and kept.family == "decimal":
        # The shortest text of a double is what its sender wrote: 0.1 is 0.10.
        return f"{name} IS NOT NULL AND TRY_CAST({cast} AS {sent.sql}) IS DISTINCT FROM {name}"
    return f"TRY_CAST({cast} AS {sent.sql}) IS DISTINCT FROM {name}"
