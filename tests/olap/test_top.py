"""The first rows of each group: what a plain answer has, cut in plain Python."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from app_framework.database import Database, Insert, Table
from app_framework.olap import AggregateLimits, Cube, CubeDefinition, CubeQuery, QueryError, arrow

MEASURES = {
    "n": {"sum": "n"},
    "half": {"formula": "n / 2"},
    "rank": {"rank": "n", "hierarchy": "City"},
}
COLUMNS = {"region": "text", "city": "text", "day": "int", "n": "int"}
ROWS = [
    {
        "region": region,
        "city": f"{region}{city}" if city else None,
        "day": day,
        "n": (len(region or "") * city * day) % 7,
    }
    for region in ("north", "west", None)
    for city in range(5)
    for day in range(4)
]


@pytest.fixture(scope="module")
def cube() -> Iterator[Cube]:
    dimensions = {"Region": ["region"], "City": ["city"], "Day": ["day"]}
    with Database.open(tables=[Table("t", columns=COLUMNS)]) as database:
        database.commit([Insert("t", ROWS)])
        definition = CubeDefinition.of("c", base="t", dimensions=dimensions, measures=MEASURES)
        yield Cube.of(definition, database, limits=AggregateLimits(rows_min=0))


ORDERS: list[list[dict[str, Any]]] = [
    [],
    [{"by": "n", "descending": True}],
    [{"by": "half"}, {"by": "city", "descending": True}],
    [{"by": "rank", "descending": True}],
]


@pytest.mark.parametrize("totals", ["none", "grand", "all"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("count", "per"), [(1, ["region"]), (2, ["day"]), (3, ["day", "region"]), (0, ["city"])])
def test_the_first_rows_of_each_group_are_kept(
    cube: Cube, totals: str, order: list[dict[str, Any]], count: int, per: list[str]
) -> None:
    """In the order of the answer, null being a member too; totals stay those of everything."""
    levels = ["region", "city", "day"]
    question = {"measures": ["n", "half", "rank"], "levels": levels, "totals": totals, "order": order}
    whole = cube.query_sync(CubeQuery.parse(question))
    seen: Counter[tuple[object, ...]] = Counter()
    expected = []
    for row, bits in zip(whole.rows, whole.grouping, strict=True):
        group = tuple(row[levels.index(level)] for level in per)
        seen[group] += not bits
        if bits or seen[group] <= count:
            expected.append((*row, bits))
    asked = CubeQuery.parse({**question, "top": {"count": count, "per": per}})
    best = cube.query_sync(asked)
    assert [(*row, bits) for row, bits in zip(best.rows, best.grouping, strict=True)] == expected
    details = [row for row in expected if not row[-1]]
    limited = cube.query_sync(CubeQuery.parse({**asked.to_dict(), "limit": 4, "offset": 1}))
    assert [(*row, 0) for row, bits in zip(limited.rows, limited.grouping, strict=True) if not bits] == details[1:5]


def test_aggregates_and_streams_answer_the_same(cube: Cube) -> None:
    query = CubeQuery(
        measures=["n"], levels=["region", "city"], order=[{"by": "n", "descending": True}],
        top={"count": 2, "per": ["Region.Region.region"]},
    )  # fmt: skip
    rows = cube.query_sync(query).rows
    cube.aggregates.build(cube.aggregates.shape(["region", "city"])).result()
    cube.tiles.renew().result()
    assert cube.query_sync(query).rows == rows
    assert "Top 2 of each region" in asyncio.run(cube.explain(query))["plan"]  # type: ignore[operator]
    streamed = arrow.to_table(asyncio.run(cube.query_arrow(query)))
    assert [tuple(row.values())[:-1] for row in streamed.to_pylist()] == rows
    for limit in (None, 3):
        stream = asyncio.run(cube.query_stream(replace(query, limit=limit)))
        sent = pa.ipc.open_stream(b"".join(arrow.cell_pieces(stream))).read_all()
        assert [tuple(row.values())[:-1] for row in sent.to_pylist()] == rows[:limit]


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ({"count": 2}, r'`top` is \{"count": number, "per": \[level, …\]\}'),
        ({"count": -1, "per": ["city"]}, r"`top.count` is a whole number from 0"),
        ({"count": 1, "per": []}, r"`top.per` names at least one level"),
        ({"count": 1, "per": "city"}, r"`top.per` is a list of names"),
        ({"count": 1, "per": ["day"]}, r"level 'day' is not among the `levels` of the query"),
        ({"count": 1, "per": ["citi"]}, r"citi"),
        ({"count": 1, "per": ["city"], "by": "n"}, r"`top` has no field 'by'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(cube: Cube, top: object, told: str) -> None:
    with pytest.raises(QueryError, match=told) as refused:
        cube.query_sync(CubeQuery.parse({"measures": ["n"], "levels": ["city"], "top": top}))
    assert all(problem.field.startswith("top") for problem in refused.value.problems)
    assert len(refused.value.problems) == 1
