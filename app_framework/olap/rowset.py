"""The rows of one cell, read while the engine makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeVar

from app_framework.database.pool import Ticket
from app_framework.database.rows import ArrowBatch, Row
from app_framework.olap.cellset import csv_text, value_text, with_utc

if TYPE_CHECKING:
    from app_framework.olap.sql import Statement

BATCH_ROWS = 65_536
_SPOKEN = ("boolean", "timestamp", "timestamp[UTC]")
"""Types whose values are written otherwise than Python writes them, as arrays are."""


@dataclass(frozen=True, slots=True)
class RowSetColumn:
    """A column of the rows: its name as the question wrote it, and the type of its values."""

    name: str
    type: str

    def to_dict(self) -> dict[str, object]:
        """Return the column as an answer's JSON describes it."""
        return {"name": self.name, "type": self.type}


class RowSource(Protocol):
    """Where rows come from: a stream of a database, or what other nodes sent."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[list[Row]]:
        """Yield the rows of a statement in batches."""

    def arrow(self, sql: str, parameters: Sequence[object], batch_rows: int) -> Iterator[ArrowBatch]:
        """Yield them in batches of Arrow."""

    def close(self) -> None:
        """Let go of those that were not read."""


class RowSet:
    """The answer to a `Drillthrough`: iterate over its rows, once; leave it as a context manager or with `close`.

    Args:
        cube: that was asked.
        columns: of the rows.
        count: how many rows the cell counts, whatever the limit is.
        versions: the data version that each node answered from.
        stream: where the rows come from.
        statement: what reads them.
    """

    def __init__(
        self,
        cube: str,
        columns: Sequence[RowSetColumn],
        *,
        count: int,
        versions: Mapping[str, int],
        stream: RowSource,
        statement: Statement,
    ) -> None:
        self.cube = cube
        self.columns = tuple(columns)
        self.count = count
        self.versions = dict(versions)
        self._stream = stream
        self._statement = statement

    def pieces(self) -> Iterator[list[Row]]:
        """Yield the rows in lists of some thousands: plain Python values, `Decimal` for decimals."""
        zoned = [position for position, column in enumerate(self.columns) if column.type == "timestamp[UTC]"]
        for rows in self._stream.rows(self._statement.text, self._statement.parameters):
            yield with_utc(rows, zoned)

    def record_batches(self) -> Iterator[ArrowBatch]:
        """Yield the rows as Arrow, in the engine's own types; `app_framework.olap.arrow` gives them the answer's."""
        return self._stream.arrow(self._statement.text, self._statement.parameters, BATCH_ROWS)

    def csv_pieces(self) -> Iterator[str]:
        """Yield the rows as CSV; what is null is empty."""
        yield csv_text([[column.name for column in self.columns]])
        spoken = [
            position
            for position, column in enumerate(self.columns)
            if column.type in _SPOKEN or column.type.endswith("[]")
        ]
        for rows in self.pieces():
            yield csv_text(_spoken(rows, spoken))

    def head(self) -> dict[str, object]:
        """Return the JSON document of the answer without its rows."""
        return {
            "cube": self.cube,
            "columns": [column.to_dict() for column in self.columns],
            "count": self.count,
            "versions": self.versions,
        }

    def close(self) -> None:
        """Let go of the rows that were not read."""
        self._stream.close()

    def __iter__(self) -> Iterator[Row]:
        return (row for rows in self.pieces() for row in rows)

    def __enter__(self) -> RowSet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<RowSet of cube {self.cube!r}: {self.count:,} rows, {len(self.columns)} columns>"


def _spoken(rows: list[Row], positions: Sequence[int]) -> list[Row]:
    """Return the rows with the values at some positions as the texts that stand for them."""
    for at in positions:
        rows = [(*row[:at], value_text(row[at]), *row[at + 1 :]) for row in rows]
    return rows


class Closable(Protocol):
    """Something that holds an open stream."""

    def close(self) -> None:
        """Let go of it."""


C = TypeVar("C", bound=Closable)


async def delivered(ticket: Ticket[C]) -> C:
    """Wait for what holds a stream; where nobody waits any more when it comes, it is closed."""
    try:
        return await ticket.wait()
    except BaseException:
        ticket.future.add_done_callback(_discard)
        raise


def _discard(future: Future[C]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()
