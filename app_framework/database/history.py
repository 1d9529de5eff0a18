"""How a table remembers: the rows of today with the version that brought them, and beside them the rows that left.

A table that nobody ever wrote to is a plain table. With the first commit it becomes a view over its rows, so that
whoever reads the newest version reads what he read before; only a reader of an older one asks the past as well.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from app_framework.database.schema import TableSchema
from app_framework.database.sql import names, quote
from app_framework.database.version import META

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

FROM, TO = "#from", "#to"
"""The versions a row is in: from the one, null being since the table was loaded, to before the other."""

ID = "#id"
"""What tells rows apart that are equal, so that a branch can leave one of them out.

Rows that were loaded from a source have none before the first branch changes their table."""

HIDDEN = (FROM, TO, ID)
PREFIX = "#"
"""How the tables behind a view begin; no table of a model does."""


@dataclass(frozen=True, slots=True)
class DataView:
    """What a reader sees: one version of all tables.

    Args:
        version: its number.
        sources: what stands after FROM for the tables that were different then; all others stand there by their name.
    """

    version: int
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Effect:
    """What a commit did to a table: how many rows it put in and took out."""

    added: int = 0
    removed: int = 0

    def plus(self, added: int = 0, removed: int = 0) -> Effect:
        """Return this and more."""
        return Effect(self.added + added, self.removed + removed)


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What commits did to a table since the database was opened.

    Args:
        added: the last version that brought rows, 0 for none.
        removed: the last version that took rows out, 0 for none.
    """

    added: int = 0
    removed: int = 0

    @property
    def last(self) -> int:
        """The last version that changed the table, 0 for none."""
        return max(self.added, self.removed)

    def plus(self, effect: Effect, version: int) -> TableChanges:
        """Return these changes and those of a commit."""
        return TableChanges(version if effect.added else self.added, version if effect.removed else self.removed)


UNCHANGED = TableChanges()


def held(table: TableSchema) -> str:
    """Return the table behind the view: the rows of today, as SQL."""
    return quote(PREFIX + table.name)


def past(table: TableSchema) -> str:
    """Return the table of the rows that left, as SQL."""
    return f"{META}.{quote(PREFIX + table.name)}"


def tables_of(cursor: Cursor) -> frozenset[str]:
    """Return the names of all tables, those that are views over their rows too."""
    rows = cursor.rows(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'"
        " UNION ALL SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal"
    )
    return frozenset(str(row[0]) for row in rows if not str(row[0]).startswith(PREFIX))


def remembering(cursor: Cursor) -> frozenset[str]:
    """Return the names of the tables that were written to."""
    rows = cursor.rows("SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal")
    return frozenset(str(row[0]) for row in rows)


def remember(cursor: Cursor, table: TableSchema) -> None:
    """Let a plain table remember from now on."""
    columns = names(table.columns)
    cursor.execute(f"ALTER TABLE {quote(table.name)} RENAME TO {held(table)}")
    cursor.execute(f"ALTER TABLE {held(table)} ADD COLUMN {quote(FROM)} BIGINT")
    # The rows that are there get their ids when a branch needs them: it takes time, and most tables have no branch.
    cursor.execute(f"ALTER TABLE {held(table)} ADD COLUMN {quote(ID)} BIGINT")
    cursor.execute(f"ALTER TABLE {held(table)} ALTER COLUMN {quote(ID)} SET DEFAULT nextval('{META}.rows')")
    cursor.execute(f"CREATE TABLE {past(table)} AS SELECT *, 0::BIGINT AS {quote(TO)} FROM {held(table)} LIMIT 0")
    cursor.execute(f"CREATE VIEW {quote(table.name)} AS SELECT {columns} FROM {held(table)}")


def number_rows(cursor: Cursor, table: TableSchema) -> None:
    """Give an id to the rows of a table that have none yet: those that were loaded, and left since maybe."""
    for name in (held(table), past(table)):
        cursor.execute(f"UPDATE {name} SET {quote(ID)} = nextval('{META}.rows') WHERE {quote(ID)} IS NULL")


def forget(cursor: Cursor, name: str) -> None:
    """Remove a table that remembers, with its past; it is about to be made anew."""
    cursor.execute(f"DROP VIEW {quote(name)}")
    cursor.execute(f"DROP TABLE {quote(PREFIX + name)}")
    cursor.execute(f"DROP TABLE {META}.{quote(PREFIX + name)}")


def close_rows(
    cursor: Cursor,
    table: TableSchema,
    condition: str,
    parameters: tuple[object, ...],
    version: int,
    *,
    brought: bool,
) -> int:
    """Take rows out of today and keep them for the versions before `version`; return how many.

    Args:
        cursor: inside the transaction of a commit.
        table: the table, which remembers.
        condition: which rows, as SQL.
        parameters: of the condition.
        version: the version that begins.
        brought: whether the same commit brought rows of the table.
    """
    source = f"FROM {held(table)} AS {quote(table.name)} WHERE {condition}"
    # A row that the same commit brought was in no version.
    earlier = f"{source} AND {quote(FROM)} IS DISTINCT FROM {version}"
    kept = cursor.count(f"INSERT INTO {past(table)} SELECT *, {version} {earlier}", parameters)
    return cursor.count(f"DELETE {source}", parameters) if kept or brought else 0


def compact(cursor: Cursor, table: TableSchema, oldest: int, bases: Sequence[int]) -> None:
    """Remove the rows that left before the oldest kept version, but for those that a branch is laid over."""
    condition = f"{quote(TO)} <= {oldest}"
    if bases:
        seen = f"({quote(FROM)} IS NULL OR {quote(FROM)} <= version) AND {quote(TO)} > version"
        condition += f" AND NOT EXISTS (SELECT 1 FROM (SELECT unnest(CAST(? AS BIGINT[])) AS version) WHERE {seen})"
    cursor.execute(f"DELETE FROM {past(table)} WHERE {condition}", [[*bases]] if bases else ())


def rows_since(table: TableSchema, version: int) -> str:
    """Return the rows of today that a version later than `version` brought, as SQL; the table remembers."""
    return f"(SELECT {names(table.columns)} FROM {held(table)} WHERE {quote(FROM)} > {version})"


def rows_lost(table: TableSchema, version: int) -> str:
    """Return the rows of `version` that are not in the newest one, as SQL; the table remembers, and it is kept."""
    was = f"({quote(FROM)} IS NULL OR {quote(FROM)} <= {version})"
    return f"(SELECT {names(table.columns)} FROM {past(table)} WHERE {quote(TO)} > {version} AND {was})"


def view_at(cursor: Cursor, tables: Mapping[str, TableSchema], version: int) -> DataView:
    """Return what a reader of an older version sees."""
    return DataView(version, {name: rows_at(tables[name], version) for name in remembering(cursor) if name in tables})


def changes_since(cursor: Cursor, tables: Mapping[str, TableSchema], version: int, newest: int) -> DataView:
    """Return, in the place of the tables that remember, the rows that came or left after a version that is kept."""
    changed = {name: _changed(tables[name], version) for name in remembering(cursor) if name in tables}
    return DataView(newest, changed)


def _changed(table: TableSchema, version: int) -> str:
    columns, known = names(table.columns), f"({quote(FROM)} IS NULL OR {quote(FROM)} <= {version})"
    return (
        f"(SELECT {columns} FROM {held(table)} WHERE {quote(FROM)} > {version}"
        f" UNION ALL SELECT {columns} FROM {past(table)} WHERE {known} AND {quote(TO)} > {version})"
    )


def rows_at(table: TableSchema, version: int, *further: str) -> str:
    """Return the rows of a table that remembers, as they were in a version, as SQL; `further` are columns of ours."""
    columns, came = names([*table.columns, *further]), f"({quote(FROM)} IS NULL OR {quote(FROM)} <= {version})"
    return (
        f"(SELECT {columns} FROM {held(table)} WHERE {came}"
        f" UNION ALL SELECT {columns} FROM {past(table)} WHERE {came} AND {quote(TO)} > {version})"
    )
