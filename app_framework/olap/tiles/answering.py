"""From a plan and a tile to an answer: select, add up along the axes that are not asked for, sort, write values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from app_framework.olap.aggregation import AVG, SINGLE_VALUE
from app_framework.olap.cellset import CellSet
from app_framework.olap.dimension import Level
from app_framework.olap.measure import AggregateMeasure, FormulaMeasure, Measure
from app_framework.olap.plan import QueryPlan
from app_framework.olap.tiles.arithmetic import as_column, as_value, evaluate
from app_framework.olap.tiles.axis import Axis, Codes
from app_framework.olap.tiles.columns import Column, Mask, writer
from app_framework.olap.tiles.parts import ROWS, NotHereError, Part, parts_of
from app_framework.olap.tiles.selection import Selection
from app_framework.olap.tiles.tile import Stored, Tile, merged, neutral_of

ROWS_MAX = 5_000
"""So many rows become Python values in a millisecond; an event loop has to wait for them."""

CELLS_MAX = 20_000
"""So many cells are sorted, and so many values of formulas computed, in about the same time."""


def answer(tile: Tile, plan: QueryPlan, rows_max: int | None = None) -> CellSet | None:
    """Return the answer of a plan; see `Tile.answer`."""
    if plan.calculations is not None or plan.top is not None:
        return None
    try:
        cells = _Cells(tile, plan)
        shown_max = ROWS_MAX if rows_max is None else min(rows_max, ROWS_MAX)
        if cells.length > CELLS_MAX or _shown(plan, cells) > shown_max:
            return None
        columns = {measure.name: cells.measure(measure) for measure in plan.measures}
    except (KeyError, NotHereError):
        return None
    chosen = _chosen(plan, cells, columns)
    data = [axis.values(codes[chosen]) for axis, codes in zip(cells.axes, cells.codes, strict=True)]
    data += [_written(columns[measure.name].taken(chosen), measure) for measure in plan.measures]
    grouping = cells.grouping[chosen].tolist() if cells.grouped else None
    return CellSet(tile.cube, plan.columns, data=data, grouping=grouping)


class _Cells:
    """The cells of an answer, details before totals, each block in the order of the levels.

    Attributes:
        length: how many there are.
        details: how many of them are no totals.
        codes: per key, the member of each cell; -1 where it is rolled up.
        grouping: per cell, the bits of the keys that are rolled up.

    Raises:
        KeyError: the tile has not what the plan asks for.
    """

    def __init__(self, tile: Tile, plan: QueryPlan) -> None:
        self.grouped = plan.totals != "none" and bool(plan.keys)
        self.axes = [_axis(tile, key.level) for key in plan.keys]
        self._tile = tile
        self._places = [tile.places[key.level.full_name] for key in plan.keys]
        self._selection = Selection(tile, plan.conditions)
        self._prefixes = [len(plan.keys), *_totals(plan)]
        self._aggregates = {aggregate.name: aggregate for aggregate in plan.aggregates}
        stored = tile.parts[ROWS.sql]
        counts = self._blocks(stored, stored.numbers)
        # A total of everything is there also when there is nothing.
        self._there = [np.flatnonzero(block) if block.ndim else np.zeros(1, dtype=np.intp) for block in counts]
        self._shapes = [block.shape for block in counts]
        self._rows = self._at(counts)
        self.details = len(self._there[0])
        self.length = len(self._rows)
        self.codes = [self._codes(i) for i in range(len(plan.keys))]
        self._columns: dict[str, Column] = {}
        bits = [(1 << len(plan.keys)) - (1 << prefix) for prefix in self._prefixes]
        self.grouping = np.repeat(np.array(bits), [len(there) for there in self._there])

    def measure(self, measure: Measure) -> Column:
        """Return the numbers of a measure.

        Raises:
            KeyError: the tile has not what it is put together from.
            NotHereError: it is a formula that cannot be computed here.
        """
        if isinstance(measure, AggregateMeasure):
            return self._aggregate(measure)
        if not isinstance(measure, FormulaMeasure) or measure.expression is None:
            raise NotHereError
        used = [self._aggregates[name] for name in measure.uses]
        names = {aggregate.name: as_value(self._aggregate(aggregate), aggregate.type) for aggregate in used}
        return as_column(evaluate(measure.expression.tree, names), measure.type, self.length)

    def _aggregate(self, measure: AggregateMeasure) -> Column:
        parts = parts_of(measure)
        if not parts:
            raise KeyError(measure.name)
        columns = [self._column(part) for part in parts]
        if measure.aggregation is AVG:
            return _mean(*columns, scale=parts[0].type.scale)
        if measure.aggregation is SINGLE_VALUE:
            least, most = columns
            same = least.numbers == most.numbers
            return Column(least.numbers, same if least.present is None else same & least.present)
        return columns[0]

    def _column(self, part: Part) -> Column:
        """Return a part of all cells; several measures may be put together from it."""
        if part.sql not in self._columns:
            self._columns[part.sql] = self._read(part)
        return self._columns[part.sql]

    def _read(self, part: Part) -> Column:
        stored = self._tile.parts[part.sql]
        numbers = self._rows if part.sql == ROWS.sql else self._at(self._blocks(stored, stored.numbers))
        if part.counts:
            return Column(numbers)
        present: Mask | None = self._rows > 0
        if stored.there is not None:
            present = self._at(self._blocks(stored, stored.there))
        elif self._rows.all():
            present = None
        if present is not None:
            numbers = np.where(present, numbers, numbers.dtype.type(0))
        # Like the engine, a sum begins with 0: of nothing but -0.0 it is 0.0.
        return Column(numbers + 0.0 if part.merge == "add" and numbers.dtype == np.float64 else numbers, present)

    def _blocks(self, stored: Stored, array: Any) -> list[Any]:
        """Return an array along the keys alone, and along those of each total."""
        merge = stored.part.merge if array is stored.numbers else "any"
        kept = self._selection.of(array, neutral_of(merge, array.dtype))
        gone = [axis for axis in range(kept.ndim) if axis not in self._places]
        kept = merged(kept, merge, gone)
        # The axes that are left stand as in the tile; those of the answer as in the question.
        kept = kept.transpose(np.argsort(np.argsort(self._places))) if kept.ndim > 1 else kept
        blocks = [kept]
        for prefix in self._prefixes[1:]:
            blocks.append(merged(blocks[-1], merge, range(prefix, blocks[-1].ndim)))
        return blocks

    def _at(self, blocks: Sequence[Any]) -> Any:
        """Return what stands in the cells that are there."""
        pieces = [block.reshape(-1)[there] for block, there in zip(blocks, self._there, strict=True)]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _codes(self, key: int) -> Codes:
        """Return the members of a key in all cells."""
        kept = self._selection.codes(self._places[key])
        pieces = []
        for there, shape in zip(self._there, self._shapes, strict=True):
            if key >= len(shape):
                pieces.append(np.full(len(there), -1, dtype=np.intp))
                continue
            below = int(np.prod(shape[key + 1 :], dtype=np.int64))
            codes = there // below % shape[key]
            pieces.append(codes if kept is None else kept[codes])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _axis(tile: Tile, level: Level) -> Axis:
    axis = tile.axes[tile.places[level.full_name]]
    if axis.level != level:
        raise KeyError(level.full_name)
    return axis


def _totals(plan: QueryPlan) -> Sequence[int]:
    """Return, for each kind of total, how many keys it does not roll up; in the order of their grouping."""
    if plan.totals == "none" or not plan.keys:
        return ()
    return (0,) if plan.totals == "grand" else range(len(plan.keys) - 1, -1, -1)


def _mean(total: Column, count: Column, *, scale: int) -> Column:
    there = count.numbers > 0
    divisor = np.where(there, count.numbers, 1)
    return Column(np.where(there, total.numbers, 0) / (divisor * float(10**scale)), there)


def _shown(plan: QueryPlan, cells: _Cells) -> int:
    """Return how many rows the answer has."""
    if not plan.bounded:
        return cells.length
    details = max(cells.details - plan.offset, 0)
    return cells.length - cells.details + (details if plan.limit is None else min(plan.limit, details))


def _chosen(plan: QueryPlan, cells: _Cells, columns: Mapping[str, Column]) -> Codes:
    """Return the places of the cells of the answer, in its order; the limit counts details and leaves totals alone."""
    places = np.arange(cells.length)
    if plan.order and plan.keys:
        places = np.lexsort([*reversed([*_sort_keys(plan, cells, columns)]), cells.grouping])
    if not plan.bounded:
        return places
    end = cells.details if plan.limit is None else min(plan.offset + plan.limit, cells.details)
    return np.concatenate([places[plan.offset : end], places[cells.details :]])


def _sort_keys(plan: QueryPlan, cells: _Cells, columns: Mapping[str, Column]) -> Iterator[Any]:
    """Yield what cells are sorted by, the first first; what is not there is last in both directions."""
    keys = {key.shown: i for i, key in enumerate(plan.keys)}
    for order in plan.order:
        if order.by in keys:
            i = keys[order.by]
            yield cells.axes[i].places(cells.codes[i], descending=order.descending)
            continue
        numbers, present = columns[order.by].numbers, columns[order.by].present
        known = np.ones(cells.length, dtype=np.bool_) if present is None else present
        if numbers.dtype == np.float64:
            known = known & np.isfinite(numbers)
        yield ~known
        backwards = -numbers if numbers.dtype == np.float64 else ~numbers.astype(np.int64)
        yield np.where(known, backwards if order.descending else numbers, 0)


def _written(column: Column, measure: Measure) -> list[object]:
    """Return numbers as the values of an answer."""
    write = writer(measure.type)
    values: list[object] = column.numbers.tolist() if write is None else write(column.numbers.tolist())
    if column.present is None:
        return values
    return [value if there else None for value, there in zip(values, column.present.tolist(), strict=True)]
