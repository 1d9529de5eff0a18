"""Continuous queries: what a follower puts together from views and changes is what the cube answers now.

The differential test knows nothing of how it is done: it commits, waits until the follower was told of the newest
version, and compares with a question asked anew.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from app_framework.database import Condition, Database, DatabaseLimits, Delete, Insert, Table
from app_framework.olap import (
    Cube,
    CubeDefinition,
    CubeQuery,
    Manager,
    Modeler,
    UnknownCubeError,
    build_catalogs,
    read_model,
)
from app_framework.olap.errors import QueryError
from app_framework.olap.following import ContinuousQueries, Follow, FollowLimits, Told, Trouble

PATIENCE_S = 30.0
TABLES = [
    Table("sales", columns={"id": "int", "item": "text", "shop": "int", "size": "double", "n": "int"}),
    Table("shop", columns={"id": "int", "city": "text"}, key="id"),
    Table("other", columns={"x": "int"}),
]
SALES = CubeDefinition.of(
    "sales",
    base="sales",
    dimensions={"Item": ["item"], "Shop": [{"city": "shop.city"}], "Size": ["size"]},
    measures={
        "lines": {"count": "*"},
        "total": {"sum": "n"},
        "middle": {"avg": "n"},
        "share": {"share": "lines", "hierarchy": "Item"},
    },
)

DOUBLED = CubeDefinition.of("sales", base="sales", dimensions={"Item": ["item"]}, measures={"total": {"sum": "2 * n"}})


@pytest.fixture
def database() -> Iterator[Database]:
    limits = DatabaseLimits(versions_kept=3)
    with Database.open(tables=TABLES, references=["sales.shop -> shop.id"], limits=limits) as database:
        yield database


@pytest.fixture
def cube(database: Database) -> Cube:
    return Cube.of(SALES, database)


class Reader:
    """Somebody who follows a question with nothing but lists."""

    def __init__(self) -> None:
        self.follow: Follow
        self.rows: list[tuple[object, ...]] = []
        self.version = 0
        self.views = self.changes = self.seen = 0
        self.troubles: list[Exception] = []
        self.holds = False
        self._arrived = asyncio.Event()

    def take(self, message: Told | Trouble) -> None:
        if isinstance(message, Trouble):
            self.troubles.append(message.error)
        else:
            self._read(message)
        self._arrived.set()
        if not self.holds:
            asyncio.get_running_loop().call_soon(self.follow.delivered)

    def _read(self, told: Told) -> None:
        self.version = told.version
        if told.fresh:
            self.views += 1
            self.rows = [(*row, bits) for row, bits in zip(told.cells.rows, told.cells.grouping, strict=True)]
        elif told.changes is None:
            self.seen += 1
        else:
            self.changes += 1
            self.rows = applied(self.rows, told)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()


def applied(rows: list[tuple[object, ...]], told: Told) -> list[tuple[object, ...]]:
    """Do what the reference says."""
    assert told.changes is not None
    gone = set(told.changes.removed)
    rows = [row for place, row in enumerate(rows) if place not in gone]
    for place, row, bits in zip(told.changes.at, told.changes.rows, told.changes.grouping, strict=True):
        rows.insert(place, (*row, bits))
    return rows


class Desk:
    """A cube whose questions are followed, without a node."""

    def __init__(self, cube: Cube, limits: FollowLimits | None = None) -> None:
        self.cube = cube
        manager = Manager(build_catalogs([], [cube]))
        self.queries = ContinuousQueries(manager, limits or FollowLimits(pace_s=0.0))

    def follow(self, **query: Any) -> Reader:
        reader = Reader()
        reader.follow = self.queries.follow("sales", CubeQuery(**query), reader.take)
        return reader


def following(cube: Cube, story: Callable[[Desk], Any], limits: FollowLimits | None = None) -> None:
    async def told() -> None:
        desk = Desk(cube, limits)
        try:
            await story(desk)
        finally:
            await desk.queries.close()

    asyncio.run(told())


def asked(cube: Cube, query: Mapping[str, Any]) -> list[tuple[object, ...]]:
    cells = cube.query_sync(CubeQuery(**query))
    return [(*row, bits) for row, bits in zip(cells.rows, cells.grouping, strict=True)]


def same(a: list[tuple[object, ...]], b: list[tuple[object, ...]]) -> bool:
    return len(a) == len(b) and all(map(_same, a, b))


def _same(a: tuple[object, ...], b: tuple[object, ...]) -> bool:
    return all(
        x == y or (isinstance(x, float) and isinstance(y, float) and (math.isnan(x) and math.isnan(y)))
        for x, y in zip(a, b, strict=True)
    )


def sell(database: Database, item: str | None, n: int, branch: str = "master", **more: object) -> int:
    return database.commit([Insert("sales", [{"item": item, "n": n, **more}])], branch=branch).version


QUERY: dict[str, Any] = {"measures": ["lines", "total"], "levels": ["item"], "totals": "grand"}


def test_a_view_and_then_changes(database: Database, cube: Cube) -> None:
    """Five items, one of them sold again: two rows are others, that of the item and the total."""
    for item in ("cup", "jug", "pot", "tea", "urn"):
        sell(database, item, 1)

    async def story(desk: Desk) -> None:
        reader = desk.follow(**QUERY)
        await reader.until(lambda: reader.views == 1)
        version = await asyncio.to_thread(sell, database, "tea", 3)
        await reader.until(lambda: reader.version == version)
        assert (reader.views, reader.changes, reader.seen) == (1, 1, 0)
        assert reader.rows[3:] == [("tea", 2, 4, 0), ("urn", 1, 1, 0), (None, 6, 8, 1)]

    following(cube, story)


def test_a_table_that_is_not_read_and_a_row_that_does_not_pass_cost_no_answer(database: Database, cube: Cube) -> None:
    """The follower is told which version its view is true of."""

    async def story(desk: Desk) -> None:
        reader = desk.follow(measures=["lines"], where={"item": "tea"})
        await reader.until(lambda: reader.views == 1)
        for change in (Insert("other", [{"x": 1}]), Insert("shop", [{"id": 1}]), Insert("sales", [{"item": "cup"}])):
            version = (await asyncio.to_thread(database.commit, [change])).version
            await reader.until(lambda version=version: reader.version == version)  # type: ignore[misc]
        assert (reader.seen, desk.queries.counts.asked, desk.queries.counts.skipped) == (3, 1, 3)
        version = await asyncio.to_thread(sell, database, "tea", 1)
        await reader.until(lambda: reader.version == version)
        assert reader.rows == [(1, 0)]
        assert desk.queries.counts.asked == 2

    following(cube, story)


def test_a_row_that_leaves_counts_as_well(database: Database, cube: Cube) -> None:
    """What a delete took out is looked up in the past of the table."""
    sell(database, "tea", 1)
    sell(database, "cup", 1)

    async def story(desk: Desk) -> None:
        reader = desk.follow(measures=["lines"], where={"item": "tea"})
        await reader.until(lambda: reader.views == 1)
        for item, left in (("cup", 1), ("tea", 0)):
            delete = Delete("sales", Condition("item = ?", [item]))
            version = (await asyncio.to_thread(database.commit, [delete])).version
            await reader.until(lambda version=version: reader.version == version)  # type: ignore[misc]
            assert reader.rows == [(left, 0)]
        assert desk.queries.counts.skipped == 1

    following(cube, story)


def test_equal_questions_are_asked_once(database: Database, cube: Cube) -> None:
    """Ten followers, one answer to each commit; the last to go ends it."""

    async def story(desk: Desk) -> None:
        readers = [desk.follow(**QUERY) for _ in range(10)]
        for reader in readers:
            await reader.until(lambda reader=reader: reader.views == 1)  # type: ignore[misc]
        version = await asyncio.to_thread(sell, database, "tea", 3)
        for reader in readers:
            await reader.until(lambda reader=reader: reader.version == version)  # type: ignore[misc]
        assert desk.queries.counts.asked == 2
        assert desk.queries.questions == 1
        for reader in readers:
            reader.follow.stop()
        assert desk.queries.questions == 0

    following(cube, story)


def test_who_reads_slowly_skips_what_is_old(database: Database, cube: Cube) -> None:
    """While a message is on its way nothing else is made for that follower; then it gets the newest at once."""

    async def story(desk: Desk) -> None:
        slow, quick = desk.follow(**QUERY), desk.follow(**QUERY)
        slow.holds = True
        for n in range(5):
            version = await asyncio.to_thread(sell, database, "tea", n)
            await quick.until(lambda version=version: quick.version == version)  # type: ignore[misc]
        assert (slow.views, slow.changes) == (1, 0)
        slow.holds = False
        slow.follow.delivered()
        await slow.until(lambda: slow.version == version)
        assert slow.views + slow.changes == 2
        assert slow.rows == asked(cube, QUERY)

    following(cube, story)


def test_who_pauses_costs_nothing(database: Database, cube: Cube) -> None:
    """Nobody asks for one who does not listen; on resume the difference comes, over versions that are gone."""

    async def story(desk: Desk) -> None:
        reader = desk.follow(**QUERY)
        await reader.until(lambda: reader.views == 1)
        reader.follow.pause()
        for n in range(6):
            version = await asyncio.to_thread(sell, database, "tea", n)
        assert desk.queries.counts.asked == 1
        reader.follow.resume()
        await reader.until(lambda: reader.version == version)
        assert reader.rows == asked(cube, QUERY)
        assert desk.queries.counts.asked == 2

    following(cube, story)


def test_a_branch_is_followed_and_its_end_is_told(database: Database, cube: Cube) -> None:
    """Its commits, not those of master; when it is deleted, that; when it is there again, its new rows."""
    database.create_branch("try").result()
    query = {**QUERY, "branch": "try"}

    async def story(desk: Desk) -> None:
        reader = desk.follow(**query)
        await reader.until(lambda: reader.views == 1)
        await asyncio.to_thread(sell, database, "cup", 1)
        version = await asyncio.to_thread(sell, database, "tea", 1, "try")
        await reader.until(lambda: reader.version == version)
        assert reader.rows == [("tea", 1, 1, 0), (None, 1, 1, 1)]
        await asyncio.to_thread(lambda: database.delete_branch("try").result())
        await reader.until(lambda: bool(reader.troubles))
        assert "no branch 'try'" in str(reader.troubles[0])
        await asyncio.to_thread(lambda: database.create_branch("try").result())
        await reader.until(lambda: reader.rows == [("cup", 1, 1, 0), (None, 1, 1, 1)])

    following(cube, story)


def test_a_fast_forward_reaches_those_who_follow_master(database: Database, cube: Cube) -> None:
    """With the tables that the branch wrote to."""
    database.create_branch("try").result()
    sell(database, "tea", 1, "try")

    async def story(desk: Desk) -> None:
        reader = desk.follow(measures=["lines"])
        await reader.until(lambda: reader.views == 1)
        await asyncio.to_thread(lambda: database.fast_forward("try").result())
        await reader.until(lambda: reader.rows == [(1, 0)])

    following(cube, story)


def test_an_answer_that_is_too_large_is_told_and_comes_when_it_is_not(database: Database, cube: Cube) -> None:
    """With the property that bounds it."""
    for item in "abc":
        sell(database, item, 1)

    async def story(desk: Desk) -> None:
        reader = desk.follow(measures=["lines"], levels=["item"])
        await reader.until(lambda: bool(reader.troubles))
        assert "more than 2 rows is not followed (`olap.follow.max-rows`)" in str(reader.troubles[0])
        await asyncio.to_thread(database.commit, [Delete("sales", Condition("item = 'b'"))])
        await reader.until(lambda: reader.rows == [("a", 1, 0), ("c", 1, 0)])

    following(cube, story, FollowLimits(rows_max=2, pace_s=0.0))


def test_what_is_wrong_with_a_question_is_told_at_once(cube: Cube) -> None:
    """Everything, and that a version cannot be followed."""

    async def story(desk: Desk) -> None:
        with pytest.raises(QueryError) as refused:
            desk.follow(measures=["line"], levels=["items"], version=7)
        assert [problem.field for problem in refused.value.problems] == ["measures[0]", "levels[0]", "version"]
        assert desk.queries.questions == 0

    following(cube, story)


def test_another_model_is_asked_anew(database: Database) -> None:
    """The same question is answered by the model that is there now; when the cube is gone, that is told."""
    modeler = Modeler(database, [SALES])
    manager = Manager(modeler.apply(read_model({}, {}))[0], modeler=modeler)
    sell(database, "tea", 3)

    async def told() -> None:
        queries, reader = ContinuousQueries(manager, FollowLimits(pace_s=0.0)), Reader()
        try:
            reader.follow = queries.follow("sales", CubeQuery(measures=["total"]), reader.take)
            await reader.until(lambda: reader.rows == [(3, 0)])
            await manager.replace(replace(SALES, measures=DOUBLED.measures))
            await reader.until(lambda: reader.rows == [(6, 0)])
            await manager.remove("sales")
            await reader.until(lambda: any(isinstance(error, UnknownCubeError) for error in reader.troubles))
        finally:
            await queries.close()

    asyncio.run(told())
