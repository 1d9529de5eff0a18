"""Queries are bounded: how many, how long, how large; and can be given up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from app_framework.database import (
    Database,
    DatabaseLimits,
    EngineError,
    OverloadedError,
    QueryTimeoutError,
    ResultTooLargeError,
)
from app_framework.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

ENDLESS = "SELECT sum(a.range * b.range) FROM range(10000000) AS a, range(10000000) AS b"


@pytest.fixture
def database() -> Iterator[Database]:
    with Database.open(limits=DatabaseLimits(threads=1, pool_size=1, queue_size=1)) as opened:
        yield opened


def test_a_query_that_takes_too_long_is_stopped(database: Database) -> None:
    """The caller hears at once, and the thread is free for the next query."""
    with pytest.raises(QueryTimeoutError, match=r"after 0\.05 s"):
        database.submit(ENDLESS, timeout_s=0.05).result()
    assert database.query("SELECT 1") == [(1,)]


def test_giving_up_interrupts_the_query(database: Database) -> None:
    """A client that disconnects cancels its task; nobody computes on for it."""

    async def give_up() -> float:
        task = asyncio.create_task(database.submit(ENDLESS).wait())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        started = time.monotonic()
        assert await database.submit("SELECT 1").wait() == [(1,)]
        return time.monotonic() - started

    assert asyncio.run(give_up()) < 5


def test_one_query_too_many_is_refused_and_the_bound_is_named(database: Database) -> None:
    """One runs, one waits, the third is told when to come back."""
    gate = threading.Event()
    running = database.submit_job(lambda cursor: gate.wait())
    waiting = database.submit("SELECT 2")
    with pytest.raises(OverloadedError, match="2 queries are already running or waiting") as caught:
        database.submit("SELECT 3")
    assert caught.value.retry_after_s > 0
    gate.set()
    assert running.result()
    assert waiting.result() == [(2,)]
    assert database.load == (0, 2) or database.query("SELECT 4") == [(4,)]


def test_a_query_whose_time_ends_in_the_line_never_runs(database: Database) -> None:
    gate = threading.Event()
    running = database.submit_job(lambda cursor: gate.wait())
    ran: list[int] = []

    def note(cursor: Cursor) -> None:
        ran.append(1)

    with pytest.raises(QueryTimeoutError):
        database.submit_job(note, timeout_s=0.01).result()
    gate.set()
    assert running.result()
    database.query("SELECT 1")
    assert ran == []


def test_an_answer_that_is_too_large_is_refused_whole(database: Database) -> None:
    with pytest.raises(ResultTooLargeError, match="more than 10 rows"):
        database.submit("SELECT * FROM range(11)", rows_max=10).result()
    assert len(database.submit("SELECT * FROM range(10)", rows_max=10).result()) == 10


def test_closing_stops_what_runs_and_says_so() -> None:
    database = Database.open(limits=DatabaseLimits(pool_size=1))
    running, waiting = database.submit(ENDLESS), database.submit("SELECT 1")
    while not running.future.running():
        threading.Event().wait(0.001)
    database.close()
    for ticket in (running, waiting):
        with pytest.raises(ServiceUnavailableError):
            ticket.result()
    with pytest.raises(ServiceUnavailableError):
        database.submit("SELECT 1")


def test_python_variables_are_no_tables(database: Database) -> None:
    """DuckDB would read a local variable of that name."""
    secret = [1, 2, 3]
    with pytest.raises(EngineError, match="secret"):
        database.query("SELECT * FROM secret")
    assert secret


def test_sessions_think_in_utc(database: Database) -> None:
    assert database.query("SELECT current_setting('TimeZone')") == [("UTC",)]
    assert database.query("SELECT hour(TIMESTAMPTZ '2024-01-01 00:30:00+02')") == [(22,)]
