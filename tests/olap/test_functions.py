"""Measures that a Python function computes from the columns of others: what it gets, what uses it, and how it fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database, Insert, ModelError, Table
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.database.changes import Condition, Delete
from app_framework.olap import (
    CellSet,
    Cube,
    CubeDefinition,
    CubeQuery,
    MeasureFunctionError,
    QueryTimeoutError,
    TooManyCellsError,
    arrow,
    build_cubes,
    read_model,
)  # fmt: skip
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.testing import Client, ContextRunner
from app_framework.testing.virtual_time import until
from app_framework.web.autoconfigure import WebAutoConfiguration
from tests.olap import oracle_calculations as oracle
from tests.olap.oracle import total, values

TABLE = Table("sales", columns={"shop": "varchar", "day": "date", "units": "integer", "price": "decimal(9,2)"})
DIMENSIONS = {"Shop": ["shop"], "Day": ["day"]}
SALES = [
    {"shop": "b", "day": "2025-01-01", "units": 4, "price": "1.50"},
    {"shop": "a", "day": "2025-01-01", "units": 6, "price": "2.00"},
    {"shop": "a", "day": "2025-01-02", "units": 1, "price": None},
    {"shop": None, "day": "2025-01-02", "units": None, "price": "3.00"},
]


def doubled(numbers: pa.Array) -> pa.Array:
    """Return numbers multiplied by two: the function most tests use."""
    return pc.multiply(numbers, 2)


def spread(prices: pa.Array, units: pa.Array) -> pa.Array:
    """Return a number of two columns."""
    return pc.subtract(pc.cast(prices, pa.float64()), pc.cast(units, pa.float64()))


def rest(numbers: pa.Array) -> pa.Array:
    """Return how much each is above the mean of all."""
    return pc.subtract(pc.cast(numbers, pa.float64()), pc.mean(numbers))


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database.open(tables=[TABLE]) as database:
        database.commit([Insert("sales", SALES)])
        yield database


def cube_of(database: Database, **measures: Mapping[str, Any]) -> Cube:
    known = {"units": {"sum": "units"}, "price": {"sum": "price"}, "rows": {"count": "*"}}
    definition = CubeDefinition.of("sales", base="sales", dimensions=DIMENSIONS, measures={**known, **measures})
    return Cube.of(definition, database)


def python(function: Callable[..., object] | str, *of: str, type: str = "double") -> dict[str, object]:  # noqa: A002
    return {"python": function, "of": [*of], "type": type}


def test_a_function_gets_a_column_of_each_measure_and_its_results_are_a_measure(database: Database) -> None:
    """In the order of the levels, in the types of answers; in a thread of the database's, not on the event loop."""
    seen: list[tuple[object, ...]] = []

    def watching(price: pa.Array, units: pa.Array) -> pa.Array:
        seen.append((price.to_pylist(), units.to_pylist(), price.type, threading.current_thread().name))
        return spread(price, units)

    cube = cube_of(database, spread=python(watching, "price", "units"))
    answer = asyncio.run(cube.query(CubeQuery(measures=["spread"], levels=["shop"])))
    assert answer.rows == [("a", -5.0), ("b", -2.5), (None, None)]
    ((prices, units, kind, thread),) = seen
    assert (prices, units) == ([Decimal("2.00"), Decimal("1.50"), Decimal("3.00")], [7, 4, None])
    assert kind == pa.decimal128(38, 2)
    assert str(thread).startswith("query")


def test_each_total_is_computed_for_itself(database: Database) -> None:
    """A function over all cells never mixes those of a total with the details that it adds up."""
    cube = cube_of(database, above=python(rest, "units"))
    answer = cube.query_sync(CubeQuery(measures=["above"], levels=["day", "shop"], totals="all"))
    details = answer.column("above")[:4]
    assert details == [pytest.approx(6 - 11 / 3), pytest.approx(4 - 11 / 3), pytest.approx(1 - 11 / 3), None]
    assert answer.column("above")[4:] == [4.5, -4.5, 0.0]


def test_order_and_limit_come_after_a_function(database: Database) -> None:
    cube = cube_of(database, twice=python(doubled, "units", type="bigint"))
    order = [{"by": "twice", "descending": True}]
    query = CubeQuery(measures=["twice"], levels=["shop"], order=order, limit=2, offset=1, totals="grand")
    answer = cube.query_sync(query)
    assert (answer.rows, answer.columns[1].type) == ([("b", 8), (None, None), (None, 22)], "int64")


def test_a_function_may_return_texts_arrays_and_what_becomes_one(database: Database) -> None:
    def words(units: pa.Array) -> list[str]:
        return [f"{number} units" for number in units.to_pylist()]

    def pairs(units: pa.Array) -> pa.Array:
        return pa.array([[number, 1] for number in units.to_pylist()])

    measures = {"words": python(words, "units", type="varchar"), "pairs": python(pairs, "units", type="double[]")}
    cube = cube_of(database, **measures, most={"array_max": "pairs"})
    answer = cube.query_sync(CubeQuery(measures=["words", "pairs", "most"], levels=["shop"], limit=1))
    assert answer.rows == [("a", "7 units", [7.0, 1.0], 7.0)]


def wrong_length(numbers: pa.Array) -> pa.Array:
    return numbers[:1]


def wrong_type(numbers: pa.Array) -> pa.Array:
    return pa.array(["5"] * len(numbers))


def too_large(numbers: pa.Array) -> list[float]:
    return [2.5] * len(numbers)


def scalar(numbers: pa.Array) -> object:
    return len(numbers)


def text(numbers: pa.Array) -> object:
    return "x" * len(numbers)


def objects(numbers: pa.Array) -> object:
    return [object() for _ in numbers]


def failing(numbers: pa.Array) -> object:
    raise LookupError(f"secret {numbers}")


BAD = {
    wrong_length: "returned 1 results for 3 cells",
    wrong_type: "returned string, not int64",
    too_large: "returned what is not int64: ",
    scalar: "returned int, not an array of 3 results",
    text: "returned str, not an array of 3 results",
    objects: "returned what is not int64: ",
    failing: "raised LookupError.",
}


@pytest.mark.parametrize("function", BAD, ids=lambda function: str(function.__name__))
def test_a_bad_result_is_an_error_that_names_measure_and_function(
    database: Database, function: Callable[..., object]
) -> None:
    """Whichever way it is asked for, also where something else is computed from it; nothing is left behind."""
    cube = cube_of(database, bad=python(function, "units", type="bigint"), worse={"rank": "bad", "hierarchy": "Shop"})
    for ask in (cube.query, cube.query_arrow, cube.query_stream, cube.explain):
        with pytest.raises(MeasureFunctionError) as caught:
            asyncio.run(ask(CubeQuery(measures=["rows", "worse"], levels=["shop"])))  # type: ignore[arg-type]
        told = f"measure 'bad' cannot be computed: function {__name__}:{function.__name__} {BAD[function]}"
        assert str(caught.value).startswith(told)
        assert "secret" not in str(caught.value)
    assert database.query("SELECT table_name FROM duckdb_tables() WHERE temporary") == []
    assert cube.query_sync(CubeQuery(measures=["rows"])).rows == [(4,)]


def test_an_overflow_beside_a_function_is_blamed_on_its_own_measure(database: Database) -> None:
    cube = cube_of(
        database, twice=python(doubled, "units", type="bigint"), big={"formula": "units * 9223372036854775807"}
    )
    with pytest.raises(Exception, match="measure 'big' cannot be computed"):
        cube.query_sync(CubeQuery(measures=["twice", "big"]))


def test_a_function_gets_no_more_cells_than_an_answer_may_have(database: Database) -> None:
    """With a limit as well: all of them are computed before it."""
    small = Cube(cube_of(database, twice=python(doubled, "units")).model, database, rows_max=2)
    with pytest.raises(TooManyCellsError, match=r"Measure 'twice' is computed in Python, for more than 2 cells"):
        small.query_sync(CubeQuery(measures=["twice"], levels=["shop"], limit=1))
    assert len(small.query_sync(CubeQuery(measures=["units"], levels=["shop"], limit=1))) == 1


def test_a_function_that_takes_too_long_is_late_for_its_client_only(database: Database) -> None:
    """The query ends in time; the thread when the function does, and then it answers the next one."""
    released = threading.Event()

    def waiting(numbers: pa.Array) -> pa.Array:
        assert released.wait(30)
        return numbers

    cube = cube_of(database, slow=python(waiting, "units"), twice=python(doubled, "units"))
    with pytest.raises(QueryTimeoutError):
        cube.query_sync(CubeQuery(measures=["slow"], timeout="1s"))
    released.set()
    asyncio.run(until(lambda: database.load[0] == 0))
    assert cube.query_sync(CubeQuery(measures=["slow", "twice"])).rows == [(11.0, 22.0)]


def test_several_queries_run_functions_side_by_side(database: Database) -> None:
    cube = cube_of(database, twice=python(doubled, "units"), four=python(doubled, "twice"))

    async def ask() -> list[CellSet]:
        queries = [CubeQuery(measures=["four"], levels=["shop"], limit=limit) for limit in (1, 2, 3, 1, 2, 3)]
        return list(await asyncio.gather(*(cube.query(query) for query in queries)))

    rows = [("a", 28.0), ("b", 16.0), (None, None)]
    assert [answer.rows for answer in asyncio.run(ask())] == [rows[:1], rows[:2], rows[:3]] * 2


def test_no_cells_need_no_function(database: Database) -> None:
    cube = cube_of(database, bad=python(failing, "units"))
    assert cube.query_sync(CubeQuery(measures=["bad"], levels=["shop"], where={"shop": "nowhere"})).rows == []


def test_another_function_is_another_model(database: Database) -> None:
    """Or a client would keep what the old one answered."""
    one, same, other = (cube_of(database, m=python(f, "units")) for f in (doubled, doubled, rest))
    assert one.fingerprint == same.fingerprint != other.fingerprint


WRONG = """
    {python: 'json:loads', of: [units]}; OPTION_REQUIRED x measure 'x' needs `type`: the name of a type: `double`.
    {python: 'json:loads', of: units, type: double}; INVALID_SHAPE x.of `of` is a list of measures.
    {python: loads, of: [units], type: double}; INVALID_SHAPE x.python `python` is the import path of a function
    {python: 'os; x', of: [units], type: double}; INVALID_SHAPE x.python `python` is the import path of a function
    {python: 'json:loadz', of: [units], type: double}; FUNCTION_MISSING x.python module 'json' has no 'loadz'. Did you
    {python: 'no_such:f', of: [units], type: double}; FUNCTION_MISSING x.python module 'no_such' cannot be imported:
    {python: 'math:pi', of: [units], type: double}; FUNCTION_MISSING x.python math:pi is float, no function.
    {python: 'json:loads', of: [unit], type: double}; UNKNOWN_MEASURE x.of[0] there is no measure 'unit'. Did you mean
    {python: 'json:loads', of: [x], type: double}; UNKNOWN_MEASURE x.of[0] the measures form a circle: x -> x.
    {python: 'json:loads', of: [units], type: duble}; UNKNOWN_TYPE x.type there is no type 'duble'. Did you mean
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_what_is_wrong_with_a_function_is_told_at_its_place(database: Database, line: str) -> None:
    written, _, told = line.strip().rpartition("; ")
    cube = {"dimensions": DIMENSIONS, "measures": {"units": {"sum": "units"}, "x": yaml.safe_load(written)}}
    model = read_model({"S": {"base": "sales", "cubes": {"m": cube}}}, {})
    with pytest.raises(ModelError) as caught:
        build_cubes(model.cubes, database, known=model.problems)
    (problem,) = caught.value.problems
    place = problem.where.removeprefix("schemas.S.cubes.m.measures.")
    assert f"{problem.code} {place} {problem.sentence}".startswith(told)


MEASURES: dict[str, Mapping[str, Any]] = {
    "units": {"sum": "units"},
    "price": {"sum": "price"},
    "spread": python(spread, "price", "units"),
    "twice": python(doubled, "units", type="bigint"),
    "four": python(doubled, "twice", type="bigint"),
    "mixed": {"formula": "four - coalesce(spread, 0)"},
    "place": {"rank": "four", "hierarchy": "Shop"},
    "part": {"share": "twice", "hierarchy": "Shop"},
    "early": {"filter": "twice", "where": {"day": {"to": "2025-01-01"}}},
    "running": {"cumulative": "twice", "level": "day"},
    "by_day": {"per": ["day"], "aggregate": "max", "of": "four"},
    "again": python(doubled, "by_day", type="bigint"),
    "at_a": {"at": "again", "members": {"shop": "a"}},
}
ROWS = st.lists(
    st.fixed_dictionaries({
        "shop": st.sampled_from(["a", "b", None]),
        "day": st.sampled_from(["2025-01-01", "2025-01-02", None]),
        "units": st.none() | st.integers(-9, 9),
        "price": st.none() | st.integers(-99, 99).map(lambda n: Decimal(n) / 100),
    }),
    max_size=9,
)  # fmt: skip


@pytest.fixture(scope="module")
def scratch() -> Iterator[Database]:
    """A database whose rows every example replaces."""
    with Database.open(tables=[TABLE]) as database:
        yield database


@settings(max_examples=20)
@given(
    ROWS,
    st.lists(st.sampled_from(["shop", "day"]), unique=True),
    st.lists(st.sampled_from(sorted(MEASURES)), min_size=1, max_size=4, unique=True),
    st.booleans(),
)
def test_functions_and_the_oracle_agree(
    scratch: Database, rows: list[dict[str, Any]], levels: list[str], measures: list[str], descending: bool
) -> None:
    """Over aggregates, calculations and each other; under formulas, windows, filters, finer cells, order and totals."""
    scratch.commit([Delete("sales", Condition("true")), Insert("sales", rows)])
    double = lambda of: oracle.formula(lambda number: None if number is None else 2 * number, of)  # noqa: E731
    calculating = oracle.CalculatingOracle(
        rows,
        {"shop": lambda row: row["shop"], "day": lambda row: row["day"]},
        {"Shop": ["shop"], "Day": ["day"]},
        {},
        calculations={
            "units": oracle.aggregated(lambda rows: total(values(rows, lambda row: row["units"]))),
            "price": oracle.aggregated(lambda rows: total(values(rows, lambda row: row["price"]))),
            "spread": oracle.formula(lambda a, b: None if None in (a, b) else float(a) - b, "price", "units"),
            "twice": double("units"),
            "four": double("twice"),
            "mixed": oracle.formula(lambda a, b: None if a is None else a - (b or 0.0), "four", "spread"),
            "place": oracle.rank("four", ["shop"]),
            "part": oracle.ancestor("twice", ["shop"], share=True),
            "early": oracle.filtered("twice", lambda row: row["day"] is not None and row["day"] <= "2025-01-01"),
            "running": oracle.cumulative("twice", ["day"], "day", total),
            "by_day": oracle.per("four", ["day"], lambda found: max(found, default=None)),
            "again": double("by_day"),
            "at_a": oracle.at("again", ["shop"], lambda row: row["shop"] == "a"),
        },
    )
    question: dict[str, Any] = {"measures": measures, "levels": levels, "totals": "all", "limit": 3}
    question["order"] = [{"by": measures[0], "descending": descending}]
    expected, grouping = calculating.answer(question)
    definition = CubeDefinition.of("sales", base="sales", dimensions=DIMENSIONS, measures=MEASURES)
    answer = Cube.of(definition, scratch).query_sync(CubeQuery(**question))
    assert answer.grouping == grouping
    assert [tuple(map(plain, row)) for row in answer.rows] == [tuple(map(plain, row)) for row in expected]


def plain(value: Any) -> Any:
    """Return a value as it is written: days as texts, doubles to nine digits."""
    if isinstance(value, float):
        return round(value, 9) + 0.0
    return value if isinstance(value, int | str | Decimal | None) else str(value)


MODULE = """
import pyarrow.compute as pc


class Scores:
    @staticmethod
    def score(units, price):
        return pc.add(pc.cast(price, "float64"), pc.cast(units, "float64"))


def broken(units):
    raise ValueError("what the data says")
"""
MODEL = """
database:
  tables: {sales: {columns: {shop: varchar, day: date, units: integer, price: "decimal(9,2)"}}}
schemas:
  Shop:
    base: sales
    cubes:
      sales:
        dimensions: {Shop: [shop]}
        measures:
          units: {sum: units}
          price: {sum: price}
          score: {python: "shop_scores:Scores.score", of: [units, price], type: double, format: "0.0", caption: Score}
          broken: {python: "shop_scores:broken", of: [units], type: double}
"""
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A running node whose cube names functions of a module of the application."""
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "shop_scores.py").write_text(MODULE)
    (folder / "application.yml").write_text(MODEL)
    auto = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration]
    runner = ContextRunner(auto).directory(folder).properties({"server.enabled": False})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        with runner.run() as context, Client(context) as client:
            client.post("/database/tables/sales/rows", json=SALES)
            yield client


def test_every_door_answers_what_python_computes(client: Client) -> None:
    query = {"measures": ["score"], "levels": ["shop"], "totals": "grand", "order": [{"by": "score"}]}
    told = client.post("/cubes/sales/query", json=query).json()
    assert told["rows"] == [["b", 5.5], ["a", 9.0], [None, None], [None, 17.5]]
    stream = client.post("/cubes/sales/query", json=query, headers={"Accept": ARROW})
    table = pa.ipc.open_stream(stream.content).read_all()
    assert [list(row.values()) for row in table.to_pylist()] == [
        [*row, bits] for row, bits in zip(told["rows"], told["grouping"], strict=True)
    ]
    assert table.schema.field("score").type == pa.float64()
    csv = client.post("/cubes/sales/query", json=query, headers={"Accept": "text/csv"}).text
    assert csv.splitlines()[1:3] == ["b,5.5,0", "a,9.0,0"]
    explained = client.post("/cubes/sales/explain", json=query).json()
    assert 'Compute score = python(shop_scores:Scores.score of ["units", "price"] type double)' in explained["plan"]
    assert explained["sql"].count(";\n\nWITH") == 1
    (score,) = [m for m in client.get("/cubes/sales").json()["measures"] if m["name"] == "score"]
    assert (score["kind"], score["type"], score["caption"], score["partial"]["form"]) == (
        "python", "double", "Score", "derived",
    )  # fmt: skip


def test_a_client_is_told_which_function_failed_and_nothing_of_the_data(client: Client) -> None:
    response = client.post("/cubes/sales/query", json={"measures": ["broken"]})
    told = response.json()
    assert (response.status_code, told["code"]) == (500, "INTERNAL")
    assert told["detail"] == "measure 'broken' cannot be computed: function shop_scores:broken raised ValueError."
    assert "Traceback" not in response.text
    assert "what the data says" not in response.text


def test_a_stream_of_python_is_cut_into_batches(database: Database) -> None:
    cube = cube_of(database, twice=python(doubled, "units"))
    stream = asyncio.run(cube.query_stream(CubeQuery(measures=["twice"], levels=["shop"], totals="grand")))
    table = pa.ipc.open_stream(b"".join(arrow.cell_pieces(stream))).read_all()
    assert table.to_pydict() == {
        "shop": ["a", "b", None, None],
        "twice": [14.0, 8.0, None, 22.0],
        "grouping": [0, 0, 0, 1],
    }
