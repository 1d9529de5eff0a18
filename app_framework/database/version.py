"""The data version: a number that grows with every commit and never comes back, also after a restart."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.clock import Clock
from app_framework.database.sql import literal

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

META = "_app_framework"


class Ledger:
    """What the database remembers of itself, in a schema of its own inside the same file.

    A new database counts from the clock's milliseconds: a node that lost its file, or holds its data in memory,
    does not give a number to other data than it did before.
    """

    def __init__(self, cursor: Cursor, clock: Clock) -> None:
        self._cursor = cursor
        self._clock = clock
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {META}")
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {META}.versions (version BIGINT, committed_at TIMESTAMPTZ)")
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {META}.sources (table_name VARCHAR, fingerprint VARCHAR)")

    def version(self) -> int:
        """Return the newest version, 0 when nothing was ever committed."""
        newest = self._cursor.rows(f"SELECT max(version) FROM {META}.versions")[0][0]
        return newest if isinstance(newest, int) else 0

    def advance(self) -> int:
        """Record that a commit follows and return its version."""
        now = self._clock.now()
        version = (self.version() or int(now.timestamp() * 1000)) + 1
        self._cursor.execute(f"DELETE FROM {META}.versions")
        self._cursor.execute(
            f"INSERT INTO {META}.versions VALUES (?, CAST(? AS TIMESTAMPTZ))", [version, now.isoformat()]
        )
        return version

    def fingerprint(self, table: str) -> str | None:
        """Return the fingerprint of the files a table was last loaded from."""
        rows = self._cursor.rows(f"SELECT fingerprint FROM {META}.sources WHERE table_name = {literal(table)}")
        return str(rows[0][0]) if rows else None

    def record(self, table: str, fingerprint: str) -> None:
        """Remember the files a table was loaded from."""
        self._cursor.execute(f"DELETE FROM {META}.sources WHERE table_name = {literal(table)}")
        self._cursor.execute(f"INSERT INTO {META}.sources VALUES (?, ?)", [table, fingerprint])
