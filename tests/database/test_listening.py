"""Who listens is told of every commit, late or at once, and the writer never waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from app_framework.database import CommitNews, Condition, Database, Delete, Insert, InvalidRowsError, Table

TABLES = [Table("a", columns={"x": "int"}), Table("b", columns={"x": "int"}, key="x")]
PATIENCE_S = 30.0


@pytest.fixture
def database() -> Iterator[Database]:
    with Database.open(tables=TABLES) as database:
        yield database


def put(database: Database, *tables: str, branch: str = "master") -> int:
    return database.commit([Insert(table, [{"x": 1}]) for table in tables], branch=branch).version


def test_a_commit_is_told_with_its_version_and_tables(database: Database) -> None:
    """Once it can be read; what changed nothing, or was refused, is not told."""
    with database.listen() as listener:
        assert listener.take() == ()
        version = put(database, "a")
        assert listener.take() == (CommitNews("master", version, frozenset({"a"})),)
        database.commit([Delete("a", Condition("x = 7"))])
        with pytest.raises(InvalidRowsError):
            database.commit([Insert("b", [{"x": "no number"}])])
        assert listener.take() == ()


def test_who_is_late_learns_the_newest_state(database: Database) -> None:
    """A thousand commits are one piece of news for each branch."""
    with database.listen() as listener:
        database.create_branch("try").result()
        put(database, "a")
        newest = put(database, "b")
        tried = put(database, "a", branch="try")
        assert set(listener.take()) == {
            CommitNews("master", newest, frozenset({"a", "b"})),
            CommitNews("try", tried, None),
        }
        assert listener.take() == ()


def test_branches_are_told(database: Database) -> None:
    """That one is there or gone may change everything; a fast-forward changes master by what the branch wrote."""
    database.create_branch("try").result()
    put(database, "b", branch="try")
    with database.listen() as listener:
        version = database.fast_forward("try").result().version
        assert listener.take() == (CommitNews("master", version, frozenset({"b"})), CommitNews("try", version))
        database.delete_branch("try").result()
        assert listener.take() == (CommitNews("try", version, None),)


def test_a_thread_waits_for_news(database: Database) -> None:
    """And gives up after a time, or when the listener is closed."""
    with database.listen() as listener:
        assert listener.take(0.001) == ()
        committing = threading.Thread(target=put, args=(database, "a"))
        committing.start()
        assert [news.tables for news in listener.take(PATIENCE_S)] == [{"a"}]
        committing.join()
        closing = threading.Thread(target=listener.close)
        closing.start()
        assert listener.take(PATIENCE_S) == ()
        closing.join()


def test_a_task_waits_for_news(database: Database) -> None:
    """On an event loop, without a thread; the end of the database is the end of the news."""

    async def heard() -> list[tuple[CommitNews, ...]]:
        listener = database.listen()
        committing = asyncio.create_task(asyncio.to_thread(put, database, "a"))
        first = await listener.wait()
        await committing
        closing = asyncio.create_task(asyncio.to_thread(database.close))
        last = await listener.wait()
        await closing
        return [first, last]

    first, last = asyncio.run(asyncio.wait_for(heard(), PATIENCE_S))
    assert ([news.tables for news in first], last) == ([{"a"}], ())


def test_a_listener_whose_loop_is_gone_holds_nobody_up(database: Database) -> None:
    """Its loop was closed while it waited."""
    listener = database.listen()

    async def left() -> None:
        waiting = asyncio.create_task(listener.wait())
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(left())
    version = put(database, "a")
    assert [news.version for news in listener.take()] == [version]
