"""A tile answers as the tables do: the same rows in the same order, with the same types, or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Condition, Database, Delete, Insert, Table
from app_framework.olap import CellSet, Cube, CubeDefinition, CubeQuery
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.plan import QueryPlan
from app_framework.olap.sql import write_sql
from app_framework.olap.tiles import Tile, build_tile
from tests.olap.test_cube_oracle import WORDS, close, maybe

COLUMNS = {
    "facts": {
        "city": "varchar", "word": "varchar", "flag": "boolean", "day": "date", "at": "timestamp",
        "seen": "timestamptz", "small": "smallint", "big": "bigint", "price": "decimal(12,2)", "rate": "decimal(5,1)",
        "weight": "double", "plan": "integer", "kind": "varchar",
    },
    "cities": {"code": "varchar", "country": "varchar"},
}  # fmt: skip
CUBE = CubeDefinition.of(
    "sales",
    base="facts",
    dimensions={
        "City": [{"country": "target.country"}, "city"],
        "Word": {"levels": {"word": {"column": "word", "order": ["b", "", "a"]}}},
        "Flag": ["flag"],
        "Day": {"levels": {"month": "month(day)", "day": {"column": "day", "order": {"descending": True}}}},
        "Time": {"hierarchies": {"At": ["at"], "Seen": ["seen"]}},
        "Size": {"levels": {"small": {"column": "small", "order": {"by": "nullif(abs(small) % 3, 0)"}}}},
        "Price": ["rate"],
        "Big": {"levels": {"tens": "big % 1000"}},
        "Weight": ["weight"],
        "Plan": {"levels": ["plan"], "slicing": True},
        "Kind": {"levels": ["kind"], "slicing": True, "default": "b"},
    },
    measures={
        "rows": {"count": "*"},
        "words": {"count": "word"},
        "big_sum": {"sum": "big"},
        "price_sum": {"sum": "price"},
        "weight_sum": {"sum": "weight"},
        "flags": {"sum": "flag"},
        "value": {"sum": "price * small"},
        "price_avg": {"avg": "price"},
        "big_avg": {"avg": "big"},
        "weight_avg": {"avg": "weight"},
        "big_min": {"min": "big"},
        "small_max": {"max": "small"},
        "price_max": {"max": "price"},
        "weight_min": {"min": "weight"},
        "flag_max": {"max": "flag"},
        "day_max": {"max": "day"},
        "at_min": {"min": "at"},
        "seen_max": {"max": "seen"},
        "turnover": {"sum_product": ["price", "small"]},
        "squares": {"square_sum": "small"},
        "long_price": {"long": "price"},
        "short_big": {"short": "big"},
        "one_small": {"single_value": "small"},
        "word_max": {"max": "word"},
        "shops": {"count_distinct": "city"},
        "running": {"cumulative": "rows", "level": "day"},
        "mean_price": {"formula": "price_sum / rows"},
        "twice": {"formula": "2 * mean_price"},
        "nine": {"formula": "9"},
        "half_words": {"formula": "rows - words"},
        "percent": {"formula": "100.0 * (rows - words) / words"},
        "margin": {"formula": "1.125 * price_sum - value"},
        "above": {"formula": "price_sum > 100.5 * rows and not big_min is null"},
        "either": {"formula": "coalesce(weight_sum, rows)"},
        "signed": {"formula": "case when half_words >= 2 then price_sum when flags = 1 then -1.5 else -rows end"},
        "wide": {"formula": "small_max * 1000"},
        "root": {"formula": "sqrt(rows)"},
        "dear": {"formula": "value * 1000000000000000"},
    },
)  # fmt: skip
STORED = [m.name for m in CUBE.measures if m.name not in ("word_max", "shops", "running", "root", "dear")]
EXACT = [name for name in STORED if not name.startswith(("weight", "either"))]
"""What can be sorted by; of floating sums that differ in the last digit two engines make two orders."""

LEVELS = ["country", "city", "word", "flag", "month", "day", "at", "seen", "small", "rate", "plan", "kind"]
DAYS = st.dates(date(2024, 1, 30), date(2024, 3, 2))
SMALL = st.integers(-4, 4)
CODES = st.sampled_from(["p", "q", "r", "s"])
NOON = datetime(1969, 12, 31, 12, tzinfo=UTC).replace(tzinfo=None)
TIMES = st.integers(0, 24).map(lambda hours: NOON + timedelta(hours=hours))
WEIGHTS = st.one_of(st.sampled_from([0.0, -0.0, 0.0, -0.0, math.nan, math.inf, -math.inf]), st.floats(-1e6, 1e6))
ROWS = st.lists(
    st.fixed_dictionaries({
        "city": maybe(CODES), "word": maybe(WORDS), "flag": maybe(st.booleans()), "day": maybe(DAYS),
        "at": maybe(TIMES), "seen": maybe(TIMES.map(lambda time: time.replace(tzinfo=UTC))),
        "small": maybe(SMALL), "big": maybe(st.one_of(SMALL, st.integers(-(2**58), 2**58))),
        "price": maybe(st.decimals("-9999999999.99", "9999999999.99", places=2)),
        "rate": maybe(st.decimals("-9", "9", places=1)), "plan": st.sampled_from([1, 1, 1, 2, None]),
        "kind": st.sampled_from("bbba"), "weight": maybe(WEIGHTS),
    }),
    max_size=25,
)  # fmt: skip
CITIES = st.lists(st.fixed_dictionaries({"code": CODES, "country": maybe(WORDS)}), unique_by=lambda row: row["code"])
PATHS = st.one_of(st.tuples(maybe(WORDS)), st.tuples(maybe(WORDS), maybe(CODES))).map(list)
FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "country": st.one_of(maybe(WORDS), st.fixed_dictionaries({"prefix": WORDS})),
    "city": st.one_of(
        st.lists(maybe(CODES), max_size=3), st.fixed_dictionaries({"not": st.lists(maybe(CODES), max_size=3)})
    ),
    "City": st.fixed_dictionaries({"path": st.lists(PATHS, max_size=3)}),
    "word": st.one_of(
        maybe(WORDS), st.fixed_dictionaries({"from": WORDS}), st.fixed_dictionaries({"from": WORDS, "to": WORDS}),
        st.fixed_dictionaries({"prefix": WORDS}),
    ),
    "flag": maybe(st.booleans()),
    "month": st.one_of(st.just(2), st.fixed_dictionaries({"to": st.sampled_from([2, 2.0, 99**99])})),
    "day": st.one_of(st.fixed_dictionaries({"from": DAYS.map(str)}), maybe(DAYS.map(str))),
    "at": st.fixed_dictionaries({"from": TIMES.map(str)}),
    "seen": st.fixed_dictionaries({"to": TIMES.map(lambda time: f"{time}+02:00")}),
    "small": st.one_of(st.lists(maybe(st.sampled_from([0, 1, 2**40])), max_size=2), st.just({"not": [None]})),
    "rate": st.sampled_from([0.5, "0.55", 3, {"from": -1}, {"from": "2.25"}, {"not": [0, None]}]),
    "plan": st.sampled_from([1, [1, 2], None]),
    "kind": st.sampled_from(["a", "b", "c"]),
}  # fmt: skip


@st.composite
def tiled_questions(draw: st.DrawFn) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the levels of a tile, and questions about them."""
    levels = [*draw(st.lists(st.sampled_from(LEVELS[:-2]), max_size=3, unique=True)), "plan", "kind"]
    about = [name for name in FILTERS if name in levels or (name == "City" and {"country", "city"} <= {*levels})]
    asked = []
    for _ in range(draw(st.integers(1, 6))):
        named = draw(st.lists(st.sampled_from(levels), max_size=3, unique=True))
        measures = draw(st.lists(st.sampled_from(STORED), min_size=1, max_size=5, unique=True))
        sortable = [*named, *(measure for measure in measures if measure in EXACT)] or ["-"]
        order = st.fixed_dictionaries({"by": st.sampled_from(sortable), "descending": st.booleans()})
        asked.append({
            "measures": measures,
            "levels": named,
            "where": {name: draw(FILTERS[name]) for name in draw(st.lists(st.sampled_from(about), max_size=3))},
            "totals": "none" if {"plan", "kind"} & {*named} else draw(st.sampled_from(["none", "grand", "all"])),
            "order": draw(st.lists(order, max_size=0 if sortable == ["-"] else 2)),
            "limit": draw(maybe(st.integers(0, 5))),
            "offset": draw(st.integers(0, 2)),
        })  # fmt: skip
    return levels, asked


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    tables = [Table("facts", columns=COLUMNS["facts"]), Table("cities", columns=COLUMNS["cities"], key=["code"])]
    with Database.open(tables=tables, references=["facts.city -> cities.code as target"]) as opened:
        yield opened


@pytest.fixture(scope="module")
def cube(database: Database) -> Cube:
    return Cube.of(CUBE, database)


@settings(max_examples=25)
@given(ROWS, CITIES, tiled_questions())
def test_a_tile_and_the_tables_agree(
    database: Database,
    cube: Cube,
    rows: list[dict[str, Any]],
    cities: list[dict[str, Any]],
    asked: tuple[list[str], list[dict[str, Any]]],
) -> None:
    """Nulls, orders of members, unicode, decimals, times, slicing; filters, paths, totals, orders, limits, formulas."""
    fill(database, rows, cities)
    levels, questions = asked
    tile = tile_of(cube, database, levels)
    assert tile is not None
    for question in questions:
        query = CubeQuery.parse(question)
        mine, theirs = tile.answer(cube.plan(query)), cube.query_sync(query)
        assert mine is not None or wide_sums(query), question
        assert mine is None or same(mine, theirs), (question, mine, theirs)


def wide_sums(query: CubeQuery) -> bool:
    """Whether sums may come so near to the end of 64 bits that they are not stored, or not computed with."""
    return not {*query.measures} <= {"rows", "words", "half_words", "percent", "price_sum", "day_max", "flags", "nine"}


def test_a_tile_declines_what_it_cannot_answer_exactly(database: Database, cube: Cube) -> None:
    """Levels and measures that it has not, measures over other cells, functions that are the engine's."""
    fill(database, [{"city": "p", "small": 3, "day": date(2024, 2, 1)}])
    tile = tile_of(cube, database, ["city", "day", "plan", "kind"])
    assert tile is not None
    for measure in ("word_max", "shops", "running", "root"):
        assert tile.answer(cube.plan(CubeQuery(measures=[measure], levels=["day"]))) is None, measure
    assert tile.answer(cube.plan(CubeQuery(measures=["rows"], levels=["month"]))) is None
    assert tile.answer(cube.plan(CubeQuery(measures=["rows"], levels=["city"], where={"flag": True}))) is None
    several = CubeQuery(measures=["rows"], levels=["city"], where={"kind": [None, "b"]}, totals="grand")
    assert tile.answer(cube.plan(several), rows_max=1) is None


def test_sums_that_could_overflow_are_not_stored(database: Database, cube: Cube) -> None:
    """Added up in another order they could, and the engine adds in 128 bits."""
    fill(database, [{"city": "p", "big": 2**62, "kind": "b"}, {"city": "q", "big": -(2**62), "kind": "b"}])
    tile = tile_of(cube, database, ["city", "plan", "kind"])
    assert tile is not None
    assert tile.answer(cube.plan(CubeQuery(measures=["big_sum"]))) is None
    assert cube.query_sync(CubeQuery(measures=["big_sum"])).rows == [(0,)]
    assert tile.answer(cube.plan(CubeQuery(measures=["rows"]))) is not None


def test_levels_without_codes_and_too_many_cells_make_no_tile(database: Database, cube: Cube) -> None:
    fill(database, [{"city": city, "small": small, "weight": 0.5} for city in "pq" for small in range(5)])
    assert tile_of(cube, database, ["weight"]) is None
    assert tile_of(cube, database, ["city", "small"], cells_max=9) is None
    assert tile_of(cube, database, ["city", "small"], bytes_max=800) is None
    assert repr(tile_of(cube, database, ["city"])).startswith("<Tile of cube 'sales': City.City.city, 2 cells, ")


def test_a_long_answer_is_for_a_statement(database: Database, cube: Cube) -> None:
    """An event loop waits for an answer from a tile; its first rows it may have."""
    fill(database, [{"big": i % 80, "small": i // 80 - 40, "kind": "b"} for i in range(80 * 80)])
    tile = tile_of(cube, database, ["tens", "small", "plan", "kind"])
    assert tile is not None
    long = CubeQuery(measures=["rows"], levels=["tens", "small"])
    assert tile.answer(cube.plan(long)) is None
    first = CubeQuery(measures=["rows"], levels=["tens", "small"], order=[{"by": "small"}], limit=3, offset=1)
    answer = tile.answer(cube.plan(first))
    assert answer is not None
    assert same(answer, cube.query_sync(first))


def test_formulas_that_leave_64_bits_are_the_engines(database: Database, cube: Cube) -> None:
    fill(database, [{"price": 9_999_999_999, "small": 4, "kind": "b"}] * 3)
    tile = tile_of(cube, database, ["plan", "kind"])
    assert tile is not None
    plan = cube.plan(CubeQuery(measures=["dear"]))
    assert tile.answer(plan) is None
    assert cube.query_sync(CubeQuery(measures=["dear"])).rows == [(Decimal("119999999988000000000000000.00"),)]


def tile_of(cube: Cube, database: Database, levels: Sequence[str], **bounds: int) -> Tile | None:
    """Return the tile of some levels, with every measure that can be stored."""

    def read(plan: QueryPlan) -> Any:
        statement = write_sql(plan)
        return database.submit_job(lambda cursor: cursor.arrow(statement.text, statement.parameters)).result()

    model = cube.model
    measures = [m for m in model.measures.values() if isinstance(m, AggregateMeasure)]
    bounds = {"cells_max": 100_000, "bytes_max": 10_000_000, **bounds}
    return build_tile(model, [model.find_levels(name)[0] for name in levels], measures, read, **bounds)


def fill(database: Database, facts: Sequence[Mapping[str, Any]], cities: Sequence[Mapping[str, Any]] = ()) -> None:
    everything = Condition("true")
    database.commit([
        Delete("facts", everything), Delete("cities", everything), Insert("cities", cities), Insert("facts", facts),
    ])  # fmt: skip


def same(mine: CellSet, theirs: CellSet) -> bool:
    """Whether two answers are one: floating numbers to nine digits, all else exactly, types included."""
    return (
        mine.columns == theirs.columns
        and mine.grouping == theirs.grouping
        and len(mine) == len(theirs)
        and all(equal(a, b) for x, y in zip(mine.rows, theirs.rows, strict=True) for a, b in zip(x, y, strict=True))
    )


def equal(a: object, b: object) -> bool:
    both = isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)
    return both or close(a, b)
