"""Levels whose names differ in case only: SQL takes them for one name, an answer has both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from app_framework.database import Database, Insert, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery, QueryError, arrow

MEASURES = {
    "n": {"sum": "n"},
    "rank": {"rank": "n", "hierarchy": "B"},
    "before": {"shift": "n", "level": "X", "strict": True},
    "per": {"per": ["A.x", "a.Y"], "aggregate": "max", "of": "n"},
    "best": {"max_member": "n", "level": "X"},
}
ROWS = [("p", 1, "u", 10), ("p", 2, "v", 20), ("q", 1, "u", 40), (None, 2, "u", 80)]


@pytest.fixture(scope="module")
def cube() -> Iterator[Cube]:
    """Two levels called x and X, the second in an order of its own, and hierarchies called A and a."""
    dimensions = {
        "A": {"levels": {"x": "letter"}},
        "B": {"levels": {"X": {"column": "number", "order": {"by": "-number"}}}},
        "a": {"levels": {"Y": "word", "x": "word || '!'"}},
    }
    columns = {"letter": "varchar", "number": "integer", "word": "varchar", "n": "integer"}
    with Database.open(tables=[Table("t", columns=columns)]) as database:
        database.commit([Insert("t", [dict(zip(columns, row, strict=True)) for row in ROWS])])
        yield Cube.of(CubeDefinition.of("c", base="t", dimensions=dimensions, measures=MEASURES), database)


def test_both_are_asked_for_under_their_own_names(cube: Cube) -> None:
    """With totals, calculations, filters and an order by either; each sorted as its level says."""
    answer = cube.query_sync(CubeQuery(measures=["n", "rank", "before", "best"], levels=["A.x", "X"], totals="all"))
    assert [column.name for column in answer.columns] == ["x", "X", "n", "rank", "before", "best"]
    assert answer.rows == [
        ("p", 2, 20, 1, None, 2), ("p", 1, 10, 2, 20, 1), ("q", 1, 40, 1, None, 1), (None, 2, 80, 1, None, 2),
        ("p", None, 30, 1, None, 2), ("q", None, 40, 1, None, 1), (None, None, 80, 1, None, 2),
        (None, None, 150, 1, None, 2),
    ]  # fmt: skip
    for by, first in (("X", ("q", 1)), ("x", ("q", 1)), ("n", (None, 2))):
        query = CubeQuery(measures=["n"], levels=["A.x", "X"], order=[{"by": by, "descending": True}], limit=2)
        assert cube.query_sync(query).rows[0][:2] == ({"X": ("p", 1)}.get(by) or first)
    some = CubeQuery(measures=["n"], levels=["A.x", "X"], where={"X": 1, "A.x": {"not": "q"}})
    assert cube.query_sync(some).rows == [("p", 1, 10)]


def test_arrow_and_the_order_in_a_plan_have_both_names_too(cube: Cube) -> None:
    query = CubeQuery(measures=["n", "per"], levels=["X", "A.x"], totals="grand")
    table = arrow.to_table(asyncio.run(cube.query_arrow(query)))
    assert table.column_names == ["X", "x", "n", "per", "grouping"]
    assert table.column(0).to_pylist() == [2, 2, 1, 1, None]
    assert table.column(1).to_pylist() == ["p", None, "p", "q", None]
    assert "Sort X by -number, x, null last" in repr(cube.plan(query))
    streamed = asyncio.run(cube.query_stream(query))
    assert [batch.num_rows for batch in streamed] == [5]


def test_names_as_they_are_written_may_differ_in_case_as_well(cube: Cube) -> None:
    """Two levels of one name are called as the question wrote them."""
    answer = cube.query_sync(CubeQuery(measures=["per"], levels=["A.x", "a.x"], order=[{"by": "a.x"}], limit=1))
    assert [column.name for column in answer.columns] == ["A.x", "a.x", "per"]
    assert answer.rows == [("p", "u!", 10)]


def test_one_level_twice_is_refused(cube: Cube) -> None:
    with pytest.raises(QueryError, match=r"levels\[1\]: 'B.X' and 'X' are the same level"):
        cube.plan(CubeQuery(measures=["n"], levels=["X", "B.X"]))


def test_a_level_that_is_called_as_a_measure_of_the_answer_is_refused() -> None:
    """Where two levels share a name, each is called as it is written; then a measure may be called so too."""
    dimensions = {"A": {"levels": {"x": "letter"}}, "B": {"levels": {"x": "word"}}}
    measures = {"rows": {"count": "*"}, "a.X": {"sum": "n"}}
    columns = {"letter": "varchar", "word": "varchar", "n": "integer"}
    with Database.open(tables=[Table("t", columns=columns)]) as database:
        cube = Cube.of(CubeDefinition.of("c", base="t", dimensions=dimensions, measures=measures), database)
        plan = cube.plan(CubeQuery(measures=["rows"], levels=["A.x", "B.x"]))
        assert [key.shown for key in plan.keys] == ["A.x", "B.x"]
        with pytest.raises(
            QueryError, match=r"'A\.x' is a level and a measure of the answer; name the level 'A\.A\.x'"
        ):
            cube.plan(CubeQuery(measures=["a.X"], levels=["A.x", "B.x"]))
