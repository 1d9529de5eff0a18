"""Rows that leave the database a batch at a time, from a cursor of their own, in a memory that does not grow."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from app_framework.database.errors import DatabaseError, EngineError, QueryTimeoutError
from app_framework.database.rows import ArrowBatch, Row
from app_framework.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

T = TypeVar("T")


class RowStream:
    """Statements that see one snapshot, the last of which is read while the engine makes its rows.

    It ends when it was read to its end, when it is closed, or when its time is over: then also where the one who reads
    is too slow, because an open result holds memory and a snapshot of the database.

    Args:
        cursor: nobody else's; it is closed with the stream.
        timeout_s: how long the stream may live; for ever when infinite.
    """

    def __init__(self, cursor: Cursor, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._cursor: Cursor | None = cursor
        self._closed: list[Callable[[], None]] = []
        self._overdue = False
        self._lock = threading.Lock()
        cursor.execute("BEGIN TRANSACTION")
        self._timer: threading.Timer | None = None
        if math.isfinite(timeout_s):
            self._timer = threading.Timer(timeout_s, self._expire)
            self._timer.daemon = True
            self._timer.start()

    @property
    def is_open(self) -> bool:
        """Whether there may be more to read."""
        return self._cursor is not None

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a statement that has few."""
        with self._lock:
            return self._open_cursor().rows(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[list[Row]]:
        """Yield the rows of the last statement in batches, then close."""
        return self._read(lambda cursor: cursor.stream(sql, parameters))

    def arrow(self, sql: str, parameters: Sequence[object], batch_rows: int) -> Iterator[ArrowBatch]:
        """Yield the rows of the last statement in batches of Arrow, then close."""
        return self._read(lambda cursor: cursor.stream_arrow(sql, parameters, batch_rows))

    def when_closed(self, told: Callable[[], None]) -> None:
        """Call `told` when the stream is closed."""
        with self._lock:
            if self._cursor is not None:
                self._closed.append(told)
                return
        told()

    def close(self) -> None:
        """Stop what runs and let go of the snapshot; may be called from any thread, and again."""
        cursor = self._cursor
        if cursor is not None:
            cursor.interrupt()
            with self._lock:
                self._end()

    def _read(self, begin: Callable[[Cursor], Iterator[T]]) -> Iterator[T]:
        try:
            with self._lock:
                batches = begin(self._open_cursor())
            while (batch := self._next(batches)) is not None:
                yield batch
        except EngineError as error:
            raise self._reason() if error.kind == "interrupted" else error from error
        finally:
            self.close()

    def _next(self, batches: Iterator[T]) -> T | None:
        with self._lock:
            self._open_cursor()
            return next(batches, None)

    def _open_cursor(self) -> Cursor:
        if self._cursor is None:
            raise self._reason()
        return self._cursor

    def _reason(self) -> Exception:
        """Say why there is nothing more: the engine's own clock and ours run from the same moment."""
        if self._overdue or self._cursor is not None:
            return QueryTimeoutError(self.timeout_s)
        return ServiceUnavailableError("The rows were closed before they were read.")

    def _expire(self) -> None:
        self._overdue = True
        self.close()

    def _end(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        with suppress(DatabaseError):
            cursor.close()
        for told in self._closed:
            told()
