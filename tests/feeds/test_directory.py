"""A feed of files: each finished file is one commit, once; what is wrong with one does not hold up the others."""

from __future__ import annotations

import asyncio
import io
import json
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app_framework.boot import ApplicationContext
from app_framework.database import Database, Insert
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.feeds.autoconfigure import Feeds, FeedsAutoConfiguration
from app_framework.feeds.health import FeedsHealth
from app_framework.testing import ContextRunner
from app_framework.testing.virtual_time import until

RUNNER = ContextRunner(auto=[DatabaseAutoConfiguration, FeedsAutoConfiguration])
MODEL = """
app: {data-dir: data}
database:
  path: shop.duckdb
  tables: {sales: {columns: {id: int, item: text}}}
feeds:
  deliveries: {table: sales, directory: in, interval: 10ms, %s}
"""
Work = Callable[[ApplicationContext], Coroutine[Any, Any, None]]


class Shop:
    """A node with one feed, in a folder of its own."""

    def __init__(self, folder: Path, more: str = "order: name") -> None:
        self.folder = folder
        self.incoming = folder / "in"
        self.incoming.mkdir(exist_ok=True)
        (folder / "application.yml").write_text(MODEL % more)

    def run(self, work: Work, properties: Mapping[str, object] | None = None) -> None:
        """Run the node while some work is done with it."""

        async def running() -> None:
            async with RUNNER.directory(self.folder).properties(properties or {}).start() as context:
                await work(context)

        asyncio.run(running())

    def put(self, name: str, content: str | bytes) -> None:
        """Put a file in as careful programs do: written elsewhere, then renamed."""
        hidden = self.incoming / f".{name}"
        hidden.write_bytes(content if isinstance(content, bytes) else content.encode())
        hidden.rename(self.incoming / name)

    def names(self, folder: str = ".") -> list[str]:
        """Return the files in the directory, or in one below it."""
        return sorted(path.name for path in (self.incoming / folder).glob("*") if path.is_file())

    async def emptied(self) -> None:
        """Wait until no file is left."""
        await until(lambda: not self.names())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def rows(context: ApplicationContext) -> list[tuple[object, ...]]:
    return context[Database].query("SELECT id, item FROM sales ORDER BY id")


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_files_of_every_format_are_committed_one_by_one_in_order(shop: Shop) -> None:
    """What has no format by its name, is hidden or still being written, stays."""
    files: dict[str, str | bytes] = {
        "1.csv": "id,item\n1,tea\n",
        "2.json": '[{"id": 2, "item": "cup"}]',
        "3.ndjson": '{"id": 3}\n{"id": 4}\n',
        "4.parquet": parquet(pa.table({"id": [5], "item": ["pot"]})),
        "5.arrow": arrow(pa.table({"id": [6], "item": ["jug"]})),
    }
    for name, content in files.items():
        shop.put(name, content)
    left = ["6.csv.tmp", "notes.txt"]
    for name in left:
        (shop.incoming / name).write_text("id\n9\n")

    async def work(context: ApplicationContext) -> None:
        await until(lambda: shop.names() == left)
        database = context[Database]
        assert rows(context) == [(1, "tea"), (2, "cup"), (3, None), (4, None), (5, "pot"), (6, "jug")]
        assert shop.names("done") == [*files]
        (feed,) = context[Feeds].feeds
        assert (feed.state.commits, feed.state.rows, feed.state.refused, feed.state.waiting) == (5, 6, 0, 0)
        assert database.versions[-1] - database.versions[0] == 5

    shop.run(work)


def test_a_bad_file_is_put_aside_with_its_problems_and_the_next_one_is_taken(shop: Shop) -> None:
    shop.put("1.csv", "id,itme\nx,tea\n")
    shop.put("2.csv", "id,item\n1,tea\nmany,cup\n")
    shop.put("3.json", "[1, 2")
    shop.put("4.csv", "id\n4\n")

    async def work(context: ApplicationContext) -> None:
        await shop.emptied()
        assert rows(context) == [(4, None)]
        health = await context[FeedsHealth].health()
        told: Any = health.details["feeds"]
        assert (str(health.status), told["deliveries"]["refused"]) == ("UP", 3)
        assert told["deliveries"]["lastRefusal"].startswith("3.json: it is not JSON")

    shop.run(work)
    assert shop.names("failed") == ["1.csv", "1.csv.problems.json", "2.csv", "2.csv.problems.json", "3.json",
                                    "3.json.problems.json"]  # fmt: skip
    document = json.loads((shop.incoming / "failed" / "2.csv.problems.json").read_text())
    assert document == {
        "file": "2.csv",
        "problems": [{"row": 2, "column": "id", "reason": "'many' is not an int32"}],
    }


def test_a_bad_row_is_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "on-error: reject")
    shop.put("1.csv", "id,item\n1,tea\nmany,cup\n")

    async def work(context: ApplicationContext) -> None:
        await shop.emptied()
        assert rows(context) == [(1, "tea")]
        (feed,) = context[Feeds].feeds
        assert (feed.state.rows, feed.state.rejected) == (1, 1)

    shop.run(work)
    (rejects,) = (tmp_path / "data" / "rejects").iterdir()
    assert json.loads(rejects.read_text())["values"] == {"id": "many", "item": "cup"}


def test_a_file_that_comes_again_is_not_committed_again(shop: Shop) -> None:
    """The same name with the same content, also after a restart; with another content it is another file."""

    async def first(context: ApplicationContext) -> None:
        shop.put("1.csv", "id\n1\n")
        await shop.emptied()

    async def again(context: ApplicationContext) -> None:
        shop.put("1.csv", "id\n1\n")
        await shop.emptied()
        assert rows(context) == [(1, None)]
        shop.put("1.csv", "id\n2\n")
        await shop.emptied()
        assert rows(context) == [(1, None), (2, None)]

    shop.run(first)
    shop.run(again)
    assert shop.names("done") == ["1-2.csv", "1-3.csv", "1.csv"]


def test_a_file_that_was_committed_and_not_moved_is_moved_only(shop: Shop) -> None:
    """As after a crash between the two."""

    async def first(context: ApplicationContext) -> None:
        shop.put("1.csv", "id\n1\n")
        await shop.emptied()

    shop.run(first)
    (shop.incoming / "done" / "1.csv").rename(shop.incoming / "1.csv")

    async def again(context: ApplicationContext) -> None:
        await shop.emptied()
        assert rows(context) == [(1, None)]

    shop.run(again)


def test_files_may_stay_where_they_are(tmp_path: Path) -> None:
    """Each is committed once, also by the next start; a bad one is told beside the others and stays too."""
    shop = Shop(tmp_path, "afterwards: keep")
    shop.put("1.csv", "id\n1\n")
    shop.put("2.csv", "id\nx\n")

    async def first(context: ApplicationContext) -> None:
        await until(lambda: shop.names("failed"))
        shop.put("3.csv", "id\n3\n")
        await until(lambda: len(rows(context)) == 2)

    async def again(context: ApplicationContext) -> None:
        shop.put("4.csv", "id\n4\n")
        await until(lambda: len(rows(context)) == 3)
        assert rows(context) == [(1, None), (3, None), (4, None)]

    shop.run(first)
    shop.run(again)
    assert shop.names() == ["1.csv", "2.csv", "3.csv", "4.csv"]
    assert "2.csv.problems.json" in shop.names("failed")


def test_a_file_that_grows_is_taken_when_it_is_whole(shop: Shop) -> None:
    async def work(context: ApplicationContext) -> None:
        with (shop.incoming / "1.csv").open("w") as file:
            file.write("id\n")
            for n in range(50):
                file.write(f"{n}\n")
                file.flush()
                await asyncio.sleep(0)
        await shop.emptied()
        assert len(rows(context)) == 50

    shop.run(work)


def test_the_oldest_file_is_first_where_that_is_asked_for(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "order: time")
    for age, name in enumerate(["c.csv", "a.csv", "b.csv"]):
        shop.put(name, f"id,item\n{age},{name}\n")
        os.utime(shop.incoming / name, (1_000_000 + age, 1_000_000 + age))

    async def work(context: ApplicationContext) -> None:
        await shop.emptied()
        assert [row[0] for row in context[Database].query("SELECT item FROM sales")] == ["c.csv", "a.csv", "b.csv"]

    shop.run(work)


def test_what_is_in_the_way_is_told_and_tried_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "max-files: 1")
    shop.put("1.csv", "id\n1\n")
    shop.put("2.csv", "id\n2\n")

    async def work(context: ApplicationContext) -> None:
        (feed,) = context[Feeds].feeds
        await until(lambda: feed.state.problem)
        health = await context[FeedsHealth].health()
        assert (str(health.status), "`max-files`" in str(health.details)) == ("DOWN", True)
        (shop.incoming / "2.csv").unlink()
        await shop.emptied()
        await until(lambda: not feed.state.problem)
        assert rows(context) == [(1, None)]

    shop.run(work)


def test_being_busy_is_no_fault(shop: Shop) -> None:
    """The line of commits is full for a while; the file waits."""
    gate = threading.Event()

    def held() -> Iterator[dict[str, object]]:
        gate.wait(60)
        yield {"id": 7}

    async def work(context: ApplicationContext) -> None:
        (feed,) = context[Feeds].feeds
        first = context[Database].submit_commit([Insert("sales", held())])
        shop.put("1.csv", "id\n1\n")
        await until(lambda: feed.state.waiting)
        health = await context[FeedsHealth].health()
        gate.set()
        assert str(health.status) == "UP"
        await first.wait()
        await shop.emptied()
        assert (rows(context), feed.state.problem) == ([(1, None), (7, None)], None)

    shop.run(work, {"database.commit-queue-size": 0})


def test_a_stop_waits_for_the_commit_under_way(shop: Shop) -> None:
    """The commit stands behind another one that the test holds up until the stop has begun."""

    async def work() -> None:
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        def held() -> Any:
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
            yield {"id": 7}

        async with RUNNER.directory(shop.folder).start() as context:
            database, feeds = context[Database], context[Feeds]
            first = database.submit_commit([Insert("sales", held())])
            shop.put("1.csv", "id\n1\n")
            (feed,) = feeds.feeds
            await until(lambda: database._commits.load == 2)
            stopping = asyncio.create_task(feeds.stop())
            await asyncio.sleep(0)
            assert not stopping.done()
            gate.set()
            await stopping
            await first.wait()
            assert (rows(context), feed.state.commits, shop.names("done")) == ([(1, None), (7, None)], 1, ["1.csv"])

    asyncio.run(work())
