"""What commits did to each table is known without looking, and work beside them has a thread and tables of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from app_framework.database import Condition, Database, Delete, EngineError, Insert, InvalidRowsError, Table
from app_framework.database.history import TableChanges
from app_framework.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

TABLES = [Table("items", columns={"id": "int", "n": "int"}, key="id"), Table("log", columns={"line": "text"})]


@pytest.fixture
def database() -> Iterator[Database]:
    with Database.open(tables=TABLES) as opened:
        yield opened


def test_a_table_says_which_version_last_added_and_removed_rows(database: Database) -> None:
    """A row that takes the place of another removes that one; other tables stay as they were."""
    assert database.changes("items") == TableChanges()
    first = database.commit([Insert("items", [{"id": 1}, {"id": 2}])]).version
    assert database.changes("items") == TableChanges(added=first)
    second = database.commit([Insert("items", [{"id": 2, "n": 5}])]).version
    assert database.changes("items") == TableChanges(added=second, removed=second)
    third = database.commit([Delete("items", Condition('"id" = 1'))]).version
    assert database.changes("items") == TableChanges(added=second, removed=third)
    assert database.changes("items").last == third
    assert database.changes("log") == TableChanges()


def test_what_is_refused_or_changes_nothing_is_not_counted(database: Database) -> None:
    database.commit([Delete("items", Condition("true"))])
    with pytest.raises(InvalidRowsError):
        database.commit([Insert("log", [{"line": "x"}]), Insert("items", [{"id": 1}, {"id": 1}])])
    assert database.changes("log") == database.changes("items") == TableChanges()


def test_a_branch_changes_master_when_it_becomes_master(database: Database) -> None:
    database.commit([Insert("items", [{"id": 1}])])
    before = database.changes("items")
    database.create_branch("b").result()
    database.commit([Insert("items", [{"id": 1, "n": 2}])], branch="b")
    assert database.changes("items") == before
    version = database.fast_forward("b").result().version
    assert database.changes("items") == TableChanges(added=version, removed=version)


def test_a_scratch_table_is_of_one_version_and_everybody_sees_it(database: Database) -> None:
    version = database.commit([Insert("items", [{"id": 1}, {"id": 2}])]).version

    def make(cursor: Cursor) -> str:
        with database.scratch(cursor) as table:
            assert (table.version, table.oldest) == (version, database.versions[0])
            cursor.execute(f"CREATE TABLE {table.name} AS SELECT count(*) AS n FROM items")
        return table.name

    name = database.submit_background(make).result()
    assert database.query(f"SELECT n FROM {name}") == [(2,)]
    assert database.submit_background(make).result() != name


def test_a_scratch_table_that_fails_is_not_there(database: Database) -> None:
    def fail(cursor: Cursor) -> None:
        with database.scratch(cursor) as table:
            cursor.execute(f"CREATE TABLE {table.name} AS SELECT 1")
            cursor.execute("SELECT nonsense")

    with pytest.raises(EngineError):
        database.submit_background(fail).result()
    assert database.query("SELECT count(*) FROM duckdb_tables() WHERE database_name = '#scratch'") == [(0,)]


def test_what_runs_in_the_background_holds_up_neither_queries_nor_commits(database: Database) -> None:
    """One job at a time; when the database is closed it is stopped, and no other begins."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: Cursor) -> bool:
        begun.set()
        return go_on.wait(30)

    first, second = database.submit_background(wait), database.submit_background(wait)
    assert begun.wait(30)
    database.commit([Insert("log", [{"line": "x"}])])
    assert database.query("SELECT count(*) FROM log") == [(1,)]
    go_on.set()
    assert first.result()
    assert second.result()
    database.close()
    with pytest.raises(ServiceUnavailableError):
        database.submit_background(wait)
