"""Lookups, as of rates: found by the members of a cell, null where there is none, refused where there are several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database, DatabaseLimits, Insert, InvalidRowsError, ModelError, Table
from app_framework.database.changes import Condition, Delete
from app_framework.olap import Cube, CubeDefinition, CubeQuery, QueryError, build_cubes, read_model
from tests.olap import oracle_calculations as oracle
from tests.olap.oracle import total, values

TABLES = [
    Table("sales", columns={"shop": "varchar", "currency": "varchar", "day": "date", "amount": "decimal(9,2)"}),
    Table("rates", columns={"from": "varchar", "to": "varchar", "date": "date", "rate": "decimal(9,4)"}),
    Table("shops", columns={"id": "integer", "name": "varchar", "vector": "double[]"}, key="id"),
]
MEASURES: dict[str, Mapping[str, Any]] = {
    "amount": {"sum": "amount"},
    "rate": {"lookup": "rates.rate", "by": {"currency": "from", "day": "date"}, "where": {"to": "EUR"}},
    "eur": {"formula": "amount * rate"},
    "in_eur": {"per": ["currency", "day"], "aggregate": "sum", "of": "eur"},
    "known": {"per": ["currency", "day"], "aggregate": "count", "of": "rate"},
    "in_eur_or_as_it_is": {"per": ["currency", "day"], "aggregate": "sum", "of": "or_as_it_is"},
    "or_as_it_is": {"formula": "coalesce(eur, amount)"},
    "dollars": {"filter": "in_eur", "where": {"currency": "USD"}},
    "part": {"share": "in_eur", "hierarchy": "Shop"},
    "place": {"rank": "in_eur", "hierarchy": "Shop"},
}
DIMENSIONS = {"Shop": ["shop"], "Currency": ["currency"], "Day": ["day"]}
DEFINITION = CubeDefinition.of("sales", base="sales", dimensions=DIMENSIONS, measures=MEASURES)
SALES = [
    {"shop": "a", "currency": "USD", "day": "2025-01-01", "amount": "10"},
    {"shop": "a", "currency": "USD", "day": "2025-01-02", "amount": "20"},
    {"shop": "b", "currency": "CHF", "day": "2025-01-01", "amount": "5"},
    {"shop": "b", "currency": None, "day": "2025-01-01", "amount": "7"},
]
RATES = [
    {"from": "USD", "to": "EUR", "date": "2025-01-01", "rate": "0.9"},
    {"from": "USD", "to": "EUR", "date": "2025-01-02", "rate": "0.8"},
    {"from": "CHF", "to": "USD", "date": "2025-01-01", "rate": "1.1"},
]


@contextmanager
def opened() -> Iterator[Database]:
    with Database.open(tables=TABLES, limits=DatabaseLimits(versions_kept=5)) as database:
        database.commit([Insert("sales", SALES), Insert("rates", RATES)])
        yield database


@pytest.fixture
def database() -> Iterator[Database]:
    """Some sales in two currencies, of which one has no rate; a test may change them."""
    with opened() as database:
        yield database


@pytest.fixture(scope="module")
def still() -> Iterator[Database]:
    """The same, which nothing changes."""
    with opened() as database:
        yield database


def test_amounts_are_converted_per_currency_and_day_and_then_added_up(still: Database) -> None:
    """A rate that is missing is null, as everywhere; a formula says what shall be instead."""
    query = CubeQuery(measures=["amount", "in_eur", "known", "in_eur_or_as_it_is"], levels=["shop"], totals="grand")
    assert Cube.of(DEFINITION, still).query_sync(query).rows == [
        ("a", Decimal(30), Decimal(25), 2, Decimal(25)),
        ("b", Decimal(12), None, 0, Decimal(12)),
        (None, Decimal(42), Decimal(25), 2, Decimal(37)),
    ]


def test_a_lookup_is_null_where_the_cell_does_not_show_its_levels(still: Database) -> None:
    cube = Cube.of(DEFINITION, still)
    shown = cube.query_sync(CubeQuery(measures=["rate"], levels=["currency", "day"], totals="all"))
    assert [row[2] for row in shown.rows] == [None, Decimal("0.9000"), Decimal("0.8000"), *[None] * 5]
    assert cube.query_sync(CubeQuery(measures=["rate"], levels=["currency"])).column("rate") == [None] * 3
    assert cube.query_sync(CubeQuery(measures=["rate"])).rows == [(None,)]


def test_a_commit_that_would_give_a_cell_two_rates_is_refused(database: Database) -> None:
    """Also one that is not of the shop's own tables; what the lookup leaves out may be there as often as it likes."""
    Cube.of(DEFINITION, database)
    with pytest.raises(InvalidRowsError) as caught:
        database.commit([Insert("rates", [{**RATES[0], "rate": "1"}])])
    assert "a lookup of rates.rate needs at most one row for (from, date).\n" in str(caught.value)
    assert "(from, date) = (USD, 2025-01-01): 2 rows" in str(caught.value)
    database.commit([Insert("rates", [RATES[2], {**RATES[0], "from": None}, {**RATES[0], "from": None}])])


def test_a_model_over_rates_that_are_there_twice_is_refused(database: Database) -> None:
    database.commit([Insert("rates", [{**RATES[0], "rate": "1"}])])
    with pytest.raises(ModelError) as caught:
        Cube.of(DEFINITION, database)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("NOT_UNIQUE", "cubes.sales.measures.rate.lookup")
    assert "(from, date) = (USD, 2025-01-01): 2 rows" in problem.message


def test_what_no_promise_can_keep_is_an_error_that_names_the_measure(database: Database) -> None:
    """A branch is not master: two rates there are told when a cell needs one of them, and never added up."""
    cube = Cube.of(DEFINITION, database)
    database.create_branch("what-if").result()
    database.commit([Insert("rates", [{**RATES[0], "rate": "1"}])], branch="what-if")
    with pytest.raises(QueryError, match="measure 'in_eur' cannot be computed: table rates has several rows with"):
        cube.query_sync(CubeQuery(measures=["in_eur"], branch="what-if"))
    swiss = CubeQuery(measures=["known"], where={"currency": "CHF"}, branch="what-if")
    assert cube.query_sync(swiss).rows == [(0,)]


def test_an_older_version_has_its_own_rates(database: Database) -> None:
    cube = Cube.of(DEFINITION, database)
    before = database.version
    database.commit([Delete("rates", Condition("true")), Insert("rates", [{**RATES[0], "rate": "2"}])])
    assert cube.query_sync(CubeQuery(measures=["in_eur"])).rows == [(Decimal(20),)]
    assert cube.query_sync(CubeQuery(measures=["in_eur"], version=before)).rows == [(Decimal(25),)]


def test_a_plan_says_that_the_answer_depends_on_the_rates_too(still: Database) -> None:
    cube = Cube.of(DEFINITION, still)
    assert cube.plan(CubeQuery(measures=["part"], levels=["shop"])).tables == {"sales", "rates"}
    assert cube.plan(CubeQuery(measures=["amount"])).tables == {"sales"}
    rate = cube.model.measures["rate"]
    assert (rate.kind, rate.partial, rate.type.name) == ("lookup", "derived", "decimal(9,4)")
    assert rate.text == 'rates.rate by {"currency": "from", "day": "date"} where {"to": "EUR"}'


WRONG = """
    {lookup: rates.rate}; OPTION_REQUIRED x measure 'x' needs `by`: a mapping of levels to the columns
    {lookup: rates.rate, by: from}; INVALID_SHAPE x.by `by` is a mapping of levels to the columns
    {lookup: rate.rate, by: {currency: from}}; UNKNOWN_TABLE x.lookup there is no table 'rate'. Did you mean: rates?
    {lookup: rates.rat, by: {currency: from}}; UNKNOWN_COLUMN x.lookup table 'rates' has no column 'rat'. Did you
    {lookup: rates, by: {currency: from}}; COLUMN_REQUIRED x.lookup a lookup names a column: `rates.from`.
    {lookup: rates.rate, by: {curency: from}}; UNKNOWN_LEVEL x.by.curency cube 'm' has no level 'curency'. Did you mean
    {lookup: rates.rate, by: {currency: form}}; UNKNOWN_COLUMN x.by.currency table 'rates' has no column 'form'. Did
    {lookup: rates.rate, by: {currency: date}}; TYPE_MISMATCH x.by.currency level 'currency' is string and rates.date is
    {lookup: rates.rate, by: {currency: from}, where: {date: x}}; INVALID_MEMBER x.where.date 'x' is no value of date.
    {lookup: rates.rate, by: {currency: from}, where: {dat: x}}; UNKNOWN_COLUMN x.where.dat table 'rates' has no column
    {lookup: rates.rate, by: {currency: from}}; NOT_UNIQUE x.lookup a lookup of rates.rate needs at most one row
"""


@pytest.mark.parametrize("line", WRONG.strip().splitlines())
def test_what_is_wrong_with_a_lookup_is_told_at_its_place(still: Database, line: str) -> None:
    text, _, told = line.strip().partition("; ")
    cube = {"dimensions": DIMENSIONS, "measures": {"x": yaml.safe_load(text)}}
    model = read_model({"S": {"base": "sales", "cubes": {"m": cube}}}, {})
    with pytest.raises(ModelError) as caught:
        build_cubes(model.cubes, still, known=model.problems)
    (problem,) = caught.value.problems
    assert f"{problem.code} {problem.where.removeprefix('schemas.S.cubes.m.measures.')} {problem.sentence}".startswith(
        told
    )


def test_a_lookup_finds_values_of_any_type_by_a_key(database: Database) -> None:
    """Over a key no promise is needed; texts and arrays are found like numbers."""
    database.commit([Insert("shops", [{"id": 10, "name": "Ten", "vector": [1.0, 2.0]}])])
    by = {"amount": "id"}
    measures = {"name": {"lookup": "shops.name", "by": by}, "vector": {"lookup": "shops.vector", "by": by}}
    definition = CubeDefinition.of(
        "c", base="sales", dimensions={"Amount": ["amount"]}, measures={**measures, "n": {"array_length": "vector"}}
    )
    answer = Cube.of(definition, database).query_sync(CubeQuery(measures=["name", "vector", "n"], levels=["amount"]))
    assert answer.rows[2] == (Decimal("10.00"), "Ten", [1.0, 2.0], 2)
    assert answer.rows[0] == (Decimal("5.00"), None, None, None)


CURRENCIES = st.sampled_from(["USD", "CHF", "", None])
DAYS = st.sampled_from([date(2025, 1, 1), date(2025, 1, 2), None])
NUMBERS = st.integers(-999, 999)
SOLD = st.lists(
    st.fixed_dictionaries({
        "shop": st.sampled_from(["a", "b", None]), "currency": CURRENCIES, "day": DAYS,
        "amount": st.one_of(st.none(), NUMBERS.map(lambda n: Decimal(n) / 100)),
    }),
    max_size=10,
)  # fmt: skip
KNOWN = st.lists(
    st.fixed_dictionaries({
        "from": CURRENCIES, "to": st.sampled_from(["EUR", "USD"]), "date": DAYS,
        "rate": st.one_of(st.none(), NUMBERS.map(lambda n: Decimal(n) / 10000)),
    }),
    unique_by=lambda row: (row["from"], row["to"], row["date"]),
    max_size=8,
)  # fmt: skip
LEVELS = st.lists(st.sampled_from(["shop", "currency", "day"]), unique=True, max_size=3)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Database]:
    """A database whose rows every example replaces."""
    with Database.open(tables=TABLES) as database:
        yield database


@settings(max_examples=25)
@given(SOLD, KNOWN, LEVELS, st.lists(st.sampled_from(sorted(MEASURES)), min_size=1, max_size=4, unique=True))
def test_lookups_and_the_oracle_agree(
    scratch: Database, sold: list[dict[str, Any]], rates: list[dict[str, Any]], levels: list[str], measures: list[str]
) -> None:
    """Alone, within cells, over filters and windows; members, amounts and rates that are missing."""
    cleared = [Delete("sales", Condition("true")), Delete("rates", Condition("true"))]
    scratch.commit([*cleared, Insert("sales", sold), Insert("rates", rates)])
    multiply = oracle.formula(lambda a, b: None if None in (a, b) else a * b, "amount", "rate")
    finer = ["currency", "day"]
    calculating = oracle.CalculatingOracle(
        sold,
        {level: lambda row, level=level: row[level] for level in ("shop", "currency", "day")},
        {"Shop": ["shop"], "Currency": ["currency"], "Day": ["day"]},
        {},
        calculations={
            "amount": oracle.aggregated(lambda rows: total(values(rows, lambda row: row["amount"]))),
            "rate": oracle.lookup(
                rates, "rate", {"currency": "from", "day": "date"}, lambda row: bool(row["to"] == "EUR")
            ),
            "eur": multiply,
            "in_eur": oracle.per("eur", finer, total),
            "known": oracle.per("rate", finer, len),
            "in_eur_or_as_it_is": oracle.per("or_as_it_is", finer, total),
            "or_as_it_is": oracle.formula(lambda a, b: b if a is None else a, "eur", "amount"),
            "dollars": oracle.filtered("in_eur", lambda row: bool(row["currency"] == "USD")),
            "part": oracle.ancestor("in_eur", ["shop"], share=True),
            "place": oracle.rank("in_eur", ["shop"]),
        },
    )
    question = {"measures": measures, "levels": levels, "totals": "all"}
    expected, grouping = calculating.answer(question)
    answer = Cube.of(DEFINITION, scratch).query_sync(CubeQuery(**question))
    assert (answer.rows, answer.grouping) == (expected, grouping)
