"""The statement by which a node reads a frame: its keys, their sort keys, and the parts of its measures; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app_framework.database.sql import quote
from app_framework.olap.aggregation import Argument
from app_framework.olap.cells import key_expressions, select_cells
from app_framework.olap.facts import BaseRows
from app_framework.olap.frames import Key
from app_framework.olap.join import JoinTree
from app_framework.olap.partial.binding import BoundCell, BoundFrame, Context
from app_framework.olap.partial.wire import ROWS, column_name, order_name, wire_of
from app_framework.olap.sorting import sort_key_columns
from app_framework.olap.where import ConditionWriter


@dataclass(frozen=True, slots=True)
class FrameStatement:
    """SQL, the values bound to it, and what its columns are called when they travel.

    The engine does not tell names apart that differ in case only: in the statement columns are numbered.
    """

    text: str
    parameters: tuple[object, ...]
    columns: tuple[str, ...]


def write_frame(frame: BoundFrame, tree: JoinTree, rows_max: int) -> FrameStatement:
    """Return the statement that reads a frame, and one row more than it may have."""
    return _FrameWriter(frame, tree).statement(rows_max)


class _FrameWriter:
    def __init__(self, frame: BoundFrame, tree: JoinTree) -> None:
        self._frame = frame
        self._facts = BaseRows(tree)
        self._where = ConditionWriter(self._facts)
        self._sql: list[str] = []
        self._names: list[str] = []

    def statement(self, rows_max: int) -> FrameStatement:
        frame = self._frame
        keys = key_expressions([Key(level.full_name, level) for level in frame.levels], self._facts)
        self._write_keys(keys)
        for number, cell in enumerate(frame.cells):
            self._write_cell(number, cell)
        if not self._sql:
            self._sql, self._names = [f"count(*) AS {quote(ROWS)}"], [ROWS]
        source = self._facts.source(frame.joins)
        conditions = [self._where.write(condition) for condition in frame.where]
        text = f"{select_cells(self._sql, source, conditions, ', '.join(keys))}\nLIMIT {rows_max + 1}"
        return FrameStatement(text, tuple(self._where.parameters), tuple(self._names))

    def _write_keys(self, keys: Sequence[str]) -> None:
        numbered = [(f"k{i}", level) for i, level in enumerate(self._frame.levels)]
        self._sql += [f"{sql} AS {name}" for (name, _), sql in zip(numbered, keys, strict=True)]
        self._names += [level.full_name for level in self._frame.levels]
        self._sql += sort_key_columns(numbered, keys, self._facts, grouped=False)
        self._names += [order_name(level.full_name) for level in self._frame.levels if level.order.key]

    def _write_cell(self, number: int, cell: BoundCell) -> None:
        for i, sql in enumerate(self._parts(cell)):
            self._sql.append(f"{sql} AS p{number}_{i}")
            self._names.append(column_name(cell.context, i, cell.measure.name))

    def _parts(self, cell: BoundCell) -> Iterator[str]:
        """Yield the parts of a measure over the rows that pass its context too."""
        context = self._frame.contexts[cell.context]
        if not context:
            yield from (wire.part.sql for wire in cell.wire.each)
            return
        condition, bound = self._condition(context)
        if not cell.measure.arguments:
            self._where.parameters += bound
            yield f"count(*) FILTER (WHERE {condition})"
            return
        # Aggregations leave nulls out, so what is aggregated becomes null where the condition fails.
        value, *others = cell.measure.arguments
        kept = Argument(f"CASE WHEN {condition} THEN {value.sql} END", value.type)
        wire = wire_of(replace(cell.measure, arguments=(kept, *others)))
        assert wire is not None, "a measure has parts whatever it is aggregated of"
        for each in wire.each:
            self._where.parameters += bound * each.part.sql.count(kept.sql)
            yield each.part.sql

    def _condition(self, context: Context) -> tuple[str, list[object]]:
        """Return the conditions of a context, and the values that are bound as often as they are written."""
        writer = ConditionWriter(self._facts)
        return " AND ".join(writer.write(condition) for condition in context), writer.parameters
