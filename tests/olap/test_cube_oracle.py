"""Every answer of the engine equals that of an independent one, over generated rows and questions."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.database import Database, Source, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery
from tests.olap.oracle import (
    OracleCube,
    OracleMeasure,
    deviation,
    mean,
    median,
    product,
    quantile,
    ratio,
    single,
    total,
    values,
    variance,
)

WORDS = st.sampled_from(["", "a", "A", "ab", "b", "é", "Ω", "\U0001f6e9", "\ufb01", "N/A", "z'\"z"])
COLUMNS: dict[str, dict[str, str]] = {
    "facts": {
        "shop": "integer", "from_city": "varchar", "to_city": "varchar", "word": "varchar", "flag": "boolean",
        "day": "date", "small": "smallint", "big": "bigint", "price": "decimal(12,2)", "weight": "double",
    },
    "shops": {"id": "bigint", "name": "varchar", "region": "integer"},
    "regions": {"id": "integer", "label": "varchar"},
    "cities": {"code": "varchar", "country": "varchar"},
}  # fmt: skip
REFERENCES = [
    "facts.shop -> shops.id",
    "shops.region -> regions.id",
    "facts.from_city -> cities.code as origin",
    "facts.to_city -> cities.code as target",
]
CUBE = CubeDefinition.of(
    "sales",
    base="facts",
    dimensions={
        "Shop": [{"region": "shops.regions.label"}, {"shop_name": "shops.name"}, "shop"],
        "Origin": [{"origin_country": "origin.country"}, "from_city"],
        "Target": [{"target_country": "target.country"}],
        "Word": ["word"],
        "Flag": ["flag"],
        "Day": {"levels": {"month": "month(day)", "day": "day"}},
        "Size": {"levels": {"small": "small", "tenfold": "small * 1000"}},
        "Price": ["price"],
    },
    measures={
        "rows": {"count": "*"},
        "words": {"count": "word"},
        "big_sum": {"sum": "big"},
        "price_sum": {"sum": "price"},
        "weight_sum": {"sum": "weight"},
        "area": {"sum": "small * small"},
        "value": {"sum": "price * small"},
        "price_avg": {"avg": "price"},
        "price_median": {"median": "price"},
        "big_min": {"min": "big"},
        "word_max": {"max": "word"},
        "day_max": {"max": "day"},
        "shops": {"count_distinct": "shop"},
        "prices": {"count_distinct": "price"},
        "countries": {"count_distinct": "target.country"},
        "small_variance": {"variance": "small"},
        "weight_deviation": {"stddev": "weight"},
        "weight_quantile": {"quantile": "weight", "q": 0.9},
        "months_product": {"product": "month(day)"},
        "turnover": {"sum_product": ["price", "small"]},
        "small_squares": {"square_sum": "small"},
        "long_price": {"long": "price"},
        "short_big": {"short": "big"},
        "one_word": {"single_value": "word"},
        "first_word": {"first": "word", "by": "day"},
        "last_price": {"last": "price", "by": "target.country"},
        "mean_price": {"formula": "price_sum / rows"},
        "twice": {"formula": "2 * mean_price"},
        "half_words": {"formula": "rows - words"},
        "share": {"formula": "value / area"},
    },
)


FILLER = [f"w{i}" for i in range(25)]
"""So many members that a filter binds them as one array."""


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


KEYS = st.integers(0, 4)
CODES = st.sampled_from(["p", "q", "r", "s"])
DAYS = st.dates(date(2024, 1, 30), date(2024, 3, 2))
PRICES = st.decimals("-9999999999.99", "9999999999.99", places=2, allow_nan=False)
FACTS = st.lists(
    st.fixed_dictionaries({
        "shop": maybe(KEYS), "from_city": maybe(CODES), "to_city": maybe(CODES), "word": maybe(WORDS),
        "flag": maybe(st.booleans()), "day": maybe(DAYS), "small": maybe(st.integers(-32768, 32767)),
        "big": maybe(st.integers(-(2**58), 2**58)), "price": maybe(st.one_of(PRICES, st.just(Decimal("0.00")))),
        "weight": maybe(st.one_of(st.sampled_from([0.0, -0.0]), st.floats(-1e6, 1e6))),
    }),
    max_size=30,
)  # fmt: skip
SHOPS = st.lists(
    st.fixed_dictionaries({"id": KEYS, "name": maybe(WORDS), "region": maybe(KEYS)}), unique_by=lambda r: r["id"]
)
REGIONS = st.lists(st.fixed_dictionaries({"id": KEYS, "label": maybe(WORDS)}), unique_by=lambda r: r["id"])
CITIES = st.lists(st.fixed_dictionaries({"code": CODES, "country": maybe(WORDS)}), unique_by=lambda r: r["code"])

LEVELS = [
    "region", "shop_name", "shop", "origin_country", "from_city", "target_country", "word", "flag", "month", "day",
    "small", "tenfold", "price",
]  # fmt: skip
MEASURES = [measure.name for measure in CUBE.measures]
SORTABLE = ["rows", "big_sum", "price_sum", "area", "word_max", "day_max", "shops"]
PATHS = st.one_of(st.tuples(maybe(WORDS)), st.tuples(maybe(WORDS), maybe(WORDS))).map(list)
FILTERS = st.fixed_dictionaries({}, optional={
    "word": st.one_of(
        maybe(WORDS), st.lists(maybe(WORDS), max_size=3), st.lists(maybe(WORDS), max_size=3).map(FILLER.__add__),
        st.fixed_dictionaries({"not": st.lists(maybe(WORDS), max_size=3).map(FILLER.__add__)}),
        st.fixed_dictionaries({"not": st.lists(maybe(WORDS), max_size=3)}),
        st.fixed_dictionaries({"prefix": WORDS}), st.fixed_dictionaries({"from": WORDS}),
    ),
    "shop": st.one_of(maybe(KEYS), st.lists(maybe(st.one_of(KEYS, st.just(2**40))), max_size=3)),
    "region": st.one_of(maybe(WORDS), st.fixed_dictionaries({"not": st.lists(maybe(WORDS), max_size=2)})),
    "target_country": maybe(WORDS),
    "flag": maybe(st.booleans()),
    "small": st.fixed_dictionaries({"from": st.integers(-40000, 0), "to": st.integers(0, 2**130)}),
    "day": st.fixed_dictionaries({}, optional={"from": DAYS.map(str), "to": DAYS.map(str)}).filter(bool),
    "Shop": st.one_of(
        st.fixed_dictionaries({"path": st.lists(PATHS, max_size=2)}),
        st.fixed_dictionaries({"path": st.lists(PATHS, max_size=2).map([[w, "a"] for w in FILLER].__add__)}),
    ),
})  # fmt: skip


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    levels = draw(st.lists(st.sampled_from(LEVELS), max_size=3, unique=True))
    measures = draw(st.lists(st.sampled_from(MEASURES), min_size=1, max_size=4, unique=True))
    sortable = [*levels, *(measure for measure in measures if measure in SORTABLE)]
    order = st.fixed_dictionaries({"by": st.sampled_from(sortable or ["-"]), "descending": st.booleans()})
    return {
        "measures": measures,
        "levels": levels,
        "where": draw(FILTERS),
        "totals": draw(st.sampled_from(["none", "grand", "all"])),
        "order": draw(st.lists(order, max_size=2 if sortable else 0)),
        "limit": draw(maybe(st.integers(0, 5))),
        "offset": draw(st.integers(0, 3)),
    }


@settings(max_examples=60)
@given(FACTS, SHOPS, REGIONS, CITIES, st.lists(questions(), min_size=1, max_size=8))
def test_the_engine_and_the_oracle_agree(
    facts: list[dict[str, Any]],
    shops: list[dict[str, Any]],
    regions: list[dict[str, Any]],
    cities: list[dict[str, Any]],
    asked: list[dict[str, Any]],
) -> None:
    """Nulls, missing references, duplicates, unicode, decimals, huge integers and negative zero included."""
    rows = {"facts": facts, "shops": shops, "regions": regions, "cities": cities}
    oracle = oracle_cube(rows)
    with database(rows) as opened:
        cube = Cube.of(CUBE, opened)
        for question in asked:
            answer = cube.query_sync(CubeQuery.parse(question))
            expected, grouping = oracle.answer(question)
            assert answer.grouping == grouping, question
            assert len(answer) == len(expected), question
            assert all(map(same, answer.rows, expected)), (question, answer.rows, expected)


def oracle_cube(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> OracleCube:
    """Follow the references once, row by row; the levels then only read."""
    shops = {row["id"]: row for row in rows["shops"]}
    regions = {row["id"]: row for row in rows["regions"]}
    cities = {row["code"]: row for row in rows["cities"]}
    wide = []
    for fact in rows["facts"]:
        shop = shops.get(fact["shop"], {})
        wide.append({
            **fact,
            "shop_name": shop.get("name"),
            "region": regions.get(shop.get("region"), {}).get("label"),
            "origin_country": cities.get(fact["from_city"], {}).get("country"),
            "target_country": cities.get(fact["to_city"], {}).get("country"),
        })  # fmt: skip
    columns = {name: (lambda row, name=name: row.get(name)) for name in [*LEVELS, *COLUMNS["facts"]]}
    levels = {
        **columns,
        "month": lambda row: row["day"] and row["day"].month,
        "tenfold": lambda row: None if row["small"] is None else row["small"] * 1000,
    }

    def over(compute: Any, read: Any) -> OracleMeasure:
        return OracleMeasure(lambda members: compute(values(members, read)))

    def times(a: str, b: str) -> Any:
        return lambda row: None if row[a] is None or row[b] is None else row[a] * row[b]

    def pair(by: str, value: str) -> Any:
        return lambda row: None if row[by] is None or row[value] is None else (row[by], row[value])

    def twice(a: Any, b: Any) -> float | None:
        mean_price = ratio(a, b)
        return None if mean_price is None else 2 * mean_price

    return OracleCube(
        wide,
        levels,
        {"Shop": ["region", "shop_name", "shop"]},
        {
            "rows": OracleMeasure(len),
            "words": over(len, columns["word"]),
            "big_sum": over(total, columns["big"]),
            "price_sum": over(total, columns["price"]),
            "weight_sum": over(total, columns["weight"]),
            "area": over(total, times("small", "small")),
            "value": over(total, times("price", "small")),
            "price_avg": over(mean, columns["price"]),
            "price_median": over(median, columns["price"]),
            "big_min": over(lambda seen: min(seen, default=None), columns["big"]),
            "word_max": over(lambda seen: max(seen, default=None), columns["word"]),
            "day_max": over(lambda seen: max(seen, default=None), columns["day"]),
            "shops": over(lambda seen: len(set(seen)), columns["shop"]),
            "prices": over(lambda seen: len(set(seen)), columns["price"]),
            "countries": over(lambda seen: len(set(seen)), columns["target_country"]),
            "small_variance": over(variance, columns["small"]),
            "weight_deviation": over(deviation, columns["weight"]),
            "weight_quantile": over(lambda seen: quantile(seen, 0.9), columns["weight"]),
            "months_product": over(product, levels["month"]),
            "turnover": over(total, times("price", "small")),
            "small_squares": over(total, times("small", "small")),
            "long_price": over(lambda seen: total([max(price, Decimal(0)) for price in seen]), columns["price"]),
            "short_big": over(lambda seen: total([min(big, 0) for big in seen]), columns["big"]),
            "one_word": over(single, columns["word"]),
            "first_word": over(lambda seen: min(seen, default=(None, None))[1], pair("day", "word")),
            "last_price": over(lambda seen: max(seen, default=(None, None))[1], pair("target_country", "price")),
            "mean_price": OracleMeasure(ratio, ("price_sum", "rows")),
            "twice": OracleMeasure(twice, ("price_sum", "rows")),
            "half_words": OracleMeasure(lambda a, b: a - b, ("rows", "words")),
            "share": OracleMeasure(ratio, ("value", "area")),
        },
    )


@contextmanager
def database(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Database]:
    """Load the rows through the door that users have: files. A table without rows has only its columns."""
    with tempfile.TemporaryDirectory() as folder:
        tables = []
        for name, columns in COLUMNS.items():
            source = None
            if rows[name]:
                path = Path(folder) / f"{name}.json"
                path.write_text("\n".join(written(row) for row in rows[name]), encoding="utf-8")
                source = Source.of(json=path)
            tables.append(Table(name, source, columns=columns))
        with Database.open(tables=tables, references=REFERENCES) as opened:
            yield opened


def written(row: Mapping[str, Any]) -> str:
    """Write a row as JSON, decimals as the digits they have."""
    cells = [
        f"{json.dumps(key)}: {value if isinstance(value, Decimal) else json.dumps(value, default=str)}"
        for key, value in row.items()
    ]
    return "{" + ", ".join(cells) + "}"


def same(mine: Sequence[Any], theirs: Sequence[Any]) -> bool:
    return len(mine) == len(theirs) and all(map(close, mine, theirs))


def close(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6)
    return type(a) is type(b) and a == b
