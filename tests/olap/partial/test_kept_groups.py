"""AA1: a node that keeps groups of its rows answers from those, and what it sends merges with what others send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app_framework.database import Insert
from app_framework.database.changes import Condition, Delete
from app_framework.olap import CubeDefinition, CubeQuery
from tests.olap.partial.splitting import SplitCube, split_table

COLUMNS = {"shop": "varchar", "day": "integer", "price": "decimal(9,2)", "weight": "double", "word": "varchar"}
SALES = CubeDefinition.of(
    "sales",
    base="facts",
    dimensions={"Shop": ["shop"], "Day": ["day"], "Word": ["word"]},
    measures={
        "rows": {"count": "*"},
        "price": {"sum": "price"},
        "mean": {"avg": "price"},
        "least": {"min": "price"},
        "spread": {"stddev": "weight"},
        "first": {"first": "price", "by": "day"},
        "days": {"count_distinct": "day"},
        "shops": {"count_distinct": "shop"},
        "words": {"count_distinct": "word"},
        "middle": {"median": "price"},
        "early": {"filter": "mean", "where": {"day": {"to": 2}}},
        "early_shops": {"filter": "shops", "where": {"day": {"to": 2}}},
        "share": {"share": "price", "hierarchy": "Shop"},
    },
)
FACTS = [
    {"shop": "abc"[n % 3], "day": n % 5, "price": n, "weight": n / 7, "word": ["x", "y", None][n % 3]}
    for n in range(40)
]
QUESTIONS: list[dict[str, Any]] = [
    {"measures": ["rows", "price", "mean", "least", "spread", "first"], "levels": ["shop"], "totals": "grand"},
    {"measures": ["days", "shops", "early", "early_shops"], "levels": ["day"], "totals": "all"},
    {"measures": ["days", "early", "share"], "levels": ["shop", "day"], "where": {"shop": ["a", "b"]}},
    {"measures": ["words", "middle", "rows"], "levels": ["shop"]},
]


@pytest.fixture
def sales() -> Iterator[SplitCube]:
    """Two nodes keep groups by shop and day, the third one does not."""
    with split_table(SALES, COLUMNS, FACTS, [n % 3 for n in range(40)]) as cube:
        for node in cube.nodes[:2]:
            node.aggregates.build(node.aggregates.shape(["shop", "day"])).result()
        yield cube


def same_as_the_whole(cube: SplitCube) -> None:
    for question in QUESTIONS:
        query = CubeQuery(**question)
        assert cube.query(query) == cube.whole.query_sync(query), question


def hits(cube: SplitCube) -> list[int]:
    described = [node.aggregates.describe()["aggregates"] for node in cube.nodes[:2]]
    return [int(kept[0]["hits"]) for kept in described]  # type: ignore[index]


def test_groups_are_read_in_place_of_rows_where_they_cover_what_is_asked(sales: SplitCube) -> None:
    """AA1: with filters in measures, distinct members of levels, and beside nodes that read their rows."""
    before = hits(sales)
    same_as_the_whole(sales)
    assert all(now > then for now, then in zip(hits(sales), before, strict=True))


def test_rows_that_came_and_left_since_are_in_what_is_sent(sales: SplitCube) -> None:
    """AA13: an answer is of one version, whether groups are brought up to it or rows are read."""
    came = [{"shop": "d", "day": 9, "price": 100, "weight": 1.0, "word": "z"}]
    gone = Condition("shop = 'a' AND day = 0")
    for change in (Insert("facts", came), Delete("facts", gone)):
        for database in (sales.databases[0], sales.whole_database):
            database.commit([change])
        if isinstance(change, Delete):
            for database in sales.databases[1:]:
                database.commit([change])
        same_as_the_whole(sales)
