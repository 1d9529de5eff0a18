"""Windows over cells by time instead of by members: what is near counts, whatever is missing between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database, Insert, ModelError, Table
from app_framework.database.changes import Condition, Delete
from app_framework.olap import Cube, CubeDefinition, CubeQuery, build_cubes, read_model
from app_framework.olap.period import TimeWindow
from tests.olap import oracle_calculations as oracle
from tests.olap.oracle import mean, total, values

TABLE = Table(
    "sales",
    columns={"shop": "varchar", "day": "date", "moment": "timestamptz", "n": "integer", "price": "decimal(9,2)"},
)
DIMENSIONS: dict[str, object] = {
    "Shop": ["shop"],
    "Time": {"levels": {"year": "year(day)", "month": "month(day)", "day": "day"}},
    "Clock": {"levels": {"hour": "hour(moment)", "moment": "moment"}},
}
MEASURES: dict[str, Mapping[str, Any]] = {
    "n": {"sum": "n"},
    "price": {"sum": "price"},
    "week": {"cumulative": "n", "level": "day", "window": "P7D"},
    "month_back": {"cumulative": "price", "level": "day", "window": "P1M", "aggregate": "avg"},
    "before": {"cumulative": "n", "level": "day", "window": ["-P3D", "-P1D"], "aggregate": "max"},
    "ahead": {"cumulative": "n", "level": "day", "window": [0, "P1M"], "aggregate": "count"},
    "in_year": {"cumulative": "n", "level": "day", "window": ["-P40D", 0], "partition": "year"},
    "ever": {"cumulative": "n", "level": "day", "window": [None, "P2D"], "aggregate": "min"},
    "others": {
        "siblings": "n",
        "hierarchy": "Time",
        "aggregate": "sum",
        "window": ["-P2D", "P2D"],
        "exclude_self": True,
    },
    "around": {"siblings": "price", "hierarchy": "Time", "aggregate": "count", "window": "P2D"},
}
DEFINITION = CubeDefinition.of("sales", base="sales", dimensions=DIMENSIONS, measures=MEASURES)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Database]:
    """A database whose rows every example replaces."""
    with Database.open(tables=[TABLE]) as database:
        yield database


def asked(database: Database, rows: list[dict[str, Any]], measures: Mapping[str, Any], **query: Any) -> list[Any]:
    """Return the rows of an answer over some sales."""
    database.commit([Delete("sales", Condition("true")), Insert("sales", rows)])
    known = {"n": {"sum": "n"}, **measures}
    definition = CubeDefinition.of("c", base="sales", dimensions=DIMENSIONS, measures=known)
    return Cube.of(definition, database).query_sync(CubeQuery(measures=[*measures], **query)).rows


def test_days_that_are_missing_have_their_place(scratch: Database) -> None:
    """Seven days end with the day itself, whatever the cells between; months above play no part."""
    days = ["2025-01-28", "2025-01-31", "2025-02-03", "2025-02-04", None]
    rows = [{"day": day, "n": 10**i} for i, day in enumerate(days)]
    told = asked(scratch, rows, {"week": MEASURES["week"]}, levels=["month", "day"], totals="grand")
    assert [row[2] for row in told] == [1, 11, 111, 1110, 10000, 11111]


def test_a_month_back_begins_after_the_same_day_of_the_last(scratch: Database) -> None:
    rows = [{"day": day, "n": 10**i} for i, day in enumerate(["2024-02-29", "2024-03-01", "2024-03-29", "2024-03-31"])]
    told = asked(scratch, rows, {"m": {"cumulative": "n", "level": "day", "window": "P1M"}}, levels=["day"])
    assert [row[1] for row in told] == [1, 11, 110, 1110]


def test_times_of_the_day_are_windows_too(scratch: Database) -> None:
    """Zones do not matter: days are those of UTC, hours are hours."""
    at = ["2025-03-30T00:30:00Z", "2025-03-30T02:30:00+02:00", "2025-03-30T02:30:00Z", "2025-03-30T04:30:01Z"]
    rows = [{"moment": moment, "n": 10**i} for i, moment in enumerate(at)]
    window = {"w": {"cumulative": "n", "level": "moment", "window": "PT2H"}}
    both = {"b": {"cumulative": "n", "level": "moment", "window": ["-PT2H", 0]}}
    assert [row[1] for row in asked(scratch, rows, window, levels=["moment"])] == [11, 100, 1000]
    assert [row[1] for row in asked(scratch, rows, both, levels=["moment"])] == [11, 111, 1000]


def test_a_cell_that_shows_no_time_has_only_itself(scratch: Database) -> None:
    rows = [{"day": f"2025-0{month}-01", "n": month} for month in (1, 2)]
    told = asked(scratch, rows, {name: MEASURES[name] for name in ("week", "others")}, levels=["year", "month"])
    assert [row[2:] for row in told] == [(1, None), (2, None)]


def test_two_ends_of_a_window_are_read_as_a_person_means_them() -> None:
    assert TimeWindow.read([None, "-P1D"]) is not None
    for wrong in ("-P7D", "7d", ["P1D", "-P1D"], [0, 0], ["P1D"], [1, "P1D"], [True, "P1D"], "", 7, ["P1X", 0]):
        assert TimeWindow.read(wrong) is None, wrong


WRONG = """
    {cumulative: n, level: month, window: P7D}; TYPE_MISMATCH x.level cumulative needs a level of dates or times; month
    {cumulative: n, level: day, window: PT7H}; TYPE_MISMATCH x.window level 'day' has days, and -PT7H is no number of
    {cumulative: n, level: day, window: 7d}; INVALID_SHAPE x.window `window` is two numbers of members, first and last
    {siblings: n, hierarchy: Shop, aggregate: sum, window: P7D}; TYPE_MISMATCH x.window siblings needs a level of dates
    {siblings: n, hierarchy: Time, aggregate: sum, window: [-1, 1]}; INVALID_SHAPE x.window `window` is a period of ISO
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_what_is_wrong_with_a_window_is_told_at_its_place(scratch: Database, line: str) -> None:
    written, _, told = line.strip().partition("; ")
    cube = {"dimensions": DIMENSIONS, "measures": {"n": {"sum": "n"}, "x": yaml.safe_load(written)}}
    model = read_model({"S": {"base": "sales", "cubes": {"m": cube}}}, {})
    with pytest.raises(ModelError) as caught:
        build_cubes(model.cubes, scratch, known=model.problems)
    (problem,) = caught.value.problems
    place = problem.where.removeprefix("schemas.S.cubes.m.measures.")
    assert f"{problem.code} {place} {problem.sentence}".startswith(told)


ROWS = st.lists(
    st.fixed_dictionaries({
        "shop": st.sampled_from(["a", None]),
        "day": st.none() | st.integers(0, 45).map(lambda days: date(2023, 12, 10) + timedelta(days)),
        "n": st.none() | st.integers(-9, 9),
        "price": st.none() | st.integers(-99, 99).map(lambda cents: Decimal(cents) / 100),
    }),
    max_size=14,
)  # fmt: skip


def days(first: int | None, last: int | None) -> Any:
    """Return whether a day is so near another."""
    return lambda mine, other: (
        (first is None or (other - mine).days >= first) and (last is None or (other - mine).days <= last)
    )


@settings(max_examples=25)
@given(
    ROWS,
    st.lists(st.sampled_from(["shop", "month", "year"]), unique=True),
    st.booleans(),
    st.lists(st.sampled_from(sorted(MEASURES)), min_size=1, max_size=4, unique=True),
)
def test_time_windows_and_the_oracle_agree(
    scratch: Database, rows: list[dict[str, Any]], above: list[str], dated: bool, measures: list[str]
) -> None:
    """Gaps, days and values that are missing, partitions, totals of every kind."""
    time = ["year", "month", "day"]
    levels = [*(["year"] if dated and "year" not in above else []), *above, *(["day"] if dated else [])]
    largest = lambda found: max(found, default=None)  # noqa: E731 - an aggregation
    calculating = oracle.CalculatingOracle(
        rows,
        {
            "shop": lambda row: row["shop"],
            "year": lambda row: row["day"] and row["day"].year,
            "month": lambda row: row["day"] and row["day"].month,
            "day": lambda row: row["day"],
        },
        {"Shop": ["shop"], "Time": time},
        {},
        calculations={
            "n": oracle.aggregated(lambda rows: total(values(rows, lambda row: row["n"]))),
            "price": oracle.aggregated(lambda rows: total(values(rows, lambda row: row["price"]))),
            "week": oracle.in_time("n", time, "day", total, days(-6, 0)),
            "month_back": oracle.in_time(
                "price", time, "day", mean, lambda mine, other: oracle.earlier(mine, 1, 0) < other <= mine
            ),
            "before": oracle.in_time("n", time, "day", largest, days(-3, -1)),
            "ahead": oracle.in_time(
                "n", time, "day", len, lambda mine, other: mine <= other <= oracle.earlier(mine, -1, 0)
            ),
            "in_year": oracle.in_time("n", time, "day", total, days(-40, 0), "year"),
            "ever": oracle.in_time("n", time, "day", lambda found: min(found, default=None), days(None, 2)),
            "others": oracle.in_time("n", time, "day", total, days(-2, 2), own=False),
            "around": oracle.in_time("price", time, "day", len, days(-1, 0)),
        },
    )
    question = {"measures": measures, "levels": levels, "totals": "all"}
    scratch.commit([Delete("sales", Condition("true")), Insert("sales", rows)])
    expected, grouping = calculating.answer(question)
    answer = Cube.of(DEFINITION, scratch).query_sync(CubeQuery(**question))
    assert answer.grouping == grouping
    assert [tuple(map(rounded, row)) for row in answer.rows] == [tuple(map(rounded, row)) for row in expected]


def rounded(value: Any) -> Any:
    return round(value, 9) + 0.0 if isinstance(value, float) else value
