"""Messages on their way into one commit: decoded, joined where that is cheaper, split where one of them is bad."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from app_framework.database.changes import BadRow, IncomingRow, Insert, OnError
from app_framework.database.columns import is_arrow
from app_framework.database.errors import InvalidRowsError
from app_framework.database.schema import TableSchema
from app_framework.errors import FrameworkError, UserError
from app_framework.olap.row_formats import RowFormat, RowFormatError, read_rows


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message.

    Args:
        rows: how many of its rows were put in.
        version: the data version that has them.
        rejected: how many were left out.
    """

    rows: int
    version: int
    rejected: int = 0


Outcome = Taken | UserError | FrameworkError


class Waiting:
    """A message that waits for its commit.

    Args:
        data: its payload.
        arrived_s: when it came, on the monotonic clock.
    """

    __slots__ = ("arrived_s", "data", "insert", "outcome", "rows")

    def __init__(self, data: bytes, arrived_s: float) -> None:
        self.data = data
        self.arrived_s = arrived_s
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.insert: Insert | None = None
        self.rows = 0

    def settle(self, outcome: Outcome) -> None:
        """Say what became of it."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def decode(self, row_format: RowFormat, table: TableSchema) -> None:
        """Read its rows, unless that was done before.

        Raises:
            RowFormatError, InvalidRowsError: they cannot be read.
        """
        insert = read_rows(io.BytesIO(self.data), row_format, table)
        if is_arrow(insert.rows):
            self.insert = insert  # it is read once; whoever needs it again decodes again
            return
        rows = list(cast("Iterable[IncomingRow]", insert.rows))
        self.rows = len(rows)
        self.insert = Insert(insert.table, rows, insert.texts)


def decoded(
    messages: Sequence[Waiting], row_format: RowFormat, table: TableSchema, rows_max: int
) -> tuple[list[Waiting], list[tuple[Waiting, UserError]]]:
    """Decode messages until they have enough rows; return those, and those that cannot be read with the reason."""
    good: list[Waiting] = []
    bad: list[tuple[Waiting, UserError]] = []
    rows = 0
    for message in messages:
        try:
            message.decode(row_format, table)
        except (RowFormatError, InvalidRowsError) as error:
            bad.append((message, error))
            continue
        good.append(message)
        rows += max(1, message.rows)
        if rows >= rows_max:
            break
    return good, bad


def inserts_of(messages: Sequence[Waiting], table: TableSchema, on_error: OnError) -> list[Insert]:
    """Return the changes of one commit: one for all messages where none of them needs an answer of its own."""
    inserts = [message.insert for message in messages if message.insert is not None]
    if len(inserts) < 2 or on_error == "reject" or any(is_arrow(insert.rows) for insert in inserts):
        return inserts
    rows = [cast("list[IncomingRow]", insert.rows) for insert in inserts]
    return [Insert(table.name, _newest(rows, table.key), inserts[0].texts)]


def _newest(messages: Sequence[Sequence[IncomingRow]], key: Sequence[str]) -> list[IncomingRow]:
    """Return the rows of all messages, without those whose key a later message has.

    In commits of their own the later row would take the place of the earlier one. A message that has a key twice
    keeps both, and is refused for it.
    """
    if not key:
        return [row for message in messages for row in message]
    newest: dict[object, list[IncomingRow]] = {}
    for number, message in enumerate(messages):
        own: dict[object, list[IncomingRow]] = {}
        for place, row in enumerate(message):
            own.setdefault(_key_of(row, key) or (number, place), []).append(row)
        newest.update(own)
    return [row for rows in newest.values() for row in rows]


def _key_of(row: IncomingRow, key: Sequence[str]) -> tuple[object, ...] | None:
    """Return the key of a row as it was written; None where it has none that can be compared so."""
    if isinstance(row, BadRow) or not all(isinstance(row.get(column), str | int) for column in key):
        return None
    return tuple((type(row[column]), row[column]) for column in key)
