"""A long life of one cube: rows come, change and leave, shops move, versions are forgotten; answers stay right."""

from __future__ import annotations

import math
from random import Random

import pytest

from app_framework.database import Condition, Database, DatabaseLimits, Delete, Insert, Table
from app_framework.database.changes import Change
from app_framework.olap import Cube, CubeDefinition, CubeQuery

TABLES = [
    Table(
        "sales",
        columns={
            "id": "bigint",
            "item": "text",
            "shop": "bigint",
            "n": "bigint",
            "price": "decimal(9,2)",
            "w": "double",
        },
        key="id",
    ),
    Table("shop", columns={"id": "bigint", "city": "text", "rank": "int"}, key="id"),
]
EXACT = {
    "lines": {"count": "*"},
    "numbers": {"count": "n"},
    "total": {"sum": "n"},
    "revenue": {"sum": "price"},
    "turnover": {"sum_product": ["price", "n"]},
    "squares": {"square_sum": "n"},
    "gains": {"long": "n"},
    "mean": {"avg": "price"},
    "cities": {"count_distinct": "shop.city"},
}
OTHERS = {
    "least": {"min": "price"},
    "most": {"max": "n"},
    "first": {"first": "price", "by": "n"},
    "spread": {"stddev": "n"},
    "weight": {"sum": "w"},
    "one": {"single_value": "item"},
    "share": {"share": "total", "hierarchy": "Shop"},
    "some": {"filter": "total", "where": {"item": ["a", "b"]}},
    "running": {"cumulative": "revenue", "level": "shop"},
    "large": {"at": "total", "members": {"big": True}},
}
DIMENSIONS = {
    "Item": ["item"],
    "Shop": [{"city": {"column": "shop.city", "order": {"by": "shop.rank"}}}, "shop"],
    "Size": {"levels": {"big": "n > 3"}, "slicing": True},
}
LEAVING = ["\"item\" = 'a'", '"n" > 4', '"shop" = 2', '"id" % 5 = 1', '"price" IS NULL']
FILTERS = [{}, {"item": "a"}, {"item": {"not": ["a"]}}, {"big": [True, None]}, {"item": [None, "b"], "big": False}]


def cube(database: Database, aggregates: str) -> Cube:
    measures = {**EXACT, **OTHERS}
    definition = CubeDefinition.of("c", base="sales", dimensions=DIMENSIONS, measures=measures, aggregates=aggregates)
    return Cube.of(definition, database)


def sale(random: Random, number: int) -> dict[str, object]:
    return {
        "id": number,
        "item": random.choice(["a", "b", "c", None]),
        "shop": random.choice([0, 1, 2, 3, None]),
        "n": random.choice([None, 0, 1, 2, 5, 9, -4]),
        "price": random.choice([None, "0.00", "1.25", "-3.10", "7.77"]),
        "w": random.choice([None, 0.1, 0.2, 3.75]),
    }


def change(random: Random, step: int) -> list[Change]:
    """Return rows that come, take the place of others or leave, or a shop that moves."""
    kind = random.choice(["replace", "replace", "add", "remove", "remove", "move"])
    if kind == "move":
        city = random.choice([0, 1])
        return [Insert("shop", [{"id": random.randint(0, 3), "city": f"city {city}", "rank": -city}])]
    if kind == "remove":
        return [Delete("sales", Condition(random.choice(LEAVING)))]
    if kind == "replace":
        return [Insert("sales", [sale(random, random.randint(0, 40))])]
    return [Insert("sales", [sale(random, 100 + 10 * step + i) for i in range(random.randint(1, 4))])]


def question(random: Random) -> dict[str, object]:
    levels = random.sample(["item", "city", "shop", "big"], random.randint(0, 3))
    measures = random.sample([*EXACT], 3) if random.random() < 0.6 else random.sample([*EXACT, *OTHERS], 4)
    return {
        "measures": measures,
        "levels": levels,
        "where": random.choice(FILTERS),
        "totals": "none" if "big" in levels else random.choice(["none", "grand", "all"]),
        "order": [{"by": random.choice(levels), "descending": True}] if levels else [],
        "limit": random.choice([None, 2]),
    }


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 200))])
def test_at_each_version_aggregates_answer_as_rows_do(seed: int) -> None:
    """Exact numbers without those that left, others from rows or from groups made anew; older versions too."""
    random = Random(seed)
    limits = DatabaseLimits(versions_kept=random.choice([2, 4, 10]))
    with Database.open(tables=TABLES, references=["sales.shop -> shop.id"], limits=limits) as database:
        shops = [{"id": i, "city": f"city {i % 2}", "rank": -(i % 2)} for i in range(4)]
        database.commit([Insert("shop", shops), Insert("sales", [sale(random, i) for i in range(25)])])
        quick, plain = cube(database, "auto"), cube(database, "none")
        store = quick.aggregates
        store.build(*map(store.shape, [["item", "city", "shop", "big"], ["item", "big"], ["city", "big"]])).result()
        for step in range(8):
            if random.random() < 0.2:
                store.advance().result()
            else:
                database.commit(change(random, step))
            for _ in range(4):
                compare(quick, plain, question(random))
            compare(quick, plain, {**question(random), "version": random.choice(database.versions)})
        assert sum(kept["hits"] for kept in store.describe()["aggregates"]) > 0


def compare(quick: Cube, plain: Cube, asked: dict[str, object]) -> None:
    query = CubeQuery.parse(asked)
    if plain.check(query):
        return
    mine, theirs = quick.query_sync(query), plain.query_sync(query)
    assert mine.versions == theirs.versions
    assert mine.grouping == theirs.grouping
    assert len(mine) == len(theirs), asked
    for one, other in zip(mine.rows, theirs.rows, strict=True):
        assert all(map(close, one, other)), (asked, one, other)


def close(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return type(a) is type(b) and a == b
