"""The database starter: what it makes of a YAML file, when it steps back, and how a mistake is explained."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_framework.boot import Status, bean
from app_framework.database import Database
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.database.health import DatabaseHealth
from app_framework.testing import ContextRunner

RUNNER = ContextRunner(auto=[DatabaseAutoConfiguration])


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_without_a_section_there_is_an_empty_database() -> None:
    with RUNNER.run() as context:
        assert dict(context[Database].tables) == {}
        assert context[Database].path == ":memory:"


def test_files_are_relative_to_the_yaml_that_names_them(tmp_path: Path) -> None:
    """One file, a list and a pattern; a key of one column may be a text."""
    for name in ("a", "b/1", "b/2"):
        write(tmp_path / f"data/{name}.csv", "id,x\n1,2\n")
    write(
        tmp_path / "application.yml",
        """
database:
  path: out/app.duckdb
  tables:
    one: {source: {csv: data/a.csv}, key: id}
    many: {source: {csv: ["data/a.csv", "data/b/1.csv"], reload: on-start}}
    all: {source: {csv: "data/b/*.csv"}, columns: {id: varchar}}
    none: {columns: {id: bigint}}
  references: [many.id -> one.id]
  pool-size: 3
""",
    )
    with RUNNER.directory(tmp_path).run() as context:
        database = context[Database]
        counts = [database.query(f'SELECT count(*) FROM "{name}"')[0][0] for name in ("one", "many", "all", "none")]
        assert counts == [1, 2, 2, 0]
        assert (database.tables["one"].key, database.limits.pool_size) == (("id",), 3)
        assert database.tables["all"].columns["id"].type.name == "string"
    assert (tmp_path / "out" / "app.duckdb").exists()


def test_memory_may_be_asked_for_by_name_and_bounded() -> None:
    with RUNNER.yaml(
        'database: {path: ":memory:", memory-limit: 200MB, threads: 1, query-timeout: 5s}'
    ).run() as context:
        database = context[Database]
        assert (database.path, database.limits.query_timeout_s) == (":memory:", 5.0)
        assert database.query("SELECT current_setting('threads'), current_setting('memory_limit')") == [
            (1, "190.7 MiB")
        ]


def test_a_database_of_the_user_takes_its_place() -> None:
    @bean
    def own() -> Iterator[Database]:
        with Database.open() as database:
            yield database

    with RUNNER.sources(own).run() as context:
        assert len(context.all(Database)) == 1
        assert context.definition_of(Database).name == "own"


def test_it_steps_back_where_duckdb_is_not_installed() -> None:
    with RUNNER.without_modules("duckdb").run() as context:
        assert context.all(Database) == []


def test_the_health_says_what_the_database_holds() -> None:
    with RUNNER.yaml("database: {tables: {t: {columns: {x: bigint}}}}").run() as context:
        health = context[DatabaseHealth].health()
    assert health.status is Status.UP
    assert (health.details["tables"], health.details["path"]) == (1, ":memory:")


def test_every_mistake_of_the_model_is_shown_with_its_line(tmp_path: Path) -> None:
    """Near names, colliding rows and all (FA2)."""
    write(tmp_path / "data" / "orders.csv", "id,at\n1,a\n1,b\n")
    write(
        tmp_path / "application.yml",
        """
database:
  tables:
    orders: {source: {csv: data/orders.csv}, key: [id]}
    lines:
      source: {csv: data/order.csv}
      columns: {price: decimals}
    parts: {columns: {id: bigint}}
  references:
    - parts.id -> order.id
""",
    )
    failure = RUNNER.directory(tmp_path).fails()
    text = failure.description.replace(str(tmp_path), "").replace("/application.yml", "application.yml")
    assert "application.yml:4:51: (id) is not a key of table 'orders'; values that several rows share: 1" in text
    assert "(1): at=a | at=b" in text
    assert "application.yml:7:24: there is no type 'decimals'" in text
    assert "application.yml:10:7: there is no table 'order'. Did you mean: orders" in text


def test_typos_in_keys_and_values_are_refused_with_their_line(tmp_path: Path) -> None:
    write(
        tmp_path / "application.yml",
        """
database:
  tables:
    a: {sorce: {csv: x.csv}}
    b: {source: {csv: x.csv, parquet: x.parquet}}
    c: {source: {csv: x.csv, reload: sometimes}}
  thread: 2
""",
    )
    text = RUNNER.directory(tmp_path).fails().description
    for hint in ("Did you mean: source", "exactly one of", "sometimes", "Did you mean: threads"):
        assert hint in text


def test_two_applications_of_one_process_do_not_share_a_file(tmp_path: Path) -> None:
    """The second does not start, and says which file and where it was set."""
    write(tmp_path / "application.yml", "database: {path: app.duckdb}\n")
    with RUNNER.directory(tmp_path).run():
        failure = RUNNER.directory(tmp_path).fails()
    assert "app.duckdb (database.path, " in failure.description
    assert "is in use by the other application of this process" in failure.description
    assert "give this application a file of its own" in failure.action
    with RUNNER.directory(tmp_path).run() as context:
        assert context[Database].path.endswith("app.duckdb")


def test_a_start_that_is_given_up_while_tables_load_frees_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that loads cannot be stopped; what it opens is closed as soon as it is open."""
    write(tmp_path / "application.yml", "database: {path: app.duckdb}\n")
    open_database, given_up, threads = Database.open, threading.Event(), []

    async def give_up() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def open_slowly(*args: Any, **options: Any) -> Database:
            threads.append(threading.current_thread())
            loop.call_soon_threadsafe(begun.set)
            given_up.wait()
            return open_database(*args, **options)

        monkeypatch.setattr(Database, "open", open_slowly)
        starting = asyncio.ensure_future(RUNNER.directory(tmp_path).start().start())
        await begun.wait()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

    asyncio.run(give_up())
    given_up.set()
    threads[0].join()
    assert (tmp_path / "app.duckdb").exists()
    open_database(tmp_path / "app.duckdb").close()


def test_a_database_that_cannot_be_opened_says_where_it_was_set(tmp_path: Path) -> None:
    write(tmp_path / "broken.duckdb", "x" * 5000)
    write(tmp_path / "application.yml", "database: {path: broken.duckdb}\n")
    failure = RUNNER.directory(tmp_path).fails()
    assert "application.yml:1:18" in failure.description
    assert "not a valid DuckDB database file" in failure.description
    assert "Correct database.path" in failure.action
