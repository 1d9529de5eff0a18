"""Formats: how people see numbers and dates in tables; for programs values stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_framework.database import Database, ModelError, Source, Table
from app_framework.database.datatype import DataType
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from app_framework.olap.format import FormatError, NumberFormat, read_format


@pytest.mark.parametrize(
    ("pattern", "value", "text"),
    [
        ("#,##0", 1234567, "1,234,567"), ("#,##0", -1234, "-1,234"), ("#,##0", 999, "999"), ("0", 0.5, "1"),
        ("0.00", Decimal("2.5"), "2.50"), ("0.00", 2.675, "2.68"), ("0.00", -0.001, "0.00"), ("0.##", 1.5, "1.5"),
        ("0.##", 2, "2"), ("#.##", 0.25, ".25"), ("#", 0, "0"), ("000", 7, "007"), ("0,000", 7, "0,007"),
        ("0.0%", 0.1234, "12.3%"), ("$ #,##0.00", 1e6, "$ 1,000,000.00"), ("0 min", 3, "3 min"),
        ("0.0#", 1.25, "1.25"), ("0", 2**63, "9223372036854775808"), ("0", 1e300, f"{10**300}"),
        ("0", float("nan"), None), ("0", float("-inf"), None), ("0", None, None), ("0", True, None), ("0", "x", None),
    ],
)  # fmt: skip
def test_a_number_is_written_by_its_pattern(pattern: str, value: object, text: str | None) -> None:
    assert NumberFormat.parse(pattern).write(value) == text


@given(st.integers(-(10**34), 10**34), st.integers(0, 4))
def test_as_whole_numbers_say(ten_thousandths: int, scale: int) -> None:
    """Rounding and grouping, worked out without decimals."""
    unit = 10 ** (4 - scale)
    whole, fraction = divmod((2 * abs(ten_thousandths) + unit) // (2 * unit), 10**scale)
    sign = "-" if ten_thousandths < 0 and (whole or fraction) else ""
    expected = f"{sign}{whole:,}" + (f".{fraction:0{scale}}" if scale else "")
    pattern = "#,##0" + ("." + "0" * scale if scale else "")
    assert NumberFormat.parse(pattern).write(Decimal(f"{ten_thousandths}e-4")) == expected


@pytest.mark.parametrize(
    ("pattern", "kind", "told"),
    [
        ("", "bigint", "is not a format of numbers"), ("abc", "double", "write one such as"),
        ("0.0.0", "double", "is not a format"), ("0#", "bigint", "is not a format"), ("yyyy", "date", "%d.%m.%Y"),
        ("0", "varchar", "only numbers, dates and times have a format"), ("0", "boolean", "this is boolean"),
    ],
)  # fmt: skip
def test_what_is_no_format_is_refused(pattern: str, kind: str, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        read_format(pattern, DataType.parse(kind))


def test_dates_and_times_are_written_as_strftime_does() -> None:
    write = read_format("%d.%m.%Y", DataType.parse("date"))
    assert (write(date(2024, 2, 29)), write(None)) == ("29.02.2024", None)
    assert read_format("%H:%M", DataType.parse("time"))(time(7, 5)) == "07:05"
    assert read_format("%H:%M", DataType.parse("timestamp"))(datetime.fromisoformat("2024-02-29T07:05")) == "07:05"


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cube]:
    path = tmp_path_factory.mktemp("sales") / "sales.csv"
    path.write_text("day,price\n2024-02-29,1234.5\n2024-03-01,\n,2\n", encoding="utf-8")
    definition = CubeDefinition.of(
        "sales",
        base="sales",
        dimensions={"Day": {"levels": {"day": {"column": "day", "format": "%d.%m.%Y"}}}},
        measures={"price": {"sum": "price", "format": "#,##0.00"}, "raw": {"sum": "price"}},
    )
    with Database.open(tables=[Table("sales", Source.of(csv=path), columns={"price": "decimal(9,2)"})]) as opened:
        yield Cube.of(definition, opened)


def test_a_table_shows_values_in_their_format(sales: Cube) -> None:
    """What is missing and what is rolled up have none."""
    answer = sales.query_sync(CubeQuery(measures=["price", "raw"], levels=["day"], totals="grand"))
    assert repr(answer).splitlines() == [
        "day            price      raw",
        "----------  --------  -------",
        "29.02.2024  1,234.50  1234.50",
        "01.03.2024       N/A      N/A",
        "N/A             2.00     2.00",
        "(all)       1,236.50  1236.50",
    ]


def test_programs_get_the_values_and_the_format_beside_them(sales: Cube) -> None:
    answer = sales.query_sync(CubeQuery(measures=["price", "raw"], levels=["day"]))
    assert answer.to_csv().splitlines()[1] == "2024-02-29,1234.50,1234.50,0"
    assert [column.to_dict().get("format", "no key") for column in answer.columns] == ["%d.%m.%Y", "#,##0.00", None]


def test_a_format_that_a_type_does_not_have_is_a_mistake_of_the_model(sales: Cube) -> None:
    with Database.open(tables=[Table("t", columns={"x": "bigint", "name": "varchar"})]) as opened:
        levels = {"name": {"column": "name", "format": "0"}}
        measures = {"n": {"count": "*", "format": "0;0"}, "f": {"formula": "n / 2", "format": "none"}}
        definition = CubeDefinition.of("c", base="t", dimensions={"D": {"levels": levels}}, measures=measures)
        with pytest.raises(ModelError) as caught:
            Cube.of(definition, opened)
    assert [problem.where for problem in caught.value.problems] == [
        "cubes.c.dimensions.D.levels.name.format",
        "cubes.c.measures.n.format",
        "cubes.c.measures.f.format",
    ]
