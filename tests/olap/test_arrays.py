"""Array measures, as value-at-risk has them: loaded, committed, added up element by element, and read in a cell."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database, Insert, InvalidRowsError, ModelError, Table
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.database.changes import Condition, Delete
from app_framework.database.datatype import DataType
from app_framework.olap import (
    Cube,
    CubeDefinition,
    CubeQuery,
    Drillthrough,
    MeasureOverflowError,
    QueryError,
    build_cubes,
    read_model,
)  # fmt: skip
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import Client, ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration
from tests.olap import oracle_calculations as oracle
from tests.olap.oracle import (
    DifferentLengthsError,
    OracleCube,
    element_wise,
    mean,
    quantile,
    total,
    values,
    within,
)

COLUMNS = {"book": "varchar", "trade": "integer", "lots": "integer", "pnl": "double[]", "cash": "decimal(9,2)[]"}
MEASURES: dict[str, Mapping[str, Any]] = {
    "pnl": {"sum": "pnl"},
    "mean_pnl": {"avg": "pnl"},
    "cash": {"sum": "cash"},
    "lots": {"sum": "lots"},
    "risk": {"array_quantile": "pnl", "q": 0.25},
    "all": {"array_sum": "pnl"},
    "mean": {"array_avg": "cash"},
    "worst": {"array_min": "pnl"},
    "best": {"array_max": "cash"},
    "size": {"array_length": "pnl"},
    "last_day": {"array_element": "pnl", "position": -1},
    "times_lots": {"array_scale": "pnl", "by": "lots"},
    "booked": {"per": ["trade"], "aggregate": "sum", "of": "times_lots"},
    "booked_risk": {"formula": "array_quantile(booked, 0.5) - coalesce(worst, 0)"},
    "small": {"filter": "pnl", "where": {"trade": {"to": 2}}},
    "small_risk": {"filter": "risk", "where": {"trade": {"to": 2}}},
    "whole": {"total": "pnl", "hierarchy": "Book"},
}
DEFINITION = CubeDefinition.of(
    "risk", base="trades", dimensions={"Book": ["book"], "Trade": ["trade"]}, measures=MEASURES
)


def asked(rows: Sequence[Mapping[str, object]], query: CubeQuery, definition: CubeDefinition = DEFINITION) -> Any:
    """Return the rows of an answer over some trades."""
    with Database.open(tables=[Table("trades", columns=COLUMNS)]) as database:
        database.commit([Insert("trades", rows)])
        return Cube.of(definition, database).query_sync(query).rows


@pytest.fixture(scope="module")
def trades() -> Iterator[Database]:
    """Three trades in two books."""
    rows = [
        {"book": "a", "trade": 1, "lots": 2, "pnl": [1.0, None, 4.5], "cash": ["1.50", 2, 0]},
        {"book": "a", "trade": 2, "lots": 1, "pnl": [2.0, 0.5, -1.0], "cash": None},
        {"book": "b", "trade": 3, "lots": 3, "pnl": None, "cash": []},
    ]
    with Database.open(tables=[Table("trades", columns=COLUMNS)]) as database:
        database.commit([Insert("trades", rows)])
        yield database


@pytest.fixture(scope="module")
def cube(trades: Database) -> Cube:
    """The cube over them."""
    return Cube.of(DEFINITION, trades)


def test_arrays_are_added_up_element_by_element(cube: Cube) -> None:
    """What is null, an array or an element of one, is left out; decimals stay exact."""
    query = CubeQuery(measures=["pnl", "mean_pnl", "size", "cash", "risk"], levels=["book"])
    assert cube.query_sync(query).rows == [
        ("a", [3.0, 0.5, 3.5], [1.5, 0.5, 1.75], 3, [Decimal("1.50"), Decimal("2.00"), Decimal("0.00")], 1.75),
        ("b", None, None, None, [], None),
    ]


def test_arrays_of_different_length_are_refused_with_the_measure_and_both_lengths(cube: Cube) -> None:
    """Each cell is right for itself; the total over them is where they meet."""
    assert len(cube.query_sync(CubeQuery(measures=["cash"], levels=["book"]))) == 2
    with pytest.raises(MeasureOverflowError, match="'cash' cannot be computed: arrays of 0 and 3 elements") as caught:
        cube.query_sync(CubeQuery(measures=["lots", "cash"], levels=["book"], totals="grand"))
    assert (caught.value.measure, caught.value.problems[0].field) == ("cash", "measures[1]")


def test_a_place_that_an_array_does_not_have_is_null() -> None:
    places = {"first": 1, "far": 9, "back": -9}
    measures = {name: {"array_element": "pnl", "position": place} for name, place in places.items()}
    definition = CubeDefinition.of("c", base="trades", dimensions={}, measures={"pnl": {"sum": "pnl"}, **measures})
    rows = [{"pnl": [7.0]}]
    assert asked(rows, CubeQuery(measures=["first", "far", "back"]), definition) == [(7.0, None, None)]


def test_whole_numbers_of_an_array_do_not_overflow_silently() -> None:
    columns = {"n": "bigint[]"}
    definition = CubeDefinition.of(
        "c", base="t", dimensions={}, measures={"n": {"sum": "n"}, "s": {"array_sum": "n"}, "m": {"array_max": "n"}}
    )
    with Database.open(tables=[Table("t", columns=columns)]) as database:
        database.commit([Insert("t", [{"n": [2**62, 1]}])])
        cube = Cube.of(definition, database)
        assert cube.query_sync(CubeQuery(measures=["n", "s", "m"])).rows == [([2**62, 1], 2**62 + 1, 2**62)]
        database.commit([Insert("t", [{"n": [2**62, 2**62]}])])
        with pytest.raises(MeasureOverflowError, match="'n' cannot be computed"):
            cube.query_sync(CubeQuery(measures=["n", "m"]))


WRONG = """
    x: {array_sum: lots}; TYPE_MISMATCH m.x.array_sum array_sum needs an array; lots is int64.
    x: {array_sum: pln}; UNKNOWN_MEASURE m.x.array_sum there is no measure 'pln'.
    x: {array_scale: pnl, by: lost}; UNKNOWN_MEASURE m.x.by there is no measure 'lost'.
    x: {array_scale: pnl, by: pnl}; TYPE_MISMATCH m.x.by an array is scaled by numbers; pnl is double[].
    x: {array_quantile: pnl}; OPTION_REQUIRED m.x measure 'x' needs `q`: a number from 0 to 1, such as 0.95.
    x: {array_quantile: pnl, q: 2}; INVALID_SHAPE m.x.q `q` is a number from 0 to 1, such as 0.95.
    x: {array_element: pnl, position: 0}; INVALID_SHAPE m.x.position `position` is a place: 1 is the first element
    x: {array_quantil: pnl, q: 0.1}; UNKNOWN_AGGREGATION m.x.array_quantil there is no aggregation 'array_quantil'.
    x: {rank: pnl, hierarchy: Book}; TYPE_MISMATCH m.x.rank rank compares values; pnl is double[].
    x: {max_member: pnl, level: book}; TYPE_MISMATCH m.x.max_member max_member compares values
    x: {siblings: pnl, hierarchy: Book, aggregate: sum}; TYPE_MISMATCH m.x.siblings cells are put together as numbers
    x: {cumulative: pnl, level: book}; TYPE_MISMATCH m.x.cumulative cells are put together as numbers
    x: {share: pnl, hierarchy: Book}; TYPE_MISMATCH m.x.share share needs numbers; pnl is double[].
    x: {max: pnl}; TYPE_MISMATCH m.x.max max needs values with an order; pnl is double[].
    x: {median: pnl}; TYPE_MISMATCH m.x.median median needs numbers; pnl is double[].
    x: {formula: pnl, format: '0.0'}; INVALID_FORMAT m.x.format only numbers, dates and times have a format
    x: {formula: 'array_quantile(pnl)'}; INVALID_EXPRESSION m.x.formula array_quantile takes array and q
    x: {formula: 'array_sum(pnl, 1)'}; INVALID_EXPRESSION m.x.formula array_sum takes array
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_what_an_array_cannot_be_is_told_at_its_place(trades: Database, line: str) -> None:
    text, _, told = line.strip().partition("; ")
    measures = {"pnl": {"sum": "pnl"}, "lots": {"sum": "lots"}, **yaml.safe_load(text)}
    model = read_model(
        {"S": {"base": "trades", "cubes": {"m": {"dimensions": {"Book": ["book"]}, "measures": measures}}}}, {}
    )
    with pytest.raises(ModelError) as caught:
        build_cubes(model.cubes, trades, known=model.problems)
    (problem,) = caught.value.problems
    place = problem.where.replace("schemas.S.cubes.m.measures.", "m.")
    assert f"{problem.code} {place} {problem.sentence}".startswith(told)


def test_an_array_is_no_level_and_no_order(trades: Database, cube: Cube) -> None:
    definition = CubeDefinition.of("c", base="trades", dimensions={"A": ["pnl"]}, measures={"n": {"count": "*"}})
    with pytest.raises(ModelError, match=r"cannot have members of type double\[\]; take a part of it"):
        Cube.of(definition, trades)
    with pytest.raises(QueryError, match=r"order\[0\].by: measure 'pnl' is an array; sort by a measure over it"):
        cube.plan(CubeQuery(measures=["pnl"], levels=["book"], order=[{"by": "pnl"}]))


def test_a_derived_cube_leaves_arrays_out(trades: Database) -> None:
    derived = Cube.of(CubeDefinition.derive("d", "trades"), trades)
    assert {*derived.model.measures} == {"count", "trade.sum", "trade.avg", "lots.sum", "lots.avg"}
    assert [level.name for level in derived.model.levels] == ["book"]


def test_rows_with_arrays_are_drilled_to(cube: Cube) -> None:
    with cube.drillthrough_sync(Drillthrough({"trade": 1}, columns=["pnl", "cash"])) as rows:
        assert [column.type for column in rows.columns] == ["double[]", "decimal(9,2)[]"]
        assert [*rows] == [([1.0, None, 4.5], [Decimal("1.50"), Decimal("2.00"), Decimal("0.00")])]
    with cube.drillthrough_sync(Drillthrough({"trade": 1}, columns=["pnl"])) as rows:
        assert "".join(rows.csv_pieces()).splitlines() == ["pnl", '"[1.0, null, 4.5]"']


NUMBERS = st.one_of(st.none(), st.integers(-8, 8).map(lambda n: n / 4))
CASH = st.one_of(st.none(), st.integers(-500, 500).map(lambda n: Decimal(n) / 100))


def arrays(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return arrays that are mostly of one length, for most cells shall have an answer."""
    usual = st.lists(elements, min_size=3, max_size=3)
    return st.one_of(st.none(), usual, usual, usual, st.lists(elements, max_size=2))


TRADES = st.lists(
    st.fixed_dictionaries({
        "book": st.sampled_from(["a", "b", None]), "trade": st.integers(1, 3), "lots": st.none() | st.integers(-3, 3),
        "pnl": arrays(NUMBERS), "cash": arrays(CASH),
    }),
    max_size=12,
)  # fmt: skip


def scaled(array: Sequence[Any] | None, by: int | None) -> list[Any] | None:
    return None if array is None else [None if None in (each, by) else each * by for each in array]


def calculating(rows: Sequence[Mapping[str, Any]]) -> OracleCube:
    """Return the same cube in plain Python."""

    def small(row: Mapping[str, Any]) -> bool:
        return bool(row["trade"] <= 2)

    return oracle.CalculatingOracle(
        rows,
        {"book": lambda row: row["book"], "trade": lambda row: row["trade"]},
        {"Book": ["book"], "Trade": ["trade"]},
        {},
        calculations={
            "pnl": oracle.aggregated(lambda rows: element_wise(total, values(rows, lambda row: row["pnl"]))),
            "mean_pnl": oracle.aggregated(lambda rows: element_wise(mean, values(rows, lambda row: row["pnl"]))),
            "cash": oracle.aggregated(lambda rows: element_wise(total, values(rows, lambda row: row["cash"]))),
            "lots": oracle.aggregated(lambda rows: total(values(rows, lambda row: row["lots"]))),
            "risk": oracle.formula(lambda pnl: within(lambda found: quantile(found, 0.25), pnl), "pnl"),
            "all": oracle.formula(lambda pnl: within(total, pnl), "pnl"),
            "mean": oracle.formula(lambda cash: within(mean, cash), "cash"),
            "worst": oracle.formula(lambda pnl: within(lambda found: min(found, default=None), pnl), "pnl"),
            "best": oracle.formula(lambda cash: within(lambda found: max(found, default=None), cash), "cash"),
            "size": oracle.formula(lambda pnl: None if pnl is None else len(pnl), "pnl"),
            "last_day": oracle.formula(lambda pnl: pnl[-1] if pnl else None, "pnl"),
            "times_lots": oracle.formula(scaled, "pnl", "lots"),
            "booked": oracle.per("times_lots", ["trade"], lambda found: element_wise(total, found)),
            "booked_risk": oracle.formula(
                lambda booked, worst: (
                    None
                    if (middle := within(lambda found: quantile(found, 0.5), booked)) is None
                    else middle - (worst or 0)
                ),
                "booked",
                "worst",
            ),
            "small": oracle.filtered("pnl", small),
            "small_risk": oracle.filtered("risk", small),
            "whole": oracle.ancestor("pnl", ["book"]),
        },
    )


@pytest.fixture(scope="module")
def scratch() -> Iterator[Database]:
    """A database whose trades every example replaces."""
    with Database.open(tables=[Table("trades", columns=COLUMNS)]) as database:
        yield database


@settings(max_examples=25)
@given(TRADES, st.lists(st.sampled_from(sorted(MEASURES)), min_size=1, max_size=4, unique=True), st.booleans())
def test_array_measures_and_the_oracle_agree(
    scratch: Database, trades: list[dict[str, Any]], measures: list[str], with_total: bool
) -> None:
    """Nulls, empty arrays, decimals and totals; where lengths differ in a cell, both refuse."""
    question = {"measures": measures, "levels": ["book"], "totals": "grand" if with_total else "none"}
    scratch.commit([Delete("trades", Condition("true")), Insert("trades", trades)])
    cube = Cube.of(DEFINITION, scratch)
    try:
        wanted, grouping = calculating(trades).answer(question)
    except DifferentLengthsError:
        with pytest.raises(MeasureOverflowError, match="elements cannot be put together"):
            cube.query_sync(CubeQuery(**question))
        return
    answer = cube.query_sync(CubeQuery(**question))
    assert (rounded(answer.rows), answer.grouping) == (rounded(wanted), grouping)


def rounded(value: Any) -> Any:
    """Return a value with doubles to nine digits."""
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return round(value, 9) + 0.0 if isinstance(value, float) else value


MODEL = """
database:
  tables:
    trades: {source: {parquet: trades.parquet}, columns: {lots: "bigint[]"}, key: trade}
schemas:
  Risk:
    base: trades
    cubes:
      risk:
        dimensions: {Trade: [trade]}
        measures: {pnl: {sum: pnl}, lots: {sum: lots}, var: {array_quantile: pnl, q: 0}, rows: {count: pnl}}
"""
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A running node whose rows have arrays."""
    folder: Path = tmp_path_factory.mktemp("risk")
    lots = pa.array([[1, 2], None], pa.list_(pa.int32()))
    pq.write_table(
        pa.table({"trade": [1, 2], "pnl": [[0.5, -1.0], [1.0, 2.0]], "lots": lots}), folder / "trades.parquet"
    )
    (folder / "application.yml").write_text(MODEL)
    auto = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration]
    runner = ContextRunner(auto).directory(folder).properties({"server.enabled": False})
    with runner.run() as context, Client(context) as client:
        yield client


def test_arrays_come_in_and_go_out_by_every_door(client: Client) -> None:
    """Parquet, JSON, CSV and Arrow in; JSON, CSV, Arrow, explain and discovery out."""
    door, query = "/database/tables/trades/rows", {"measures": ["pnl", "lots", "var", "rows"], "levels": ["trade"]}
    assert client.post(door, json=[{"trade": 3, "pnl": [1, None], "lots": [3, 4]}]).status_code == 200
    csv = 'trade,pnl,lots\n4,"[0.25, null]",\n'
    assert client.post(door, content=csv, headers={"Content-Type": "text/csv"}).status_code == 200
    sink = io.BytesIO()
    sent = pa.table(
        {"trade": [5], "pnl": pa.array([[8, 9]], pa.list_(pa.int8())), "lots": pa.array([[]], pa.list_(pa.null()))}
    )
    with pa.ipc.new_stream(sink, sent.schema) as writer:
        writer.write_table(sent)
    assert client.post(door, content=sink.getvalue(), headers={"Content-Type": ARROW}).status_code == 200

    told = client.post("/cubes/risk/query", json=query).json()
    assert [column["type"] for column in told["columns"]] == ["int64", "double[]", "int64[]", "double", "int64"]
    assert told["rows"] == [
        [1, [0.5, -1.0], [1, 2], -1.0, 1], [2, [1.0, 2.0], None, 1.0, 1], [3, [1.0, None], [3, 4], 1.0, 1],
        [4, [0.25, None], None, 0.25, 1], [5, [8.0, 9.0], [], 8.0, 1],
    ]  # fmt: skip
    stream = client.post("/cubes/risk/query", json=query, headers={"Accept": ARROW})
    table = pa.ipc.open_stream(stream.content).read_all()
    assert [list(row.values())[:-1] for row in table.to_pylist()] == told["rows"]
    assert table.schema.field("pnl").type == pa.list_(pa.float64())
    text = client.post("/cubes/risk/query", json=query, headers={"Accept": "text/csv"}).text.splitlines()
    assert text[3] == '3,"[1.0, null]","[3, 4]",1.0,1,0'
    assert "Compute var = array_quantile(pnl q 0)" in client.post("/cubes/risk/explain", json=query).json()["plan"]
    (var,) = [m for m in client.get("/cubes/risk").json()["measures"] if m["name"] == "var"]
    assert (var["kind"], var["type"], var["partial"]["form"]) == ("array_quantile", "double", "derived")


def test_elements_that_would_change_are_refused_with_row_and_column(client: Client) -> None:
    door = "/database/tables/trades/rows"
    told = client.post(door, json=[{"trade": 9, "pnl": [1, "x"], "lots": [1.5]}]).json()
    assert [(each["field"], each["detail"]) for each in told["errors"]] == [
        ("rows[0].pnl", "row 1, column 'pnl': element 2: 'x' is not a double."),
        ("rows[0].lots", "row 1, column 'lots': element 1: 1.5 is not an int64."),
    ]  # fmt: skip


def test_arrow_arrays_that_would_change_are_refused() -> None:
    with Database.open(tables=[Table("t", columns={"n": "bigint[]", "x": "float[]"})]) as database:
        with pytest.raises(InvalidRowsError, match=r"\[1\.5\] cannot be kept as int64\[\]"):
            database.commit([Insert("t", pa.table({"n": [[1.0], [1.5]]}))])
        with pytest.raises(InvalidRowsError, match=r"cannot be kept as float\[\]"):
            database.commit([Insert("t", pa.table({"x": [[1e300]]}))])
        database.commit([Insert("t", pa.table({"x": [[0.1, None], None]}))])
        assert database.query("SELECT CAST(x AS DOUBLE[])[2], len(x) FROM t") == [(None, 2), (None, None)]


def test_arrays_of_fixed_length_are_arrays_too() -> None:
    """As polars and numpy send them."""
    fixed = pa.array([[1.5, 2.5], None], pa.list_(pa.float32(), 2))
    with Database.open(tables=[Table("t", columns={"x": "double[]"})]) as database:
        database.commit([Insert("t", pa.table({"x": fixed}))])
        assert database.query("SELECT x FROM t ORDER BY x") == [([1.5, 2.5],), (None,)]
    kind = DataType.of_engine("FLOAT[3]")
    assert (kind.name, kind.family, kind.element.name, kind.answered.name) == ("float[3]", "array", "float", "float[]")
    assert [DataType.of_engine(name).family for name in ("VARCHAR[2]", "DOUBLE[][]", "BLOB")] == ["other"] * 3
