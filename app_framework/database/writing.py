"""The one writer: a commit changes tables, gives the change a version, and lets go of the oldest one."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app_framework.clock import Clock
from app_framework.database.changes import Change, Commit, Delete, Insert, OnError
from app_framework.database.errors import DatabaseError, UnknownTableError
from app_framework.database.history import FROM, close_rows, compact, held, remember, remembering
from app_framework.database.rejects import RejectedRow, write_rejects
from app_framework.database.schema import Reference, TableSchema
from app_framework.database.snapshot import Snapshots
from app_framework.database.sql import names, quote
from app_framework.database.staging import BATCH, ROW, Staging
from app_framework.database.version import Ledger
from app_framework.errors import near_matches

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor


class Writer:
    """Makes commits, one after the other, on a cursor that is given to it.

    Args:
        tables: all tables.
        references: all references: what they point to stays unique.
        snapshots: where a commit becomes known.
        clock: the time of commits.
        keep: how many versions can be read.
        rejects: the folder of rejected rows; None where there is none.
    """

    def __init__(
        self,
        tables: Mapping[str, TableSchema],
        references: Sequence[Reference],
        snapshots: Snapshots,
        clock: Clock,
        *,
        keep: int,
        rejects: Path | None = None,
    ) -> None:
        self._tables = tables
        self._references = references
        self._snapshots = snapshots
        self._clock = clock
        self._keep = keep
        self._rejects = rejects

    def check(self, changes: Sequence[Change], on_error: OnError) -> None:
        """Refuse what needs no row to be refused.

        Raises:
            UnknownTableError: a change names a table that is not there.
            ValueError: rows shall be rejected, and there is no place for them.
        """
        for change in changes:
            if change.table not in self._tables:
                raise UnknownTableError(change.table, near_matches(change.table, self._tables))
        if on_error == "reject" and self._rejects is None:
            raise ValueError("this database has no folder for rejected rows; open it with `rejects=FOLDER`")

    def commit(self, cursor: Cursor, changes: Sequence[Change], on_error: OnError) -> Commit:
        """Make all changes, in their order, in one transaction.

        Raises:
            InvalidRowsError: rows do not fit; nothing was changed.
        """
        cursor.execute("BEGIN TRANSACTION")
        written: Path | None = None
        try:
            kept = Ledger(cursor, self._clock).advance(self._keep)
            transaction = _Transaction(cursor, self._tables, self._references, kept, reject=on_error == "reject")
            rows = tuple(transaction.make(change) for change in changes)
            if transaction.rejected:
                assert self._rejects is not None
                tables = [change.table for change in changes if isinstance(change, Insert)]
                written = write_rejects(self._rejects, tables[0], kept[-1], transaction.rejected)
            if not any(rows):
                cursor.rollback()
                return Commit(self._snapshots.newest, rows, len(transaction.rejected), written)
            transaction.compact()
            cursor.check_wanted()
            with self._snapshots.publishing(kept):
                cursor.execute("COMMIT")
        except BaseException:
            cursor.rollback()
            if written is not None:
                with suppress(OSError):
                    written.unlink()
            raise
        return Commit(kept[-1], rows, len(transaction.rejected), written)


class _Transaction:
    """The changes of one commit, inside its transaction."""

    def __init__(
        self,
        cursor: Cursor,
        tables: Mapping[str, TableSchema],
        references: Sequence[Reference],
        kept: Sequence[int],
        *,
        reject: bool,
    ) -> None:
        self.rejected: list[RejectedRow] = []
        self._cursor = cursor
        self._tables = tables
        self._references = references
        self._oldest, self._version = kept[0], kept[-1]
        self._reject = reject
        self._remembering = set(remembering(cursor))

    def make(self, change: Change) -> int:
        """Make one change and return how many rows it put in or took out."""
        table = self._tables[change.table]
        return self._delete(table, change) if isinstance(change, Delete) else self._insert(table, change)

    def compact(self) -> None:
        """Remove what no kept version needs."""
        for name in self._remembering & self._tables.keys():
            compact(self._cursor, self._tables[name], self._oldest)

    def _insert(self, table: TableSchema, insert: Insert) -> int:
        pointing = [reference for reference in self._references if reference.target == table.name]
        staging = Staging(self._cursor, table, pointing, reject=self._reject)
        try:
            count = staging.fill(insert)
            self.rejected += sorted(staging.rejected, key=lambda rejected: rejected.row)
            if count:
                self._remember(table)
                self._replace(table)
                columns = names(table.columns)
                self._cursor.execute(
                    f"INSERT INTO {held(table)} ({columns}, {quote(FROM)})"
                    f" SELECT {columns}, {self._version} FROM {BATCH} ORDER BY {ROW}"
                )
        finally:
            with suppress(DatabaseError):
                staging.clear()
        return count

    def _replace(self, table: TableSchema) -> None:
        """Take out the rows whose keys are in the batch."""
        if table.key:
            same = " AND ".join(f"batch.{quote(c)} = {quote(table.name)}.{quote(c)}" for c in table.key)
            close_rows(self._cursor, table, f"EXISTS (SELECT 1 FROM {BATCH} AS batch WHERE {same})", (), self._version)

    def _delete(self, table: TableSchema, delete: Delete) -> int:
        self._remember(table)
        condition = delete.condition
        return close_rows(self._cursor, table, condition.sql, tuple(condition.parameters), self._version)

    def _remember(self, table: TableSchema) -> None:
        if table.name not in self._remembering:
            remember(self._cursor, table)
            self._remembering.add(table.name)
