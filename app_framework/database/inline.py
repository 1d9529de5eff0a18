"""Jobs that run at once in the thread that asks for them, for programs of one thread under a clock of their own.

Nothing is interrupted and no time is over while the engine works: the same program does the same in every run.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from app_framework.database.pool import QueryPool, Ticket
from app_framework.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

T = TypeVar("T")


class InlinePool(QueryPool):
    """Runs each job before `submit` returns; see `QueryPool`."""

    def submit(self, job: Callable[[Cursor], T], timeout_s: float, *, own_cursor: bool = False) -> Ticket[T]:
        """Do the job now.

        Args:
            job: what to do with a cursor.
            timeout_s: not looked at.
            own_cursor: whether the cursor is the job's to keep.
        """
        if self._closed:
            raise ServiceUnavailableError("The database is closed.")
        ticket: Ticket[T] = DoneTicket(timeout_s)
        ticket.future = Future()
        try:
            ticket.future.set_result(self._done(job, own_cursor=own_cursor))
        except Exception as error:
            ticket.future.set_exception(error)
        return ticket

    def limit_s(self, timeout_s: float) -> float:
        """Return that there is no limit."""
        return math.inf

    def _done(self, job: Callable[[Cursor], T], *, own_cursor: bool) -> T:
        # A job that asks for another one uses its cursor itself, so each has its own while it runs.
        idle = self._idle
        cursor = self._engine.cursor() if own_cursor or not idle else idle.pop()
        cursor.begin_job()
        try:
            done = job(cursor)
        except BaseException:
            if own_cursor:
                cursor.close()
            raise
        finally:
            if not own_cursor:
                idle.append(cursor)
        return done

    @property
    def _idle(self) -> list[Cursor]:
        if not hasattr(self._local, "idle"):
            self._local.idle = []
        idle: list[Cursor] = self._local.idle
        return idle


class DoneTicket(Ticket[T]):
    """A job that is done already; no clock was looked at."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s

    def stop(self) -> None:
        """Do nothing: there is nothing left to stop."""

    def cancel(self) -> None:
        """Do nothing: there is nothing left to stop."""

    def result(self) -> T:
        """Return the result."""
        return self.future.result()

    async def wait(self) -> T:
        """Return the result after the others of this loop had their turn, as they have it while a thread works."""
        await asyncio.sleep(0)
        return self.future.result()
