"""The aggregations of the measure language where it is easy to be wrong: ties, signs, one value, nothing, overflow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app_framework.database import Database, Source, Table
from app_framework.olap import AGGREGATIONS, Cube, CubeDefinition, CubeQuery, MeasureOverflowError


def answer(folder: Path, rows: str, columns: Mapping[str, str], **measures: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the one row of a cube over a few rows of CSV."""
    file = folder / "t.csv"
    file.write_text(f"{','.join(columns)}\n{rows}", encoding="utf-8")
    source = Source.of(csv=file) if rows else None
    with Database.open(tables=[Table("t", source, columns=columns)]) as database:
        cube = Cube.of(CubeDefinition.of("c", base="t", dimensions={}, measures=measures), database)
        return cube.query_sync(CubeQuery(measures=list(measures))).rows[0]


XT = {"x": "integer", "t": "integer"}


def test_of_rows_with_the_same_time_first_takes_the_least_value_and_last_the_largest(tmp_path: Path) -> None:
    """Else the answer would change from run to run."""
    rows = "5,1\n3,1\n9,2\n4,2\n,0\n7,\n"
    assert answer(tmp_path, rows, XT, a={"first": "x", "by": "t"}, b={"last": "x", "by": "t"}) == (3, 9)


def test_long_adds_what_is_above_zero_and_short_what_is_below(tmp_path: Path) -> None:
    """Nothing above zero makes 0, no value at all makes null."""
    both = {"a": {"long": "x"}, "b": {"short": "x"}}
    assert answer(tmp_path, "5,1\n-3,1\n,1\n2,2\n", XT, **both) == (7, -3)
    assert answer(tmp_path, "-3,1\n", XT, **both) == (0, -3)
    assert answer(tmp_path, ",1\n", XT, **both) == (None, None)


def test_a_single_value_is_there_only_while_all_are_equal(tmp_path: Path) -> None:
    one = {"a": {"single_value": "x"}}
    assert answer(tmp_path, "5,1\n,2\n5,3\n", XT, **one) == (5,)
    assert answer(tmp_path, "5,1\n6,2\n", XT, **one) == (None,)


def test_the_spread_of_fewer_than_two_values_is_null(tmp_path: Path) -> None:
    spread = {"a": {"variance": "x"}, "b": {"stddev": "x"}}
    assert answer(tmp_path, "5,1\n,1\n", XT, **spread) == (None, None)
    assert answer(tmp_path, "5,1\n7,1\n", XT, **spread) == (2.0, math.sqrt(2))


def test_the_spread_of_large_numbers_that_lie_close_together_is_right(tmp_path: Path) -> None:
    """Subtracting the square of the mean from the mean of the squares would give 0 here."""
    rows = "1000000000.25\n1000000000.5\n1000000000.75\n"
    assert answer(tmp_path, rows, {"x": "double"}, a={"variance": "x"}) == (0.0625,)


def test_a_quantile_lies_between_its_neighbours(tmp_path: Path) -> None:
    several = {f"q{q}": {"quantile": "x", "q": q} for q in (0, 0.25, 0.5, 1)}
    assert answer(tmp_path, "10,1\n20,1\n,1\n", XT, **several) == (10.0, 12.5, 15.0, 20.0)


def test_a_row_without_one_of_its_factors_counts_in_no_product(tmp_path: Path) -> None:
    assert answer(tmp_path, "2,3\n4,\n,5\n", XT, a={"sum_product": ["x", "t"]}, b={"square_sum": "x"}) == (6, 20)


def test_approximate_counts_of_a_few_are_exact(tmp_path: Path) -> None:
    rows = "".join(f"{n % 7},1\n" for n in range(50))
    assert answer(tmp_path, rows, XT, a={"approx_count_distinct": "x"}) == (7,)


@pytest.mark.parametrize("measure", [{"square_sum": "x"}, {"sum_product": ["x", "x"]}, {"long": "x"}])
def test_what_int64_cannot_hold_is_an_error_that_names_the_measure(tmp_path: Path, measure: Mapping[str, Any]) -> None:
    rows = f"{2**62}\n{2**62}\n"
    with pytest.raises(MeasureOverflowError, match="'much'"):
        answer(tmp_path, rows, {"x": "bigint"}, much=measure)


def test_without_rows_counts_are_0_and_everything_else_is_null(tmp_path: Path) -> None:
    """Every aggregation of the language."""
    columns = {"x": "integer"}
    measures: dict[str, Mapping[str, Any]] = {}
    for name, known in AGGREGATIONS.items():
        argument: object = ["x", "x"] if known.factors > 1 else "x"
        measures[name] = {name: argument, **dict.fromkeys(known.columns, "x"), **dict.fromkeys(known.fractions, 0.5)}
    for name, value in zip(measures, answer(tmp_path, "", columns, **measures), strict=True):
        assert value == (0 if "count" in name else None), name
