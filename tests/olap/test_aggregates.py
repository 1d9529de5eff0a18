"""A cube answers from aggregates what it answers from rows: each measure, filter, total and order, at each version."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Condition, Database, Delete, Insert, InvalidRowsError, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from app_framework.testing.virtual_time import until
from tests.olap import test_calculations_oracle as calculated
from tests.olap import test_cube_oracle as plain
from tests.olap import test_level_order as level_order
from tests.olap.test_cube_oracle import CITIES, FACTS, LEVELS, REGIONS, SHOPS, database, same

MONTHS = [("Mar", 3, 1, 5), ("Jan", 1, 1, 3), (None, 9, None, 1), ("Dec", 12, 4, 2), ("Apr", 4, 2, 4), ("Jan", 1, 1, 7)]
ALL_LEVELS = ["region", "shop_name", "shop", "origin_country", "from_city", "target_country", "word", "flag", "day"]
EXACT = ["rows", "words", "big_sum", "price_sum", "value", "price_avg", "long_price", "shops", "mean_price"]
KEPT = st.lists(st.lists(st.sampled_from(LEVELS), min_size=1, max_size=5, unique=True), max_size=3)
ROWS = FACTS.filter(bool)
COMMITS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), ROWS),
        st.tuples(st.just("remove"), st.sampled_from(['"flag"', '"shop" < 3', '"small" IS NULL', "\"word\" >= 'a'"])),
        st.tuples(st.just("move"), SHOPS.filter(bool)),
        st.tuples(st.just("advance"), st.none()),
    ),
    max_size=4,
)


@settings(max_examples=4)
@given(
    FACTS, SHOPS, REGIONS, CITIES, KEPT, COMMITS, st.lists(calculated.questions(), min_size=1, max_size=3), st.data()
)
def test_an_answer_from_aggregates_is_the_answer_from_rows(
    facts: list[dict[str, Any]],
    shops: list[dict[str, Any]],
    regions: list[dict[str, Any]],
    cities: list[dict[str, Any]],
    kept: list[list[str]],
    commits: list[tuple[str, Any]],
    asked: list[dict[str, Any]],
    data: st.DataObject,
) -> None:
    """Rows come and leave and shops move between regions, while aggregates are behind, advanced, or just being made."""
    asked = [*asked, *(data.draw(plain.questions()) for _ in range(2))]
    asked += [{**data.draw(plain.questions()), "measures": EXACT, "order": []} for _ in range(2)]
    with database({"facts": facts, "shops": shops, "regions": regions, "cities": cities}) as opened:
        quick, slow = (Cube.of(calculated.WITH_CALCULATIONS, opened) for _ in range(2))
        store = quick.aggregates
        store.build(*map(store.shape, [*kept, ALL_LEVELS])).result()
        compare(quick, slow, asked)
        for kind, body in commits:
            if kind == "advance":
                store.advance().result()
            else:
                opened.commit(changes_of(kind, body))
            compare(quick, slow, asked)
        for version in opened.versions[-2:]:
            compare(quick, slow, [{**question, "version": version} for question in asked[:2]])


def changes_of(kind: str, body: Any) -> list[Any]:
    if kind == "add":
        return [Insert("facts", body)]
    if kind == "remove":
        return [Delete("facts", Condition(body))]
    known = [Delete("shops", Condition('"id" = ?', [row["id"]])) for row in body]
    return [*known, Insert("shops", body)]


def compare(quick: Cube, slow: Cube, asked: Sequence[Mapping[str, Any]]) -> None:
    for question in asked:
        query = CubeQuery.parse(question)
        if slow.check(query):
            continue
        mine, theirs = quick.query_sync(query), slow.query_sync(query)
        assert mine.versions == theirs.versions
        assert mine.grouping == theirs.grouping, question
        assert len(mine) == len(theirs), question
        assert all(map(same, mine.rows, theirs.rows)), (question, mine.rows, theirs.rows, explained(quick, query))


TABLES = [
    Table("sales", columns={"id": "bigint", "item": "text", "shop": "bigint", "n": "bigint", "price": "decimal(9,2)"}),
    Table("shop", columns={"id": "bigint", "city": "text"}, key="id"),
]
SALES = CubeDefinition.of(
    "sales",
    base="sales",
    dimensions={"Item": ["item"], "Shop": [{"city": "shop.city"}, "shop"], "Size": {"levels": {"big": "n > 3"}}},
    measures={
        "lines": {"count": "*"},
        "total": {"sum": "n"},
        "price": {"avg": "price"},
        "cheapest": {"min": "price"},
        "shops": {"count_distinct": "shop"},
        "items": {"count_distinct": "item"},
        "middle": {"median": "n"},
        "share": {"share": "total", "hierarchy": "Shop"},
        "per_shop": {"per": ["shop"], "aggregate": "max", "of": "total"},
    },
)


@pytest.fixture
def sales() -> Iterator[Database]:
    with Database.open(tables=TABLES, references=["sales.shop -> shop.id"]) as opened:
        opened.commit([
            Insert("shop", [{"id": i, "city": f"city {i % 2}"} for i in range(4)]),
            Insert("sales", [sale(i) for i in range(60)]),
        ])  # fmt: skip
        yield opened


def sale(i: int, item: str | None = None) -> dict[str, object]:
    return {"id": i, "item": item or "abc"[i % 3], "shop": i % 5, "n": i % 7, "price": f"{i % 11}.25"}


def aggregated(database: Database, *levels: list[str]) -> Cube:
    cube = Cube.of(SALES, database)
    cube.aggregates.build(*map(cube.aggregates.shape, levels)).result()
    return cube


def explained(cube: Cube, query: CubeQuery) -> str:
    """Return the last step of the plan: what is read."""
    return str(asyncio.run(cube.explain(query))["plan"]).splitlines()[-1].strip()


def scan(cube: Cube, *measures: str, levels: Sequence[str] = (), **more: object) -> str:
    return explained(cube, CubeQuery(measures=[*measures], levels=[*levels], **more))  # type: ignore[arg-type]


def test_the_smallest_aggregate_that_covers_a_question_is_read(sales: Database) -> None:
    cube = aggregated(sales, ["item", "city", "shop"], ["item", "city"])
    assert scan(cube, "total", levels=["city"]) == "Scan aggregate item x city, 9 rows"
    assert scan(cube, "total", levels=["city"], where={"shop": 3}).startswith("Scan aggregate item x city x shop")
    assert scan(cube, "total", levels=["big"]) == "Scan sales"


def test_what_does_not_merge_is_read_from_rows(sales: Database) -> None:
    """A median needs the values; the number of different items does not, where items are kept apart."""
    cube = aggregated(sales, ["item", "city"])
    assert scan(cube, "middle") == "Scan sales"
    assert scan(cube, "shops", levels=["item"]) == "Scan sales"
    assert scan(cube, "items", levels=["city"]) == "Scan aggregate item x city, 9 rows"


def test_each_frame_of_a_calculation_is_read_from_an_aggregate_of_its_own(sales: Database) -> None:
    cube = aggregated(sales, ["item"], ["item", "city", "shop"])
    plan = str(asyncio.run(cube.explain(CubeQuery(measures=["total", "per_shop"], levels=["item"])))["plan"])
    assert "Scan aggregate item, 3 rows" in plan
    assert "Scan aggregate item x city x shop, 15 rows" in plan
    assert "Scan sales" not in plan


def test_rows_that_came_later_are_grouped_with_an_aggregate(sales: Database) -> None:
    """Until they have been merged into it, beside the questions."""
    cube = aggregated(sales, ["item", "city"])
    sales.commit([Insert("sales", [sale(1, "new")])])
    assert scan(cube, "total") == "Scan aggregate item x city, 9 rows, with what came later"
    assert cube.query_sync(CubeQuery(measures=["lines"], levels=["item"])).rows[-1] == ("new", 1)
    cube.aggregates.advance().result()
    assert scan(cube, "total") == "Scan aggregate item x city, 10 rows"


def test_where_rows_left_their_groups_are_made_anew(sales: Database) -> None:
    """Until then exact numbers are read less theirs, others from rows; a group that lost its last row is gone."""
    cube = aggregated(sales, ["item", "city"])
    query = CubeQuery(measures=["lines", "total", "price", "items"], levels=["item"], totals="grand")
    sales.commit([Delete("sales", Condition('"item" = \'a\' OR "price" < 1'))])
    assert explained(cube, query) == "Scan aggregate item x city, 9 rows, with what came and left later"
    assert cube.query_sync(query).rows == Cube.of(SALES, sales).query_sync(query).rows
    assert cube.query_sync(CubeQuery(measures=["cheapest"])).rows[0][0] == 1.25
    cube.aggregates.advance().result()
    assert scan(cube, "total") == "Scan aggregate item x city, 6 rows"
    assert cube.query_sync(CubeQuery(measures=["cheapest"])).rows[0][0] == 1.25


def test_where_a_shop_moved_all_groups_are_made_anew(sales: Database) -> None:
    cube = aggregated(sales, ["item", "city"], ["item"])
    sales.commit([Insert("shop", [{"id": 1, "city": "elsewhere"}])])
    assert scan(cube, "total", levels=["item"]) == "Scan aggregate item, 3 rows", "it is made of no shop"
    cube.aggregates.advance().result()
    assert scan(cube, "lines", levels=["city"], where={"city": "elsewhere"}) == "Scan aggregate item x city, 12 rows"


def test_members_are_listed_from_an_aggregate(sales: Database) -> None:
    """In the order of the level, null last, and with what came later."""
    cube = aggregated(sales, ["city", "shop"])
    sales.commit([Insert("sales", [{**sale(1), "shop": 9}])])
    assert asyncio.run(cube.members("city")) == ("city 0", "city 1", None)
    assert asyncio.run(cube.members("shop")) == (0, 1, 2, 3, 4, 9)
    assert [kept["hits"] for kept in cube.aggregates.describe()["aggregates"]] == [2]


def test_arrow_is_read_from_an_aggregate_too(sales: Database) -> None:
    cube = aggregated(sales, ["item", "city"])
    answer = asyncio.run(cube.query_arrow(CubeQuery(measures=["lines"], levels=["item", "city"])))
    assert len(answer) == 9
    assert [kept["hits"] for kept in cube.aggregates.describe()["aggregates"]] == [1]


def test_what_a_stream_reads_stays_until_it_is_closed() -> None:
    """Whatever is made of it meanwhile; then its table goes."""
    numbers = pyarrow.table({"n": range(140_000)})
    definition = CubeDefinition.of("c", base="t", dimensions={"N": ["n"]}, measures={"lines": {"count": "*"}})
    scratch = "SELECT count(*) FROM duckdb_tables() WHERE database_name = '#scratch'"
    with Database.open(tables=[Table("t", columns={"n": "bigint"})]) as database:
        database.commit([Insert("t", numbers)])
        cube = Cube.of(definition, database)
        cube.aggregates.build(cube.aggregates.shape(["n"])).result()

        async def read() -> int:
            stream = await cube.query_stream(CubeQuery(measures=["lines"], levels=["n"]))
            database.commit([Insert("t", [{"n": -1}])])
            await asyncio.to_thread(cube.aggregates.advance().result)
            assert database.query(scratch) == [(2,)]
            return sum(batch.num_rows for batch in stream)

        assert asyncio.run(read()) == 140_000
        asyncio.run(until(lambda: database.query(scratch) == [(1,)]))


def test_in_a_file_nothing_is_written_of_it(tmp_path: Path) -> None:
    """What can be made again needs no place on a disk: after a restart there is none."""
    path = tmp_path / "sales.duckdb"
    for _ in range(2):
        with Database.open(path, tables=TABLES, references=["sales.shop -> shop.id"]) as database:
            cube = aggregated(database, ["item"])
            database.commit([Insert("sales", [sale(i) for i in range(6)])])
            cube.aggregates.advance().result()
            assert scan(cube, "lines") == "Scan aggregate item, 3 rows"
            tables = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'sales' AND schema_name = 'main'"
            assert sorted(database.query(tables)) == [("#sales",), ("shop",)]


def test_a_version_that_is_not_kept_any_more_is_no_ground_to_go_on_from(sales: Database) -> None:
    """What left since is forgotten: all groups are made anew."""
    cube = aggregated(sales, ["item"])
    for i in range(sales.limits.versions_kept + 1):
        sales.commit([Delete("sales", Condition('"id" = ?', [i]))])
    cube.aggregates.advance().result()
    assert cube.query_sync(CubeQuery(measures=["lines"])).rows == [(60 - sales.limits.versions_kept - 1,)]
    assert scan(cube, "lines") == "Scan aggregate item, 3 rows"


def test_a_branch_that_becomes_master_changes_what_is_kept(sales: Database) -> None:
    cube = aggregated(sales, ["item"])
    sales.create_branch("what-if").result()
    sales.commit([Delete("sales", Condition("\"item\" = 'a'")), Insert("sales", [sale(1, "z")])], branch="what-if")
    assert scan(cube, "lines") == "Scan aggregate item, 3 rows"
    sales.fast_forward("what-if").result()
    assert cube.query_sync(CubeQuery(measures=["lines"], levels=["item"])).rows == [("b", 20), ("c", 20), ("z", 1)]
    cube.aggregates.advance().result()
    assert cube.query_sync(CubeQuery(measures=["lines"], levels=["item"])).rows == [("b", 20), ("c", 20), ("z", 1)]
    assert scan(cube, "lines") == "Scan aggregate item, 3 rows"


def test_a_commit_that_is_refused_changes_nothing_for_what_is_kept(sales: Database) -> None:
    cube = aggregated(sales, ["item", "city"])
    with pytest.raises(InvalidRowsError):
        sales.commit([Delete("sales", Condition("true")), Insert("shop", [{"id": 1}, {"id": 1}])])
    assert scan(cube, "lines") == "Scan aggregate item x city, 9 rows"


@pytest.mark.parametrize(("order", "members"), level_order.CHOICES)
@pytest.mark.parametrize("slicing", [False, True])
def test_members_of_an_aggregate_stand_in_the_order_of_their_level(
    order: object, members: list[str | None], slicing: bool
) -> None:
    """Sort keys are kept too; so the first member of a slicing hierarchy is the same."""
    check_member_order(
        order, members, slicing, "Scan aggregate month",
        lambda cube: cube.aggregates.build(cube.aggregates.shape(["month"])).result(),
    )  # fmt: skip


def check_member_order(
    order: object, members: list[str | None], slicing: bool, scanned: str, keep: Callable[[Cube], object]
) -> None:
    """What is kept of some rows, and read with others that came later, stands in the order that rows stand in."""
    rows = [dict(zip(("name", "number", "quarter", "amount"), row, strict=True)) for row in MONTHS]
    columns = {"name": "varchar", "number": "smallint", "quarter": "integer", "amount": "bigint"}
    with Database.open(tables=[Table("orders", columns=columns)]) as opened:
        opened.commit([Insert("orders", rows[:3])])
        cube, plain = (level_order.cube(opened, level_order.month(order), slicing=slicing) for _ in range(2))
        keep(cube)
        opened.commit([Insert("orders", rows[3:])])
        for levels in ([], ["month"]):
            query = CubeQuery(measures=["rows", "amount"], levels=levels, limit=4)
            assert explained(cube, query).startswith(scanned)
            assert cube.query_sync(query).rows == plain.query_sync(query).rows
        assert asyncio.run(cube.members("month")) == tuple(members)


def test_what_cannot_be_made_any_more_is_let_go_of(sales: Database) -> None:
    """One measure cannot be computed of a row that came: the others are answered, from rows, and it is told why."""
    huge = CubeDefinition.of(
        "sales",
        base="sales",
        dimensions={"Item": ["item"]},
        measures={"lines": {"count": "*"}, "huge": {"sum": "n * 1000000000000000000"}},
    )
    cube = Cube.of(huge, sales)
    cube.aggregates.build(cube.aggregates.shape(["item"])).result()
    sales.commit([Insert("sales", [{**sale(1), "n": 10}])])
    cube.aggregates.advance().result()
    assert scan(cube, "lines") == "Scan sales"
    assert cube.query_sync(CubeQuery(measures=["lines"])).rows == [(61,)]
    assert ["Overflow" in reason for reason in cube.aggregates.refused.values()] == [True]


def test_an_older_version_and_a_branch_are_read_from_rows(sales: Database) -> None:
    cube = aggregated(sales, ["item"])
    version = sales.version
    sales.create_branch("what-if").result()
    sales.commit([Insert("sales", [sale(1, "new")])], branch="what-if")
    sales.commit([Insert("sales", [sale(1, "other")])])
    assert scan(cube, "total", version=version) == "Scan sales"
    assert scan(cube, "total", branch="what-if") == "Scan sales"
    sales.delete_branch("what-if").result()


def test_readers_beside_a_writer_never_see_an_aggregate_of_another_version(sales: Database) -> None:
    """Each commit makes all lines of an item anew, twelve of one number; aggregates are advanced all the while."""
    cube = aggregated(sales, ["item"], ["item", "city"])
    torn: list[object] = []
    done = threading.Event()
    made: dict[int, int] = {}

    def read() -> None:
        while not done.is_set():
            cells = cube.query_sync(CubeQuery(measures=["lines", "total"], levels=["item"], where={"item": "x"}))
            (version,) = cells.versions.values()
            n = made.get(version)
            if cells.rows and (len(cells) != 1 or cells.rows[0] != ("x", 12, 12 * (n or cells.rows[0][2] // 12))):
                torn.append((version, n, cells.rows))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for n in range(1, 25):
        rows = [{**sale(i, "x"), "n": n} for i in range(12)]
        commit = sales.commit([Delete("sales", Condition("\"item\" = 'x'")), Insert("sales", rows)])
        made[commit.version] = n
        if n % 3 == 0:
            cube.aggregates.advance().result()
    done.set()
    for reader in readers:
        reader.join()
    assert not torn


def test_what_was_kept_is_dropped_when_nobody_reads_it(sales: Database) -> None:
    cube = aggregated(sales, ["item"], ["item", "city"])
    sales.commit([Insert("sales", [sale(1)])])
    cube.aggregates.advance().result()
    tables = "SELECT count(*) FROM duckdb_tables() WHERE database_name = '#scratch'"
    assert sales.query(tables) == [(2,)]
    cube.aggregates.drop().result()
    assert sales.query(tables) == [(0,)]
    assert len(cube.aggregates) == 0
