"""Branches: another state of the data, laid over a version of master that stays as it is."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from app_framework.database.changes import Condition
from app_framework.database.history import (
    FROM,
    ID,
    DataView,
    Effect,
    close_rows,
    held,
    number_rows,
    remember,
    remembering,
    rows_at,
)
from app_framework.database.schema import TableSchema
from app_framework.database.sql import names, quote
from app_framework.database.values import Bound
from app_framework.database.version import META, Branch

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

MASTER = "master"
"""The state that everybody reads who says nothing else."""

_ADDED, _LEFT_OUT = "+", "~"


class Overlay:
    """The rows of one branch: those of its base without the ones it leaves out, and those it adds.

    A table that the branch never wrote to has nothing of its own.

    Args:
        cursor: inside a transaction.
        branch: the branch.
        tables: all tables.
        remembering: the names of those that were written to; who changes them knows, whoever reads asks.
    """

    def __init__(
        self,
        cursor: Cursor,
        branch: Branch,
        tables: Mapping[str, TableSchema],
        remembering: set[str] | None = None,
    ) -> None:
        self.branch = branch
        self._cursor = cursor
        self._tables = tables
        self._remembering = remembering
        rows = cursor.rows(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? AND starts_with(table_name, ?)",
            [META, f"{_ADDED}{branch.name}{_ADDED}"],
        )
        self._written = {str(row[0]).removeprefix(f"{_ADDED}{branch.name}{_ADDED}") for row in rows}

    def view(self) -> DataView:
        """Return what a reader of the branch sees."""
        changed = remembering(self._cursor) & self._tables.keys()
        return DataView(self.branch.version, {name: self.source(self._tables[name]) for name in changed})

    def source(self, table: TableSchema) -> str:
        """Return the rows of a table that remembers, as SQL."""
        if table.name not in self._written:
            return rows_at(table, self.branch.base)
        columns = names(table.columns)
        return (
            f"(SELECT {columns} FROM {self._kept(table)} AS kept UNION ALL SELECT {columns} FROM {self._added(table)})"
        )

    def prepare(self, table: TableSchema) -> None:
        """Make place for changes of a table."""
        known = set(remembering(self._cursor)) if self._remembering is None else self._remembering
        if table.name not in known:
            remember(self._cursor, table)
            known.add(table.name)
        if table.name not in self._written:
            number_rows(self._cursor, table)
            columns = names(table.columns)
            self._cursor.execute(f"CREATE TABLE {self._added(table)} AS SELECT {columns} FROM {held(table)} LIMIT 0")
            self._cursor.execute(f"CREATE TABLE {self._left_out(table)} ({quote(ID)} BIGINT)")
            self._written.add(table.name)

    def take_out(self, table: TableSchema, condition: Condition) -> int:
        """Take rows out of the branch and return how many."""
        bound, where = tuple(condition.parameters), f"AS {quote(table.name)} WHERE {condition.sql}"
        left_out = self._cursor.count(
            f"INSERT INTO {self._left_out(table)} SELECT {quote(ID)} FROM {self._kept(table)} {where}", bound
        )
        return left_out + self._cursor.count(f"DELETE FROM {self._added(table)} {where}", bound)

    def put_in(self, table: TableSchema, batch: str) -> int:
        """Add the rows of a batch, in their order, and return how many."""
        return self._cursor.count(f"INSERT INTO {self._added(table)} SELECT {names(table.columns)} FROM {batch}")

    def append(self, table: TableSchema, rows: Sequence[tuple[Bound, ...]]) -> None:
        """Add rows, in their order."""
        self._cursor.append(self._added(table), [*table.columns], rows)

    def apply(self, version: int) -> dict[str, Effect]:
        """Make master what the branch is, in a version that begins; the branch has nothing of its own afterwards.

        Returns:
            what that did to its tables.
        """
        effects = {}
        for name in sorted(self._written & self._tables.keys()):
            table = self._tables[name]
            columns = names(table.columns)
            chosen = f"{quote(ID)} IN (SELECT {quote(ID)} FROM {self._left_out(table)})"
            removed = close_rows(self._cursor, table, chosen, (), version, brought=False)
            added = self._cursor.count(
                f"INSERT INTO {held(table)} ({columns}, {quote(FROM)})"
                f" SELECT {columns}, {version} FROM {self._added(table)} ORDER BY rowid"
            )
            effects[name] = Effect(added, removed)
        self.remove()
        return effects

    def remove(self) -> None:
        """Remove what the branch has of its own."""
        for name in self._written:
            for sign in (_ADDED, _LEFT_OUT):
                self._cursor.execute(f"DROP TABLE {META}.{quote(f'{sign}{self.branch.name}{sign}{name}')}")
        self._written = set()

    def _kept(self, table: TableSchema) -> str:
        """Return the rows of the base that the branch still has, with their ids, as SQL."""
        base = rows_at(table, self.branch.base, ID)
        same = f"left_out.{quote(ID)} = base.{quote(ID)}"
        return (
            f"(FROM {base} AS base WHERE NOT EXISTS (SELECT 1 FROM {self._left_out(table)} AS left_out WHERE {same}))"
        )

    def _added(self, table: TableSchema) -> str:
        return f"{META}.{quote(f'{_ADDED}{self.branch.name}{_ADDED}{table.name}')}"

    def _left_out(self, table: TableSchema) -> str:
        return f"{META}.{quote(f'{_LEFT_OUT}{self.branch.name}{_LEFT_OUT}{table.name}')}"


class Trunk:
    """The rows of master, in the version that begins; it changes as a branch does.

    Args:
        cursor: inside a transaction.
        version: the version that begins.
        remembering: the names of the tables that were written to; what is written to now becomes one of them.
    """

    def __init__(self, cursor: Cursor, version: int, remembering: set[str]) -> None:
        self._cursor = cursor
        self._version = version
        self._remembering = remembering
        self._brought: set[str] = set()

    def source(self, table: TableSchema) -> str:
        """Return the rows of a table, as SQL."""
        return quote(table.name)

    def prepare(self, table: TableSchema) -> None:
        """Make place for changes of a table."""
        if table.name not in self._remembering:
            remember(self._cursor, table)
            self._remembering.add(table.name)

    def take_out(self, table: TableSchema, condition: Condition) -> int:
        """Take rows out and return how many."""
        bound, brought = tuple(condition.parameters), table.name in self._brought
        return close_rows(self._cursor, table, condition.sql, bound, self._version, brought=brought)

    def put_in(self, table: TableSchema, batch: str) -> int:
        """Add the rows of a batch, in their order, and return how many."""
        columns = names(table.columns)
        self._brought.add(table.name)
        return self._cursor.count(
            f"INSERT INTO {held(table)} ({columns}, {quote(FROM)}) SELECT {columns}, {self._version} FROM {batch}"
        )

    def append(self, table: TableSchema, rows: Sequence[tuple[Bound, ...]]) -> None:
        """Add rows, in their order."""
        version = (self._version,)
        self._brought.add(table.name)
        self._cursor.append(held(table), [*table.columns, FROM], [row + version for row in rows])


def is_branch_name(name: str) -> bool:
    """Whether a branch can be called so: as files can, with nothing that would end the name of a table.

    >>> is_branch_name("what-if.2026"), is_branch_name("a b"), is_branch_name("~")
    (True, False, False)
    """
    return 0 < len(name) <= 64 and name[0].isalnum() and name.isascii() and not set(name) - _SIGNS


_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
