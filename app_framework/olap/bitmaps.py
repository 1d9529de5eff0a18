"""Exact distinct counts by bitmaps: a bit per value between the least and the largest, in place of a hash table.

DuckDB sets the bits, several times as fast as it collects the values (decision 0046). It has to be told the range, and
refuses a value outside of it: a range that has become too narrow is an error of the statement, never a wrong answer,
and the statement without bitmaps answers instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app_framework.database import EngineError, ResultTooLargeError
from app_framework.olap.aggregation import COUNT_DISTINCT, Argument
from app_framework.olap.dimension import Level
from app_framework.olap.frames import Frame, FrameNeeds
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.plan import QueryPlan

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor

BITMAPS_FROM = 100_000
"""From how many rows of the base table on the look at the values is worth its time."""

BYTES_MAX = 256 * 1024 * 1024
"""What the bitmaps of one statement may take: one per measure, cell and thread."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of the base table in one version: rows, ranges of arguments, and how many members levels have."""

    version: int
    rows: int = 0
    ranges: Mapping[str, tuple[int, int] | None] = field(default_factory=dict)
    members: Mapping[str, int] = field(default_factory=dict)


class DistinctBitmaps:
    """Chooses, for one cube, the distinct counts that bitmaps are for.

    Args:
        rows_min: from how many rows of the base table on.
        bytes_max: what the bitmaps of one statement may take.
        threads: how many threads make bitmaps of their own; as many as the machine has cores unless given.
    """

    def __init__(self, rows_min: int = BITMAPS_FROM, bytes_max: int = BYTES_MAX, threads: int | None = None) -> None:
        self._rows_min = rows_min
        self._bytes_max = bytes_max
        self._threads = threads or os.cpu_count() or 1
        self._seen = _Seen(-1)

    def chosen(self, plan: QueryPlan, cursor: Cursor, version: int) -> QueryPlan:
        """Return the plan with bitmaps for its distinct counts; the same plan where there is nothing for them.

        The values are looked at once for each version: their range, and how many members the levels have.
        """
        spans = self.spans(plan, cursor, version)
        bitmaps = {m.name: _bitmap(m, *spans[m.name]) for m in plan.aggregates if m.name in spans}
        return plan.measuring(bitmaps) if bitmaps else plan

    def spans(self, plan: QueryPlan, cursor: Cursor, version: int, times: int = 1) -> Mapping[str, tuple[int, int]]:
        """Return the distinct counts of a plan that bitmaps are for, each with the least and the largest value.

        Args:
            plan: what is asked.
            cursor: looks at the values.
            version: of the data.
            times: how often each is counted in a cell at most.
        """
        measures = [measure for measure in plan.aggregates if _dense(measure)]
        seen = self._look(plan, measures, cursor, version) if measures else None
        if seen is None or seen.rows < self._rows_min:
            return {}
        spans = {m.name: span for m in measures if (span := seen.ranges[m.arguments[0].sql])}
        return spans if spans and times * self._bytes(plan, seen, spans) <= self._bytes_max else {}

    def _look(
        self, plan: QueryPlan, measures: Sequence[AggregateMeasure], cursor: Cursor, version: int
    ) -> _Seen | None:
        """Return what is known of a version, with what these measures and levels need; None where it cannot be seen."""
        seen = self._seen if self._seen.version == version else _Seen(version)
        arguments = {m.arguments[0].sql: m.joins for m in measures if m.arguments[0].sql not in seen.ranges}
        levels = {level.full_name: level for level in _levels(plan) if level.full_name not in seen.members}
        if not arguments and (not levels or seen.rows < self._rows_min):
            return seen
        paths = {path for joins in arguments.values() for path in joins}
        paths |= {path for level in levels.values() for path in level.joins}
        columns = ["count(*)"]
        columns += [f"{function}({sql})" for sql in arguments for function in ("min", "max")]
        columns += [f"approx_count_distinct({level.sql})" for level in levels.values()]
        try:
            source = plan.tree.from_clause(plan.tree.needed(paths))
            rows, *values = (_int(value) for value in cursor.rows(f"SELECT {', '.join(columns)}\nFROM {source}")[0])
        except EngineError as error:
            if error.kind != "value":
                raise
            return None  # what cannot be computed is told by the statement itself
        ranges = {sql: _range(values[2 * i], values[2 * i + 1]) for i, sql in enumerate(arguments)}
        members = dict(zip(levels, (value or 0 for value in values[2 * len(arguments) :]), strict=True))
        self._seen = _Seen(version, rows or 0, {**seen.ranges, **ranges}, {**seen.members, **members})
        return self._seen

    def _bytes(self, plan: QueryPlan, seen: _Seen, spans: Mapping[str, tuple[int, int]]) -> int:
        """Return what the bitmaps take at most, were every combination of members there."""
        cells = 1
        for level in _levels(plan):
            # The number of members is an estimate, a few hundredths off; beside them there may be rows without one.
            cells *= seen.members[level.full_name] * 11 // 10 + 2
        cells = min(cells, seen.rows) * (1 if plan.totals == "none" else 2)
        names = [name for needs in _frames(plan).values() for _, name in needs.aggregates] or [*spans]
        taken = sum((spans[name][1] - spans[name][0]) // 8 + 32 for name in names if name in spans)
        return cells * self._threads * taken

    def __repr__(self) -> str:
        return f"<DistinctBitmaps from {self._rows_min:,} rows, up to {self._bytes_max:,} bytes>"


def hindered_by(error: EngineError | ResultTooLargeError) -> bool:
    """Return whether bitmaps may be what failed: a commit brought values out of their range, or memory was short."""
    return error.kind == "value" if isinstance(error, EngineError) else error.limit is None


def _dense(measure: AggregateMeasure) -> bool:
    return measure.aggregation is COUNT_DISTINCT and measure.arguments[0].type.family == "integer"


def _levels(plan: QueryPlan) -> Iterable[Level]:
    """Return the levels by which anything is aggregated, each once."""
    keys = (*plan.keys, *(key for frame in _frames(plan) for key in frame.keys))
    return {key.level.full_name: key.level for key in keys}.values()


def _frames(plan: QueryPlan) -> Mapping[Frame, FrameNeeds]:
    return plan.calculations.frames if plan.calculations else {}


def _bitmap(measure: AggregateMeasure, low: int, high: int) -> AggregateMeasure:
    return replace(measure, aggregation=replace(COUNT_DISTINCT, render=_counted_in(low, high)))


def _counted_in(low: int, high: int) -> Callable[[Sequence[Argument], Sequence[float]], str]:
    return lambda arguments, _: f"coalesce(bit_count(bitstring_agg({arguments[0].sql}, {low}, {high})), 0)"


def _range(low: int | None, high: int | None) -> tuple[int, int] | None:
    return None if low is None or high is None else (low, high)


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None
