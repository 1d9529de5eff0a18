"""A cube answers from flat facts what it answers from rows: each measure, filter, total and order, at each version."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.boot import EndpointRequest
from app_framework.database import Condition, Database, Delete, Insert, ModelError, Table
from app_framework.olap import AggregateLimits, Cube, CubeDefinition, CubeQuery, Manager
from app_framework.olap.health import AggregatesEndpoint
from app_framework.testing.virtual_time import until
from tests.olap import test_calculations_oracle as calculated
from tests.olap import test_cube_oracle as plain
from tests.olap import test_level_order as level_order
from tests.olap.test_aggregates import COMMITS, SALES, TABLES, changes_of, check_member_order, compare, explained, sale
from tests.olap.test_cube_oracle import CITIES, FACTS, REGIONS, SHOPS, database
from tests.olap.test_olap_autoconfigure import RUNNER
from tests.olap.test_olap_autoconfigure import SALES as YAML


@settings(max_examples=5)
@given(FACTS, SHOPS, REGIONS, CITIES, COMMITS, st.lists(calculated.questions(), min_size=1, max_size=3), st.data())
def test_an_answer_from_flat_facts_is_the_answer_from_rows(
    facts: list[dict[str, Any]],
    shops: list[dict[str, Any]],
    regions: list[dict[str, Any]],
    cities: list[dict[str, Any]],
    commits: list[tuple[str, Any]],
    asked: list[dict[str, Any]],
    data: st.DataObject,
) -> None:
    """Rows come and leave and shops move between regions, while flat facts are behind or made anew."""
    asked = [*asked, *(data.draw(plain.questions()) for _ in range(4))]
    with database({"facts": facts, "shops": shops, "regions": regions, "cities": cities}) as opened:
        quick, slow = (Cube.of(calculated.WITH_CALCULATIONS, opened) for _ in range(2))
        quick.flat.build().result()
        compare(quick, slow, asked)
        for kind, body in commits:
            if kind == "advance":
                quick.flat.build().result()
            else:
                opened.commit(changes_of(kind, body))
            compare(quick, slow, asked)
        for version in opened.versions[-2:]:
            compare(quick, slow, [{**question, "version": version} for question in asked[:2]])
        assert not quick.flat.refused


@pytest.fixture
def sales() -> Iterator[Database]:
    with Database.open(tables=TABLES, references=["sales.shop -> shop.id"]) as opened:
        opened.commit([
            Insert("shop", [{"id": i, "city": f"city {i % 2}"} for i in range(4)]),
            Insert("sales", [sale(i) for i in range(60)]),
        ])  # fmt: skip
        yield opened


def flattened(database: Database, definition: CubeDefinition = SALES, limits: AggregateLimits | None = None) -> Cube:
    cube = Cube.of(definition, database, limits=limits)
    cube.flat.build().result()
    return cube


def scan(cube: Cube, *measures: str, levels: Sequence[str] = (), **more: Any) -> str:
    return explained(cube, CubeQuery(measures=[*measures], levels=[*levels], **more))


def test_what_no_aggregate_covers_is_read_from_flat_facts(sales: Database) -> None:
    """Frame by frame, medians and distinct counts too."""
    cube = flattened(sales)
    cube.aggregates.build(cube.aggregates.shape(["item"])).result()
    assert scan(cube, "total", levels=["item"]) == "Scan aggregate item, 3 rows"
    for measure in ("middle", "shops", "items", "share", "per_shop"):
        assert scan(cube, measure, levels=["city", "big"]) == "Scan flat facts, 60 rows"
    plan = str(asyncio.run(cube.explain(CubeQuery(measures=["total", "per_shop"], levels=["item"])))["plan"])
    assert "Scan aggregate item" in plan
    assert "Scan flat facts" in plan
    assert "Scan sales" not in plan


def test_the_statement_groups_by_codes_and_filters_by_codes(sales: Database, golden: Any) -> None:
    """Members are joined when the cells are there; what came later gets numbers of its own."""
    cube = flattened(sales)
    query = CubeQuery(
        measures=["items", "total"], levels=["city", "big"], where={"item": {"not": ["a", None]}}, totals="all"
    )
    written = [str(asyncio.run(cube.explain(query))["sql"])]
    before = sales.version
    sales.commit([Insert("sales", [sale(1, "new")])])
    written.append(str(asyncio.run(cube.explain(query))["sql"]).replace(f"> {before}", "> 1"))
    golden("flat_facts.sql", "\n\n-- later\n\n".join(written) + "\n")


def test_rows_that_came_later_are_read_with_flat_facts(sales: Database) -> None:
    """With members that nobody knew before; and where nothing is asked but a number."""
    cube = flattened(sales)
    sales.commit([Insert("sales", [sale(1, "new"), {**sale(2), "item": None, "shop": 77}])])
    assert scan(cube, "middle") == "Scan flat facts, 60 rows, with what came later"
    by_item = CubeQuery(measures=["lines"], levels=["item"])
    assert cube.query_sync(by_item).rows == [("a", 20), ("b", 20), ("c", 20), ("new", 1), (None, 1)]
    assert cube.query_sync(CubeQuery(measures=["lines"])).rows == [(62,)]
    assert cube.query_sync(CubeQuery(measures=["items"], where={"item": ["new", "a"]})).rows == [(2,)]
    assert asyncio.run(cube.members("item", prefix="n")) == ("new",)
    cube.flat.build().result()
    assert scan(cube, "middle") == "Scan flat facts, 62 rows"


@pytest.mark.parametrize(
    "change", [Delete("sales", Condition('"id" = 7')), Insert("shop", [{"id": 1, "city": "elsewhere"}])]
)
def test_where_rows_left_or_moved_rows_are_read_until_they_are_made_anew(sales: Database, change: Any) -> None:
    """The question that sees it lets them be made."""
    cube = flattened(sales)
    sales.commit([change])
    assert scan(cube, "middle", levels=["city"]) in ("Scan sales", "Scan flat facts, 59 rows")
    query = CubeQuery(measures=["lines", "middle"], levels=["city", "item"])
    assert cube.query_sync(query).rows == Cube.of(SALES, sales).query_sync(query).rows
    asyncio.run(until(lambda: cube.flat.describe().get("version") == sales.version))
    assert scan(cube, "middle").startswith("Scan flat facts")


@pytest.mark.parametrize(("order", "members"), level_order.CHOICES)
@pytest.mark.parametrize("slicing", [False, True])
def test_members_of_flat_facts_stand_in_the_order_of_their_level(
    order: object, members: list[str | None], slicing: bool
) -> None:
    """Sort keys are in the dictionaries; so the first member of a slicing hierarchy is the same."""
    check_member_order(order, members, slicing, "Scan flat facts", lambda cube: cube.flat.build().result())


def test_what_would_be_too_large_is_refused_with_the_reason(sales: Database) -> None:
    """By rows, and by the bytes that they would take; rows answer then."""
    for limits in (AggregateLimits(flat_rows=59), AggregateLimits(flat_bytes=1_000)):
        cube = flattened(sales, limits=limits)
        assert "more than" in str(cube.flat.describe()["refused"])
        assert scan(cube, "middle") == "Scan sales"


def test_what_hindered_them_may_leave(sales: Database) -> None:
    """A row of which an argument cannot be computed refuses them; without it they are made."""
    definition = CubeDefinition.of(
        "sales", base="sales", dimensions={"Item": ["item"]}, measures={"lines": {"count": "*"}, "m": {"max": "n * n"}}
    )
    sales.commit([Insert("sales", [{**sale(99), "n": 2**62}])])
    cube = flattened(sales, definition)
    assert cube.flat.describe()["refused"]
    assert scan(cube, "lines") == "Scan sales"
    sales.commit([Delete("sales", Condition('"id" = 99'))])
    asyncio.run(until(lambda: cube.query_sync(CubeQuery(measures=["m"])) and cube.flat.describe().get("rows") == 60))
    assert scan(cube, "m") == "Scan flat facts, 60 rows"
    assert cube.flat.describe()["refused"] is None


def test_a_cube_that_says_so_keeps_flat_facts_from_its_start(sales: Database) -> None:
    definition = CubeDefinition.of(
        "sales", base="sales", dimensions={"Item": ["item"]}, measures={"m": {"median": "n"}}, facts="flat"
    )
    cube = Cube.of(definition, sales)
    asyncio.run(until(lambda: cube.flat.describe().get("rows") == 60))
    assert scan(cube, "m") == "Scan flat facts, 60 rows"
    tables = "SELECT count(*) FROM duckdb_tables() WHERE database_name = '#scratch'"
    assert sales.query(tables) == [(2,)], "rows, and the dictionary of the items"
    cube.close()
    asyncio.run(until(lambda: sales.query(tables) == [(0,)]))
    assert scan(cube, "m") == "Scan sales"


def test_the_actuator_shows_flat_facts() -> None:
    """With what they cost and how often they were read."""
    runner = RUNNER.yaml(YAML.replace("dimensions:", "facts: flat\n        dimensions:"))
    with runner.run() as context:
        cube = context[Manager].cube("sales")
        assert isinstance(cube, Cube)
        asyncio.run(until(lambda: "rows" in cube.flat.describe()))
        shown = context[AggregatesEndpoint].read(EndpointRequest("sales")).body["facts"]
        assert (shown["rows"], shown["hits"], shown["refused"]) == (0, 0, None)


def test_keys_of_several_columns_and_names_in_case() -> None:
    """Levels that differ in case only have columns of their own; a key that is null in part leads nowhere."""
    tables = [
        Table("t", columns={"a": "int", "b": "text", "n": "bigint"}),
        Table("u", columns={"a": "int", "b": "text", "name": "text", "Rank": "int"}, key=["a", "b"]),
    ]
    definition = CubeDefinition.of(
        "c",
        base="t",
        dimensions={"U": {"levels": {"name": "u.name", "NAME": "upper(u.name)", "rank": "u.Rank"}}, "B": ["b"]},
        measures={"n": {"sum": "n"}},
    )
    with Database.open(tables=tables, references=["t.(a, b) -> u.(a, b)"]) as opened:
        opened.commit([
            Insert("u", [{"a": 1, "b": "x", "name": "x1", "Rank": 300}, {"a": 2, "b": "x", "name": "x2", "Rank": -1}]),
            Insert("t", [{"a": a, "b": b, "n": 1} for a in (1, 2, 3, None) for b in ("x", None)]),
        ])  # fmt: skip
        cube = flattened(opened, definition)
        paths = [["x1"], [None], *([f"none {i}"] for i in range(30))]
        for where in ({}, {"name": [None, "x2"]}, {"rank": {"from": 0, "to": 10**30}}, {"U": {"path": paths}}):
            query = CubeQuery(measures=["n"], levels=["name", "NAME", "rank", "b"], where=where, totals="all")
            assert explained(cube, query) == "Scan flat facts, 8 rows"
            assert cube.query_sync(query).rows == Cube.of(definition, opened).query_sync(query).rows


def test_facts_are_rows_or_flat() -> None:
    with pytest.raises(ModelError, match="`facts` is `rows` or `flat`"):
        CubeDefinition.of("c", base="t", dimensions={}, measures={"n": {"count": "*"}}, facts="fast")
