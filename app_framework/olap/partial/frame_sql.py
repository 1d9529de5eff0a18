"""The statement by which a node reads a frame: its keys, their sort keys, and the parts of its measures; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app_framework.database.datatype import DataType
from app_framework.database.sql import quote
from app_framework.olap.aggregates.rewriting import AggregateRows
from app_framework.olap.aggregation import Argument
from app_framework.olap.array_cells import element_cells, join_arrays
from app_framework.olap.cells import GROUPING, indented, key_expressions, select_cells
from app_framework.olap.facts import BaseRows
from app_framework.olap.frames import Frame, Key
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.partial.binding import BoundCell, BoundFrame, Context
from app_framework.olap.partial.distinct import Span, bitmap_sql
from app_framework.olap.partial.wire import ROWS, WirePart, column_name, order_name, wire_of
from app_framework.olap.sorting import sort_key_columns
from app_framework.olap.where import ConditionWriter

CELLS = quote("#cells")


@dataclass(frozen=True, slots=True)
class FrameStatement:
    """SQL, the values bound to it, and what its columns are called when they travel.

    The engine does not tell names apart that differ in case only: in the statement columns are numbered.

    Args:
        bitmaps: the columns that hold bitmaps, each with what they are of.
    """

    text: str
    parameters: tuple[object, ...]
    columns: tuple[str, ...]
    bitmaps: Mapping[str, Span]


def write_frame(
    frame: BoundFrame, facts: BaseRows | AggregateRows, rows_max: int, spans: Mapping[str, Span] | None = None
) -> FrameStatement:
    """Return the statement that reads a frame.

    Args:
        frame: what is asked.
        facts: the rows, or what is kept of them.
        rows_max: how many rows it may have; one more is read.
        spans: of measures whose distinct values are sent as bitmaps, the least and the largest value.
    """
    return _FrameWriter(frame, facts, spans or {}).statement(rows_max)


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Arrays of a cell that are put together: what they are, over a row, and the values bound to that."""

    measure: AggregateMeasure
    value: str
    bound: Sequence[object]


class _FrameWriter:
    def __init__(self, frame: BoundFrame, facts: BaseRows | AggregateRows, spans: Mapping[str, Span]) -> None:
        self._frame = frame
        self._spans = spans
        self._bitmaps: dict[str, Span] = {}
        self._keys = [Key(f"k{i}", level) for i, level in enumerate(frame.levels)]
        self._facts = facts
        self._where = ConditionWriter(self._facts)
        self._sql: list[str] = []
        self._names: list[str] = []
        self._arrays: dict[str, _Arrays] = {}

    def statement(self, rows_max: int) -> FrameStatement:
        keys = key_expressions(self._keys, self._facts)
        self._write_keys(keys)
        for number, cell in enumerate(self._frame.cells):
            self._write_cell(number, cell)
        if not self._sql:
            self._sql, self._names = [f"count(*) AS {quote(ROWS)}"], [ROWS]
        if self._arrays:
            self._sql.append(f"0 AS {quote(GROUPING)}")
        cells = select_cells(self._sql, *self._rows(), ", ".join(keys))
        if not keys:  # without keys there would be a cell of no rows
            cells += "\nHAVING count(*) > 0"
        text = self._with_arrays(keys, cells) if self._arrays else cells
        text, parameters = f"{text}\nLIMIT {rows_max + 1}", tuple(self._where.parameters)
        return FrameStatement(text, parameters, tuple(self._names), self._bitmaps)

    def _rows(self) -> tuple[str, list[str]]:
        """Write what the frame is aggregated from, and the conditions on the rows."""
        source = self._facts.source(self._frame.joins)
        return source, [self._where.write(condition) for condition in self._frame.where]

    def _write_keys(self, keys: Sequence[str]) -> None:
        self._sql += [f"{sql} AS {key.name}" for key, sql in zip(self._keys, keys, strict=True)]
        self._names += [level.full_name for level in self._frame.levels]
        numbered = [(key.name, key.level) for key in self._keys]
        self._sql += sort_key_columns(numbered, keys, self._facts, grouped=False)
        self._names += [order_name(level.full_name) for level in self._frame.levels if level.order.key]

    def _write_cell(self, number: int, cell: BoundCell) -> None:
        for i, sql in enumerate(self._parts(cell, number)):
            self._sql.append(f"{sql} AS p{number}_{i}")
            self._names.append(column_name(cell.context, i, cell.measure.name))

    def _parts(self, cell: BoundCell, number: int) -> Iterator[str]:
        """Yield the parts of a measure over the rows that pass its context too."""
        measure, facts = cell.measure, self._facts
        condition, bound = self._condition(self._frame.contexts[cell.context])
        if isinstance(facts, AggregateRows):
            if all(facts.keeps(each.part) for each in cell.wire.each):
                for each in cell.wire.each:
                    self._where.parameters += bound
                    yield _as_sent(each, facts.part(each.part, condition))
                return
            measure = facts.of_members(measure)
        if not measure.arguments:
            self._where.parameters += bound
            yield f"count(*) FILTER (WHERE {condition})" if condition else "count(*)"
            return
        value, *others = measure.arguments
        if condition:  # aggregations leave nulls out, so what is aggregated becomes null where the condition fails
            value = Argument(f"CASE WHEN {condition} THEN {value.sql} END", value.type)
        if span := self._spans.get(measure.name):
            self._bitmaps[column_name(cell.context, 0, measure.name)] = span
            self._where.parameters += bound
            yield bitmap_sql(value.sql, span)
            return
        wire = wire_of(replace(measure, arguments=(value, *others)))
        assert wire is not None, "a measure has parts whatever it is aggregated of"
        for i, each in enumerate(wire.each):
            if each.by_element:
                self._arrays[f"p{number}_{i}"] = _Arrays(_put_together(measure, each), value.sql, bound)
            self._where.parameters += bound * each.part.sql.count(value.sql)
            yield each.part.sql

    def _condition(self, context: Context) -> tuple[str, list[object]]:
        """Return the conditions of a context, and the values that are bound as often as they are written."""
        writer = ConditionWriter(self._facts)
        return " AND ".join(writer.write(condition) for condition in context), writer.parameters

    def _with_arrays(self, keys: Sequence[str], cells: str) -> str:
        """Write the cells with arrays in place of their lengths."""
        frame, tables = Frame(tuple(self._keys)), [f"{CELLS} AS MATERIALIZED (\n{indented(cells)}\n)"]
        joined = {}
        for i, (column, arrays) in enumerate(self._arrays.items()):
            self._where.parameters += arrays.bound
            sql = element_cells(frame, keys, [0], arrays.measure, arrays.value, self._rows(), self._facts)
            name = quote(f"#elements {i}")
            tables.append(f"{name} AS (\n{indented(sql)}\n)")
            joined[column] = arrays.measure, name
        whole = join_arrays(frame, CELLS, joined)
        return f"WITH {', '.join(tables)}\nSELECT * EXCLUDE ({quote(GROUPING)}) FROM (\n{indented(whole)}\n)"


def _as_sent(part: WirePart, sql: str) -> str:
    """Return a part over groups in the type that it has over rows: there a sum of numbers of rows is wider."""
    return sql if part.is_state else f"CAST({sql} AS {part.type})"


def _put_together(measure: AggregateMeasure, part: WirePart) -> AggregateMeasure:
    """Return the measure that puts the arrays of one part together."""
    aggregation = replace(measure.aggregation, by_element=part.by_element)
    return replace(measure, aggregation=aggregation, type=DataType.parse(part.type))
