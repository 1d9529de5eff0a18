"""A cube made of rows, for the tests of whoever models one."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from app_framework.boot import ConfigurationError
from app_framework.database import Database, Insert, InvalidRowsError, ModelError, Table
from app_framework.olap import CubeDefinition, QueryError
from app_framework.olap.errors import UnknownCubeError
from app_framework.testing import CubeTester, ResultMismatchError
from app_framework.testing.rows import MixedColumnError, column_types

ROWS: list[dict[str, object]] = [
    {"city": "Graz", "day": date(2024, 1, 1), "sold": 3, "price": Decimal("2.50")},
    {"city": "Wien", "day": date(2024, 1, 2), "sold": 4, "price": None},
    {"city": None, "day": date(2024, 1, 2), "sold": None, "price": Decimal(1)},
]


def test_rows_are_a_cube() -> None:
    """Text becomes levels, numbers sums and means; a missing member is one, too."""
    with CubeTester.of({"sales": ROWS}) as sales:
        assert sales.query(["sold.sum", "price.sum", "count"], ["city"]) == [
            ("Graz", 3, Decimal("2.50"), 1),
            ("Wien", 4, None, 1),
            (None, None, Decimal("1.00"), 1),
        ]
        assert sales.query(["count"], ["day"]).cell(day="2024-01-02") == 2
        assert sales.members("city", prefix="G") == ("Graz",)


def test_a_cube_may_be_declared_beside_what_is_derived() -> None:
    with CubeTester.of(
        {"sales": ROWS, "cities": [{"name": "Graz", "land": "St"}, {"name": "Wien", "land": "W"}]},
        cube="shop",
        base="sales",
        dimensions={"Land": ["cities.land"]},
        measures={"top": {"max": "price"}},
        keys={"cities": ["name"]},
        references=["sales.city -> cities.name"],
    ) as shop:
        assert shop.cube.name == "shop"
        assert shop.query(["top"], ["land"]).table == {"St": Decimal("2.50"), "W": None, None: Decimal("1.00")}


def test_nothing_is_derived_that_is_not_wanted() -> None:
    with CubeTester.of({"sales": ROWS}, measures={"n": {"count": "*"}}, derive=False) as sales:
        assert list(sales.cube.model.measures) == ["n"]
        assert sales.query(["n"]).value == 3


def test_a_refusal_is_the_products_own() -> None:
    """FA2: the spelling that was meant is in it."""
    with CubeTester.of({"sales": ROWS}) as sales:
        error = sales.error(["sold.sum"], ["citty"])
        assert isinstance(error, QueryError)
        assert error.problems[0].near[0] == "city"
        with pytest.raises(ResultMismatchError, match="was to be refused"):
            sales.error(["count"])


def test_commits_make_versions_and_branches() -> None:
    with CubeTester.of({"sales": ROWS}, node="a") as sales:
        before = sales.version
        added = sales.add("sales", [{"city": "Graz", "sold": 5}])
        assert sales.query(["sold.sum"], where={"city": "Graz"}).value == 8
        assert sales.query(["sold.sum"], where={"city": "Graz"}, version=before).value == 3
        assert sales.query(["count"]).versions == {"a": added.version}
        sales.create_branch("what-if")
        sales.delete("sales", {"city": ["Graz", None]}, branch="what-if")
        assert sales.query(["count"], branch="what-if").value == 1
        assert sales.query(["count"]).value == 4
        sales.fast_forward("what-if")
        assert sales.query(["count"]).value == 1
        assert sales.versions[-1] == sales.version


def test_measures_are_put_onto_a_fixed_model() -> None:
    """The rows are not loaded again; what is over them is built anew."""
    with CubeTester.of({"sales": ROWS}) as sales:
        more = sales.with_measures({"each": {"formula": '"sold.sum" / count'}, "count": {"count": "city"}})
        assert more.query(["each"]).value == 3.5
        sales.add("sales", [{"sold": 1}])
        assert more.query(["sold.sum"]).value == 8
        with pytest.raises(ModelError, match="nowhere"):
            sales.with_measures({"x": {"sum": "nowhere"}})


def test_rows_of_a_cell_are_drilled_into() -> None:
    with CubeTester.of({"sales": ROWS}) as sales:
        found = sales.drillthrough({"city": "Wien"}, ["sold", "day"])
        assert (found.columns, found.rows, found.count) == (("sold", "day"), [(4, date(2024, 1, 2))], 1)


YAML = """
database:
  tables:
    sales: {columns: {city: varchar, sold: bigint}}
schemas:
  Shop:
    base: sales
    cubes:
      shop: {dimensions: {City: [city]}, measures: {sold: {sum: sold}}}
      other: {dimensions: {City: [city]}, measures: {n: {count: "*"}}}
"""


def test_a_model_may_come_from_yaml(tmp_path: Path) -> None:
    with CubeTester.from_yaml(YAML, "shop") as shop:
        shop.add("sales", [{"city": "Graz", "sold": 2}])
        assert shop.query(["sold"], ["city"]) == [("Graz", 2)]
    (tmp_path / "sales.csv").write_text("city,sold\nWien,3\n")
    loaded = YAML.replace("{columns: {city: varchar, sold: bigint}}", "{source: {csv: sales.csv}}")
    (tmp_path / "application.yml").write_text(loaded)
    with CubeTester.from_yaml(tmp_path, "shop") as shop:
        assert shop.query(["sold"], ["city"]) == [("Wien", 3)]


def test_mistakes_in_yaml_are_told_as_a_start_tells_them() -> None:
    with pytest.raises(ConfigurationError, match="tabels"):
        CubeTester.from_yaml(YAML.replace("tables:", "tabels:"), "shop")
    with pytest.raises(UnknownCubeError, match="shop"):
        CubeTester.from_yaml(YAML, "shopp")


def test_a_database_that_is_there_can_be_asked() -> None:
    with Database.open(tables=[Table("t", columns={"x": "bigint"})], inline=True) as database:
        database.commit([Insert("t", [{"x": 2}])])
        with CubeTester.from_database(database, CubeDefinition.derive("t", "t")) as t:
            assert t.query(["x.sum"]).value == 2
        assert database.query("SELECT 1") == [(1,)]


def test_no_thread_is_begun() -> None:
    """AA12: what runs beside a test can make it depend on chance."""
    before = threading.active_count()
    with CubeTester.of({"sales": ROWS}) as sales:
        sales.add("sales", [{"city": "Graz"}])
        sales.query(["count"], ["city"], totals="all")
        sales.drillthrough()
        assert threading.active_count() == before


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], "bigint"),
        ([1, 2**70], "hugeint"),
        ([1, 2.5], "double"),
        ([Decimal("1.25"), Decimal(300), 7], "decimal(18,2)"),
        ([Decimal("1E+20"), Decimal("0.001")], "decimal(24,3)"),
        ([True, False], "boolean"),
        ([date(2024, 1, 1)], "date"),
        ([[1, 2], [2.5, None]], "double[]"),
        ([None], "varchar"),
    ],
)
def test_a_type_holds_all_values(values: list[object], kind: str) -> None:
    assert column_types([{"x": value} for value in values]) == {"x": kind}


def test_types_that_others_chose_are_kept_where_they_fit() -> None:
    known = {"x": "decimal(18,2)", "y": "double", "z": "bigint"}
    rows = [{"x": Decimal(1), "y": 3, "z": None}]
    assert column_types(rows, known=known) == known
    assert column_types([{"x": Decimal("0.001")}], known=known) == {"x": "decimal(18,3)"}


def test_values_that_go_together_in_no_column_are_refused() -> None:
    with pytest.raises(MixedColumnError, match="column 'x' holds bigint and varchar"):
        column_types([{"x": 1}, {"x": "one"}])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("hugeint", [2**100, None, -1]),
        ("double", [1, 2.5, float("inf"), None]),
        ("decimal(12,2)", [Decimal("1.5"), 3, None]),
        ("timestamptz", [datetime(2024, 1, 2, 3, tzinfo=UTC), None]),
        ("timestamp", [datetime(2024, 1, 2, 3, 4, 5, 6), date(2024, 1, 1)]),  # noqa: DTZ001 - without a zone
        ("uuid", [UUID(int=7), None]),
        ("double[]", [[1, 2.5, None], [], None]),
        ("varchar", ["", "\U0001f6e9", None]),
    ],
)
def test_rows_are_the_same_as_if_they_were_committed(kind: str, values: list[object]) -> None:
    """Filling a table that nobody has read is quicker; nothing else is different."""
    rows = [{"at": at, "x": value} for at, value in enumerate(values)]
    columns = {"t": {"at": "bigint", "x": kind}}
    measures = {"n": {"count": "*"}}
    filled = CubeTester.of({"t": rows}, columns=columns, measures=measures, derive=False)
    committed = CubeTester.of({"t": []}, columns=columns, measures=measures, derive=False)
    with filled, committed:
        committed.add("t", rows)
        assert filled.drillthrough(columns=["at", "x"]).rows == committed.drillthrough(columns=["at", "x"]).rows


@pytest.mark.parametrize("rows", [[{"x": "one"}], [{"y": 1}], [{"x": 1.5}]])
def test_rows_that_do_not_fit_are_refused_as_a_commit_refuses_them(rows: list[dict[str, object]]) -> None:
    with pytest.raises(InvalidRowsError):
        CubeTester.of({"t": rows}, columns={"t": {"x": "bigint"}} if "x" in rows[0] else {"t": {"y": "date"}})


def test_keys_are_looked_at() -> None:
    """The last row of a key is the one that counts, as with any commit; two in one commit are refused."""
    with pytest.raises(InvalidRowsError, match="key"):
        CubeTester.of({"t": [{"x": 1}, {"x": 1}]}, keys={"t": ["x"]})
