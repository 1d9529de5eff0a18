"""The database: tables loaded from files, references between them, and bounded, interruptible queries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, TypeVar

from app_framework.clock import Clock, SystemClock
from app_framework.database.branches import MASTER
from app_framework.database.changes import Change, Commit, OnError
from app_framework.database.errors import DatabaseError, ModelError, TooManyCommitsError, TooManyStreamsError
from app_framework.database.expression import ExpressionParser
from app_framework.database.history import UNCHANGED, DataView, TableChanges
from app_framework.database.integrity import ReferenceCheck, check_rows
from app_framework.database.listening import CommitListener
from app_framework.database.loading import Loader
from app_framework.database.pool import QueryPool, Ticket, pool_type, spare_engine
from app_framework.database.promise import Promise
from app_framework.database.receipt import Receipt, Receipts
from app_framework.database.rejects import Rejects
from app_framework.database.rows import Row
from app_framework.database.schema import Column, Reference, Table, TableSchema
from app_framework.database.snapshot import Snapshots
from app_framework.database.stream import RowStream
from app_framework.database.version import Branch
from app_framework.database.writing import Writer

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor, Engine
    from app_framework.database.scratch import Scratch, ScratchTable

T = TypeVar("T")
BACKGROUND_JOBS_MAX = 64
BACKGROUND_TIMEOUT_S = 3_600.0


@dataclass(frozen=True, slots=True)
class DatabaseLimits:
    """The bounds of one database.

    Args:
        threads: how many threads queries use together; None for one per core.
        memory_limit: bytes before queries spill to disk; None for DuckDB's default of four fifths of the machine.
        pool_size: how many queries run at once.
        queue_size: how many more may wait before the next is refused.
        query_timeout_s: how long a query may take when the caller does not say, waiting included.
        streams_max: how many answers may be read row by row at once.
        commit_queue_size: how many commits may wait for the one that is made.
        commit_timeout_s: how long a commit may take when the caller does not say, waiting included.
        versions_kept: how many versions can be read, the newest included.
        branches_max: how many branches there may be beside master.
        rejects_bytes_max: how large the files of rejected rows may be together.
        rejected_rows_max: how many rows one commit may reject.
    """

    threads: int | None = None
    memory_limit: int | None = None
    pool_size: int = 2
    queue_size: int = 64
    query_timeout_s: float = 30.0
    streams_max: int = 16
    commit_queue_size: int = 16
    commit_timeout_s: float = 120.0
    versions_kept: int = 10
    branches_max: int = 16
    rejects_bytes_max: int = 1 << 30
    rejected_rows_max: int = 100_000


class Database:
    """Tables that cubes read, in memory or in one file (A3).

    >>> with Database.open(tables=[Table("t", columns={"x": "bigint"})]) as database:
    ...     database.query("SELECT count(*) FROM t")
    [(0,)]
    """

    def __init__(
        self,
        engine: Engine,
        tables: Mapping[str, TableSchema],
        references: tuple[Reference, ...],
        versions: tuple[int, ...],
        branches: Mapping[str, Branch],
        limits: DatabaseLimits,
        clock: Clock,
        rejects: Path | None,
        pool: type[QueryPool] = QueryPool,
    ) -> None:
        self.tables: Mapping[str, TableSchema] = MappingProxyType(dict(tables))
        self.references = references
        self.limits = limits
        self._engine = engine
        self._snapshots = Snapshots(versions, branches, self.tables, clock)
        self._writer = Writer(
            self.tables,
            references,
            self._snapshots,
            clock,
            keep=limits.versions_kept,
            branches_max=limits.branches_max,
            rejects=Rejects(rejects, limits.rejects_bytes_max, limits.rejected_rows_max) if rejects else None,
        )
        self._pool = pool(engine, threads=limits.pool_size, queue_size=limits.queue_size)
        self._streams: set[RowStream] = set()
        self._commits = pool(
            engine, threads=1, queue_size=limits.commit_queue_size, name="commit", overloaded=TooManyCommitsError
        )
        self._background = pool(engine, threads=1, queue_size=BACKGROUND_JOBS_MAX, name="background")
        self._scratch: Scratch | None = None
        self._catalog = engine.cursor()
        self._catalog_lock = threading.Lock()

    @classmethod
    def open(
        cls,
        path: str | Path = ":memory:",
        *,
        tables: Iterable[Table] = (),
        references: Sequence[str | Reference] = (),
        limits: DatabaseLimits | None = None,
        clock: Clock | None = None,
        rejects: str | Path | None = None,
        inline: bool = False,
    ) -> Database:
        """Open or create a database and bring its tables to what their sources say, in one commit.

        Args:
            path: the file, or ``:memory:``.
            tables: what the model declares.
            references: the links between them.
            limits: the bounds.
            clock: the time of commits.
            rejects: the folder for rows that a commit leaves out when it is asked to.
            inline: whether every job runs at once in the thread that asks for it, as tests in virtual time need it.

        Raises:
            ModelError: something in the model is wrong; nothing was changed.
            DatabaseLockedError: another process, or another database of this one, has the file open.
            DatabaseError: the file cannot be opened.
        """
        # DuckDB takes a tenth of a second to import; a program that opens no database does not pay it.
        from app_framework.database.duckdb import Engine

        limits, clock = limits or DatabaseLimits(), clock or SystemClock()
        if str(path) != ":memory:":
            _make_folder(Path(path))
        tables = tuple(tables)
        spare = spare_engine(str(path), tables) if inline else None
        engine = spare or Engine(str(path), threads=limits.threads, memory_limit=limits.memory_limit)
        try:
            loaded = _load(engine, tables, references, clock, limits.versions_kept)
            engine.seal()
            return cls(engine, *loaded, limits, clock, Path(rejects) if rejects else None, pool_type(inline=inline))
        except BaseException:
            engine.close()
            raise

    @property
    def path(self) -> str:
        """The database file, or ``:memory:``."""
        return self._engine.path

    @property
    def engine_version(self) -> str:
        """DuckDB's version."""
        return self._engine.version

    def submit(
        self,
        sql: str,
        parameters: Sequence[object] = (),
        *,
        timeout_s: float | None = None,
        rows_max: int | None = None,
    ) -> Ticket[list[Row]]:
        """Put a query in the line; wait for its rows with ``ticket.result()`` or ``await ticket.wait()``.

        Raises:
            OverloadedError: too many queries run or wait.
        """
        return self.submit_job(lambda cursor: cursor.rows(sql, parameters, rows_max), timeout_s)

    def submit_job(self, job: Callable[[Cursor], T], timeout_s: float | None = None) -> Ticket[T]:
        """Put a job in the line that uses a cursor of its own for one or several statements."""
        return self._pool.submit(job, timeout_s or self.limits.query_timeout_s)

    def submit_stream(
        self,
        opened: Callable[[RowStream, DataView], T],
        timeout_s: float | None = None,
        version: int | None = None,
        branch: str = MASTER,
    ) -> Ticket[T]:
        """Put a job in the line that opens a stream, which outlives it; whoever gets the result closes the stream.

        Args:
            opened: gets the stream, and what stands for the tables in the version that it sees.
            timeout_s: how long the stream may live.
            version: the version to see; the newest unless given.
            branch: where to look.

        Raises:
            OverloadedError: too many queries run or wait; from the ticket, too many streams are open.
            VersionGoneError: from the ticket: the version is not kept.
        """
        seconds = timeout_s or self.limits.query_timeout_s

        def job(cursor: Cursor) -> T:
            stream = RowStream(cursor, self._pool.limit_s(seconds))
            try:
                result = opened(stream, self._snapshots.view(cursor, version, branch))
                self._keep(stream)
            except BaseException:
                stream.close()
                raise
            return result

        return self._pool.submit(job, seconds, own_cursor=True)

    @property
    def version(self) -> int:
        """The newest data version."""
        return self._snapshots.newest

    @property
    def versions(self) -> tuple[int, ...]:
        """The data versions that can be read, the newest last."""
        return self._snapshots.kept

    @property
    def branches(self) -> Mapping[str, Branch]:
        """The branches beside master, by name."""
        return self._snapshots.branches

    def create_branch(self, name: str, base: int | None = None) -> Ticket[Branch]:
        """Lay a branch over a version of master, the newest unless given; wait for the ticket.

        Raises:
            BranchConflictError, VersionGoneError: from the ticket: it cannot be made.
        """
        return self._commit_job(lambda cursor: self._writer.create_branch(cursor, name, base))

    def delete_branch(self, name: str) -> Ticket[Branch]:
        """Remove a branch; wait for the ticket.

        Raises:
            NoSuchBranchError: from the ticket: there is none.
        """
        return self._commit_job(lambda cursor: self._writer.delete_branch(cursor, name))

    def fast_forward(self, name: str, expected: int | None = None) -> Ticket[Branch]:
        """Make master what a branch is, in one commit; wait for the ticket.

        Args:
            name: the branch.
            expected: the version of the branch that is meant, when another one shall not be taken.

        Raises:
            BranchConflictError: from the ticket: master was changed since the branch was made, or the branch was.
        """
        return self._commit_job(lambda cursor: self._writer.fast_forward(cursor, name, expected))

    def read(self, cursor: Cursor, job: Callable[[DataView], T], version: int | None = None, branch: str = MASTER) -> T:
        """Run, inside a job, statements that all see one version, while commits go on.

        Args:
            cursor: the job's.
            job: gets what stands for the tables in that version; it may run twice, and not after an error.
            version: the version to see; the newest unless given.
            branch: where to look.

        Raises:
            VersionGoneError, NoSuchBranchError: it is not there to be seen.
        """
        return self._snapshots.read(cursor, job, version, branch)

    def read_changes(self, cursor: Cursor, job: Callable[[DataView], T], since: int) -> T:
        """Run, inside a job, statements over the rows of master that came or left after a version.

        Args:
            cursor: the job's.
            job: gets what stands for the tables that were ever written to; the others have no such rows.
            since: the version.

        Raises:
            VersionGoneError: it is not kept.
        """
        return self._snapshots.read_changes(cursor, job, since)

    def listen(self) -> CommitListener:
        """Return what is told of every commit from now on: its version, its branch and the tables it changed."""
        return self._writer.feed.listen()

    def changes(self, table: str) -> TableChanges:
        """Return what commits did to a table of master since the database was opened, those being made included."""
        return self._snapshots.changes.get(table, UNCHANGED)

    def submit_background(self, job: Callable[[Cursor], T]) -> Ticket[T]:
        """Put a job in a line of its own, one at a time, that holds up neither queries nor commits.

        Raises:
            OverloadedError: too many wait.
        """
        return self._background.submit(job, BACKGROUND_TIMEOUT_S)

    @contextmanager
    def scratch(self, cursor: Cursor) -> Iterator[ScratchTable]:
        """See the newest version inside, in a background job that may make a table in memory of it.

        Everybody sees the table when the block has ended, and nobody when it fails; who made it drops it.
        """
        from app_framework.database.scratch import Scratch, ScratchTable

        if self._scratch is None:  # background jobs run one at a time
            self._scratch = Scratch()
        name = self._scratch.new_table(cursor)
        with self._snapshots.pinned(cursor) as kept:
            yield ScratchTable(name, kept[-1], kept[0])

    def submit_commit(
        self,
        changes: Sequence[Change],
        *,
        branch: str = MASTER,
        on_error: OnError = "refuse",
        timeout_s: float | None = None,
        receipt: Receipt | None = None,
    ) -> Ticket[Commit]:
        """Put a commit in the writer's line; see `commit`."""
        changes = tuple(changes)
        self._writer.check(changes, on_error)
        return self._commit_job(
            lambda cursor: self._writer.commit(cursor, changes, on_error, branch, receipt), timeout_s
        )

    def commit(
        self,
        changes: Sequence[Change],
        *,
        branch: str = MASTER,
        on_error: OnError = "refuse",
        timeout_s: float | None = None,
        receipt: Receipt | None = None,
    ) -> Commit:
        """Change tables, in one transaction that is a version of its own; waits in this thread.

        Readers are never held up, and see all of it or nothing.

        Args:
            changes: what to do, in this order.
            branch: where.
            on_error: whether a row with a problem refuses the commit, or is left out and kept in a file.
            timeout_s: how long it may take, waiting included.
            receipt: what it is made from; what was made from the same before is not made again.

        Raises:
            UnknownTableError, InvalidRowsError: it cannot be made; nothing was changed.
            TooManyCommitsError, QueryTimeoutError: not now, or not in time.
        """
        ticket = self.submit_commit(changes, branch=branch, on_error=on_error, timeout_s=timeout_s, receipt=receipt)
        return ticket.result()

    def receipts(self, source: str) -> Ticket[list[Receipt]]:
        """Return what commits were made from that a source brought; wait for the ticket."""
        return self.submit_job(lambda cursor: Receipts(cursor).of(source))

    def exchange_promises(self, old: Set[Promise], new: Set[Promise], version: int) -> bool:
        """Refuse commits from now on that would break the new promises, and no longer those that break the old ones.

        Args:
            old: what need not be true any more, unless it is among the new ones.
            new: what has to be true.
            version: the version in which the new promises were kept.

        Returns:
            Whether they are kept in the newest version too; otherwise nothing was changed.

        Raises:
            EngineError, QueryTimeoutError, TooManyCommitsError: it cannot be looked at.
        """
        if not old and not new:
            return True

        def exchange(cursor: Cursor) -> bool:
            if self.version != version and any(cursor.rows(promise.sql) for promise in new):
                return False
            self._writer.promises = (self._writer.promises - old) | new
            return True

        return self._commit_job(exchange).result()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query; waits in this thread."""
        return self.submit(sql, parameters).result()

    def ping(self) -> None:
        """Ask the engine for nothing, beside the line of queries.

        Raises:
            DatabaseError: it does not answer.
        """
        with self._catalog_lock:
            self._catalog.rows("SELECT 1")

    def describe(self, sql: str) -> tuple[Column, ...]:
        """Return the columns a query would have, without running it."""
        with self._catalog_lock:
            return self._catalog.describe(sql)

    @property
    def expressions(self) -> ExpressionParser:
        """What reads scalar expressions with the engine's own grammar."""
        return ExpressionParser(self._parse, self._render)

    @property
    def load(self) -> tuple[int, int]:
        """How many queries run or wait now, and how many may."""
        return self._pool.load, self._pool.capacity

    def close(self) -> None:
        """Interrupt what runs, write what is open and let go of the file."""
        self._background.close()
        self._commits.close()
        self._writer.feed.close()
        self._pool.close()
        for stream in tuple(self._streams):
            stream.close()
        with suppress(DatabaseError):
            self._catalog.close()
        self._engine.close()

    def _keep(self, stream: RowStream) -> None:
        """Count a stream that stays open; the answers that are complete already do not count."""
        if not stream.is_open:
            return
        with self._catalog_lock:
            if len(self._streams) >= self.limits.streams_max:
                raise TooManyStreamsError(self.limits.streams_max)
            self._streams.add(stream)
        stream.when_closed(lambda: self._streams.discard(stream))

    def _commit_job(self, job: Callable[[Cursor], T], timeout_s: float | None = None) -> Ticket[T]:
        return self._commits.submit(job, timeout_s or self.limits.commit_timeout_s)

    def _parse(self, sql: str) -> dict[str, object]:
        with self._catalog_lock:
            return self._catalog.parse(sql)

    def _render(self, tree: dict[str, object]) -> str:
        with self._catalog_lock:
            return self._catalog.render(tree)

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Database {self.path} {len(self.tables)} tables, version {self.version}>"


def _load(
    engine: Engine, tables: Sequence[Table], references: Sequence[str | Reference], clock: Clock, keep: int
) -> tuple[Mapping[str, TableSchema], tuple[Reference, ...], tuple[int, ...], Mapping[str, Branch]]:
    cursor = engine.cursor()
    try:
        loader = Loader(cursor, clock, fresh=engine.is_new)
        with cursor.transaction():
            loaded = loader.load(tables)
            check = ReferenceCheck(loaded, [table.name for table in tables])
            checked = check.read(references)
            problems = [*loader.problems, *check.problems]
            held = {name: loaded[name] for name in loader.held() & loaded.keys()}
            problems += check_rows(cursor, held, tables, check.references)
            if problems:
                raise ModelError(problems)
            versions = loader.versions(keep, loaded)
            branches = loader.branches()
        return loaded, checked, versions, branches
    finally:
        cursor.close()


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseError(str(path), f"its folder cannot be made: {error.strerror}") from error
