"""A cube answers from the tiles of its aggregates, exactly in the newest version and nowhere else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Condition, Database, Delete, Insert, OverloadedError, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from app_framework.olap.aggregate_limits import AggregateLimits
from app_framework.testing.virtual_time import until
from tests.olap.test_aggregates import SALES, TABLES, aggregated, sale
from tests.olap.test_tiles import same

QUESTION = CubeQuery(measures=["lines", "total", "price", "cheapest"], levels=["item"], totals="all")


@pytest.fixture
def sales() -> Iterator[Database]:
    with Database.open(tables=TABLES, references=["sales.shop -> shop.id"]) as opened:
        opened.commit([
            Insert("shop", [{"id": i, "city": f"city {i % 2}"} for i in range(4)]),
            Insert("sales", [sale(i) for i in range(60)]),
        ])  # fmt: skip
        yield opened


def tiled(database: Database, *levels: str) -> Cube:
    """Return a cube that has a tile of these levels."""
    cube = aggregated(database, [*levels])
    cube.tiles.renew().result()
    return cube


def wait_for_tile(cube: Cube, query: CubeQuery) -> None:
    """Ask until the answer comes from a tile, which the questions before have made in the background."""

    async def is_there() -> bool:
        await cube.query(query)
        return "tile" in await cube.explain(query)

    asyncio.run(until(is_there))


def tile(cube: Cube, query: CubeQuery) -> object:
    return asyncio.run(cube.explain(query)).get("tile")


@contextmanager
def occupied(database: Database) -> Iterator[None]:
    """Keep every query thread busy, and the line full."""
    over = threading.Event()
    jobs = []
    with suppress(OverloadedError):
        while True:
            jobs.append(database.submit_job(lambda _: over.wait(30)))
    try:
        yield
    finally:
        over.set()
        for job in jobs:
            job.result()


def plain(cube: Cube, database: Database) -> Cube:
    """Return the same cube, which reads its tables."""
    return Cube(cube.model, database)


def test_a_small_aggregate_becomes_a_tile_when_it_is_asked(sales: Database) -> None:
    """And says so; the statement that would have answered is shown all the same."""
    cube = aggregated(sales, ["item", "city"])
    wait_for_tile(cube, QUESTION)
    explained = asyncio.run(cube.explain(QUESTION))
    assert explained["tile"] == "item x city, 9 cells"
    assert str(explained["sql"]).startswith("WITH cells AS")
    answer = cube.query_sync(QUESTION)
    assert same(answer, plain(cube, sales).query_sync(QUESTION))
    assert answer.versions == {"local": sales.version}
    assert repr(cube.tiles).startswith("<TileShelf 'sales' 1 tiles, ")
    (shown,) = cube.tiles.describe()
    assert (shown["levels"], shown["cells"]) == (["Item.Item.item", "Shop.Shop.city"], 9)


def test_a_question_that_a_tile_answers_needs_no_line(sales: Database) -> None:
    """It is answered when every query thread is taken and the line is full."""
    cube = tiled(sales, "item")
    with occupied(sales):
        assert len(cube.query_sync(QUESTION)) == 4


def test_what_a_tile_does_not_have_is_read_from_tables(sales: Database) -> None:
    cube = tiled(sales, "item")
    for query in (
        CubeQuery(measures=["total"], levels=["city"]),
        CubeQuery(measures=["middle"], levels=["item"]),
        CubeQuery(measures=["share"], levels=["item"]),
        CubeQuery(measures=["total"], levels=["item"], version=sales.version - 1),
    ):
        assert cube.check(query) or tile(cube, query) is None, query


def test_older_versions_and_branches_are_read_from_tables(sales: Database) -> None:
    cube = tiled(sales, "item")
    before = sales.version
    sales.create_branch("what-if").result()
    sales.commit([Insert("sales", [sale(100)])], branch="what-if")
    sales.commit([Insert("sales", [sale(100), sale(103)])])
    assert counted(cube) == counted(plain(cube, sales)) == 62
    assert counted(cube, version=before) == 60
    assert counted(cube, branch="what-if") == 61


def test_the_next_answer_after_a_commit_has_what_it_brought(sales: Database) -> None:
    """The tile before is not asked; rows that came are added to it, a new member makes it anew."""
    cube = tiled(sales, "item")
    for number, item in enumerate(["a", "new", "b"]):
        sales.commit([Insert("sales", [sale(100 + number, item)])])
        assert counted(cube) == 61 + number
        wait_for_tile(cube, QUESTION)
        assert counted(cube) == 61 + number
        assert same(cube.query_sync(QUESTION), plain(cube, sales).query_sync(QUESTION))


def test_rows_that_leave_and_rows_that_move_make_a_tile_anew(sales: Database) -> None:
    cube = tiled(sales, "item", "city")
    sales.commit([Delete("sales", Condition("item = 'a'"))])
    assert counted(cube) == 40
    wait_for_tile(cube, QUESTION)
    assert same(cube.query_sync(QUESTION), plain(cube, sales).query_sync(QUESTION))
    sales.commit([Insert("shop", [{"id": 1, "city": "elsewhere"}])])
    by_city = CubeQuery(measures=["lines"], levels=["city"])
    assert ("elsewhere", 8) in cube.query_sync(by_city).rows
    wait_for_tile(cube, by_city)
    assert ("elsewhere", 8) in cube.query_sync(by_city).rows


def test_a_dropped_aggregate_takes_its_tile_along(sales: Database) -> None:
    cube = tiled(sales, "item")
    cube.aggregates.drop().result()
    cube.aggregates.build(cube.aggregates.shape(["city"])).result()
    wait_for_tile(cube, CubeQuery(measures=["lines"], levels=["city"]))
    assert [str(kept) for kept in cube.tiles] == ["city, 3 cells"]


def test_tiles_keep_to_their_bounds(sales: Database) -> None:
    """Too many cells, too many bytes, or none at all."""
    for limits in (AggregateLimits(tile_cells=2), AggregateLimits(tile_bytes=50), AggregateLimits(tile_bytes=0)):
        cube = Cube.of(SALES, sales, limits=limits)
        cube.aggregates.build(cube.aggregates.shape(["item"])).result()
        for _ in range(2):
            assert counted(cube) == 60
            cube.aggregates.advance().result()  # what was put in the line before it is done
        assert [*cube.tiles] == []


def test_a_tile_that_answers_keeps_its_aggregate_worth_keeping(sales: Database) -> None:
    cube = tiled(sales, "item")
    before = hits(cube)
    cube.query_sync(QUESTION)
    assert hits(cube) == before + 1


def test_readers_beside_a_writer_see_whole_versions_only(sales: Database) -> None:
    """Tiles are renewed all the while; every answer counts what its version says, and the writer sees his own rows."""
    cube = tiled(sales, "item", "city")
    lines = {sales.version: 60}
    seen: list[tuple[int, object]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            answer = cube.query_sync(QUESTION)
            seen.append((answer.versions["local"], answer.rows[-1][1]))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for n in range(1, 7):
            commit = sales.commit([Insert("sales", [sale(100 * n + i) for i in range(n)])])
            lines[commit.version] = max(lines.values()) + n
            assert counted(cube) == lines[commit.version]
            cube.tiles.renew().result()
            assert tile(cube, QUESTION) is not None
            assert counted(cube) == lines[commit.version]
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert [pair for pair in seen if lines[pair[0]] != pair[1]] == []


def test_times_that_python_cannot_write_make_no_tile() -> None:
    """What they are in an answer is not for the tile to say; it is not tried again before there are other rows."""
    day = "case when g = 1 then cast('infinity' as date) else cast('2024-01-01' as date) end"
    definition = CubeDefinition.of(
        "t",
        base="t",
        dimensions={"Day": {"levels": {"day": day}}, "G": ["g"]},
        measures={"n": {"count": "*"}, "last": {"max": day}},
    )
    with Database.open(tables=[Table("t", columns={"g": "integer"})]) as database:
        database.commit([Insert("t", [{"g": 1}, {"g": 2}])])
        cube = Cube.of(definition, database)
        cube.aggregates.build(*map(cube.aggregates.shape, [["day"], ["g"]])).result()
        cube.tiles.renew().result()
        assert [str(kept) for kept in cube.tiles] == ["g, 2 cells"]
        assert tile(cube, CubeQuery(measures=["n"], levels=["g"])) == "g, 2 cells"
        last = CubeQuery(measures=["last"], levels=["g"], where={"g": 2})
        assert tile(cube, last) is None
        assert cube.query_sync(last).rows == [(2, date(2024, 1, 1))]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 99)),
        st.tuples(st.just("new"), st.sampled_from(["d", "e", None])),
        st.tuples(st.just("remove"), st.sampled_from("abd")),
        st.tuples(st.just("move"), st.integers(0, 4)),
        st.tuples(st.just("advance"), st.none()),
    ),
    max_size=8,
)


@settings(max_examples=6)
@given(STEPS)
def test_whatever_is_committed_answers_are_those_of_the_tables(steps: list[tuple[str, Any]]) -> None:
    """Tiles are of the version before, renewed, or just being made; nobody can tell from an answer."""
    with Database.open(tables=TABLES, references=["sales.shop -> shop.id"]) as sales:
        sales.commit([Insert("sales", [sale(i) for i in range(20)])])
        cube = aggregated(sales, ["item", "city"])
        for number, (kind, body) in enumerate(steps):
            if kind == "advance":
                cube.aggregates.advance().result()
            else:
                sales.commit(changes_of(kind, body, 100 + number))
            for _ in range(2):
                assert same(cube.query_sync(QUESTION), plain(cube, sales).query_sync(QUESTION))
                sales.submit_background(lambda cursor: None).result()  # what was put in the line before it is done


def changes_of(kind: str, body: Any, number: int) -> list[Any]:
    if kind == "add":
        return [Insert("sales", [sale(number + body), sale(number)])]
    if kind == "new":
        return [Insert("sales", [{**sale(number), "item": body}])]
    if kind == "remove":
        return [Delete("sales", Condition('"item" = ?', [body]))]
    return [Insert("shop", [{"id": body, "city": f"city {number % 3}"}])]


def counted(cube: Cube, **more: Any) -> object:
    query = CubeQuery(measures=["lines"], levels=["item"], totals="grand", **more)
    return cube.query_sync(query).rows[-1][-1]


def hits(cube: Cube) -> int:
    (kept,) = cube.aggregates.describe()["aggregates"]  # type: ignore[misc, attr-defined]
    return int(kept["hits"])
