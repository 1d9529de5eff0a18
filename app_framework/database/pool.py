"""A few threads that run queries, a bounded line before them, and a way to stop waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from app_framework.database.errors import EngineError, OverloadedError, QueryTimeoutError
from app_framework.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor, Engine
    from app_framework.database.schema import Table

T = TypeVar("T")
INTERRUPT_AGAIN_S = 0.05


class QueryPool:
    """Runs jobs on cursors of one engine: one thread and one cursor each, at most `threads` at once.

    Args:
        engine: where the cursors come from.
        threads: how many jobs run at once. DuckDB's own threads serve all of them, so more do not make it faster.
        queue_size: how many more may wait; the next one is refused.
        overloaded: what it is refused with.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        threads: int,
        queue_size: int,
        name: str = "query",
        overloaded: type[OverloadedError] = OverloadedError,
    ) -> None:
        self.capacity = threads + queue_size
        self._overloaded = overloaded
        self._engine = engine
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._tickets: set[Ticket[Any]] = set()
        self._closed = False

    def submit(self, job: Callable[[Cursor], T], timeout_s: float, *, own_cursor: bool = False) -> Ticket[T]:
        """Put a job in the line; its time counts from now.

        Args:
            job: what to do with a cursor.
            timeout_s: how long it may take, waiting included.
            own_cursor: whether the cursor is the job's to keep, because rows are still read from it later.

        Raises:
            OverloadedError: the line is full.
        """
        ticket: Ticket[T] = Ticket(timeout_s)
        with self._lock:
            if self._closed:
                raise ServiceUnavailableError("The database is closed.")
            if len(self._tickets) >= self.capacity:
                raise self._overloaded(self.capacity)
            self._tickets.add(ticket)
        ticket.future = self._executor.submit(self._work, ticket, job, own_cursor)
        ticket.future.add_done_callback(lambda _: self._tickets.discard(ticket))
        return ticket

    def limit_s(self, timeout_s: float) -> float:
        """Return how long a job that asks for some time may really take."""
        return timeout_s

    @property
    def load(self) -> int:
        """How many jobs run or wait now."""
        return len(self._tickets)

    def close(self) -> None:
        """Stop what runs, drop what waits, and end the threads."""
        with self._lock:
            self._closed = True
            tickets = tuple(self._tickets)
        for ticket in tickets:
            ticket.stop()
        self._executor.shutdown(wait=True)

    def _work(self, ticket: Ticket[T], job: Callable[[Cursor], T], own_cursor: bool) -> T:
        if not own_cursor:
            return self._run(ticket, job, self._cursor())
        cursor = self._engine.cursor()
        try:
            return self._run(ticket, job, cursor)
        except BaseException:
            cursor.close()
            raise

    def _run(self, ticket: Ticket[T], job: Callable[[Cursor], T], cursor: Cursor) -> T:
        if not ticket.begin(cursor):
            raise self._stopped(ticket)
        try:
            cursor.limit_time(ticket.timeout_s)
            return job(cursor)
        except EngineError as error:
            if error.kind == "interrupted":
                raise self._stopped(ticket) from error
            raise
        finally:
            ticket.end()

    def _stopped(self, ticket: Ticket[T]) -> Exception:
        if self._closed:
            return ServiceUnavailableError("The database is closing.")
        return QueryTimeoutError(ticket.timeout_s)

    def _cursor(self) -> Cursor:
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._engine.cursor()
        cursor: Cursor = self._local.cursor
        return cursor


def pool_type(*, inline: bool) -> type[QueryPool]:
    """Return what runs jobs: in threads, or inline, as `app_framework.database.inline` does."""
    if not inline:
        return QueryPool
    from app_framework.database.inline import InlinePool

    return InlinePool


def spare_engine(path: str, tables: Sequence[Table]) -> Engine | None:
    """Return an engine that was used before, where there are such and a database can do with it."""
    from app_framework.database.spare import SPARE

    spare = SPARE.get()
    # One that was sealed once reads no files any more.
    return spare.take() if spare and path == ":memory:" and not any(table.source for table in tables) else None


class Ticket(Generic[T]):
    """A job that waits, runs or is done; whoever holds it may wait for the result in a thread or a task."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.future: Future[T]
        self._deadline = time.monotonic() + timeout_s
        self._lock = threading.Lock()
        self._running: Cursor | None = None
        self._again: threading.Timer | None = None
        self._stopped = False

    def result(self) -> T:
        """Wait in this thread.

        Raises:
            QueryTimeoutError: the time is over; the job is stopped.
        """
        try:
            return self.future.result(self._remaining_s())
        except (FutureTimeoutError, CancelledError) as error:
            raise QueryTimeoutError(self.timeout_s) from error
        finally:
            self.cancel()

    async def wait(self) -> T:
        """Wait in this task; cancelling the task stops the job.

        Raises:
            QueryTimeoutError: the time is over; the job is stopped.
        """
        try:
            async with asyncio.timeout(self._remaining_s()):
                return await asyncio.wrap_future(self.future)
        except TimeoutError as error:
            raise QueryTimeoutError(self.timeout_s) from error
        finally:
            self.cancel()

    def begin(self, cursor: Cursor) -> bool:
        """Note that `cursor` works for this ticket from now on; False when nobody waits for it any more."""
        with self._lock:
            if self._stopped or self._remaining_s() <= 0:
                return False
            cursor.begin_job()
            self._running = cursor
            return True

    def end(self) -> None:
        """Note that the cursor is free: a late interrupt must not hit the next job."""
        with self._lock:
            self._running = None
            if self._again is not None:
                self._again.cancel()

    def stop(self) -> None:
        """Interrupt the job, or let it end as soon as it would begin; whoever waits is told."""
        with self._lock:
            begun, self._stopped = self._stopped, True
        if not begun:
            self._interrupt()

    def cancel(self) -> None:
        """Stop the job because nobody waits for it, and free its place; a job that is done stays done."""
        self.stop()
        self.future.cancel()

    def _interrupt(self) -> None:
        """Interrupt until the job has ended: one that comes just before a statement begins is lost."""
        with self._lock:
            if self._running is None:
                return
            self._running.interrupt()
            self._again = threading.Timer(INTERRUPT_AGAIN_S, self._interrupt)
            self._again.daemon = True
            self._again.start()

    def _remaining_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())
