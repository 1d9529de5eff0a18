"""Calculated measures where it is easy to be wrong: ties, nulls, gaps, empty cells, subtotals, missing levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app_framework.database import Database, Source, Table
from app_framework.olap import Cube, CubeDefinition, CubeQuery, MeasureOverflowError, ModelError, QueryError

COLUMNS = {"year": "integer", "month": "integer", "day": "date", "kind": "varchar", "item": "varchar", "x": "bigint"}
SALES = """2024,1,2024-01-31,hot,tea,4
2024,1,2024-01-31,hot,cocoa,2
2024,2,2024-02-29,hot,tea,6
2024,2,2024-02-29,cold,soda,2
2024,4,2024-04-01,hot,tea,
2024,5,2024-05-29,cold,soda,8
2025,1,2025-01-31,hot,tea,10
2025,1,2025-01-31,,,1
"""
"""No sale in March, one without a value in April, one without an item in 2025."""

Rows = list[tuple[Any, ...]]
Ask = Callable[..., Rows]


@pytest.fixture
def cube(tmp_path: Path) -> Iterator[Callable[..., Cube]]:
    """Build a cube with calculated measures over the sales."""
    with ExitStack() as closing:

        def built(**measures: Mapping[str, object]) -> Cube:
            file = tmp_path / "sales.csv"
            file.write_text(f"{','.join(COLUMNS)}\n{SALES}", encoding="utf-8")
            table = Table("sales", Source.of(csv=file), columns=COLUMNS)
            database = closing.enter_context(Database.open(tables=[table]))
            dimensions = {"Time": ["year", "month", "day"], "Item": ["kind", "item"]}
            known = {"x": {"sum": "x"}, "n": {"count": "*"}, **measures}
            return Cube.of(CubeDefinition.of("sales", base="sales", dimensions=dimensions, measures=known), database)

        yield built


@pytest.fixture
def ask(cube: Callable[..., Cube]) -> Ask:
    """Return the rows of a question about one calculated measure, `m`."""

    def asked(levels: Sequence[str], m: Mapping[str, object], **more: Any) -> Rows:
        others = more.pop("others", {})
        return cube(m=m, **others).query_sync(CubeQuery(measures=["m"], levels=levels, **more)).rows

    return asked


def test_ties_share_a_rank_and_the_next_one_is_left_out(ask: Ask) -> None:
    """Tea sold 20, soda 10, cocoa 2, no item 1; of `n` two are equal."""
    by_sum = ask(["item"], {"rank": "x", "hierarchy": "Item"})
    by_count = ask(["item"], {"rank": "n", "hierarchy": "Item", "ascending": True})
    assert by_sum == [("cocoa", 3), ("soda", 2), ("tea", 1), (None, 4)]
    assert by_count == [("cocoa", 1), ("soda", 3), ("tea", 4), (None, 1)]


def test_what_has_no_value_has_no_rank(ask: Ask) -> None:
    where = {"year": 2024, "month": {"from": 2}}
    assert ask(["month"], {"rank": "x", "hierarchy": "Time"}, where=where) == [(2, 1), (4, None), (5, 1)]


def test_a_rank_is_among_the_children_of_one_parent(ask: Ask) -> None:
    """In a subtotal it is among the subtotals, in the grand total it is 1."""
    rows = ask(["kind", "item"], {"rank": "x", "hierarchy": "Item"}, totals="all")
    assert rows == [
        ("cold", "soda", 1), ("hot", "cocoa", 2), ("hot", "tea", 1), (None, None, 1),
        ("cold", None, 2), ("hot", None, 1), (None, None, 3), (None, None, 1),
    ]  # fmt: skip


def test_shares_are_of_the_parent_or_of_the_whole_hierarchy(ask: Ask) -> None:
    """The other levels of the question stay as they are, and a total is of what passed the filters."""
    levels, where = ["kind", "item"], {"kind": {"not": [None]}}
    assert ask(levels, {"parent_value": "x", "hierarchy": "Item"}, where=where) == [
        ("cold", "soda", 10), ("hot", "cocoa", 22), ("hot", "tea", 22),
    ]  # fmt: skip
    assert ask(levels, {"total": "x", "hierarchy": "Item"}, where=where)[0] == ("cold", "soda", 32)
    assert ask(levels, {"share": "x", "hierarchy": "Item"}, where=where)[2] == ("hot", "tea", 20 / 32)
    assert ask(["item", "year"], {"share": "x", "hierarchy": "Time"})[-2:] == [("tea", 2025, 0.5), (None, 2025, 1.0)]


def test_without_a_level_of_its_hierarchy_a_calculation_sees_its_own_cell(ask: Ask) -> None:
    """A total is the value itself, a share is 1, a rank 1; before it and beside it is nothing."""
    measures: list[tuple[Mapping[str, object], object]] = [
        ({"total": "x", "hierarchy": "Item"}, 11),
        ({"parent_value": "x", "hierarchy": "Item"}, 11),
        ({"share": "x", "hierarchy": "Item"}, 1.0),
        ({"rank": "x", "hierarchy": "Item"}, 1),
        ({"siblings": "x", "hierarchy": "Item", "aggregate": "avg"}, 11.0),
        ({"siblings": "x", "hierarchy": "Item", "aggregate": "sum", "exclude_self": True}, None),
        ({"shift": "x", "level": "item"}, None),
        ({"shift": "x", "level": "item", "strict": True}, None),
        ({"cumulative": "x", "level": "item"}, 11),
    ]
    assert [ask(["year"], m)[1] for m, _ in measures] == [(2025, expected) for _, expected in measures]


def test_a_lax_shift_leaves_out_cells_without_a_value(ask: Ask) -> None:
    """May's neighbour is February: March has no sales and April's have no value."""
    levels = ["year", "month"]
    before = [(2024, 1, None), (2024, 2, 6), (2024, 4, None), (2024, 5, 8), (2025, 1, 8)]
    assert ask(levels, {"shift": "x", "level": "month"}) == before
    assert ask(levels, {"shift": "x", "level": "month", "partition": "year"})[-1] == (2025, 1, None)
    assert ask(levels, {"shift": "x", "level": "month", "offset": -1})[0] == (2024, 1, 8)


def test_a_strict_shift_counts_the_members_of_the_cube(ask: Ask) -> None:
    """Whether they have a value or passed the filters or not; there is no March to be counted."""
    levels, strict = ["year", "month"], {"shift": "x", "level": "month", "strict": True}
    assert ask(levels, strict) == [(2024, 1, None), (2024, 2, 6), (2024, 4, 8), (2024, 5, None), (2025, 1, 8)]
    assert ask(levels, strict, where={"month": [1, 5]}) == [(2024, 1, None), (2024, 5, None), (2025, 1, 8)]


def test_a_shift_keeps_the_levels_below_its_own(ask: Ask) -> None:
    """The same item one year before."""
    assert ask(["item", "year"], {"shift": "x", "level": "year"}) == [
        ("cocoa", 2024, None), ("soda", 2024, None), ("tea", 2024, None), ("tea", 2025, 10), (None, 2025, None),
    ]  # fmt: skip


def test_a_running_total_goes_on_from_year_to_year_unless_it_is_told_where_to_begin_again(ask: Ask) -> None:
    levels = ["year", "month"]
    going_on = [(2024, 1, 6), (2024, 2, 14), (2024, 4, 14), (2024, 5, 22), (2025, 1, 33)]
    assert ask(levels, {"cumulative": "x", "level": "month"}) == going_on
    assert ask(levels, {"cumulative": "x", "level": "month", "partition": "year"})[-1] == (2025, 1, 11)


def test_a_rolling_window_counts_cells_and_leaves_nulls_out(ask: Ask) -> None:
    """Of April and the one before only February has a value."""
    rolling = {"cumulative": "x", "level": "month", "aggregate": "avg", "window": [-1, 0]}
    assert [row[-1] for row in ask(["year", "month"], rolling)] == [6.0, 7.0, 8.0, 8.0, 9.5]
    ahead = {"cumulative": "x", "level": "month", "aggregate": "count", "window": [1, None]}
    assert [row[-1] for row in ask(["year", "month"], ahead)] == [3, 2, 2, 1, 0]


def test_siblings_are_with_or_without_the_cell_itself(ask: Ask) -> None:
    levels = ["kind", "item"]
    assert ask(levels, {"siblings": "x", "hierarchy": "Item", "aggregate": "max"})[1] == ("hot", "cocoa", 20)
    alone = {"siblings": "x", "hierarchy": "Item", "aggregate": "sum", "exclude_self": True}
    assert ask(levels, alone) == [("cold", "soda", None), ("hot", "cocoa", 20), ("hot", "tea", 2), (None, None, None)]


def test_a_filter_leaves_the_cells_and_goes_through_formulas(ask: Ask) -> None:
    """A count of no rows is 0, a sum null."""
    tea = {"where": {"item": ["tea"]}}
    assert ask(["month"], {"filter": "n", **tea}) == [(1, 2), (2, 1), (4, 1), (5, 0)]
    each = {"others": {"each": {"formula": "x / n"}}}
    assert ask(["month"], {"filter": "each", **tea}, **each) == [(1, 7.0), (2, 6.0), (4, None), (5, None)]


def test_filters_within_filters_all_apply(ask: Ask) -> None:
    """Two of the same filter are one."""
    others = {
        "tea": {"filter": "x", "where": {"item": "tea"}},
        "again": {"filter": "x", "where": {"item": "tea"}},
        "both": {"formula": "tea + again"},
    }
    assert ask(["month"], {"filter": "both", "where": {"year": 2024}}, others=others) == [
        (1, 8), (2, 12), (4, None), (5, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [{"not": ["soda", None]}, {"from": "t"}, {"prefix": "te"}, ["tea", *(f"t{i}" for i in range(30))]],
)
def test_every_filter_of_a_question_filters_a_measure(ask: Ask, body: object) -> None:
    where = {"item": body} if body != {"not": ["soda", None]} else {"item": body, "Item": {"path": [["hot", "tea"]]}}
    assert ask([], {"filter": "x", "where": where}) == [(20,)]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ({"single_value": "month"}, 1), ({"count_distinct": "item"}, 1), ({"median": "x"}, 10.0),
        ({"first": "x", "by": "day"}, 10), ({"long": "x"}, 10), ({"count": "item"}, 1), ({"count": "*"}, 1),
        ({"sum_product": ["x", "month"]}, 10), ({"quantile": "x", "q": 0.5}, 10.0), ({"stddev": "x"}, None),
    ],
)  # fmt: skip
def test_a_filter_reaches_every_aggregation(ask: Ask, measure: Mapping[str, object], expected: object) -> None:
    """However often one writes what it aggregates."""
    filter_ = {"filter": "of", "where": {"item": "tea", "year": [2025, 2026]}}
    assert ask([], filter_, others={"of": measure}) == [(expected,)]


def test_a_measure_at_a_member_is_the_same_for_all_members(ask: Ask) -> None:
    """The other levels count: at tea, by year."""
    rows = ask(["item", "year"], {"at": "x", "members": {"item": "tea"}})
    assert rows == [("cocoa", 2024, 10), ("soda", 2024, 10), ("tea", 2024, 10), ("tea", 2025, 10), (None, 2025, 10)]
    assert ask(["item"], {"at": "x", "members": {"year": 2025, "month": 1}})[1:3] == [("soda", None), ("tea", 10)]


@pytest.mark.parametrize("default", [{"default": "plan"}, {}])
def test_a_measure_that_chooses_its_member_lifts_the_default_of_a_slicing_hierarchy(
    tmp_path: Path, default: Mapping[str, object]
) -> None:
    """Beside it all others read the default member; the first in order is `fact`."""
    file = tmp_path / "t.csv"
    file.write_text("month,version,x\n1,fact,4\n1,plan,5\n2,plan,7\n2,late,9\n", encoding="utf-8")
    measures = {
        "x": {"sum": "x"},
        "n": {"count": "*"},
        "planned": {"at": "x", "members": {"version": "plan"}},
        "late": {"filter": "x", "where": {"version": "late"}},
        "missed": {"formula": "planned - x"},
        "share": {"share": "x", "hierarchy": "Month"},
    }
    dimensions = {"Month": ["month"], "Version": {"levels": ["version"], "slicing": True, **default}}
    with Database.open(tables=[Table("t", Source.of(csv=file))]) as database:
        built = Cube.of(CubeDefinition.of("t", base="t", dimensions=dimensions, measures=measures), database)
        rows = built.query_sync(CubeQuery(measures=[*measures], levels=["month"], totals="grand")).rows
        named = built.query_sync(CubeQuery(measures=["x", "planned"], levels=["month", "version"])).rows
    assert named == [(1, "fact", 4, 5), (1, "plan", 5, 5), (2, "late", 9, 7), (2, "plan", 7, 7)]
    if default:
        assert rows == [(1, 5, 1, 5, None, 0, 5 / 12), (2, 7, 1, 7, 9, 0, 7 / 12), (None, 12, 2, 12, 9, 0, 1.0)]
    else:
        assert rows == [(1, 4, 1, 5, None, 1, 1.0), (2, None, 0, 7, 9, None, None), (None, 4, 1, 12, 9, 8, 1.0)]


def test_the_member_with_the_most_is_the_first_of_equals(ask: Ask) -> None:
    assert ask(["year"], {"max_member": "x", "level": "item"}, totals="grand") == [
        (2024, "soda"), (2025, "tea"), (None, "tea"),
    ]  # fmt: skip
    assert ask(["kind"], {"min_member": "x", "level": "month"}) == [("cold", 2), ("hot", 2), (None, 1)]


def test_per_multiplies_before_it_adds_up(ask: Ask) -> None:
    """Sales times rows of each item, not of all; in a total it is added up from the items too."""
    leaf = {"others": {"leaf": {"formula": "x * n"}}}
    rows = ask(["year"], {"per": ["item"], "aggregate": "sum", "of": "leaf"}, totals="grand", **leaf)
    assert rows == [(2024, 10 * 3 + 2 * 1 + 10 * 2), (2025, 10 + 1), (None, 20 * 4 + 2 + 10 * 2 + 1)]


def test_a_date_shift_reads_the_cell_of_the_day_a_period_before(ask: Ask) -> None:
    """A day that the month before lacks is its last: of 29 February and 31 January nothing is known a month before."""
    rows = ask(["year", "day"], {"date_shift": "x", "level": "day", "by": "-P1M"})
    assert [(str(day), value) for _, day, value in rows] == [
        ("2024-01-31", 8), ("2024-02-29", None), ("2024-04-01", None), ("2024-05-29", None), ("2025-01-31", None),
    ]  # fmt: skip
    year = ask(["day"], {"date_shift": "x", "level": "day", "by": "P1Y"}, totals="grand")
    assert [value for _, value in year] == [None, None, None, None, 6, None]


def test_formulas_and_calculations_build_on_each_other(ask: Ask) -> None:
    others = {
        "share": {"share": "x", "hierarchy": "Item"},
        "known": {"formula": "case when share > 0.5 then 'most' else coalesce(cast(null as varchar), 'some') end"},
    }
    top = {"filter": "known", "where": {"year": 2024}}
    assert ask(["item"], top, others=others) == [("cocoa", "some"), ("soda", "some"), ("tea", "some"), (None, "some")]
    assert ask(["item"], {"formula": "known || '!'"}, others=others)[2] == ("tea", "most!")


def test_an_operand_that_is_null_makes_a_formula_null_unless_it_says_otherwise(ask: Ask) -> None:
    """As does a division by zero."""
    tea = {
        "others": {"tea": {"filter": "x", "where": {"item": "tea"}}, "soda": {"filter": "n", "where": {"item": "soda"}}}
    }
    where = {"where": {"month": [1, 5]}}
    assert ask(["month"], {"formula": "x - tea"}, **tea, **where) == [(1, 3), (5, None)]
    assert ask(["month"], {"formula": "x - coalesce(tea, 0)"}, **tea, **where) == [(1, 3), (5, 8)]
    assert ask(["month"], {"formula": "x / soda"}, **tea, **where) == [(1, None), (5, 8.0)]


def test_order_and_limit_come_after_every_calculation(ask: Ask) -> None:
    """The rank of the second is 2 although the first is not shown."""
    order = [{"by": "m"}]
    rows = ask(["item"], {"rank": "x", "hierarchy": "Item"}, order=order, limit=2, offset=1, totals="grand")
    assert rows == [("soda", 2), ("cocoa", 3), (None, 1)]


def test_a_question_without_rows_has_its_one_row(ask: Ask) -> None:
    where = {"year": 1999}
    assert ask([], {"share": "n", "hierarchy": "Item"}, where=where) == [(None,)]
    assert ask([], {"per": ["item"], "aggregate": "count", "of": "x"}, where=where) == [(0,)]
    assert ask([], {"cumulative": "x", "level": "month"}, where=where) == [(None,)]
    assert ask(["item"], {"total": "n", "hierarchy": "Item"}, where=where, totals="grand") == [(None, 0)]


def test_a_walk_is_refused_with_the_levels_that_the_question_leaves_out(cube: Callable[..., Cube]) -> None:
    """Where it names one below: whose month is this day in?"""
    built = cube(
        prior={"shift": "x", "level": "month"},
        ytd={"cumulative": "x", "level": "month", "partition": "year"},
        doubled={"formula": "2 * ytd"},
    )
    with pytest.raises(QueryError) as caught:
        built.plan(CubeQuery(measures=["x", "prior", "doubled"], levels=["day", "item"]))
    assert [(p.code, p.field, p.near) for p in caught.value.problems] == [
        ("INVALID_QUERY", "measures[1]", ("month",)),
        ("INVALID_QUERY", "measures[2]", ("year", "month")),
    ]
    assert "name Time.Time.year, Time.Time.month in `levels`" in str(caught.value.problems[1])
    assert built.check(CubeQuery(measures=["doubled"], levels=["item"])) == ()


def test_measures_build_on_each_other_within_bounds(cube: Callable[..., Cube]) -> None:
    """However the model is written, it is refused before a program runs out of stack or a statement of size."""
    chain = {f"m{i + 1}": {"rank": f"m{i}", "hierarchy": "Item"} for i in range(60)}
    with pytest.raises(ModelError, match=r"'m51' builds on measures .* more than 50 deep"):
        cube(m0={"sum": "x"}, **chain)
    built = cube(m0={"sum": "x"}, **dict([*chain.items()][:50]))
    assert len(built.query_sync(CubeQuery(measures=["m50"], levels=["item"], totals="grand"))) == 5

    doubling: dict[str, Mapping[str, object]] = {"f0": {"share": "x", "hierarchy": "Item"}}
    for i in range(8):
        doubling[f"a{i}"] = {"filter": f"f{i}", "where": {"year": 2024}}
        doubling[f"b{i}"] = {"filter": f"f{i}", "where": {"year": 2025}}
        doubling[f"f{i + 1}"] = {"cumulative": f"s{i}", "level": "item"}
        doubling[f"s{i}"] = {"formula": f"a{i} + b{i}"}
    with pytest.raises(QueryError, match="in more than 200 ways"):
        cube(**doubling).plan(CubeQuery(measures=["f8"], levels=["item"]))


def test_what_a_calculated_measure_cannot_hold_is_an_error_that_names_it(cube: Callable[..., Cube]) -> None:
    built = cube(big={"formula": "x * 2000000000000000000"}, running={"cumulative": "big", "level": "item"})
    with pytest.raises(MeasureOverflowError, match="'running'"):
        built.query_sync(
            CubeQuery(measures=["n", "running"], levels=["year", "item"], where={"item": ["cocoa", "soda"]})
        )


def test_no_name_of_a_level_or_measure_is_mistaken_for_one_of_the_statement(tmp_path: Path) -> None:
    """Nor that of a table."""
    file = tmp_path / "cells.csv"
    file.write_text("c,cell,value,step\na,1,2,3\nb,1,5,7\nb,2,1,1\n", encoding="utf-8")
    measures = {
        "j1": {"sum": "step"},
        "up": {"per": ["cell", "value"], "aggregate": "sum", "of": "j1"},
        "members": {"share": "up", "hierarchy": "c"},
        "finer": {"max_member": "up", "level": "value"},
        "answer": {"shift": "finer", "level": "c", "strict": True},
        "filtered": {"filter": "members", "where": {"value": {"from": 2}}},
    }
    with Database.open(tables=[Table("cells", Source.of(csv=file))]) as database:
        dimensions = {name: [name] for name in ("c", "cell", "value", "step")}
        built = Cube.of(CubeDefinition.of("c", base="cells", dimensions=dimensions, measures=measures), database)
        rows = built.query_sync(CubeQuery(measures=[*measures], levels=["c", "cell"], totals="grand")).rows
    assert rows == [
        ("a", 1, 3, 3, 0.3, 2, None, 0.3), ("b", 1, 7, 7, 0.7, 5, 2, 0.7), ("b", 2, 1, 1, 1.0, 1, None, None),
        (None, None, 11, 11, 1.0, 5, None, 1.0),
    ]  # fmt: skip


def test_a_cube_says_what_a_calculated_measure_is(cube: Callable[..., Cube]) -> None:
    """Its kind, its definition, its type, and that nodes do not send it."""
    measures: Any = cube(m={"shift": "x", "level": "month", "strict": True, "caption": "Before"}).discovery()[
        "measures"
    ]
    (told,) = [measure for measure in measures if measure["name"] == "m"]
    assert (told["kind"], told["expression"], told["caption"]) == ("shift", "x level month strict true", "Before")
    assert (told["type"], told["partial"]) == ("int64", {"form": "derived", "parts": []})
