"""A cube of one line: what a table's columns become, and that what is declared beside them wins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database, ModelError, Source, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery, Manager
from tests.olap.oracle import OracleCube, OracleMeasure, mean, total, values
from tests.olap.test_cube_oracle import COLUMNS, FACTS, database, same
from tests.olap.test_olap_autoconfigure import RUNNER

SALES = {
    "id": "bigint", "customer": "integer", "region": "varchar", "paid": "boolean", "shipped": "date",
    "amount": "decimal(10,2)", "weight": "double",
}  # fmt: skip


def derived(columns: Mapping[str, str], key: str | tuple[str, ...] = (), **beside: Any) -> Cube:
    """Return the cube of a table of these columns, one of which refers to another table."""
    tables = [
        Table("sales", columns=columns, key=key),
        Table("customers", columns={"id": "integer", "name": "varchar"}),
    ]
    references = ["sales.customer -> customers.id"] if "customer" in columns else []
    with Database.open(tables=tables, references=references) as opened:
        return Cube.of(CubeDefinition.derive("sales", opened.tables["sales"], **beside), opened)


def levels(cube: Cube) -> list[str]:
    return [level.full_name for level in cube.model.levels]


def test_keys_and_text_become_levels_and_numbers_sums_and_means() -> None:
    """What leads to another table is a key as well."""
    cube = derived(SALES, key="id")
    assert levels(cube) == [
        "id.id.id", "customer.customer.customer", "region.region.region", "paid.paid.paid", "shipped.shipped.year",
        "shipped.shipped.quarter", "shipped.shipped.month", "shipped.shipped.day", "shipped.shipped.shipped",
    ]  # fmt: skip
    assert list(cube.model.measures) == ["count", "amount.sum", "amount.avg", "weight.sum", "weight.avg"]
    assert [level.caption for level in cube.model.levels][4:] == ["Year", "Quarter", "Month", "Day", None]


def test_what_can_neither_be_grouped_by_nor_added_up_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"name": "a", "tags": ["x", "y"], "at": {"x": 1}, "span": 2}', encoding="utf-8")
    with Database.open(tables=[Table("t", Source.of(json=path))]) as opened:
        cube = Cube.of(CubeDefinition.derive("t", "t"), opened)
    assert (levels(cube), list(cube.model.measures)) == (["name.name.name"], ["count", "span.sum", "span.avg"])


def test_one_line_of_yaml_is_a_cube() -> None:
    tables = "database: {tables: {sales: {columns: {region: varchar, amount: bigint}}}}\n"
    with RUNNER.yaml(tables + "schemas: {Sales: {base: sales, cubes: {sales: auto}}}\n").run() as context:
        answer = context[Manager].query_sync("sales", CubeQuery(measures=["count", "amount.sum"]))
        assert answer.rows == [(0, None)]


def test_what_is_declared_beside_wins() -> None:
    """A column that a level reads is not derived again; a measure of the same name takes the place of the derived."""
    cube = derived(
        SALES,
        dimensions={
            "Place": ["region"],
            "Time": {"date": "shipped"},
            "paid": {"levels": {"state": "case when paid then 1 end"}},
        },
        measures={"amount.avg": {"median": "amount"}, "mean": {"formula": '"amount.sum" / count'}},
    )
    assert levels(cube) == [
        "Place.Place.region", "Time.Time.year", "Time.Time.quarter", "Time.Time.month", "Time.Time.day",
        "paid.paid.state", "customer.customer.customer",
    ]  # fmt: skip
    kinds = {name: measure.kind for name, measure in cube.model.measures.items()}
    assert (kinds["amount.avg"], kinds["mean"], kinds["amount.sum"]) == ("median", "formula", "sum")


CLASHES: list[tuple[dict[str, str], dict[str, Any], list[str], list[str]]] = [
    (
        {"a": "date", "b": "timestamp"}, {},
        ["a_year", "a_quarter", "a_month", "a_day", "a", "b_year", "b_quarter", "b_month", "b_day", "b"], ["count"],
    ),
    ({"month": "varchar", "a": "date"}, {}, ["month", "year", "quarter", "a_month", "day", "a"], ["count"]),
    ({"day": "date"}, {}, ["year", "quarter", "month", "day_day", "day"], ["count"]),
    ({"count": "varchar"}, {}, ["sales_count"], ["count"]),
    ({"Count": "varchar"}, {}, ["sales_Count"], ["count"]),
    ({"grouping": "varchar"}, {}, ["sales_grouping"], ["count"]),
    ({"x": "bigint", "x.sum": "varchar"}, {}, ["sales_x.sum"], ["count", "x.sum", "x.avg"]),
    ({"a b": "varchar", "null": "bigint"}, {}, ["a b"], ["count", "null.sum", "null.avg"]),
    ({"at": "timestamp", "order": "varchar"}, {}, ["year", "quarter", "month", "day", "at", "order"], ["count"]),
    (
        {"a": "varchar"}, {"measures": {"a": {"count_distinct": "a"}}},
        ["sales_a"], ["a", "count"],
    ),
    (
        {"a": "varchar"}, {"dimensions": {"D": {"levels": {"count": "length(a)"}}}},
        ["count", "a"], ["sales.count"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "beside", "names", "measures"), CLASHES)
def test_every_derived_name_means_one_thing(
    columns: dict[str, str], beside: dict[str, Any], names: list[str], measures: list[str]
) -> None:
    """Each can be asked for by its name alone."""
    cube = derived(columns, **beside)
    assert [level.name for level in cube.model.levels] == names
    assert list(cube.model.measures) == measures
    assert cube.plan(CubeQuery(measures=measures, levels=names)).keys


def test_a_cube_of_another_word_is_refused() -> None:
    """Nothing but `auto` is short for a cube."""
    failure = RUNNER.yaml(
        "database: {tables: {sales: {columns: {region: varchar}}}}\n"
        "schemas: {Sales: {base: sales, cubes: {a: atuo, b: {auto: yes please}}}}\n"
    ).fails()
    assert "a cube is `auto`, or a mapping" in failure.description
    assert "`auto` is true or false" in failure.description


def test_what_is_wrong_beside_is_told() -> None:
    with pytest.raises(ModelError, match="there is no aggregation 'summ'"):
        CubeDefinition.derive("sales", "sales", measures={"x": {"summ": "amount"}})
    with pytest.raises(ModelError, match="there is no table 'slaes'"), Database.open() as opened:
        Cube.of(CubeDefinition.derive("sales", "slaes"), opened)


MEASURES = ["count", "small.sum", "big.avg", "price.sum", "weight.avg"]
LEVELS = ["shop", "from_city", "word", "flag", "year", "quarter", "month", "day_day", "day"]


@settings(max_examples=25)
@given(FACTS, st.lists(st.sampled_from(LEVELS), max_size=3, unique=True))
def test_the_oracle_answers_the_same(facts: list[dict[str, Any]], asked: list[str]) -> None:
    """The derived levels and measures over generated rows."""

    def part(read: Any) -> Any:
        return lambda row: row["day"] and read(row["day"])

    def over(compute: Any, column: str) -> OracleMeasure:
        return OracleMeasure(lambda rows: compute(values(rows, lambda row: row[column])))

    parts = {
        "year": part(lambda day: day.year),
        "quarter": part(lambda day: (day.month + 2) // 3),
        "month": part(lambda day: day.month),
        "day_day": part(lambda day: day.day),
    }
    oracle = OracleCube(
        facts,
        {**{name: (lambda row, name=name: row[name]) for name in COLUMNS["facts"]}, **parts},
        {},
        {
            "count": OracleMeasure(len),
            "small.sum": over(total, "small"),
            "big.avg": over(mean, "big"),
            "price.sum": over(total, "price"),
            "weight.avg": over(mean, "weight"),
        },
    )
    question = {"measures": MEASURES, "levels": asked, "totals": "all"}
    with database({"facts": facts, "shops": [], "regions": [], "cities": []}) as opened:
        answer = Cube.of(CubeDefinition.derive("sales", "facts"), opened).query_sync(CubeQuery.parse(question))
    rows, grouping = oracle.answer(question)
    assert answer.grouping == grouping
    assert all(map(same, answer.rows, rows))
