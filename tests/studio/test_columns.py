"""Levels and measures of every type as columns of a pivot: shown as a person reads them, filtered as they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app_framework.database import Database, Source, Table
from app_framework.olap import Cube, CubeDefinition
from app_framework.web.pivot.columns import PivotColumns
from tests.studio.shop import Browser

ROWS = """at,local,rate,flag,weight,city
2013-01-01T05:00:00Z,2013-01-01T05:00:00,1.50,true,0.5,Oslo
2013-01-01T06:30:00Z,2013-01-01T06:30:00,2.25,false,NaN,Oslo
2013-01-02T07:00:00Z,2013-01-02T07:00:00,1.50,,NaN,Rome
"""


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cube]:
    file = tmp_path_factory.mktemp("types") / "facts.csv"
    Path(file).write_text(ROWS)
    types = {"at": "timestamptz", "local": "timestamp", "rate": "decimal(4,2)", "flag": "boolean", "weight": "double"}
    database = Database.open(tables=[Table("facts", Source.of(csv=str(file)), columns=types)])
    definition = CubeDefinition.of(
        "facts",
        base="facts",
        dimensions={
            "Moment": ["at"],
            "Local": ["local"],
            "Rate": ["rate"],
            "Flag": ["flag"],
            "Weight": ["weight"],
            "Home": ["city"],
            "Away": {"hierarchies": {"Away": {"levels": {"city": "city"}}, "Far": {"levels": {"place": "city"}}}},
        },
        measures={"lines": {"count": "*"}, "last": {"max": "at"}, "best": {"max": "rate"}, "any": {"max": "flag"}},
    )
    yield Cube.of(definition, database)
    database.close()


@pytest.fixture
def browser(cube: Cube) -> Iterator[Browser]:
    browser = Browser(cube)
    yield browser
    browser.close()


def test_a_level_has_the_shortest_name_that_is_its_own(cube: Cube, browser: Browser) -> None:
    """Two are called city: each is named with its hierarchy, and a query takes the name."""
    columns = PivotColumns.of(cube.discovery())
    assert list(columns.levels) == ["at", "local", "rate", "flag", "weight", "Home.city", "Away.city", "place"]
    assert browser.rows(group_by=["Away.city"], columns=["lines"]) == [((), 3), (("Oslo",), 2), (("Rome",), 1)]


def test_arrays_are_left_out(cube: Cube) -> None:
    """They are no numbers to show."""
    lines, *others = cube.discovery()["measures"]  # type: ignore[misc]
    columns = PivotColumns.of({**cube.discovery(), "measures": [{**lines, "type": "double[]"}, *others]})
    assert [*columns.measures] == ["last", "best", "any"]


def test_members_of_every_type_are_shown(browser: Browser) -> None:
    """Decimals with their scale, moments as moments in UTC, the missing one last."""

    def members(level: str) -> list[object]:
        return [path[0] for (path,) in browser.rows(group_by=[level], columns=[], group_rollup_mode="flat")]

    first = datetime(2013, 1, 1, 5, tzinfo=UTC).timestamp() * 1000
    assert members("rate") == ["1.50", "2.25"]
    assert members("flag") == [False, True, None]
    assert members("at")[0] == members("local")[0] == first
    assert [str(member) for member in members("weight")] == ["0.5", "nan"]


def test_values_that_are_no_numbers_are_shown_too(browser: Browser) -> None:
    """The last moment, the best rate, whether any."""
    view = browser.view(columns=["last", "best", "any"])
    assert view.schema() == {"last": "datetime", "best": "float", "any": "boolean"}
    last = datetime(2013, 1, 2, 7, tzinfo=UTC).timestamp() * 1000
    assert list(view.to_json()[0].values()) == [last, 2.25, True]


@pytest.mark.parametrize(
    ("level", "operator", "value", "lines"),
    [
        ("at", ">=", "2013-01-01T06:00:00", 2),
        ("at", "<=", "2013-01-01T06:30:00.000Z", 2),
        ("local", ">=", "2013-01-01T06:00:00", 2),
        ("local", "==", "2013-01-02T07:00:00", 1),
        ("rate", "==", "1.5", 2),
        ("rate", ">=", "1.51", 1),
        ("flag", "==", "true", 1),
        ("flag", "!=", True, 2),
        ("flag", "is null", None, 1),
        ("weight", "==", "0.5", 1),
    ],
)
def test_a_filter_reads_its_value_as_the_type_of_the_level(
    browser: Browser, level: str, operator: str, value: object, lines: int
) -> None:
    """As the browser writes it: moments and numbers as texts."""
    assert browser.rows(columns=["lines"], filter=[[level, operator, value]]) == [(lines,)]
