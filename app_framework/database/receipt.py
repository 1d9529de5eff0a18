"""What a commit was made from, remembered together with its rows: tried again, it is not made again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app_framework.database.version import META

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a commit is made from; two with the same source, item and digest are the same.

    Args:
        source: who brings it: the name of a feed.
        item: what is brought: the name of a file.
        digest: of its content.
        size: in bytes.
        changed_ns: when it was last changed.
    """

    source: str
    item: str
    digest: str
    size: int = 0
    changed_ns: int = 0


class Receipts:
    """The receipts of one database, through one cursor; they come and go with the transaction."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def prepare(self) -> None:
        """Make their table, in a file that has none yet."""
        self._cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {META}.receipts (source VARCHAR, item VARCHAR, digest VARCHAR,"
            " size BIGINT, changed_ns BIGINT, tables VARCHAR[], version BIGINT)"
        )

    def version(self, receipt: Receipt) -> int | None:
        """Return the version that was made from the same, None when there is none."""
        rows = self._cursor.rows(
            f"SELECT version FROM {META}.receipts WHERE source = ? AND item = ? AND digest = ?",  # noqa: S608
            [receipt.source, receipt.item, receipt.digest],
        )
        version = rows[0][0] if rows else None
        return version if isinstance(version, int) else None

    def record(self, receipt: Receipt, tables: Collection[str], version: int) -> None:
        """Remember what a version is made from."""
        self._cursor.execute(
            f"INSERT INTO {META}.receipts VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [
                receipt.source, receipt.item, receipt.digest, receipt.size, receipt.changed_ns, sorted(tables), version,
            ],
        )  # fmt: skip

    def of(self, source: str) -> list[Receipt]:
        """Return what came from a source, the oldest first."""
        rows = self._cursor.rows(
            f"SELECT item, digest, size, changed_ns FROM {META}.receipts WHERE source = ? ORDER BY version",  # noqa: S608
            [source],
        )
        return [
            Receipt(source, str(item), str(digest), _number(size), _number(changed_ns))
            for item, digest, size, changed_ns in rows
        ]

    def forget(self, table: str) -> None:
        """Forget what rows of a table were made from, for they are gone."""
        self._cursor.execute(f"DELETE FROM {META}.receipts WHERE list_contains(tables, ?)", [table])  # noqa: S608


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
