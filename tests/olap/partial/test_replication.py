"""AA2: applications with different hierarchies under one model, and where the values of each stand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_framework.olap.partial import Replication
from tests.olap.partial.polymorphic import Cells, Oracle, Part, world_of
from tests.olap.partial.splitting import EXAMPLES

SALES = [
    {"product": "tea", "year": 2023, "month": 1, "scenario": "base", "amount": 1},
    {"product": "tea", "year": 2024, "month": 2, "scenario": "base", "amount": 2},
    {"product": "jam", "year": 2024, "month": 2, "scenario": "base", "amount": 4},
    {"product": "jam", "year": 2024, "month": 2, "scenario": "worst", "amount": 8},
]
PLANS = [{"product": "tea", "budget": Decimal(10)}, {"product": "pie", "budget": Decimal(20)}]
SELLING = Part(("product", "year", "month", "scenario"), ("rows", "amount"), [SALES[:2], SALES[2:]])
PLANNING = Part(("product",), ("rows", "budget"), [PLANS])


@pytest.mark.parametrize(
    ("replication", "by_year"),
    [
        ("always", [(2023, 1, 30), (2024, 6, 30), (None, 7, 30)]),
        ("on-slicer", [(2023, 1, None), (2024, 6, None), (None, 7, 30)]),
        ("never", [(2023, 1, None), (2024, 6, None), (None, 7, 30)]),
    ],
)
def test_a_value_repeats_along_a_hierarchy_that_its_application_lacks(
    replication: Replication, by_year: list[tuple[Any, ...]]
) -> None:
    """AA2: at every member with `always`, at the total only otherwise; the total counts it once in any case."""
    with world_of([SELLING, PLANNING], replication) as world:
        answer = world.query(measures=["amount", "budget"], levels=["year"], totals="grand")
        assert answer.rows == by_year


@pytest.mark.parametrize(
    ("replication", "by_scenario"),
    [
        ("always", [("base", 7, 30), ("worst", 8, 30)]),
        ("on-slicer", [("base", 7, 30), ("worst", 8, 30)]),
        ("never", [("base", 7, 30), ("worst", 8, None)]),
    ],
)
def test_a_value_repeats_along_a_slicing_hierarchy_that_its_application_lacks(
    replication: Replication, by_scenario: list[tuple[Any, ...]]
) -> None:
    """AA2: at every member unless `never`, then at the default member alone."""
    with world_of([SELLING, PLANNING], replication) as world:
        assert world.query(measures=["amount", "budget"], levels=["scenario"]).rows == by_scenario


@pytest.mark.parametrize(
    ("replication", "filtered", "sliced"), [("always", 30, 30), ("on-slicer", None, 30), ("never", None, None)]
)
def test_a_filter_on_what_an_application_lacks_leaves_in_what_repeats(
    replication: Replication, filtered: int | None, sliced: int | None
) -> None:
    """AA2: it says nothing of values that repeat, and leaves the others out."""
    with world_of([SELLING, PLANNING], replication) as world:
        assert world.query(measures=["budget"], where={"year": 2023}).rows == [(filtered,)]
        assert world.query(measures=["budget"], where={"scenario": "worst"}).rows == [(sliced,)]
        assert world.query(measures=["budget"], where={"scenario": "base"}).rows == [(30,)]


def test_measures_of_several_applications_are_put_together_after_the_merge() -> None:
    """AA2: a formula over both, a share, and a measure that both have, which is added up over them."""
    with world_of([SELLING, PLANNING]) as world:
        answer = world.query(measures=["left", "share", "rows"], levels=["product"], totals="grand")
        assert answer.rows == [
            ("jam", None, 4 / 7, 1),
            ("pie", None, None, 1),
            ("tea", 7, 3 / 7, 3),
            (None, 23, 1.0, 5),
        ]


def test_a_filter_in_a_measure_leaves_out_an_application_that_lacks_its_level() -> None:
    """AA2: as a filter of the query does."""
    with world_of([SELLING, PLANNING]) as world:
        answer = world.query(measures=["first_year", "budget"], levels=["product"])
        assert answer.rows == [("jam", None, None), ("pie", None, 20), ("tea", 1, 10)]


def test_an_application_without_rows_has_no_cells_where_its_values_would_repeat() -> None:
    """AA2: a total of no rows is nothing that could stand at a member."""
    empty = Part((), ("rows", "budget"), [[], []])
    with world_of([Part(("year",), ("amount",), [SALES]), empty], "always") as world:
        assert world.query(measures=["rows"], levels=["year"]).rows == []
        assert world.query(measures=["rows", "amount"], levels=["year"]).rows == [(2023, 0, 1), (2024, 0, 14)]


def test_a_question_that_no_application_is_asked_for_has_its_one_row_of_nothing() -> None:
    """AA2: and no cells at all by levels."""
    with world_of([PLANNING], "never") as world:
        assert world.query(measures=["budget", "rows"], where={"year": 2023}).rows == [(None, 0)]
        assert world.query(measures=["budget", "words"], where={"year": 2023}, levels=["product"]).rows == []
        answer = world.query(measures=["budget", "share"], where={"year": 2023}, levels=["product"], totals="all")
        assert answer.rows == [(None, None, None)]


MEMBERS: dict[str, list[Any]] = {
    "product": ["tea", "jam", None], "year": [2023, 2024, None], "month": [1, 2], "scenario": ["base", "worst", None],
    "region": ["east", "west"],
}  # fmt: skip
KNOWN = [("product", "year", "month", "scenario"), ("product", "year"), ("region", "scenario"), ("product",), ()]
HAD = [
    ("rows", "amount", "pnl", "mean_pnl"),
    ("rows", "budget", "words", "middle"),
    ("last_word", "words"),
    ("middle", "budget", "pnl"),
]
ASKED = ["rows", "amount", "budget", "words", "last_word", "middle", "pnl", "mean_pnl"]


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    """Several applications; one of them knows everything, so that every hierarchy has members."""
    made = []
    for levels in [tuple(MEMBERS), *draw(st.lists(st.sampled_from(KNOWN), max_size=2))]:
        row = st.fixed_dictionaries({
            **{level: st.sampled_from(MEMBERS[level]) for level in levels},
            "amount": st.one_of(st.none(), st.integers(-5, 5)),
            "budget": st.one_of(st.none(), st.decimals(-9, 9, places=2)),
            "word": st.sampled_from(["a", "b", "c", None]),
            "pnl": st.one_of(st.none(), st.lists(st.integers(-4, 4).map(float), min_size=2, max_size=2)),
        })  # fmt: skip
        nodes = draw(st.lists(st.lists(row, max_size=5), min_size=1, max_size=2))
        made.append(Part(levels, draw(st.sampled_from(HAD)), nodes))
    return made


@settings(max_examples=EXAMPLES)
@given(
    parts(),
    st.sampled_from(["on-slicer", "always", "never"]),
    st.lists(st.sampled_from(ASKED), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from([*MEMBERS]), max_size=3, unique=True),
    st.dictionaries(st.sampled_from([*MEMBERS]), st.lists(st.sampled_from(range(3)), min_size=1), max_size=2),
)
def test_cells_of_several_applications_are_those_that_plain_python_finds(
    made: list[Part],
    replication: Replication,
    measures: list[str],
    levels: list[str],
    chosen: dict[str, list[int]],
) -> None:
    """AA2: every policy, known and unknown levels, filters on both, totals of what the levels leave."""
    where = {level: [MEMBERS[level][i % len(MEMBERS[level])] for i in places] for level, places in chosen.items()}
    oracle = Oracle(made, replication)
    totals = "none" if "scenario" in levels else "all"
    with world_of(made, replication) as world:
        answer = world.query(measures=measures, levels=levels, where=where, totals=totals)
    found: dict[int, Cells] = {}
    for row, grouping in zip(answer.rows, answer.grouping, strict=True):
        at = tuple(member for i, member in enumerate(row[: len(levels)]) if not grouping >> i & 1)
        found.setdefault(grouping, {})[at] = dict(zip(measures, row[len(levels) :], strict=True))
    prefixes = [len(levels)] if totals == "none" else range(len(levels) + 1)
    expected = {(1 << len(levels)) - (1 << n): oracle.cells(measures, levels[:n], where) for n in prefixes}
    assert found == {grouping: cells for grouping, cells in expected.items() if cells}
