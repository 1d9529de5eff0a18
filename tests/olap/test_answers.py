"""Answers where it is easy to be wrong: no rows, totals and limits, slicing, overflow, ties, names, zones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app_framework.database import Database, DatabaseLimits, OverloadedError, QueryTimeoutError, Source, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery, MeasureOverflowError, QueryError, TooLargeError, arrow


def opened(
    columns: Mapping[str, str],
    rows: str,
    dimensions: Mapping[str, object],
    measures: Mapping[str, object],
    folder: Path,
) -> AbstractContextManager[Cube]:
    """Return a cube over one table, its rows written as CSV without a header line."""

    @contextmanager
    def cube() -> Any:
        file = folder / "t.csv"
        file.write_text(f"{','.join(columns)}\n{rows}", encoding="utf-8")
        source = Source.of(csv=file) if rows else None
        with Database.open(tables=[Table("t", source, columns=columns)]) as database:
            yield Cube.of(CubeDefinition.of("c", base="t", dimensions=dimensions, measures=measures), database)

    return cube()  # type: ignore[no-any-return]


def ask(cube: Cube, **question: Any) -> list[tuple[object, ...]]:
    return cube.query_sync(CubeQuery.parse(question)).rows


ALL_KINDS = {
    "rows": {"count": "*"}, "n": {"count": "x"}, "total": {"sum": "x"}, "mean": {"avg": "x"}, "least": {"min": "x"},
    "most": {"max": "x"}, "distinct": {"count_distinct": "x"}, "middle": {"median": "x"},
    "ratio": {"formula": "total / rows"},
}  # fmt: skip


@pytest.mark.parametrize("totals", ["none", "grand", "all"])
def test_without_levels_there_is_always_exactly_one_row(tmp_path: Path, totals: str) -> None:
    """Counts are 0, everything else is null; limit and offset leave the row alone."""
    with opened({"x": "bigint"}, "", {"X": ["x"]}, ALL_KINDS, tmp_path) as cube:
        answer = cube.query_sync(CubeQuery(measures=list(ALL_KINDS), totals=totals, limit=0, offset=3))  # type: ignore[arg-type]
        assert answer.rows == [(0, 0, None, None, None, None, 0, None, None)]
        assert answer.grouping == [0]


def test_the_grand_total_of_nothing_is_one_row_too(tmp_path: Path) -> None:
    with opened({"x": "bigint"}, "1\n2\n", {"X": ["x"]}, ALL_KINDS, tmp_path) as cube:
        answer = cube.query_sync(CubeQuery(measures=["rows", "total"], levels=["x"], where={"x": 7}, totals="grand"))
        assert (answer.rows, answer.grouping) == ([(None, 0, None)], [1])


def test_the_grand_total_counts_what_the_limit_leaves_out(tmp_path: Path) -> None:
    with opened({"x": "bigint"}, "1\n2\n3\n", {"X": ["x"]}, ALL_KINDS, tmp_path) as cube:
        question = {"measures": ["rows"], "levels": ["x"], "totals": "grand", "offset": 1, "limit": 1}
        assert ask(cube, **question) == [(2, 1), (None, 3)]


def test_a_null_member_is_told_from_a_total_by_grouping(tmp_path: Path) -> None:
    """Both have null; only the total has its bit set."""
    with opened({"x": "bigint", "y": "bigint"}, "1,\n,2\n", {"X": ["x"], "Y": ["y"]}, ALL_KINDS, tmp_path) as cube:
        answer = cube.query_sync(CubeQuery(measures=["rows"], levels=["x", "y"], totals="all"))
        assert answer.rows == [(1, None, 1), (None, 2, 1), (1, None, 1), (None, None, 1), (None, None, 2)]
        assert answer.grouping == [0, 0, 2, 2, 3]


def test_a_constant_formula_sorts_nothing(tmp_path: Path) -> None:
    """Its number is not the place of a column."""
    measures = {"one": {"formula": "1"}, "seven": {"formula": "7"}, "n": {"count": "*"}}
    with opened({"x": "varchar"}, "b\na\nb\n", {"X": ["x"]}, measures, tmp_path) as cube:
        order = [{"by": "one", "descending": True}, {"by": "seven"}]
        assert ask(cube, measures=["one", "seven"], levels=["x"], order=order) == [("a", 1, 7), ("b", 1, 7)]


def test_two_levels_over_one_column_roll_up_one_after_the_other(tmp_path: Path) -> None:
    """A subtotal rolls up the second and keeps the first, though they read the same."""
    with opened({"x": "bigint"}, "1\n2\n", {"A": ["x"], "B": ["x"]}, {"n": {"count": "*"}}, tmp_path) as cube:
        answer = cube.query_sync(CubeQuery(measures=["n"], levels=["A.x", "B.x"], totals="all"))
        assert [column.name for column in answer.columns] == ["A.x", "B.x", "n"]
        assert answer.rows == [(1, 1, 1), (2, 2, 1), (1, None, 1), (2, None, 1), (None, None, 2)]
        assert answer.grouping == [0, 0, 2, 2, 3]


def test_an_ambiguous_level_lists_its_full_names(tmp_path: Path) -> None:
    with opened({"x": "bigint"}, "1\n", {"A": ["x"], "B": ["x"]}, {"n": {"count": "*"}}, tmp_path) as cube:
        with pytest.raises(QueryError) as caught:
            ask(cube, measures=["n"], levels=["x"])
        assert caught.value.problems[0].near == ("A.A.x", "B.B.x")


def test_null_comes_last_in_both_directions_and_ties_follow_the_levels(tmp_path: Path) -> None:
    rows = "b,1\na,1\nc,\nz,2\n"
    with opened({"k": "varchar", "x": "bigint"}, rows, {"K": ["k"]}, ALL_KINDS, tmp_path) as cube:
        for descending, expected in ((False, ["a", "b", "z", "c"]), (True, ["z", "a", "b", "c"])):
            order = [{"by": "total", "descending": descending}]
            assert [row[0] for row in ask(cube, measures=["total"], levels=["k"], order=order)] == expected


def test_what_json_writes_as_null_is_sorted_as_null(tmp_path: Path) -> None:
    rows = "a,1e308\na,1e308\nb,1\nc,nan\n"
    with opened({"k": "varchar", "x": "double"}, rows, {"K": ["k"]}, {"s": {"sum": "x"}}, tmp_path) as cube:
        order = [{"by": "s", "descending": True}]
        assert [row[0] for row in ask(cube, measures=["s"], levels=["k"], order=order)] == ["b", "a", "c"]


def test_text_is_ordered_by_code_point(tmp_path: Path) -> None:
    rows = "é\nz\nZ\n\U0001f6e9\n\ufb01\n"
    with opened({"k": "varchar"}, rows, {"K": ["k"]}, {"n": {"count": "*"}}, tmp_path) as cube:
        assert [row[0] for row in ask(cube, measures=["n"], levels=["k"])] == ["Z", "z", "é", "\ufb01", "\U0001f6e9"]


@pytest.mark.parametrize(
    ("columns", "rows", "measure"),
    [
        ({"x": "bigint"}, "9223372036854775807\n1\n", {"sum": "x"}),
        ({"x": "bigint"}, "9223372036854775807\n", {"sum": "x * 2"}),
        ({"x": "decimal(38,0)"}, f"{'9' * 38}\n1\n", {"sum": "x"}),
        ({"x": "bigint"}, "9223372036854775807\n", {"formula": "most + 1"}),
    ],
)
def test_an_overflow_names_the_measure(
    tmp_path: Path, columns: dict[str, str], rows: str, measure: dict[str, str]
) -> None:
    """Never a wrapped number; the other measures of the query are not blamed."""
    measures = {"n": {"count": "*"}, "most": {"max": "x"}, "big": measure}
    with opened(columns, rows, {"X": ["x"]}, measures, tmp_path) as cube:
        with pytest.raises(MeasureOverflowError, match="measure 'big' cannot be computed") as caught:
            ask(cube, measures=["n", "most", "big"])
        assert (caught.value.measure, caught.value.problems[0].field) == ("big", "measures[2]")
        assert len(ask(cube, measures=["n", "most"])) == 1


def test_values_that_no_integer_level_can_have_match_nothing(tmp_path: Path) -> None:
    """Beyond the column's type, beyond 64 and beyond 128 bits: no error, no row."""
    with opened({"x": "smallint"}, "1\n2\n", {"X": ["x"]}, {"n": {"count": "*"}}, tmp_path) as cube:
        for value in (10**6, 10**20, 10**40):
            assert ask(cube, measures=["n"], where={"x": value}) == [(0,)]
            assert ask(cube, measures=["n"], where={"x": {"not": [value]}}) == [(2,)]
            assert ask(cube, measures=["n"], where={"x": {"to": value}}) == [(2,)]
            assert ask(cube, measures=["n"], where={"x": {"from": -value}}) == [(2,)]


def test_long_lists_of_any_type_are_quick_and_exact(tmp_path: Path) -> None:
    """They are bound as one array of the level's type; what the type cannot hold is left out before."""
    columns = {"m": "decimal(9,2)", "f": "float", "z": "timestamptz", "d": "date"}
    row = "1.10,0.5,2024-02-29 12:00:00+00,2024-02-29\n"
    with opened(columns, row, {"D": list(columns)}, {"n": {"count": "*"}}, tmp_path) as cube:
        lists: dict[str, tuple[object, list[Any]]] = {
            "m": (1.1, [1.104, 10**30, *range(100, 130)]),
            "f": (0.5, [x + 0.1 for x in range(30)]),
            "z": ("2024-02-29T12:00:00Z", [f"2024-01-{day:02}T00:00:00Z" for day in range(1, 31)]),
            "d": ("2024-02-29", [f"2024-01-{day:02}" for day in range(1, 31)]),
        }
        for level, (member, others) in lists.items():
            assert ask(cube, measures=["n"], where={level: [*others, member, None]}) == [(1,)], level
            assert ask(cube, measures=["n"], where={level: [*others, None]}) == [(0,)], level
            assert ask(cube, measures=["n"], where={level: {"not": others}}) == [(1,)], level
            assert ask(cube, measures=["n"], where={level: {"not": [*others, member]}}) == [(0,)], level


def test_a_level_that_cannot_be_computed_is_not_blamed_on_a_measure(tmp_path: Path) -> None:
    dimensions = {"X": {"levels": {"number": "cast(x as integer)"}}}
    measures = {"n": {"count": "*"}, "s": {"sum": "cast(x as integer)"}}
    with opened({"x": "varchar"}, "1\na\n", dimensions, measures, tmp_path) as cube:
        with pytest.raises(QueryError, match="levels: a level cannot be computed"):
            ask(cube, measures=["n"], levels=["number"])
        with pytest.raises(MeasureOverflowError, match="measure 's' cannot be computed"):
            ask(cube, measures=["n", "s"])


def test_an_empty_list_keeps_nothing_and_not_of_it_everything(tmp_path: Path) -> None:
    with opened({"x": "smallint"}, "1\n2\n", {"X": ["x"]}, {"n": {"count": "*"}}, tmp_path) as cube:
        assert ask(cube, measures=["n"], where={"x": []}) == [(0,)]
        assert ask(cube, measures=["n"], where={"x": {"not": []}}) == [(2,)]
        assert ask(cube, measures=["n"], where={"X": {"path": []}}) == [(0,)]


def test_every_type_of_member_can_be_asked_for(tmp_path: Path) -> None:
    """As JSON writes it: decimals as numbers or text, dates and times as ISO 8601, instants in any zone."""
    columns = {
        "d": "date", "t": "timestamp", "z": "timestamptz", "m": "decimal(9,2)", "f": "double", "b": "boolean",
        "c": "time", "u": "uuid", "h": "hugeint", "ns": "timestamp_ns", "s": "timestamp_s",
    }  # fmt: skip
    uuid = "6f1c3b0e-0000-4000-8000-000000000001"
    moment = "2024-02-29 12:00:00"
    row = f"2024-02-29,{moment},{moment}+00,1.10,0.5,true,12:30:00,{uuid},{2**100},{moment},{moment}\n"
    with opened(columns, row, {"D": list(columns)}, {"n": {"count": "*"}}, tmp_path) as cube:
        members: dict[str, list[object]] = {
            "d": ["2024-02-29", date(2024, 2, 29)], "t": ["2024-02-29T12:00:00"],
            "z": ["2024-02-29T12:00:00Z", "2024-02-29T13:00:00+01:00", datetime(2024, 2, 29, 12, tzinfo=UTC)],
            "m": [1.1, "1.10", Decimal("1.1")], "f": [0.5], "b": [True], "c": ["12:30:00"], "u": [uuid], "h": [2**100],
            "ns": ["2024-02-29T12:00:00"], "s": ["2024-02-29T12:00:00"],
        }  # fmt: skip
        for level, values in members.items():
            for value in values:
                assert ask(cube, measures=["n"], where={level: value}) == [(1,)], (level, value)
        answer = cube.query_sync(CubeQuery(measures=["n"], levels=list(columns)))
        assert answer.rows[0][2] == datetime(2024, 2, 29, 12, tzinfo=UTC)
        assert answer.rows[0][8] == Decimal(2**100)
        in_arrow = asyncio.run(cube.query_arrow(CubeQuery(measures=["n"], levels=list(columns))))
        assert arrow.to_table(in_arrow).schema.field("z").type.tz == "UTC"
        assert arrow.to_table(in_arrow).drop_columns(["u"]).equals(arrow.to_table(answer_without(answer, "u")))


def answer_without(answer: Any, name: str) -> Any:
    """A UUID is text in Arrow; the rest is compared as it is."""
    from app_framework.olap import CellSet

    kept = [i for i, column in enumerate(answer.columns) if column.name != name]
    return CellSet(
        answer.cube, [answer.columns[i] for i in kept], rows=[tuple(row[i] for i in kept) for row in answer.rows],
        grouping=answer.grouping, versions=answer.versions,
    )  # fmt: skip


SLICING = {"Day": {"levels": ["day"], "slicing": True}, "Kind": ["kind"]}
DAYS = "2024-01-02,a,1\n2024-01-01,a,10\n2024-01-01,b,20\n,b,100\n"


def test_a_slicing_hierarchy_that_is_not_named_is_fixed_at_its_first_member(tmp_path: Path) -> None:
    columns = {"day": "date", "kind": "varchar", "x": "bigint"}
    with opened(columns, DAYS, SLICING, {"s": {"sum": "x"}}, tmp_path) as cube:
        assert ask(cube, measures=["s"]) == [(30,)]
        assert ask(cube, measures=["s"], levels=["kind"], totals="grand") == [("a", 10), ("b", 20), (None, 30)]
        assert [row[1] for row in ask(cube, measures=["s"], levels=["day"])] == [30, 1, 100]
        assert ask(cube, measures=["s"], where={"day": "2024-01-02"}) == [(1,)]
        assert ask(cube, measures=["s"], where={"kind": "a"}) == [(10,)]


def test_a_slicing_hierarchy_may_say_its_default_and_refuses_totals(tmp_path: Path) -> None:
    columns = {"day": "date", "kind": "varchar", "x": "bigint"}
    dimensions = {**SLICING, "Day": {"levels": ["day"], "slicing": True, "default": "2024-01-02"}}
    with opened(columns, DAYS, dimensions, {"s": {"sum": "x"}}, tmp_path) as cube:
        assert ask(cube, measures=["s"]) == [(1,)]
        with pytest.raises(QueryError, match=r"totals: hierarchy Day\.Day is slicing"):
            ask(cube, measures=["s"], levels=["day"], totals="grand")


def test_an_answer_that_is_too_large_is_refused_in_both_forms(flights: Cube, database: Database) -> None:
    small = Cube(flights.model, database, rows_max=10)
    with pytest.raises(TooLargeError):
        small.query_sync(CubeQuery(measures=["flights"], levels=["month"]))
    with pytest.raises(TooLargeError):
        asyncio.run(small.query_arrow(CubeQuery(measures=["flights"], levels=["month"])))
    assert len(small.query_sync(CubeQuery(measures=["flights"], levels=["month"], limit=10))) == 10


def test_a_question_ends_at_its_timeout(flights: Cube) -> None:
    heavy = CubeQuery(measures=["planes", "median_arr_delay"], levels=["tailnum", "dest", "day"], timeout="1ms")
    with pytest.raises(QueryTimeoutError):
        asyncio.run(flights.query(heavy))
    assert flights.query_sync(CubeQuery(measures=["flights"])).rows == [(336_776,)]


def test_questions_beyond_the_queue_are_refused(tmp_path: Path) -> None:
    """The others are answered."""

    async def crowd(cube: Cube) -> list[object]:
        questions = [cube.query(CubeQuery(measures=["n"])) for _ in range(20)]
        return await asyncio.gather(*questions, return_exceptions=True)

    limits = DatabaseLimits(pool_size=1, queue_size=3)
    with Database.open(tables=[Table("t", columns={"x": "bigint"})], limits=limits) as database:
        cube = Cube.of(CubeDefinition.of("c", base="t", dimensions={}, measures={"n": {"count": "*"}}), database)
        answers = asyncio.run(crowd(cube))
    refused = [answer for answer in answers if isinstance(answer, OverloadedError)]
    assert 0 < len(refused) < 20
    assert all(isinstance(answer, OverloadedError) or answer.rows == [(0,)] for answer in answers)  # type: ignore[attr-defined]


def test_a_table_may_be_called_like_a_part_of_the_statement(tmp_path: Path) -> None:
    """Names of the model never meet the names that the SQL gives to its own steps."""
    columns = {"cells": "bigint", "kept": "bigint", "select": "bigint"}
    with Database.open(tables=[Table("cells", columns=columns)]) as database:
        definition = CubeDefinition.of(
            "c",
            base="cells",
            dimensions={"D": list(columns)},
            measures={"from": {"count": "*"}, "or": {"sum": "cells"}},
        )
        question = CubeQuery(measures=["from", "or"], levels=list(columns), totals="all", limit=3)
        assert Cube.of(definition, database).query_sync(question).rows == [(None, None, None, 0, None)]
