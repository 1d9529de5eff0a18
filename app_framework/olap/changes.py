"""What is different between two answers to one question: the rows that go, and the rows that come in their places."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from app_framework.database.rows import Row
from app_framework.olap.cellset import CellSet

NOISE = 1e-12
"""Sums of doubles differ in their last digits with the order of the rows; that is no change."""

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class CellChanges:
    """How an answer became another one.

    Take out what is ``removed``, then put each of ``rows`` where ``at`` says: first to last. A row whose numbers
    changed is taken out and put in again.

    Args:
        removed: places of rows in the answer before, ascending.
        at: places of `rows` in the answer afterwards, ascending.
        rows: what is put there.
        grouping: of each of `rows`.
    """

    removed: tuple[int, ...]
    at: tuple[int, ...]
    rows: tuple[Row, ...]
    grouping: tuple[int, ...]

    def __len__(self) -> int:
        return max(len(self.removed), len(self.at))


def settled(before: CellSet, after: CellSet) -> CellSet:
    """Return the answer afterwards, rows that only noise makes different as they were; without a change that before.

    What is once settled differs from the truth by less than `NOISE`, and by no more however often it is done.
    """
    if before.columns != after.columns or before.partial != after.partial:
        return after
    known = dict(zip(_keys(before), before.rows, strict=True))
    rows = [
        old if (old := known.get(key)) is not None and _alike(old, row, NOISE) else row
        for key, row in zip(_keys(after), after.rows, strict=True)
    ]
    same = len(rows) == len(before.rows) and all(a is b for a, b in zip(rows, before.rows, strict=True))
    if same and before.grouping == after.grouping:
        return before
    return CellSet(
        after.cube,
        after.columns,
        rows=rows,
        grouping=after.grouping,
        versions=after.versions,
        partial=after.partial,
        missing=after.missing,
        elapsed_ms=after.elapsed_ms,
    )


def changes_between(before: CellSet, after: CellSet) -> CellChanges | None:
    """Return how one answer became the other; None where all of it had better be told again.

    That is where columns changed, or more than half of the rows did.

    >>> from app_framework.olap.cellset import CellColumn
    >>> columns = [CellColumn("item", "level", "string"), CellColumn("sold", "measure", "int64")]
    >>> rows = [("cup", 1), ("pot", 1), ("tea", 4)]
    >>> changes_between(CellSet("till", columns, rows=rows), CellSet("till", columns, rows=[*rows[1:], ("urn", 2)]))
    CellChanges(removed=(0,), at=(2,), rows=(('urn', 2),), grouping=(0,))
    """
    if before.columns != after.columns or before.partial or after.partial:
        return None
    old = dict(zip(_keys(before), range(len(before)), strict=True))
    kept: list[tuple[int, int]] = []
    for place, (key, row) in enumerate(zip(_keys(after), after.rows, strict=True)):
        was = old.get(key)
        if was is not None and _alike(before.rows[was], row, 0.0):
            kept.append((was, place))
    kept = _in_both_orders(kept)
    changes = _without(kept, before, after)
    return changes if len(changes) * 2 <= max(len(after), 2) else None


def _without(kept: Sequence[tuple[int, int]], before: CellSet, after: CellSet) -> CellChanges:
    stays, stands = {was for was, _ in kept}, {place for _, place in kept}
    at = tuple(place for place in range(len(after)) if place not in stands)
    return CellChanges(
        tuple(place for place in range(len(before)) if place not in stays),
        at,
        tuple(after.rows[place] for place in at),
        tuple(after.grouping[place] for place in at),
    )


def _keys(cells: CellSet) -> Iterable[Key]:
    """Yield what tells the rows of an answer apart: what is rolled up, and the members."""
    levels = sum(column.role == "level" for column in cells.columns)
    for row, bits in zip(cells.rows, cells.grouping, strict=True):
        yield (bits, *(_member(value) for value in row[:levels]))


def _member(value: object) -> object:
    """Two NaN are never equal, but they are one member."""
    return type(value) if isinstance(value, float) and math.isnan(value) else value


def _alike(old: Row, row: Row, noise: float) -> bool:
    return old is row or old == row or all(_same(a, b, noise) for a, b in zip(old, row, strict=True))


def _same(a: object, b: object, noise: float) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=noise) or (math.isnan(a) and math.isnan(b))
    return a == b


def _in_both_orders(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the most of the pairs that ascend in both numbers; they ascend in the second already.

    >>> _in_both_orders([(2, 0), (0, 1), (1, 2)])
    [(0, 1), (1, 2)]
    """
    if all(a[0] < b[0] for a, b in pairwise(pairs)):
        return pairs
    ends: list[int] = []  # of the best chain of each length, the least end
    at: list[int] = []
    before: list[int | None] = []
    for index, (was, _) in enumerate(pairs):
        length = bisect_left(ends, was)
        before.append(at[length - 1] if length else None)
        ends[length : length + 1] = [was]
        at[length : length + 1] = [index]
    chain: list[tuple[int, int]] = []
    following: int | None = at[-1]
    while following is not None:
        chain.append(pairs[following])
        following = before[following]
    return chain[::-1]
