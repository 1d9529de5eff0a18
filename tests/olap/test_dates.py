"""Date hierarchies: levels from one column, with the types, captions and order that people expect."""

from __future__ import annotations

import calendar
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database, ModelError, Source, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from app_framework.olap.calendar import PARTS
from tests.olap.oracle import OracleCube, OracleMeasure
from tests.olap.test_cube_oracle import maybe

COLUMNS = {"day": "date", "at": "timestamp", "zoned": "timestamptz", "name": "varchar"}
ROWS = [
    {"day": "2024-12-30", "at": "2024-12-31T23:59:00", "zoned": "2024-12-31T23:59:00-02:00", "name": "a"},
    {"day": "2024-02-29", "at": "2024-02-29T00:00:00", "zoned": "2024-02-29T00:00:00+00:00", "name": "b"},
    {"day": None, "at": None, "zoned": None, "name": None},
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with opened(tmp_path_factory.mktemp("dates"), ROWS) as database:
        yield database


def opened(folder: Path, rows: list[dict[str, Any]]) -> Database:
    """Load the rows from a file; none at all are a table without one."""
    path = folder / "t.json"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return Database.open(tables=[Table("t", Source.of(json=path) if rows else None, columns=COLUMNS)])


def cube(database: Database, **dimensions: object) -> Cube:
    definition = CubeDefinition.of("c", base="t", dimensions=dimensions, measures={"rows": {"count": "*"}})
    return Cube.of(definition, database)


def members(asked: Cube, *levels: str, **question: object) -> list[tuple[object, ...]]:
    answer = asked.query_sync(CubeQuery.parse({"measures": ["rows"], "levels": list(levels), **question}))
    return [row[:-1] for row in answer.rows]


@pytest.mark.parametrize("column", ["day", "at", "zoned", "make_date(year(day), month(day), day(day))"])
def test_one_column_gives_year_quarter_month_and_day(database: Database, column: str) -> None:
    """Of a date, a timestamp, one with a zone, or an expression; the levels are numbers with captions."""
    levels = list(cube(database, Date={"date": column}).model.levels)
    assert [(level.full_name, level.type.name, level.caption) for level in levels] == [
        ("Date.Date.year", "int64", "Year"),
        ("Date.Date.quarter", "int64", "Quarter"),
        ("Date.Date.month", "int64", "Month"),
        ("Date.Date.day", "int64", "Day"),
    ]


def test_a_filter_on_a_year_finds_its_days(database: Database) -> None:
    """The levels are filtered, sorted and put under paths as all others are."""
    asked = cube(database, Date={"date": "day"})
    assert members(asked, "month", "day", where={"year": 2024}) == [(2, 29), (12, 30)]
    assert members(asked, "day", where={"Date": {"path": [[2024, 1]]}}) == [(29,)]
    assert members(asked, "year", "quarter", totals="none") == [(2024, 1), (2024, 4), (None, None)]


def test_a_zone_does_not_move_with_the_machine(database: Database) -> None:
    """The parts of a timestamp with a zone are those of UTC, as its answers are."""
    asked = cube(database, Date={"date": "zoned", "levels": ["year", "day", "hour", "minute"]})
    assert members(asked, "year", "day", "hour", "minute") == [(2024, 29, 0, 0), (2025, 1, 1, 59), (None,) * 4]


def test_weeks_are_those_of_iso_8601(database: Database) -> None:
    """The last days of a year may be in the first week of the next."""
    asked = cube(database, Date={"date": "day", "levels": ["week_year", "week", "weekday", "weekday_name"]})
    assert members(asked, "week_year", "week", "weekday", "weekday_name") == [
        (2024, 9, 4, "Thursday"), (2025, 1, 1, "Monday"), (None,) * 4,
    ]  # fmt: skip


def test_levels_may_be_renamed_and_described(database: Database) -> None:
    """A name of one's own maps to a part or an expression; caption and the rest are as of other levels."""
    levels = {
        "Jahr": "year",
        "Halbjahr": {"expression": "(month(day) + 5) // 6"},
        "Monat": {"part": "month_name", "caption": "Monatsname", "description": "d", "order": {"descending": True}},
    }
    hierarchies = {"Kalender": {"date": "day", "levels": levels, "folder": "f"}, "Weeks": {"date": "day"}}
    asked = cube(database, Datum={"hierarchies": hierarchies})
    year, half, month, *_ = asked.model.levels
    assert (year.caption, month.caption, month.description) == ("Year", "Monatsname", "d")
    assert half.expression.text == "(month(day) + 5) // 6"
    assert members(asked, "Monat") == [("February",), ("December",), (None,)]


MISTAKES: list[tuple[dict[str, object], str, str]] = [
    ({"date": "name"}, "date", "a date hierarchy needs a date or a timestamp; name is string"),
    ({"date": "dya"}, "date", "reaches no column 'dya'. Did you mean: day"),
    ({"date": 3}, "date", "`date` is a text"),
    ({"date": "day", "levels": ["year", "moth"]}, "levels[1]", "a date has no part 'moth'. Did you mean: month"),
    ({"date": "day", "levels": ["hour"]}, "levels[0]", "day is a date; only a timestamp has the part 'hour'"),
    ({"date": "day", "levels": {"y": "yaer"}}, "levels.y", "a date has no part 'yaer'"),
    ({"date": "day", "levels": {"y": {"column": "dya"}}}, "levels.y.column", "reaches no column 'dya'"),
    ({"date": "day", "levels": {"y": {"caption": "Y"}}}, "levels.y", "needs one of `part`, `column` and `expression`"),
    ({"date": "day", "levels": ["year", "year"]}, "levels[1]", "two levels called 'year'"),
    (
        {"levels": {"y": {"part": "year"}}},
        "levels.y.part",
        "only a hierarchy with `date` has levels that are parts of it",
    ),
]


@pytest.mark.parametrize(("dimension", "place", "told"), MISTAKES)
def test_what_is_no_date_is_told_once(database: Database, dimension: dict[str, object], place: str, told: str) -> None:
    """Each mistake is one problem at its place, not one for each level."""
    with pytest.raises(ModelError) as caught:
        cube(database, Date=dimension)
    (problem,) = caught.value.problems
    assert problem.where == f"cubes.c.dimensions.Date.{place}"
    assert told in problem.sentence


READ: dict[str, Callable[[datetime], object]] = {
    "year": lambda at: at.year,
    "quarter": lambda at: (at.month + 2) // 3,
    "month": lambda at: at.month,
    "month_name": lambda at: calendar.month_name[at.month],
    "week_year": lambda at: at.isocalendar().year,
    "week": lambda at: at.isocalendar().week,
    "weekday": lambda at: at.isoweekday(),
    "weekday_name": lambda at: calendar.day_name[at.weekday()],
    "day": lambda at: at.day,
    "day_of_year": lambda at: at.timetuple().tm_yday,
    "date": lambda at: at.date(),
    "hour": lambda at: at.hour,
    "minute": lambda at: at.minute,
}
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-9))])
MOMENTS = st.datetimes(datetime.fromisoformat("1600-01-01"), datetime.fromisoformat("2300-01-01"), timezones=ZONES)


@settings(max_examples=40)
@given(
    st.lists(maybe(MOMENTS), max_size=12), st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=4, unique=True)
)
def test_the_oracle_reads_the_same_parts(
    tmp_path_factory: pytest.TempPathFactory, moments: list[datetime | None], levels: list[str]
) -> None:
    """Python's own calendar over four hundred years of dates, timestamps and zones."""
    instants = [at and at.astimezone(UTC) for at in moments]
    rows: list[dict[str, Any]] = [
        {**dict.fromkeys(COLUMNS), "zoned": at and at.isoformat(), "at": at and at.replace(tzinfo=None).isoformat()}
        for at in instants
    ]
    orders = {
        name: [(lambda m, part=PARTS[name]: m and part.members.index(m), False)]
        for name in PARTS
        if PARTS[name].members
    }
    oracle = OracleCube(
        [{"at": at} for at in instants],
        {name: (lambda row, read=read: row["at"] and read(row["at"])) for name, read in READ.items()},
        {},
        {"rows": OracleMeasure(len)},
        orders,
    )
    question = {"measures": ["rows"], "levels": levels, "totals": "all"}
    with opened(tmp_path_factory.mktemp("moments"), rows) as database:
        for column in ("at", "zoned"):
            answer = cube(database, Date={"date": column, "levels": [*PARTS]}).query_sync(CubeQuery.parse(question))
            assert (answer.rows, answer.grouping) == oracle.answer(question)
