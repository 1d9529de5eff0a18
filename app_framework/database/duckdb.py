"""DuckDB, behind the few words the house uses; no other file imports it."""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import duckdb

from app_framework.database.changes import ArrowStream
from app_framework.database.datatype import DataType
from app_framework.database.errors import (
    DatabaseError,
    DatabaseLockedError,
    EngineError,
    EngineErrorKind,
    ResultTooLargeError,
)
from app_framework.database.rows import ArrowBatch, ArrowTable, Row
from app_framework.database.schema import Column
from app_framework.database.sql import quote

SyntaxTree = dict[str, object]
MEMORY = ":memory:"
FETCHED_AT_ONCE = 4_096
"""Rows that become Python values in one go: some five milliseconds."""
ROLLBACKS_MAX = 5
CHECKPOINT_THRESHOLD = "256MB"
"""How long the log of a file may become before it is written into the tables: it is read again after a crash."""


class Engine:
    """One open database, in memory or in a file, and the settings that hold for all its cursors.

    Args:
        path: a file, or ``:memory:``.
        threads: how many threads one or all queries use together; None for one per core.
        memory_limit: bytes the engine may use before it spills to disk; None for its default.
    """

    def __init__(self, path: str, *, threads: int | None = None, memory_limit: int | None = None) -> None:
        self.path = path
        config: dict[str, str | bool | int | float | list[str]] = {
            # A Python variable must never become a table, nor a query an installation.
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            # `x // 0` and `x % 0` are null, as `x / 0` is (see expression.py).
            "error_on_division_by_zero": False,
        }
        if threads is not None:
            config["threads"] = threads
        if memory_limit is not None:
            config["memory_limit"] = f"{memory_limit}B"
        if path == MEMORY:
            config["temp_directory"] = _spill_directory()
        else:
            # A commit that is followed by a checkpoint waits for it: with the engine's 16 MB that is every twentieth of
            # ten thousand rows. What was committed is in the log and on the disk either way.
            config["checkpoint_threshold"] = CHECKPOINT_THRESHOLD
            # Connections of one process share an open file unless their settings differ; those of two engines do.
            config["custom_user_agent"] = f"app-framework-{uuid.uuid4().hex}"
        with _translated(path):
            self._root = duckdb.connect(path, config=config)
            self._root.execute("SET GLOBAL TimeZone = 'UTC'")

    @property
    def is_new(self) -> bool:
        """Whether there was nothing in it when it was opened."""
        return self.path == MEMORY

    @property
    def version(self) -> str:
        """DuckDB's own version."""
        return str(duckdb.__version__)

    def cursor(self) -> Cursor:
        """Return a session of its own: one per thread, never shared."""
        return Cursor(self._root.cursor(), self.path)

    def seal(self) -> None:
        """Take the file system away from SQL: what is loaded stays, nothing else can be read or written."""
        with _translated(self.path):
            self._root.execute("SET enable_external_access = false")

    def close(self) -> None:
        """Close the database and every cursor of it."""
        self._root.close()


class Cursor:
    """A session that runs one statement at a time and never leaves a result open."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._time_limit_ms = 0
        self._stopped = False
        self._ending = threading.Lock()
        self._ended = False

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run a statement for its effect."""
        with _translated(self._path):
            self._connection.execute(sql, parameters).fetchall()

    def count(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that changes rows, or a query for one number, and return how many."""
        number = self.rows(sql, parameters)[0][0]
        return number if isinstance(number, int) else 0

    def rows(self, sql: str, parameters: Sequence[object] = (), rows_max: int | None = None) -> list[Row]:
        """Return all rows of a query.

        Raises:
            ResultTooLargeError: there are more than `rows_max`.
        """
        with _translated(self._path):
            result = self._connection.execute(sql, parameters)
            rows: list[Row] = []
            while piece := cast("list[Row]", result.fetchmany(FETCHED_AT_ONCE)):
                rows += piece
                if len(piece) == FETCHED_AT_ONCE:
                    # The engine takes and gives back the interpreter too quickly for another thread to get it in
                    # between: an event loop would stand still until the last row.
                    time.sleep(0)
                if rows_max is not None and len(rows) > rows_max:
                    self._connection.execute("SELECT 1").fetchall()  # lets go of the rest
                    raise ResultTooLargeError(rows_max)
            return rows

    def arrow(self, sql: str, parameters: Sequence[object] = (), rows_max: int | None = None) -> ArrowTable:
        """Return all rows of a query as a `pyarrow.Table`; the query itself keeps to about `rows_max`."""
        with _translated(self._path):
            table = self._connection.sql(sql, params=list(parameters)).to_arrow_table()
        if rows_max is not None and table.num_rows > rows_max:
            raise ResultTooLargeError(rows_max)
        return cast("ArrowTable", table)

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[list[Row]]:
        """Yield the rows of a query in batches while they are made; the open result owns the cursor until its end."""
        with _translated(self._path):
            result = self._connection.execute(sql, parameters)
        while True:
            with _translated(self._path):
                piece = cast("list[Row]", result.fetchmany(FETCHED_AT_ONCE))
            if not piece:
                return
            yield piece

    def stream_arrow(self, sql: str, parameters: Sequence[object], batch_rows: int) -> Iterator[ArrowBatch]:
        """Yield the same rows as `pyarrow.RecordBatch`es of about `batch_rows`."""
        with _translated(self._path):
            reader = self._connection.sql(sql, params=list(parameters)).to_arrow_reader(batch_rows)
        batches = iter(reader)
        while True:
            with _translated(self._path):
                batch = cast("ArrowBatch | None", next(batches, None))
            if batch is None:
                return
            yield batch

    def append(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add rows to a table as a prepared INSERT would, which takes much longer.

        Args:
            table: the table, as SQL.
            columns: the names of the columns that the rows have; the others get their defaults.
            rows: in their order.
        """
        with _translated(self._path):
            appender = self._connection.appender(table, columns=list(columns))
            try:
                appender.append_rows(rows)
                appender.flush()
            except BaseException:
                appender.clear()
                raise

    def columns_of(self, name: str) -> tuple[Column, ...]:
        """Return the columns of a table, or of what is offered as one, without a statement."""
        with _translated(self._path):
            relation = self._connection.sql(f"FROM {quote(name)}")
            found = zip(relation.columns, relation.types, strict=True)
            return tuple(Column(column, DataType.of_engine(str(kind))) for column, kind in found)

    def describe(self, sql: str) -> tuple[Column, ...]:
        """Return the columns a query would have, without running it."""
        described = self.rows(f"DESCRIBE {sql}")
        return tuple(Column(str(row[0]), DataType.of_engine(str(row[1]))) for row in described)

    def parse(self, sql: str) -> SyntaxTree:
        """Return the syntax tree of a SELECT; its `error` says whether there is none."""
        text = self.rows("SELECT json_serialize_sql(?)", [sql])[0][0]
        return cast("SyntaxTree", json.loads(str(text)))

    def render(self, tree: SyntaxTree) -> str:
        """Return the text of a syntax tree: the inverse of `parse`."""
        return str(self.rows("SELECT json_deserialize_sql(?)", [json.dumps(tree)])[0][0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside happen at once, or not at all."""
        self.execute("BEGIN TRANSACTION")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self.rollback()
            raise

    def rollback(self) -> None:
        """End a transaction, if there is one, as if nothing had happened; a late interrupt does not hinder it."""
        for _ in range(ROLLBACKS_MAX):
            try:
                self.execute("ROLLBACK")
            except EngineError as error:
                if error.kind == "interrupted":
                    continue
            return

    @contextmanager
    def offering(self, name: str, stream: ArrowStream) -> Iterator[None]:
        """Let statements of this cursor read an Arrow stream as a table called `name`."""
        with _translated(self._path):
            self._connection.register(name, stream)
        try:
            yield
        finally:
            # A statement that failed has ended the transaction, and with it what was registered.
            with suppress(duckdb.Error):
                self._connection.unregister(name)

    def limit_time(self, seconds: float) -> None:
        """Let the engine itself stop every later statement of this cursor after `seconds`."""
        milliseconds = max(1, int(seconds * 1000))
        if milliseconds != self._time_limit_ms:
            self.execute(f"SET max_execution_time = {milliseconds}")
            self._time_limit_ms = milliseconds

    def begin_job(self) -> None:
        """Note that what was stopped before is over."""
        self._stopped = False

    def check_wanted(self) -> None:
        """Stop between statements, where an interrupt has none to hit.

        Raises:
            EngineError: the job was interrupted.
        """
        if self._stopped:
            raise EngineError(self._path, "it was stopped", "interrupted")

    def interrupt(self) -> None:
        """Stop what runs on this cursor; may be called from any thread, also when the session has ended."""
        self._stopped = True
        with self._ending, _translated(self._path):
            if not self._ended:
                self._connection.interrupt()

    def close(self) -> None:
        """End the session."""
        with self._ending, _translated(self._path):
            self._ended = True
            self._connection.close()


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn DuckDB's errors into ours: the sentence without the engine's label and quotation of the SQL."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ResultTooLargeError(None) from error
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            raise DatabaseLockedError(path, _lock_owner(str(error))) from error
        raise DatabaseError(path, _sentence(error)) from error
    except duckdb.ConnectionException as error:
        if "different configuration" in str(error):
            raise DatabaseLockedError(path, "the other application of this process") from error
        raise DatabaseError(path, _sentence(error)) from error
    except duckdb.Error as error:
        raise EngineError(path, _sentence(error), _kind(error)) from error
    except OSError as error:
        # What fails while Arrow batches are made comes without the engine's class.
        kind: EngineErrorKind = "interrupted" if str(error).startswith("INTERRUPT") else "other"
        raise EngineError(path, _sentence(error), kind) from error


def _kind(error: duckdb.Error) -> EngineErrorKind:
    if isinstance(error, duckdb.InterruptException):
        return "interrupted"
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        return "binding"
    if isinstance(error, duckdb.OutOfRangeException | duckdb.ConversionException | duckdb.InvalidInputException):
        return "value"
    return "other"


def _sentence(error: Exception) -> str:
    text = str(error).split("\n\nLINE ", 1)[0].split("\n\tCandidate", 1)[0].strip()
    return re.sub(r"^[A-Z][A-Za-z-]*(?: [A-Z][a-z]+)* Error: ", "", text)


def _lock_owner(text: str) -> str | None:
    found = re.search(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)", text)
    return f"{Path(found['program']).name} (pid {found['pid']})" if found else None


def _spill_directory() -> str:
    """Spill beside nobody's files; DuckDB makes the folder when it spills and removes it when it closes."""
    return str(Path(tempfile.gettempdir()) / f"app-framework-{uuid.uuid4().hex}.duckdb.tmp")
