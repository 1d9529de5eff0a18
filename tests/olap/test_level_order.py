"""Members stand in the order that the model asks for, wherever members stand; nothing is always last."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database, Insert, InvalidRowsError, ModelError, Source, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery, arrow
from app_framework.olap.sql import write_sql
from app_framework.testing import GoldenFiles
from tests.olap.oracle import OracleCube, OracleMeasure
from tests.olap.test_cube_oracle import DAYS, FACTS, SHOPS, database, maybe, same

ORDERS = """name,number,quarter,amount
Mar,3,1,5
Jan,1,1,3
,9,,1
Dec,12,4,2
Apr,4,2,4
Jan,1,1,7
"""


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Months by name, number and quarter; one row has none."""
    path = tmp_path_factory.mktemp("orders") / "orders.csv"
    path.write_text(ORDERS, encoding="utf-8")
    types = {"name": "varchar", "number": "smallint", "quarter": "integer", "amount": "bigint"}
    with Database.open(tables=[Table("orders", Source.of(csv=path), columns=types)]) as opened:
        yield opened


def cube(database: Database, *levels: Mapping[str, object], slicing: bool = False) -> Cube:
    """Return a cube with one hierarchy of these levels."""
    hierarchy = {"levels": list(levels), "slicing": slicing}
    measures = {"rows": {"count": "*"}, "amount": {"sum": "amount"}}
    return Cube.of(CubeDefinition.of("c", base="orders", dimensions={"Month": hierarchy}, measures=measures), database)


def month(order: object) -> Mapping[str, object]:
    return {"month": {"column": "name", "order": order}}


CHOICES: list[tuple[object, list[str | None]]] = [
    (["Mar", "Feb", "Apr"], ["Mar", "Apr", "Dec", "Jan", None]),
    ({"by": "number"}, ["Jan", "Mar", "Apr", "Dec", None]),
    ({"by": "-number"}, ["Dec", "Apr", "Mar", "Jan", None]),
    ({"by": "number % 4", "descending": True}, ["Mar", "Jan", "Apr", "Dec", None]),
    ({"by": "quarter"}, ["Jan", "Mar", "Apr", "Dec", None]),
    ({"descending": True}, ["Mar", "Jan", "Dec", "Apr", None]),
    ([], ["Apr", "Dec", "Jan", "Mar", None]),
    ({}, ["Apr", "Dec", "Jan", "Mar", None]),
]


@pytest.mark.parametrize(("order", "members"), CHOICES)
def test_answers_and_members_stand_in_the_order_of_the_level(
    orders: Database, order: object, members: list[str | None]
) -> None:
    """Rows, their JSON, CSV and Arrow, and the list of members are in one order; reversed, nothing is last again."""
    asked = cube(orders, month(order))
    query = CubeQuery(measures=["rows"], levels=["month"])
    answer = asked.query_sync(query)
    assert answer.column("month") == members
    assert [row[0] for row in json.loads(json.dumps(answer.to_dict(), default=str))["rows"]] == members
    assert [line.split(",")[0] for line in answer.to_csv().splitlines()[1:]] == [m or "N/A" for m in members]
    assert arrow.to_table(asyncio.run(asked.query_arrow(query))).column("month").to_pylist() == members
    assert asyncio.run(asked.members("month")) == tuple(members)
    backwards = CubeQuery(measures=["rows"], levels=["month"], order=[{"by": "month", "descending": True}])
    assert asked.query_sync(backwards).column("month") == [*members[-2::-1], None]


@pytest.mark.parametrize(("order", "members"), CHOICES)
def test_a_slicing_hierarchy_without_a_default_reads_its_first_member(
    orders: Database, order: object, members: list[str | None]
) -> None:
    """The first in the order of its level, whatever its value is."""
    (row,) = cube(orders, month(order), slicing=True).query_sync(CubeQuery(measures=["rows", "amount"])).rows
    assert row == {"Mar": (1, 5), "Jan": (2, 10), "Dec": (1, 2), "Apr": (1, 4)}[str(members[0])]


def test_totals_stay_where_they_are(orders: Database) -> None:
    """A subtotal is sorted by the levels it has; what is rolled up has no place."""
    asked = cube(orders, {"quarter": {"column": "quarter", "order": {"descending": True}}}, month({"by": "number"}))
    query = CubeQuery(
        measures=["rows"], levels=["quarter", "month"], totals="all", order=[{"by": "month", "descending": True}]
    )
    assert [row[:2] for row in asked.query_sync(query).rows] == [
        (4, "Dec"), (2, "Apr"), (1, "Mar"), (1, "Jan"), (None, None), (4, None), (2, None), (1, None), (None, None),
        (None, None),
    ]  # fmt: skip


def test_a_member_with_several_sort_keys_is_refused(orders: Database) -> None:
    """It would have several places; the members and their keys are shown."""
    with pytest.raises(ModelError) as caught:
        cube(orders, month({"by": "amount"}))
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("SEVERAL_SORT_KEYS", "cubes.c.dimensions.Month.levels[0].month.order.by")
    assert problem.message == "a member of level 'month' has several sort keys; it needs one.\n    Jan: 3, 7"


MISTAKES: list[tuple[object, str, str]] = [
    ("ascending", "INVALID_SHAPE", "`order` is a list of members"),
    ({"descendign": True}, "UNKNOWN_KEY", "an order has no key 'descendign'"),
    ({"descending": "yes"}, "INVALID_SHAPE", "`descending` is true or false"),
    ({"by": 3}, "INVALID_SHAPE", "`by` is a text"),
    ({"by": "nummer"}, "UNKNOWN_COLUMN", "reaches no column 'nummer'. Did you mean: number"),
    ({"by": "sum(number)"}, "INVALID_EXPRESSION", "sum adds up rows"),
    ({"by": "string_split(name, '')"}, "TYPE_MISMATCH", "values of type varchar[] have no order"),
    (["Jan", "Jan"], "DUPLICATE_MEMBER", "'Jan' is listed twice"),
    (["Jan", None], "INVALID_MEMBER", "a missing member is always last"),
    ([["Jan"]], "INVALID_MEMBER", "a member is a plain value"),
    ([1], "INVALID_MEMBER", "1 is not a member of a level of type string"),
]


@pytest.mark.parametrize(("order", "code", "told"), MISTAKES)
def test_an_order_that_is_none_is_refused(orders: Database, order: object, code: str, told: str) -> None:
    with pytest.raises(ModelError) as caught:
        cube(orders, month(order))
    (problem,) = caught.value.problems
    assert problem.code == code
    assert told in problem.sentence


def test_a_listed_member_must_fit_the_type_of_the_level(orders: Database) -> None:
    with pytest.raises(ModelError, match="70000 is out of the range of type int16"):
        cube(orders, {"number": {"column": "number", "order": [1, 70000]}})


def test_the_sql_of_ordered_levels(orders: Database, golden: GoldenFiles) -> None:
    """A list is in the statement; a sort key is one more column of the cells, of no row that rolls its level up."""
    asked = cube(
        orders,
        {"quarter": {"column": "quarter", "order": {"descending": True}}},
        month(["Mar", "it's"]),
        {"by_number": {"column": "name", "order": {"by": "number"}}},
    )
    query = CubeQuery(measures=["rows"], levels=["quarter", "month", "by_number"], totals="all")
    golden("ordered.sql", f"/*\n{asked.plan(query)}\n*/\n{write_sql(asked.plan(query))}\n")


WORDS = ["z'\"z", "é", "a", "nobody's"]
LEVELS: dict[str, Mapping[str, object]] = {
    "word": {"column": "word", "order": WORDS},
    "shop": {"column": "shop", "order": {"by": "shops.region"}},
    "small": {"column": "small", "order": {"by": "small % 7", "descending": True}},
    "flag": {"column": "flag", "order": [True]},
    "price": {"column": "price", "order": {"descending": True}},
    "day": {"column": "day", "order": ["2024-02-29", "2024-02-01"]},
    "to_city": {"column": "to_city", "order": {"by": "target.country"}},
}
CUBE = CubeDefinition.of(
    "sales",
    base="facts",
    dimensions={name: {"levels": {name: level}} for name, level in LEVELS.items()},
    measures={"rows": {"count": "*"}},
)
CITIES = st.lists(
    st.fixed_dictionaries({"code": st.sampled_from("pqrs"), "country": maybe(st.sampled_from("xyz"))}),
    unique_by=lambda row: row["code"],
)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    levels = draw(st.lists(st.sampled_from(sorted(LEVELS)), min_size=1, max_size=3, unique=True))
    order = st.fixed_dictionaries({"by": st.sampled_from([*levels, "rows"]), "descending": st.booleans()})
    return {
        "measures": ["rows"],
        "levels": levels,
        "where": draw(st.fixed_dictionaries({}, optional={"day": st.fixed_dictionaries({"from": DAYS.map(str)})})),
        "totals": draw(st.sampled_from(["none", "grand", "all"])),
        "order": draw(st.lists(order, max_size=2)),
        "limit": draw(maybe(st.integers(0, 5))),
        "offset": draw(st.integers(0, 3)),
    }


@settings(max_examples=40)
@given(FACTS, SHOPS, CITIES, st.lists(questions(), min_size=1, max_size=6))
def test_the_oracle_puts_members_in_the_same_order(
    facts: list[dict[str, Any]], shops: list[dict[str, Any]], cities: list[dict[str, Any]], asked: list[dict[str, Any]]
) -> None:
    """Lists, sort keys of the row and of references, descending ones, and members whose key is missing."""
    regions = {row["id"]: row["region"] for row in shops}
    countries = {row["code"]: row["country"] for row in cities}

    def itself(member: Any) -> Any:
        return member

    def place(listed: list[Any]) -> Any:
        return lambda m: None if m is None else listed.index(m) if m in listed else len(listed)

    oracle = OracleCube(
        facts,
        {name: (lambda row, name=name: row[name]) for name in LEVELS},
        {},
        {"rows": OracleMeasure(len)},
        {
            "word": [(place(WORDS), False), (itself, False)],
            "shop": [(regions.get, False), (itself, False)],
            "small": [(lambda m: None if m is None else (abs(m) % 7) * (-1 if m < 0 else 1), True), (itself, False)],
            "flag": [(place([True]), False), (itself, False)],
            "price": [(itself, True)],
            "day": [(place([date(2024, 2, 29), date(2024, 2, 1)]), False), (itself, False)],
            "to_city": [(countries.get, False), (itself, False)],
        },
    )
    with database({"facts": facts, "shops": shops, "regions": [], "cities": cities}) as opened:
        built = Cube.of(CUBE, opened)
        for question in asked:
            answer = built.query_sync(CubeQuery.parse(question))
            expected, grouping = oracle.answer(question)
            assert answer.grouping == grouping, question
            assert len(answer) == len(expected), question
            assert all(map(same, answer.rows, expected)), (question, answer.rows, expected)


def test_a_commit_that_gives_a_member_another_sort_key_is_refused(tmp_path: Path) -> None:
    """Nothing is changed; changes that leave each member its one key are made, and so are those of other tables."""
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    types = {"name": "varchar", "number": "smallint", "quarter": "integer", "amount": "bigint"}
    tables = [Table("orders", Source.of(csv=tmp_path / "orders.csv"), columns=types), Table("other", columns=types)]
    with Database.open(tables=tables) as opened:
        asked = cube(opened, month({"by": "number"}))
        before = opened.version
        with pytest.raises(InvalidRowsError) as caught:
            opened.commit([Insert("orders", [{"name": "Jan", "number": 13}, {"name": "Feb", "number": 2}])])
        (problem,) = caught.value.problems
        assert problem.reason == "a member of level 'month' has several sort keys; it needs one.\n    Jan: 1, 13"
        assert opened.version == before
        opened.commit([Insert("orders", [{"name": "Feb", "number": 2}])])
        opened.commit([Insert("other", [{"name": "Jan", "number": 13}])])
        members = asyncio.run(asked.members("month"))
    assert members == ("Jan", "Feb", "Mar", "Apr", "Dec", None)


def test_calculated_measures_walk_in_the_order_of_the_level(orders: Database) -> None:
    """Running sums and shifts, lax and strict, also over filtered rows, follow it; of equals the first wins."""
    hierarchy = {"levels": [month({"by": "number", "descending": True})]}
    measures: dict[str, object] = {
        "amount": {"sum": "amount"},
        "running": {"cumulative": "amount", "level": "month", "aggregate": "sum"},
        "before": {"shift": "amount", "level": "month", "offset": 1},
        "strictly": {"shift": "amount", "level": "month", "offset": 1, "strict": True},
        "least": {"min_member": "rows", "level": "month"},
        "rows": {"count": "*"},
        "some": {"filter": "running", "where": {"month": {"not": ["Apr"]}}},
    }
    asked = Cube.of(CubeDefinition.of("c", base="orders", dimensions={"Month": hierarchy}, measures=measures), orders)
    assert asked.query_sync(CubeQuery(measures=["least"])).rows == [("Dec",)]
    walked = ["amount", "running", "before", "strictly", "some"]
    query = CubeQuery(measures=walked, levels=["month"], totals="grand")
    assert asked.query_sync(query).rows == [
        ("Dec", 2, 2, None, None, 2),
        ("Apr", 4, 6, 2, 2, 2),
        ("Mar", 5, 11, 4, 4, 7),
        ("Jan", 10, 21, 5, 5, 17),
        (None, 1, 22, 10, 10, 18),
        (None, 22, 22, None, None, 18),
    ]
