"""Answers in tests: what is asked of them, and how a difference reads."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from app_framework.olap.cellset import CellColumn, CellSet
from app_framework.testing import CubeResult, ResultMismatchError

CITY = CellColumn("city", "level", "string")
ZIP = CellColumn("city", "level", "int64")
SHOP = CellColumn("shop", "level", "string")
SOLD = CellColumn("sold", "measure", "int64")
PRICE = CellColumn("price", "measure", "double")


def result(
    *rows: tuple[object, ...], columns: tuple[CellColumn, ...] = (CITY, SOLD), grouping: list[int] | None = None
) -> CubeResult:
    return CubeResult(CellSet("shop", columns, rows=list(rows), grouping=grouping))


@pytest.fixture
def totals() -> CubeResult:
    rows: list[tuple[object, ...]] = [("Graz", "a", 3, 0.5), ("Graz", "b", None, 0.25), ("Wien", "a", 0, 1.0)]
    rows += [("Graz", None, 3, 0.75), ("Wien", None, 0, 1.0), (None, None, 3, 1.75)]
    return result(*rows, columns=(CITY, SHOP, SOLD, PRICE), grouping=[0, 0, 0, 2, 2, 3])


def test_a_number_is_found_by_its_coordinates(totals: CubeResult) -> None:
    """A level that is left out is rolled up."""
    assert totals.cell(city="Graz", shop="a", measure="sold") == 3
    assert totals.cell({"city": "Graz"}, measure="price") == 0.75
    assert totals.total("price") == 1.75


def test_nothing_is_not_a_zero(totals: CubeResult) -> None:
    assert totals.has_no_value(city="Graz", shop="b", measure="sold")
    assert not totals.has_no_value(city="Wien", shop="a", measure="sold")
    assert totals.has_no_value(city="Linz")


def test_a_table_has_the_details_and_row_totals_the_rest(totals: CubeResult) -> None:
    """Floating numbers are equal to nine digits, in tables too."""
    assert totals.table == {("Graz", "a"): (3, 0.1 + 0.4), ("Graz", "b"): (None, 0.25), ("Wien", "a"): (0, 1.0)}
    assert totals.row_totals == {"Graz": (3, 0.75), "Wien": (0, 1.0 + 1e-12)}


def test_a_single_number_is_the_value() -> None:
    assert result((7,), columns=(SOLD,)).value == 7
    with pytest.raises(ResultMismatchError, match="one row and one measure"):
        result(("Graz", 1), ("Wien", 2)).value


def test_a_date_may_be_written_as_text() -> None:
    day = CellColumn("day", "level", "date")
    assert result((date(2024, 1, 2), 5), columns=(day, SOLD)).cell(day="2024-01-02") == 5


def test_answers_are_equal_to_nine_digits_and_decimals_exactly() -> None:
    a, b = result(("Graz", 0.1 + 0.2), columns=(CITY, PRICE)), result(("Graz", 0.3), columns=(CITY, PRICE))
    assert a == b
    money = CellColumn("sold", "measure", "decimal(38,2)")
    assert result((Decimal("0.10"),), columns=(money,)) != result((Decimal("0.11"),), columns=(money,))


def test_rows_are_enough_to_compare_with() -> None:
    assert result(("Graz", 1), ("Wien", 2)) == [("Graz", 1), ("Wien", 2)]
    assert result(("Graz", 1), ("Wien", 2)) != [("Wien", 2), ("Graz", 1)]


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (result(("Graz", 1), ("Wien", 3)), "city='Wien': sold 2 | 3"),
        (result(("Graz", 1)), "only found: city='Wien' (sold 2)"),
        (result(("Graz", 1), ("Linz", 9), ("Wien", 2)), "only expected: city='Linz' (sold 9)"),
        (result(("Wien", 2), ("Graz", 1)), "order: row 0 is city='Graz' | city='Wien'"),
        (result(("Graz", 1), columns=(SHOP, SOLD)), "columns: city, sold | shop, sold"),
        (result((1, 1), columns=(ZIP, SOLD)), "column city: level string | level int64"),
        (result(("Graz", 1), ("Wien", 2), grouping=[0, 1]), "only expected: city=(all) (sold 2)"),
        ([("Graz", 1), ("Wien", 4)], "row 1: ('Wien', 2) | ('Wien', 4)"),
    ],
)  # fmt: skip
def test_a_difference_says_where(other: CubeResult, line: str) -> None:
    found = result(("Graz", 1), ("Wien", 2))
    assert line in found.difference(other)
    with pytest.raises(ResultMismatchError) as failed:
        found.assert_equals(other)
    assert line in str(failed.value)


def test_members_that_are_no_number_are_the_same_member() -> None:
    size = CellColumn("size", "level", "double")
    assert result((float("nan"), 1), columns=(size, SOLD)) == result((float("nan"), 1), columns=(size, SOLD))


def test_what_is_not_there_is_told_with_what_is(totals: CubeResult) -> None:
    with pytest.raises(ResultMismatchError, match="no level 'town'"):
        totals.cell(town="Graz")
    with pytest.raises(ResultMismatchError, match="no row with city='Linz' and shop rolled up"):
        totals.cell(city="Linz", measure="sold")
    with pytest.raises(ResultMismatchError, match="Name one with `measure=`"):
        totals.cell(city="Graz")
    with pytest.raises(ResultMismatchError, match="ask with totals"):
        result(("Graz", 1)).total()


def test_pytest_shows_the_difference(pytester: pytest.Pytester) -> None:
    """A failed `assert a == b` reads like a report; nothing is loaded for tests that compare something else."""
    pytester.makepyfile(
        """
        from app_framework.testing import CubeTester

        def test_sales():
            rows = {"sales": [{"city": "Graz", "sold": 3}, {"city": "Wien", "sold": 4}]}
            with CubeTester.of(rows) as sales:
                assert sales.query(["sold.sum"], ["city"]) == [("Graz", 3), ("Wien", 5)]

        def test_tables():
            with CubeTester.of({"sales": [{"city": "Graz", "sold": 3}]}) as sales:
                assert sales.query(["sold.sum"], ["city"]).table == {"Graz": 4}
        """
    )
    outcome = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    outcome.assert_outcomes(failed=2)
    outcome.stdout.fnmatch_lines(["*the answers differ (found | expected):*", "*row 1: ('Wien', 4) | ('Wien', 5)*"])
    outcome.stdout.fnmatch_lines(["*'Graz': 3 | 4*"])
