"""A database whose jobs run where they are asked for."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from app_framework.database import Column, Database, EngineError, Insert, Source, Table
from app_framework.database.datatype import BIGINT
from app_framework.database.spare import SpareEngines
from app_framework.errors import ServiceUnavailableError
from app_framework.testing.virtual_time import run_virtually


@pytest.fixture
def database() -> Database:
    return Database.open(tables=[Table("t", columns={"x": "bigint"})], inline=True)


def test_every_job_runs_in_the_thread_that_asks(database: Database) -> None:
    """AA12: nothing happens beside a test that runs in virtual time."""
    before = threading.active_count()
    with database:
        database.commit([Insert("t", [{"x": 1}])])
        assert database.submit_job(lambda _: threading.get_ident()).result() == threading.get_ident()
        assert database.submit_background(lambda cursor: cursor.rows("SELECT x FROM t")).result() == [(1,)]
        assert threading.active_count() == before


def test_no_time_passes_while_the_engine_works(database: Database) -> None:
    """A timeout that is over before it began stops nothing: the clock is not the engine's."""

    async def ask() -> tuple[object, float]:
        rows = await database.submit("SELECT 7", timeout_s=1e-9).wait()
        return rows, asyncio.get_running_loop().time()

    with database:
        assert run_virtually(ask) == ([(7,)], 0.0)


def test_a_job_may_ask_for_another_one(database: Database) -> None:
    with database:
        outer = database.submit_job(lambda cursor: (cursor.rows("SELECT 1"), database.query("SELECT 2")))
        assert outer.result() == ([(1,)], [(2,)])


def test_a_job_that_fails_says_so_where_it_is_waited_for(database: Database) -> None:
    with database:
        ticket = database.submit("SELECT nothing")
        with pytest.raises(EngineError):
            ticket.result()
        assert database.query("SELECT 1") == [(1,)]


def test_a_stream_lives_until_it_is_closed(database: Database) -> None:
    with database:
        database.commit([Insert("t", [{"x": 1}])])
        before = threading.active_count()
        stream = database.submit_stream(lambda stream, _: stream, timeout_s=1e-9).result()
        assert threading.active_count() == before
        assert [row for rows in stream.rows("SELECT x FROM t") for row in rows] == [(1,)]


def test_others_have_their_turn_while_somebody_waits(database: Database) -> None:
    async def both() -> list[str]:
        told: list[str] = []

        async def ask() -> None:
            await database.submit("SELECT 1").wait()
            told.append("answered")

        task = asyncio.create_task(ask())
        await asyncio.sleep(0)
        told.append("meanwhile")
        await task
        return told

    with database:
        assert run_virtually(both) == ["meanwhile", "answered"]


def test_it_is_a_database_as_any(database: Database) -> None:
    with database:
        assert database.tables["t"].columns["x"] == Column("x", BIGINT)
    with pytest.raises(ServiceUnavailableError):
        database.query("SELECT 1")


def test_engines_are_used_again_and_remember_nothing() -> None:
    """A hundred tests with three nodes each begin a few engines, not three hundred."""
    table = Table("t", columns={"x": "bigint"}, key=["x"])
    with SpareEngines() as spare, spare.used():
        for number in range(3):
            with Database.open(tables=[table], inline=True) as one, Database.open(tables=[table], inline=True) as two:
                one.commit([Insert("t", [{"x": number}])])
                one.create_branch("b").result()
                assert one.query("SELECT x FROM t") == [(number,)]
                assert two.query("SELECT x FROM t") == []
                assert not two.branches
            assert repr(spare) == "<SpareEngines 2 idle>"


def test_what_reads_files_has_an_engine_of_its_own(tmp_path: Path) -> None:
    """An engine that was sealed once reads none any more."""
    (tmp_path / "t.csv").write_text("x\n1\n")
    with SpareEngines() as spare, spare.used():
        Database.open(inline=True).close()
        with Database.open(tables=[Table("t", Source.of(csv=tmp_path / "t.csv"))], inline=True) as database:
            assert database.query("SELECT x FROM t") == [(1,)]


def test_what_nobody_closed_is_dropped_with_its_borrower() -> None:
    with SpareEngines() as lender:
        with SpareEngines(lender) as borrower, borrower.used():
            lost = Database.open(inline=True)
        assert repr(lender) == "<SpareEngines 1 idle>"
        lost.close()
        assert repr(lender) == "<SpareEngines 1 idle>"
