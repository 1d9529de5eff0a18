"""Small merges without a statement: plain numbers by a few levels, put together by Arrow in less than a millisecond.

What this does not know, formulas, calculated measures and all that is not added up or compared, a statement does; and
so does what may overflow, because Arrow would not say so.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from app_framework.olap.aggregation import AVG, COUNT, LONG, MAX, MIN, SHORT, SQUARE_SUM, SUM, SUM_PRODUCT
from app_framework.olap.cellset import CellSet
from app_framework.olap.frames import Key, asked_groupings
from app_framework.olap.measure import AggregateMeasure, Measure
from app_framework.olap.ordering import NATURAL
from app_framework.olap.partial.arranging import Arrangement
from app_framework.olap.partial.gathered import GatheredRows
from app_framework.olap.plan import QueryPlan

ROWS_MAX = 5_000
"""What is merged on the spot; a statement is the better way for more."""

PLAIN = (AVG, COUNT, LONG, MAX, MIN, SHORT, SQUARE_SUM, SUM, SUM_PRODUCT)
FAMILIES = ("integer", "decimal", "text", "boolean", "date")
"""The types of members and extremes that Arrow sorts, and hands over, as the engine does."""

INT64_MAX = 2**63 - 1
DIGITS = 38


def is_quick(plan: QueryPlan) -> bool:
    """Return whether a plan only adds up and compares plain numbers, and sorts by them."""
    return (
        plan.calculations is None
        and plan.top is None
        and all(_is_plain(key) for key in plan.keys)
        and all(isinstance(measure, AggregateMeasure) and _is_added(measure) for measure in plan.measures)
    )


def _is_plain(key: Key) -> bool:
    kind = key.level.type
    return key.level.order == NATURAL and kind.family in FAMILIES and kind.answered == kind


def _is_added(measure: AggregateMeasure) -> bool:
    if not measure.arguments:
        return True
    if not any(measure.aggregation is known for known in PLAIN) or measure.by_element:
        return False
    compared = measure.aggregation is MIN or measure.aggregation is MAX
    return not compared or (measure.type.family in FAMILIES and measure.type.answered == measure.type)


def quick_cells(cube: str, plan: QueryPlan, arrangement: Arrangement, rows_max: int) -> CellSet | None:
    """Return the answer of a plan that `is_quick`, None where a statement has to find it.

    Args:
        cube: its name.
        plan: of the question.
        arrangement: of what nodes sent.
        rows_max: the largest answer, in rows.
    """
    if arrangement.laid_out or len(arrangement.tables) != 1:
        return None
    [rows], [sent] = arrangement.rows.values(), arrangement.tables.values()
    merge = _Merge(plan, rows)
    table = merge.addable(sent)
    if table is None:
        return None
    blocks = {bits: merge.block(table, bits) for bits in sorted(asked_groupings(len(plan.keys), plan.totals))}
    cells = pa.concat_tables(blocks.values())
    if cells.num_rows > rows_max:
        return None
    grouping = None
    if plan.totals != "none":
        grouping = [bits for bits, block in blocks.items() for _ in range(block.num_rows)]
    return CellSet(cube, plan.columns, data=[column.to_pylist() for column in cells.columns], grouping=grouping)


class _Merge:
    """One plan over the numbered columns of what was sent."""

    def __init__(self, plan: QueryPlan, rows: GatheredRows) -> None:
        self._plan = plan
        self._keys = [column.name for column in rows.columns.keys]
        self._parts = {m.name: [c.name for c in rows.columns.parts[m.name, 0]] for m in plan.measures}
        merges = {m.name: [wire.part.merge for wire in rows.wires[m.name, 0].each] for m in plan.measures}
        self._merges = {
            name: merge.partition("(")[0]
            for measure, names in self._parts.items()
            for name, merge in zip(names, merges[measure], strict=True)
        }

    def addable(self, table: pa.Table) -> pa.Table | None:
        """Return what was sent with sums that cannot overflow; None where a column is missing, or one might."""
        if not {*self._keys, *self._merges} <= {*table.column_names}:
            return None
        for name, merge in self._merges.items():
            column = table.column(name)
            if merge != "sum" or pa.types.is_floating(column.type):
                continue
            known = pc.min_max(column).as_py()
            most = max(abs(known["min"] or 0), abs(known["max"] or 0)) * table.num_rows
            scale = column.type.scale if pa.types.is_decimal(column.type) else 0
            if most > (INT64_MAX if scale == 0 else 10 ** (DIGITS - scale)):
                return None
            if scale == 0 and pa.types.is_decimal(column.type) and not self._stays_decimal(name):
                table = table.set_column(table.column_names.index(name), name, column.cast(pa.int64()))
        return table

    def _stays_decimal(self, part: str) -> bool:
        """Return whether a sum is one of decimals: those without digits after the point stay what they are."""
        kinds = {m.name: m.type.family for m in self._plan.measures}
        return any(kinds[measure] == "decimal" for measure, names in self._parts.items() if part in names)

    def block(self, table: pa.Table, bits: int) -> pa.Table:
        """Return the cells of one grouping in their order; of details only those that are wanted."""
        shown = [name for i, name in enumerate(self._keys) if not bits >> i & 1]
        merged = table.group_by(shown, use_threads=False).aggregate([*self._merges.items()])
        merged = merged.rename_columns([*shown, *self._merges])
        columns = {
            name: merged.column(name) if name in shown else pa.nulls(merged.num_rows, table.schema.field(name).type)
            for name in self._keys
        }
        columns |= {f"#{i}": self._answer(merged, measure) for i, measure in enumerate(self._plan.measures)}
        cells = pa.table(columns)
        if shown:
            cells = self._sorted(cells, shown)
        if bits or not self._plan.bounded:
            return cells
        return cells.slice(self._plan.offset, self._plan.limit)

    def _answer(self, merged: pa.Table, measure: Measure) -> pa.ChunkedArray:
        """Return a measure of its merged parts."""
        assert isinstance(measure, AggregateMeasure)
        first, *others = (merged.column(name) for name in self._parts[measure.name])
        if measure.aggregation is COUNT or not measure.arguments:
            return first.fill_null(0)
        if not others:
            return first
        # A mean is a double: of large whole numbers the nearest one.
        return pc.divide(first.cast(pa.float64(), safe=False), others[0].cast(pa.float64()))

    def _sorted(self, cells: pa.Table, shown: Sequence[str]) -> pa.Table:
        """Return cells as asked, then by level; nothing comes last either way, and so does what JSON cannot write."""
        plan, by = self._plan, cells
        keys: dict[str, str] = {}
        places = {key.shown: name for key, name in zip(plan.keys, self._keys, strict=True)}
        places |= {measure.name: f"#{i}" for i, measure in enumerate(plan.measures)}
        for order in plan.order:
            name = places[order.by]
            column = cells.column(name)
            if pa.types.is_floating(column.type):
                name = f"{name} finite"
                by = by.append_column(name, pc.if_else(pc.is_finite(column), column, None))
            keys.setdefault(name, "descending" if order.descending else "ascending")
        for name in shown:
            keys.setdefault(name, "ascending")
        return cells.take(pc.sort_indices(by, sort_keys=[*keys.items()]))
