"""Calculations over neighbouring cells as window functions: a window never leaves its grouping.

Along what a grouping rolls up there are no neighbours: the window is then the cell alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from app_framework.database.datatype import DataType
from app_framework.database.sql import quote
from app_framework.olap.calculation import Cumulative, Rank, Shift, Siblings
from app_framework.olap.cells import GROUPING
from app_framework.olap.dimension import Hierarchy
from app_framework.olap.frames import Frame, Key
from app_framework.olap.measure import Measure
from app_framework.olap.period import TIMES, TimeWindow
from app_framework.olap.sorting import in_level_order

Groupings = Sequence[int]


def rank(calculation: Rank, of: Measure, frame: Frame, groupings: Groupings) -> str:
    """Write a rank: 1, 2, 2, 4; null for null, and for what is not a finite number."""
    value = finite(of)
    direction = "" if calculation.ascending else " DESC"

    def ranked(grouping: int) -> str:
        window = f"{_among_siblings(frame, calculation.hierarchy, grouping)} ORDER BY {value}{direction} NULLS LAST"
        return f"rank() OVER ({window})"

    return f"CASE WHEN {value} IS NOT NULL THEN {by_grouping(groupings, ranked)} END"


def siblings(calculation: Siblings, of: Measure, kind: DataType, frame: Frame, groupings: Groupings) -> str:
    """Write an aggregate over siblings."""
    others = " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW"

    def aggregated(grouping: int) -> str:
        time = calculation.window and _time_of(calculation.hierarchy, frame, grouping)
        if calculation.window and time:
            window = _near(calculation.window, frame, frame.path(time.level, grouping))
            exclude = " EXCLUDE CURRENT ROW"
        else:
            alone = calculation.window is not None
            window = partition(frame, ()) if alone else _among_siblings(frame, calculation.hierarchy, grouping)
            exclude = others
        return _over(calculation.aggregation.name, of, f"{window}{exclude if calculation.exclude_self else ''}")

    return f"CAST({by_grouping(groupings, aggregated)} AS {kind.sql})"


def cumulative(calculation: Cumulative, of: Measure, kind: DataType, frame: Frame, groupings: Groupings) -> str:
    """Write an aggregate over the cells around one."""
    if isinstance(calculation.window, TimeWindow):
        return _cumulative_in_time(calculation, calculation.window, of, kind, frame, groupings)
    first, last = calculation.window
    rows = f"ROWS BETWEEN {_bound(first, 'PRECEDING')} AND {_bound(last, 'FOLLOWING')}"

    def aggregated(grouping: int) -> str:
        return _over(calculation.aggregation.name, of, f"{_along(calculation, frame, grouping)} {rows}")

    return f"CAST({by_grouping(groupings, aggregated)} AS {kind.sql})"


def _cumulative_in_time(
    calculation: Cumulative, window: TimeWindow, of: Measure, kind: DataType, frame: Frame, groupings: Groupings
) -> str:
    """Write an aggregate over the cells whose time is near that of one; a missing time is near itself."""

    def aggregated(grouping: int) -> str:
        path = frame.path(calculation.level, grouping)
        kept = () if calculation.partition is None else frame.path(calculation.partition, grouping)
        return _over(calculation.aggregation.name, of, _near(window, frame, path, kept))

    return f"CAST({by_grouping(groupings, aggregated)} AS {kind.sql})"


def shift(calculation: Shift, frame: Frame, groupings: Groupings) -> str:
    """Write a lax shift: cells without a value are left out, on the way and as a start."""
    value = quote(calculation.of)
    function = (
        f"lag({value}, {calculation.offset})" if calculation.offset >= 0 else f"lead({value}, {-calculation.offset})"
    )

    def shifted(grouping: int) -> str:
        if not frame.path(calculation.level, grouping):
            return "NULL"
        return f"{function} OVER ({_along(calculation, frame, grouping, f'{value} IS NULL')})"

    return f"CASE WHEN {value} IS NOT NULL THEN {by_grouping(groupings, shifted)} END"


def finite(measure: Measure) -> str:
    """Write what a measure is compared by: a double that JSON can only write as null compares as null."""
    value = quote(measure.name)
    return f"CASE WHEN isfinite({value}) THEN {value} END" if measure.type.family == "float" else value


def by_grouping(groupings: Iterable[int], write: Callable[[int], str], table: str = "") -> str:
    """Write what may differ from grouping to grouping, plainly where it does not."""
    written: dict[str, list[int]] = {}
    for grouping in groupings:
        written.setdefault(write(grouping), []).append(grouping)
    if len(written) == 1:
        return next(iter(written))
    column = f"{table}{quote(GROUPING)}"
    cases = [f"WHEN {column} IN ({', '.join(map(str, at))}) THEN {sql}" for sql, at in written.items()]
    return f"CASE {' '.join(cases)} END"


def in_order(path: Iterable[Key]) -> str:
    """Write the order of cells along a path: that of its levels, null last."""
    return ", ".join(term for key in path for term in in_level_order(key.name, key.level))


def partition(frame: Frame, walked: Iterable[Key], *more: str) -> str:
    """Write the window of the cells that differ only in the keys that are walked along."""
    left = set(walked)
    return "PARTITION BY " + ", ".join(
        [quote(GROUPING), *(quote(key.name) for key in frame.keys if key not in left), *more]
    )


def _among_siblings(frame: Frame, hierarchy: Hierarchy, grouping: int) -> str:
    finest = frame.finest(hierarchy, grouping)
    return partition(frame, () if finest is None else (finest,))


def _time_of(hierarchy: Hierarchy, frame: Frame, grouping: int) -> Key | None:
    """Return the time that a cell shows as its finest level of a hierarchy; else it is near no other cell."""
    finest = frame.finest(hierarchy, grouping)
    return finest if finest is not None and finest.level.type.family in TIMES else None


def _near(window: TimeWindow, frame: Frame, path: Sequence[Key], kept: Sequence[Key] = ()) -> str:
    """Write the window of the cells along a path whose times, its last key, are near."""
    if not path:
        return partition(frame, ())
    time = quote(path[-1].name)
    cells = partition(frame, [key for key in path if key not in kept], f"{time} IS NULL")
    return f"{cells} ORDER BY CAST({time} AS TIMESTAMP) {window.frame}"


def _along(calculation: Shift | Cumulative, frame: Frame, grouping: int, *more: str) -> str:
    path = frame.path(calculation.level, grouping)
    kept = () if calculation.partition is None else frame.path(calculation.partition, grouping)
    window = partition(frame, [key for key in path if key not in kept], *more)
    return f"{window} ORDER BY {in_order(path)}" if path else window


def _over(function: str, of: Measure, window: str) -> str:
    value = quote(of.name)
    if of.type.family == "boolean" and function in ("sum", "avg"):
        value = f"CAST({value} AS INTEGER)"
    return f"{function}({value}) OVER ({window})"


def _bound(steps: int | None, beyond: str) -> str:
    if steps is None:
        return f"UNBOUNDED {beyond}"
    if steps == 0:
        return "CURRENT ROW"
    return f"{-steps} PRECEDING" if steps < 0 else f"{steps} FOLLOWING"
