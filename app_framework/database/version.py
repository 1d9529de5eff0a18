"""The data version: a number that grows with every commit and never comes back, also after a restart."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app_framework.clock import Clock
from app_framework.database.sql import literal

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

META = "_app_framework"


@dataclass(frozen=True, slots=True)
class Branch:
    """Another state of the data, beside the one that everybody reads.

    Args:
        name: what queries call it.
        base: the version of master that it is laid over.
        version: its own.
    """

    name: str
    base: int
    version: int


@dataclass(frozen=True, slots=True)
class Entries:
    """What a ledger says, for the one who writes it and need not ask.

    Args:
        kept: the versions that can be read, the newest last.
        branches: by name, the oldest first.
        numbered: the newest version that a branch was given, 0 when none was.
    """

    kept: tuple[int, ...]
    branches: Mapping[str, Branch]
    numbered: int


NOTHING = Entries((), {}, 0)
"""What the ledger of a new database says."""


class Ledger:
    """What the database remembers of itself, in a schema of its own inside the same file.

    A new database counts from the clock's milliseconds: a node that lost its file, or holds its data in memory,
    does not give a number to other data than it did before.

    Args:
        cursor: what reads and writes it.
        clock: the time of commits.
        entries: what it says; None where it is asked each time.

    Attributes:
        entries: what it says by now, where that was known at first.
    """

    def __init__(self, cursor: Cursor, clock: Clock, entries: Entries | None = None) -> None:
        self.entries = entries
        self._cursor = cursor
        self._clock = clock

    def prepare(self) -> None:
        """Make its tables, in a file that has none yet."""
        self._cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {META}")
        self._cursor.execute(f"CREATE TABLE IF NOT EXISTS {META}.versions (version BIGINT, committed_at TIMESTAMPTZ)")
        self._cursor.execute(f"CREATE TABLE IF NOT EXISTS {META}.branches (name VARCHAR, base BIGINT, version BIGINT)")
        self._cursor.execute(f"CREATE TABLE IF NOT EXISTS {META}.numbers (version BIGINT)")
        self._cursor.execute(f"CREATE SEQUENCE IF NOT EXISTS {META}.rows")
        self._cursor.execute(f"CREATE TABLE IF NOT EXISTS {META}.sources (table_name VARCHAR, fingerprint VARCHAR)")

    def read(self) -> Entries:
        """Return what it says."""
        return Entries(self.kept(), self.branches(), self._numbered())

    def kept(self) -> tuple[int, ...]:
        """Return the versions that can be read, the newest last."""
        if self.entries is not None:
            return self.entries.kept
        rows = self._cursor.rows(f"SELECT version FROM {META}.versions ORDER BY version")
        return tuple(row[0] for row in rows if isinstance(row[0], int))

    def branches(self) -> dict[str, Branch]:
        """Return the branches by name, the oldest first."""
        if self.entries is not None:
            return dict(self.entries.branches)
        rows = self._cursor.rows(f"SELECT name, base, version FROM {META}.branches ORDER BY rowid")
        return {str(name): Branch(str(name), _number(base), _number(version)) for name, base, version in rows}

    def set_branch(self, branch: Branch) -> None:
        """Remember a branch, or what became of it."""
        self.remove_branch(branch.name)
        values = [branch.name, branch.base, branch.version]
        self._cursor.execute(f"INSERT INTO {META}.branches VALUES (?, ?, ?)", values)
        if self.entries is not None:
            self.entries = replace(self.entries, branches={**self.entries.branches, branch.name: branch})

    def remove_branch(self, name: str) -> None:
        """Forget a branch."""
        self._cursor.execute(f"DELETE FROM {META}.branches WHERE name = ?", [name])
        if self.entries is not None:
            left = {other: branch for other, branch in self.entries.branches.items() if other != name}
            self.entries = replace(self.entries, branches=left)

    def version(self) -> int:
        """Return the newest version, 0 when nothing was ever committed."""
        return max(self.kept(), default=0)

    def advance(self, keep: int = 1) -> tuple[int, ...]:
        """Record that a commit follows, let go of all but the `keep` newest versions, and return those."""
        now = self._clock.now()
        before = self.kept()
        version = self._next(before)
        kept = (*before, version)[-keep:]
        values = [version, now.isoformat()]
        if before and len(kept) == len(before):
            # The newest takes the row of the oldest: one statement, and the table does not grow.
            came = f"version = ?, committed_at = CAST(? AS TIMESTAMPTZ) WHERE version = {before[0]}"
            self._cursor.execute(f"UPDATE {META}.versions SET {came}", values)
        else:
            self._cursor.execute(f"DELETE FROM {META}.versions WHERE version < {kept[0]}")
            self._cursor.execute(f"INSERT INTO {META}.versions VALUES (?, CAST(? AS TIMESTAMPTZ))", values)
        if self.entries is not None:
            self.entries = replace(self.entries, kept=kept)
        return kept

    def advance_branch(self) -> int:
        """Return the version of a commit to a branch; it is a version of no other data."""
        version = self._next(self.kept())
        self._cursor.execute(f"DELETE FROM {META}.numbers")
        self._cursor.execute(f"INSERT INTO {META}.numbers VALUES (?)", [version])
        if self.entries is not None:
            self.entries = replace(self.entries, numbered=version)
        return version

    def _numbered(self) -> int:
        if self.entries is not None:
            return self.entries.numbered
        taken = self._cursor.rows(f"SELECT max(version) FROM {META}.numbers")[0][0]
        return taken if isinstance(taken, int) else 0

    def _next(self, kept: tuple[int, ...]) -> int:
        last = max(*kept, self._numbered()) if kept else 0
        return (last or int(self._clock.now().timestamp() * 1000)) + 1

    def fingerprint(self, table: str) -> str | None:
        """Return the fingerprint of the files a table was last loaded from."""
        rows = self._cursor.rows(f"SELECT fingerprint FROM {META}.sources WHERE table_name = {literal(table)}")
        return str(rows[0][0]) if rows else None

    def record(self, table: str, fingerprint: str) -> None:
        """Remember the files a table was loaded from."""
        self._cursor.execute(f"DELETE FROM {META}.sources WHERE table_name = {literal(table)}")
        self._cursor.execute(f"INSERT INTO {META}.sources VALUES (?, ?)", [table, fingerprint])


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
