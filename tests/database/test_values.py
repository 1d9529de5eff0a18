"""A value is kept as it was sent, or refused: nothing is cut, rounded or guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from app_framework.database import Database, Insert, InvalidRowsError, Table
from app_framework.database.datatype import DataType
from app_framework.database.values import ValueRefusedError, value_reader

at = datetime.fromisoformat
GOOD: list[tuple[str, object, object]] = [
    ("tinyint", -128, -128),
    ("bigint", 5.0, 5),
    ("hugeint", 2**100, 2**100),
    ("decimal(5,2)", "1.5", Decimal("1.50")),
    ("decimal(5,2)", Decimal("999.990"), Decimal("999.99")),
    ("decimal(5,2)", "0.1000000000000000000000000000000000000000", Decimal("0.10")),
    ("decimal(5,2)", Decimal("1E+2"), Decimal("100.00")),
    ("decimal(38,10)", "1234567890123456789012345678.0123456789", Decimal("1234567890123456789012345678.0123456789")),
    ("decimal(5,2)", 0.1, Decimal("0.10")),
    ("decimal(5,2)", Decimal("0E+10"), Decimal("0.00")),
    ("double", 2**53, 2.0**53),
    ("double", float("inf"), float("inf")),
    ("float", 0.5, 0.5),
    ("text", "a\0ü😀", "a\0ü😀"),
    ("text", "", ""),
    ("boolean", False, False),
    ("date", "0001-01-01", date(1, 1, 1)),
    ("time", "23:59:59.999999", time(23, 59, 59, 999999)),
    ("timestamp", "2025-01-01T00:00:00.000001", at("2025-01-01T00:00:00.000001")),
    ("timestamp", date(2025, 1, 1), at("2025-01-01")),
    ("uuid", "00000000-0000-0000-0000-00000000000A", UUID(int=10)),
    ("double[]", [1, None, 2.5], [1.0, None, 2.5]),
    ("bigint[]", [], []),
    ("decimal(38,2)[]", ["1.50", 2], [Decimal("1.50"), Decimal("2.00")]),
]
BAD: list[tuple[str, object]] = [
    ("tinyint", 128), ("uinteger", -1), ("bigint", "5"), ("bigint", True), ("bigint", 1.5), ("bigint", float("nan")),
    ("hugeint", 2**127), ("decimal(5,2)", 1000), ("decimal(5,2)", "0.001"), ("decimal(5,2)", "NaN"),
    ("decimal(38,10)", "1234567890123456789012345678.01234567891"), ("decimal(5,2)", "0.0010"),
    ("decimal(5,2)", Decimal("1E-9999999")), ("bigint", Decimal("1E+9999999")), ("decimal(5,2)", Decimal("1E+9999999")),
    ("decimal(5,2)", " 1"), ("decimal(5,2)", "1_0"), ("decimal(3,0)", "1e3"), ("double", 2**53 + 1),
    ("double", 10**400), ("double", Decimal("1e400")), ("float", 1e39), ("double", "1"), ("text", 1),
    ("text", "\ud800"), ("boolean", 1), ("boolean", "true"), ("date", "2025-02-29"), ("date", at("2025-01-01")),
    ("date", 20250101), ("time", "24:00:01"), ("timestamp", "2025-01-01T00:00:00Z"),
    ("timestamp", "2025-01-01T00:00:00.0000001"), ("timestamp_s", "2025-01-01T00:00:00.5"), ("uuid", "a"),
    ("varchar[]", ["a"]), ("integer[]", 1), ("integer[]", [1.5]), ("double[]", "[1]"), ("tinyint[]", [None, 128]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "sent", "kept"), GOOD)
def test_a_value_that_fits_comes_back_equal(kind: str, sent: object, kept: object) -> None:
    with Database.open(tables=[Table("t", columns={"x": kind})]) as database:
        database.commit([Insert("t", [{"x": sent}, {"x": None}])])
        assert database.query("SELECT x FROM t") == [(kept,), (None,)]


def test_an_instant_is_kept_as_utc() -> None:
    with Database.open(tables=[Table("t", columns={"x": "timestamptz"})]) as database:
        instants = ["2025-01-01T02:00:00+02:00", datetime(2025, 1, 1, tzinfo=UTC), "2025-01-01T00:00:00"]
        database.commit([Insert("t", [{"x": each} for each in instants])])
        assert database.query("SELECT DISTINCT CAST(x AS TIMESTAMP) FROM t") == [(at("2025-01-01"),)]


@pytest.mark.parametrize(("kind", "sent"), [*BAD, pytest.param("bigint", 10**5000, id="huge")])
def test_a_value_that_would_change_is_refused(kind: str, sent: object) -> None:
    with pytest.raises(ValueRefusedError):
        value_reader(DataType.of_engine(kind.upper()))(sent)


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [("int", "+7", 7), ("double", "1e3", 1000.0), ("double", "NaN", None), ("boolean", "TRUE", True),
     ("text", "07", "07"), ("decimal(4,1)", "-.5", Decimal("-0.5")), ("text", "", None), ("int", "", None)],
)  # fmt: skip
def test_texts_are_read_as_the_column_says(kind: str, text: str, kept: object) -> None:
    """As CSV has them; an empty one is null."""
    with Database.open(tables=[Table("t", columns={"x": kind})]) as database:
        database.commit([Insert("t", [{"x": text}], texts=True)])
        select = "nullif(x, 'nan')" if text == "NaN" else "x"
        assert database.query(f"SELECT {select} FROM t") == [(kept,)]


@pytest.mark.parametrize(("kind", "text"), [("int", "1.0"), ("int", " 1"), ("double", "1,5"), ("boolean", "yes")])
def test_a_text_that_is_no_value_is_refused(kind: str, text: str) -> None:
    with Database.open(tables=[Table("t", columns={"x": kind})]) as database, pytest.raises(InvalidRowsError):
        database.commit([Insert("t", [{"x": text}], texts=True)])
