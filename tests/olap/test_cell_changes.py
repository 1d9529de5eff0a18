"""The difference between two answers: applied to the first it makes the second, and noise is none."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from app_framework.olap import CellColumn, CellSet
from app_framework.olap.changes import NOISE, changes_between, settled

COLUMNS = [CellColumn("size", "level", "double"), CellColumn("sold", "measure", "double")]
SIZES = st.sampled_from([None, float("nan"), 0.0, 1.0, 2.5, math.inf])
Cells = list[tuple[float | None, float, int]]
CELLS = st.lists(
    st.tuples(SIZES, st.sampled_from([1.0, 2.0, float("nan")]), st.sampled_from([0, 1])),
    max_size=8,
    unique_by=lambda cell: (repr(cell[0]), cell[2]),
)


def answer(cells: Cells) -> CellSet:
    rows: list[tuple[object, ...]] = [cell[:2] for cell in cells]
    return CellSet("till", COLUMNS, rows=rows, grouping=[cell[2] for cell in cells])


@given(before=CELLS, after=CELLS)
def test_changes_lead_from_one_answer_to_the_other(before: Cells, after: Cells) -> None:
    """Whatever comes, goes, changes or moves; and no row is told that is the same in its place."""
    changes = changes_between(answer(before), answer(after))
    if changes is None:
        assert len(after) > 1 or len(before) > 1
        return
    rows = [cell for place, cell in enumerate(before) if place not in changes.removed]
    for place, row, bits in zip(changes.at, changes.rows, changes.grouping, strict=True):
        rows.insert(place, (*row, bits))  # type: ignore[arg-type]
    assert repr(rows) == repr(after)
    if repr(before) == repr(after):
        assert len(changes) == 0


def test_one_row_that_moves_is_one_change() -> None:
    """The others keep their order."""
    before: Cells = [(float(size), 1.0, 0) for size in range(6)]
    changes = changes_between(answer(before), answer([*before[1:], before[0]]))
    assert changes is not None
    assert (changes.removed, changes.at) == ((0,), (5,))


def test_most_of_it_is_all_of_it() -> None:
    """Four of six rows are others: the answer had better be told again; so it had where its columns are others."""
    before: Cells = [(float(size), 1.0, 0) for size in range(6)]
    after: Cells = [(size, 2.0 if size < 4 else sold, bits) for size, sold, bits in before]  # type: ignore[operator]
    assert changes_between(answer(before), answer(after)) is None
    other = CellSet("till", [COLUMNS[0], CellColumn("each", "measure", "double")], rows=[], grouping=[])
    assert changes_between(answer(before), other) is None


def test_the_last_digits_of_a_double_are_no_change() -> None:
    """And do not add up to one: what was told first stays until it is really another number."""
    first = answer([(1.0, 100.0, 0), (2.0, 5.0, 0)])
    told, sold = first, 100.0
    for _ in range(3):
        sold *= 1 + NOISE / 2
        told = settled(told, answer([(1.0, sold, 0), (2.0, 5.0, 0)]))
        if told is not first:
            break
    assert told is not first
    assert told.rows[0] == (1.0, sold)
    assert told.rows[1] is first.rows[1]
