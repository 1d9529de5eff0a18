"""Every calculated measure equals what plain Python finds in the rows, over generated rows and questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.olap import Cube, CubeDefinition, CubeQuery
from tests.olap import oracle_calculations as oracle
from tests.olap.oracle import OracleMeasure, mean, median, total
from tests.olap.test_cube_oracle import (
    CITIES,
    CUBE,
    FACTS,
    FILTERS,
    LEVELS,
    REGIONS,
    SHOPS,
    database,
    maybe,
    oracle_cube,
    same,
)

SHOP, ORIGIN, DAY, WORD = ["region", "shop_name", "shop"], ["origin_country", "from_city"], ["month", "day"], ["word"]

CALCULATED: dict[str, Mapping[str, object]] = {
    "rank_rows": {"rank": "rows", "hierarchy": "Shop"},
    "rank_price": {"rank": "price_sum", "hierarchy": "Word", "ascending": True},
    "total_price": {"total": "price_sum", "hierarchy": "Shop"},
    "share_rows": {"share": "rows", "hierarchy": "Origin"},
    "parent_area": {"parent_value": "area", "hierarchy": "Shop"},
    "parent_share": {"parent_share": "price_sum", "hierarchy": "Day"},
    "yesterday": {"shift": "price_sum", "level": "day"},
    "tomorrow": {"shift": "rows", "level": "day", "offset": -1, "partition": "month"},
    "two_before": {"shift": "word_max", "level": "shop_name", "offset": 2},
    "shop_before": {"shift": "rows", "level": "shop", "strict": True},
    "name_after": {"shift": "price_sum", "level": "shop_name", "offset": -2, "strict": True, "partition": "region"},
    "running": {"cumulative": "price_sum", "level": "day"},
    "running_rows": {"cumulative": "rows", "level": "shop", "aggregate": "max", "partition": "region"},
    "rolling": {"cumulative": "big_sum", "level": "day", "aggregate": "avg", "window": [-1, 1], "partition": "month"},
    "ahead": {"cumulative": "price_sum", "level": "word", "aggregate": "count", "window": [1, None]},
    "peers": {"siblings": "price_sum", "hierarchy": "Shop", "aggregate": "avg"},
    "best_other": {"siblings": "day_max", "hierarchy": "Word", "aggregate": "max", "exclude_self": True},
    "some_price": {"filter": "price_sum", "where": {"word": ["a", "b", None]}},
    "true_rows": {"filter": "rows", "where": {"flag": True}},
    "some_mean": {"filter": "mean_price", "where": {"region": {"not": ["a"]}, "day": {"from": "2024-02-10"}}},
    "some_share": {"filter": "share_rows", "where": {"shop": {"from": 2}}},
    "some_word": {"filter": "one_word", "where": {"Shop": {"path": [["a"], ["b", "A"], [None]]}}},
    "february": {"at": "rows", "members": {"month": 2}},
    "nowhere": {"at": "price_sum", "members": {"region": "a", "word": None}},
    "per_shop": {"per": ["shop", "day"], "aggregate": "sum", "of": "leaf"},
    "per_name": {"per": ["shop_name"], "aggregate": "median", "of": "price_sum"},
    "per_word": {"per": ["word"], "aggregate": "count", "of": "price_sum"},
    "top_word": {"max_member": "rows", "level": "word"},
    "low_shop": {"min_member": "price_sum", "level": "shop"},
    "month_before": {"date_shift": "rows", "level": "day", "by": "P1M"},
    "week_after": {"date_shift": "price_sum", "level": "day", "by": "-P7D"},
    "leaf": {"formula": "price_sum * small_max"},
    "small_max": {"max": "small"},
    "odds": {"formula": "coalesce(share_rows, 0) + case when rank_rows = 1 then 1 else 0 end"},
    "rank_per": {"rank": "per_word", "hierarchy": "Shop"},
    "some_rank": {"filter": "rank_rows", "where": {"flag": [True, None]}},
    "share_of_running": {"share": "running", "hierarchy": "Word"},
    "february_running": {"at": "running", "members": {"word": "a"}},
    "month_before_true": {"date_shift": "true_rows", "level": "day", "by": "P1M"},
    "best_rank": {"per": ["word", "shop"], "aggregate": "min", "of": "rank_price"},
    "true_of_some": {"filter": "some_price", "where": {"flag": True}},
    "before_per": {"shift": "per_word", "level": "shop", "strict": True},
    "per_february": {"per": ["shop"], "aggregate": "sum", "of": "february"},
    "total_of_top": {"total": "top_word", "hierarchy": "Shop"},
    "running_true": {"cumulative": "true_rows", "level": "word", "aggregate": "sum"},
}

WALKED: dict[str, list[tuple[str, list[str]]]] = {
    "tomorrow": [("month", ["day"])],
    "rolling": [("month", ["day"])],
    "two_before": [("shop_name", ["shop"])],
    "name_after": [("region", ["shop_name", "shop"]), ("shop_name", ["shop"])],
    "running_rows": [("region", ["shop"])],
}
"""The measures that need a level where the question names one of those below it."""

CALCULATIONS = CubeDefinition.of("sales", base="facts", dimensions={}, measures=CALCULATED)
WITH_CALCULATIONS = replace(CUBE, measures=(*CUBE.measures, *CALCULATIONS.measures))


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    levels = draw(st.lists(st.sampled_from(LEVELS), max_size=4, unique=True))
    measures = draw(st.lists(st.sampled_from([*CALCULATED, "rows"]), min_size=1, max_size=4, unique=True))
    exact = [m for m in measures if m in ("rank_rows", "yesterday", "running", "per_shop", "top_word", "february")]
    order = st.fixed_dictionaries({"by": st.sampled_from([*levels, *exact] or ["-"]), "descending": st.booleans()})
    return {
        "measures": measures,
        "levels": levels,
        "where": draw(st.one_of(st.just({}), FILTERS)),
        "totals": draw(st.sampled_from(["none", "grand", "all"])),
        "order": draw(st.lists(order, max_size=2 if [*levels, *exact] else 0)),
        "limit": draw(maybe(st.integers(0, 5))),
        "offset": draw(st.integers(0, 3)),
    }


@settings(max_examples=40)
@given(FACTS, SHOPS, REGIONS, CITIES, st.lists(questions(), min_size=1, max_size=6))
def test_calculated_measures_and_the_oracle_agree(
    facts: list[dict[str, Any]],
    shops: list[dict[str, Any]],
    regions: list[dict[str, Any]],
    cities: list[dict[str, Any]],
    asked: list[dict[str, Any]],
) -> None:
    """Each kind, alone and over others, with totals, filters, order, limit and members that are null."""
    rows = {"facts": facts, "shops": shops, "regions": regions, "cities": cities}
    calculating = oracle_of(rows)
    with database(rows) as opened:
        cube = Cube.of(WITH_CALCULATIONS, opened)
        for question in asked:
            refused = [f"measures[{i}]" for i, name in enumerate(question["measures"]) if is_refused(name, question)]
            query = CubeQuery.parse(question)
            assert [problem.field for problem in cube.check(query)] == refused, question
            if refused:
                continue
            answer = cube.query_sync(query)
            expected, grouping = calculating.answer(question)
            assert answer.grouping == grouping, question
            assert len(answer) == len(expected), question
            assert all(map(same, answer.rows, expected)), (question, answer.rows, expected)


def is_refused(name: str, question: Mapping[str, Any]) -> bool:
    levels = question["levels"]
    return any(level not in levels and any(finer in levels for finer in below) for level, below in WALKED.get(name, []))


def oracle_of(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> oracle.CalculatingOracle:
    plain = oracle_cube(rows)
    level = plain.levels

    def lowest(seen: list[Any]) -> Any:
        return min(seen, default=None)

    def highest(seen: list[Any]) -> Any:
        return max(seen, default=None)

    def leaf(price: Decimal | None, small: int | None) -> Decimal | None:
        return None if price is None or small is None else price * small

    def below(paths: Sequence[Sequence[Any]]) -> oracle.Keeps:
        return lambda row: any(
            all(level[name](row) == member for name, member in zip(SHOP, path, strict=False)) for path in paths
        )

    calculations: dict[str, oracle.Calculate] = {
        "rank_rows": oracle.rank("rows", SHOP),
        "rank_price": oracle.rank("price_sum", WORD, ascending=True),
        "total_price": oracle.ancestor("price_sum", SHOP),
        "share_rows": oracle.ancestor("rows", ORIGIN, share=True),
        "parent_area": oracle.ancestor("area", SHOP, parent=True),
        "parent_share": oracle.ancestor("price_sum", DAY, parent=True, share=True),
        "yesterday": oracle.shift("price_sum", DAY, "day"),
        "tomorrow": oracle.shift("rows", DAY, "day", -1, "month"),
        "two_before": oracle.shift("word_max", SHOP, "shop_name", 2),
        "shop_before": oracle.strict_shift("rows", SHOP, "shop"),
        "name_after": oracle.strict_shift("price_sum", SHOP, "shop_name", -2, "region"),
        "running": oracle.cumulative("price_sum", DAY, "day", total),
        "running_rows": oracle.cumulative("rows", SHOP, "shop", highest, partition="region"),
        "rolling": oracle.cumulative("big_sum", DAY, "day", mean, (-1, 1), "month"),
        "ahead": oracle.cumulative("price_sum", WORD, "word", len, (1, None)),
        "peers": oracle.siblings("price_sum", SHOP, mean),
        "best_other": oracle.siblings("day_max", WORD, highest, own=False),
        "some_price": oracle.filtered("price_sum", lambda row: row["word"] in ("a", "b", None)),
        "true_rows": oracle.filtered("rows", lambda row: row["flag"] is True),
        "some_mean": oracle.filtered(
            "mean_price",
            lambda row: row["region"] != "a" and row["day"] is not None and str(row["day"]) >= "2024-02-10",
        ),
        "some_share": oracle.filtered("share_rows", lambda row: row["shop"] is not None and row["shop"] >= 2),
        "some_word": oracle.filtered("one_word", below([["a"], ["b", "A"], [None]])),
        "february": oracle.at("rows", DAY, lambda row: level["month"](row) == 2),
        "nowhere": oracle.at("price_sum", [*SHOP, *WORD], lambda row: row["region"] == "a" and row["word"] is None),
        "per_shop": oracle.per("leaf", ["shop", "day"], total),
        "per_name": oracle.per("price_sum", ["shop_name"], median),
        "per_word": oracle.per("price_sum", ["word"], len),
        "top_word": oracle.extreme_member("rows", "word", largest=True),
        "low_shop": oracle.extreme_member("price_sum", "shop", largest=False),
        "month_before": oracle.date_shift("rows", DAY, "day", months=1),
        "week_after": oracle.date_shift("price_sum", DAY, "day", days=-7),
        "leaf": oracle.formula(leaf, "price_sum", "small_max"),
        "odds": oracle.formula(lambda share, rank: (share or 0.0) + (1 if rank == 1 else 0), "share_rows", "rank_rows"),
        "rank_per": oracle.rank("per_word", SHOP),
        "some_rank": oracle.filtered("rank_rows", lambda row: row["flag"] is not False),
        "share_of_running": oracle.ancestor("running", WORD, share=True),
        "february_running": oracle.at("running", WORD, lambda row: row["word"] == "a"),
        "month_before_true": oracle.date_shift("true_rows", DAY, "day", months=1),
        "best_rank": oracle.per("rank_price", ["word", "shop"], lowest),
        "true_of_some": oracle.filtered("some_price", lambda row: row["flag"] is True),
        "before_per": oracle.strict_shift("per_word", SHOP, "shop"),
        "per_february": oracle.per("february", ["shop"], total),
        "total_of_top": oracle.ancestor("top_word", SHOP),
        "running_true": oracle.cumulative("true_rows", WORD, "word", total),
    }
    small = OracleMeasure(lambda rows: highest([row["small"] for row in rows if row["small"] is not None]))
    measures = {**plain.measures, "small_max": small}
    return oracle.CalculatingOracle(
        plain.facts, plain.levels, plain.hierarchies, measures, plain.orders, calculations=calculations
    )
