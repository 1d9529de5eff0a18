"""AA1: values of every type travel and come back as they were, and measures of every kind are put together again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.olap import CubeDefinition, CubeQuery, MeasureOverflowError
from tests.olap import test_arrays as arrays
from tests.olap.partial.splitting import EXAMPLES, SplitCube, split_table

COLUMNS = {
    "small": "tinyint", "huge": "hugeint", "price": "decimal(20,4)", "weight": "double", "narrow": "float",
    "word": "varchar", "mood": "ENUM('sad', 'glad', 'mad')", "flag": "boolean", "day": "date", "at": "time",
    "moment": "timestamp", "exact": "timestamp_ns", "instant": "timestamptz", "id": "uuid", "row": "integer",
}  # fmt: skip
MORNING = datetime.fromisoformat("2024-01-01T00:00:00")
ROWS: list[dict[str, Any]] = [
    {
        "small": n - 3, "huge": 10**20 * n, "price": Decimal(n) / 8, "weight": [float("nan"), -0.0, 0.0, 1.5][n % 4],
        "narrow": 0.1 * n, "word": ["é", "a", None, "Ω"][n % 4], "mood": ["glad", "sad", "mad", None][n % 4],
        "flag": n % 3 == 0, "day": date(2024, 2, 27 + n % 3), "at": time(12, n), "moment": MORNING.replace(hour=n),
        "exact": MORNING.replace(hour=n, microsecond=n), "instant": MORNING.replace(hour=n, tzinfo=UTC),
        "id": UUID(int=n * 2**120), "row": n,
    }
    for n in range(8)
]  # fmt: skip
VALUES = [name for name in COLUMNS if name != "row"]
MEASURES: dict[str, Any] = {
    **{f"{name}_min": {"min": name} for name in VALUES},
    **{f"{name}_max": {"max": name} for name in VALUES},
    **{f"{name}_first": {"first": name, "by": "row"} for name in VALUES},
    **{f"{name}_last": {"last": "row", "by": name} for name in VALUES},
    **{f"{name}_one": {"single_value": name} for name in VALUES},
    **{f"{name}_distinct": {"count_distinct": name} for name in VALUES},
    **{f"{name}_about": {"approx_count_distinct": name} for name in VALUES},
    **{f"{name}_count": {"count": name} for name in VALUES},
}
BY_VALUE = CubeDefinition.of(
    "types",
    base="facts",
    dimensions={"Row": {"levels": {"half": "row // 4"}}, **{name.title(): [f"facts.{name}"] for name in VALUES}},
    measures=MEASURES,
)


@pytest.fixture(scope="module")
def values() -> Iterator[SplitCube]:
    """Values of every type on three nodes."""
    with split_table(BY_VALUE, COLUMNS, ROWS, [n % 3 for n in range(8)]) as cube:
        yield cube


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_any_type_is_the_same_after_it_travelled(name: str, values: SplitCube) -> None:
    """AA1: as a member, in an order, and in every measure that keeps its type."""
    measures = [measure for measure in MEASURES if measure.startswith(f"{name}_")]
    agree(values, measures=measures, levels=[name], totals="all", order=[{"by": name, "descending": True}])
    agree(values, measures=measures, levels=["half"], totals="grand")


def test_a_sum_of_parts_may_be_larger_than_any_of_its_numbers_and_what_it_cannot_hold_is_refused() -> None:
    """AA1: parts are kept in 128 bits; the sum that does not fit int64 is refused and the measure named."""
    most = 2**63 - 1
    definition = CubeDefinition.of(
        "numbers", base="facts", dimensions={"Key": ["key"]}, measures={"number": {"sum": "number"}}
    )
    facts = [{"key": "a", "number": most}, {"key": "a", "number": most}, {"key": "a", "number": -most}]
    with split_table(definition, {"key": "varchar", "number": "bigint"}, facts, [0, 0, 1]) as cube:
        assert cube.query(CubeQuery(measures=["number"], levels=["key"])).rows == [("a", most)]
    refused = pytest.raises(MeasureOverflowError, match="measure 'number' cannot be computed")
    with split_table(definition, {"key": "varchar", "number": "bigint"}, facts[:2], [0, 1]) as cube, refused:
        cube.query(CubeQuery(measures=["number"]))


def test_a_mean_of_numbers_that_a_double_does_not_hold_is_the_nearest_one() -> None:
    """AA1: as that of one cube is."""
    definition = CubeDefinition.of("numbers", base="facts", dimensions={}, measures={"mean": {"avg": "number"}})
    facts = [{"number": 2**53 + 1}, {"number": 2**53 + 3}]
    with split_table(definition, {"number": "bigint"}, facts, [0, 1]) as cube:
        agree(cube, measures=["mean"])


def test_members_in_an_order_of_their_own_and_defaults_of_slicing_hierarchies_are_those_of_the_whole() -> None:
    """AA1: by another column, as listed, and the first member over all nodes."""
    definition = CubeDefinition.of(
        "orders",
        base="facts",
        dimensions={
            "Size": {"levels": {"size": {"column": "size", "order": {"by": "rank", "descending": True}}}},
            "Place": {"levels": {"place": {"column": "place", "order": ["west", "east"]}}},
            "Scenario": {"levels": {"scenario": "scenario"}, "slicing": True},
        },
        measures={
            "rows": {"count": "*"},
            "place_rank": {"rank": "rows", "hierarchy": "Place"},
            "worst": {"filter": "rows", "where": {"scenario": "b"}},
        },
    )
    columns = {"size": "varchar", "rank": "date", "place": "varchar", "scenario": "varchar"}
    sizes = {"small": date(2024, 1, 1), "large": date(2024, 1, 9), "middle": date(2024, 1, 5)}
    facts = [
        {"size": size, "rank": rank, "place": place, "scenario": scenario}
        for size, rank in sizes.items()
        for place in ("east", "north", "west")[: rank.day % 4 + 1]
        for scenario in ("b", "c")
    ]
    with split_table(definition, columns, facts, [n % 3 for n in range(len(facts))]) as cube:
        agree(cube, measures=["rows", "worst"], levels=["size", "place"], totals="all")
        agree(cube, measures=["rows", "place_rank"], levels=["place"], order=[{"by": "place", "descending": True}])
        agree(cube, measures=["rows"], levels=["scenario", "size"], top={"count": 1, "per": ["scenario"]})


TRADE = st.fixed_dictionaries({
    "book": st.sampled_from(["a", "b", None]),
    "trade": st.integers(1, 4),
    "lots": st.integers(-3, 3),
    "pnl": st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(-9, 9).map(float)), min_size=3, max_size=3)),
    "cash": st.one_of(st.none(), st.lists(st.decimals(-99, 99, places=2), min_size=2, max_size=2)),
})  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(
    st.lists(st.tuples(TRADE, st.integers(0, 2)), max_size=12),
    st.lists(st.sampled_from([*arrays.MEASURES]), min_size=1, max_size=4, unique=True),
    st.sampled_from([[], ["book"], ["book", "trade"], ["trade"]]),
    st.sampled_from(["none", "grand", "all"]),
)
def test_arrays_of_several_nodes_are_put_together_element_by_element(
    facts: Sequence[tuple[Mapping[str, Any], int]], measures: list[str], levels: list[str], totals: str
) -> None:
    """AA1: sums and means of arrays, what is read of them, filtered, per member and in totals."""
    with split_table(
        arrays.DEFINITION, arrays.COLUMNS, [fact for fact, _ in facts], [node for _, node in facts]
    ) as cube:
        agree(cube, measures=measures, levels=levels, totals=totals)


def test_whole_numbers_in_arrays_may_add_up_to_less_than_the_sums_of_a_node() -> None:
    """AA1: an element is a sum too: its parts are kept in 128 bits, and what does not fit is refused."""
    most = 2**63 - 1
    definition = CubeDefinition.of("lists", base="facts", dimensions={}, measures={"list": {"sum": "list"}})
    facts = [{"list": [most, 1]}, {"list": [most, 1]}, {"list": [-most, 1]}]
    with split_table(definition, {"list": "bigint[]"}, facts, [0, 0, 1]) as cube:
        assert cube.query(CubeQuery(measures=["list"])).rows == [([most, 3],)]
    refused = pytest.raises(MeasureOverflowError, match="measure 'list' cannot be computed")
    with split_table(definition, {"list": "bigint[]"}, facts[:2], [0, 1]) as cube, refused:
        cube.query(CubeQuery(measures=["list"]))


def agree(cube: SplitCube, **question: Any) -> None:
    """Ask the parts and the whole."""
    query = CubeQuery(**question)
    assert cube.query(query) == cube.whole.query_sync(query)
