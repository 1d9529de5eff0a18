"""What nodes sent of one frame, as rows that a statement can aggregate: columns are numbered, conditions are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from app_framework.olap.aggregation import AS_IT_IS, SUM
from app_framework.olap.condition import Condition
from app_framework.olap.dimension import Level
from app_framework.olap.facts import Facts
from app_framework.olap.frames import Frame
from app_framework.olap.join import Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.partial.answer import PartialAnswerError
from app_framework.olap.partial.question import PartialFrame
from app_framework.olap.partial.wire import ROWS, Wire, came_back, column_name, order_name, sent_type, wire_of

PARTIAL = "partial"
"""What the rows of a frame are called in a statement."""

Context = tuple[Condition, ...]
Cell = tuple[str, int]
"""A measure by its name, and the number of a context."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the rows of a frame.

    Args:
        name: in the statement: ``k0``, ``o0``, ``p0_0``.
        sent: what it was called when it travelled.
        type: its type as SQL, for rows that do not have it; nothing where any would do.
    """

    name: str
    sent: str
    type: str

    @property
    def missing(self) -> str:
        """What stands in its place in rows that do not have it, as SQL."""
        return f"CAST(NULL AS {self.type}) AS {self.name}" if self.type else f"NULL AS {self.name}"


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """The columns in which the rows of a frame arrive.

    Args:
        keys: one for each key.
        orders: those of the sort keys, by the place of their key.
        parts: those of each measure, by its name and context.
    """

    keys: tuple[Column, ...]
    orders: Mapping[int, Column]
    parts: Mapping[Cell, tuple[Column, ...]]

    @staticmethod
    def of(frame: Frame, asked: PartialFrame, wires: Mapping[Cell, Wire]) -> FrameColumns:
        """Return the columns of a frame whose cells travel in these wires."""
        levels = [key.level for key in frame.keys]
        parts = {
            (cell.measure, cell.context): tuple(
                Column(f"p{place}_{i}", column_name(cell.context, i, cell.measure), part.type)
                for i, part in enumerate(wires[cell.measure, cell.context].each)
            )
            for place, cell in enumerate(asked.cells)
        }
        keys = tuple(Column(f"k{i}", level.full_name, sent_type(level.type)) for i, level in enumerate(levels))
        orders = {
            i: Column(f"o{i}", order_name(level.full_name), "") for i, level in enumerate(levels) if level.order.key
        }
        return FrameColumns(keys, orders, parts)

    @property
    def all(self) -> tuple[Column, ...]:
        """All of them."""
        parts = (column for columns in self.parts.values() for column in columns)
        return (*self.keys, *self.orders.values(), *parts)

    @property
    def missing(self) -> str:
        """The columns of a row that has none of them, as SQL."""
        return ", ".join(column.missing for column in self.all) or "1"


class GatheredRows(Facts):
    """The rows of one frame: groups of rows as nodes made them, with parts of measures.

    Args:
        columns: those of the rows.
        wires: how the parts of each measure in each context merge.
        contexts: the number of each context of the plan.
        rows: what stands after FROM.
        grouping: the column that says of which grouping a row is, where there are rows for each.
    """

    of_rows = False

    def __init__(
        self,
        columns: FrameColumns,
        wires: Mapping[Cell, Wire],
        contexts: Mapping[Context, int],
        rows: str,
        grouping: str = "",
    ) -> None:
        self.columns = columns
        self.grouping = grouping
        self.wires = wires
        self._contexts = contexts
        self._rows = rows
        self._places = {column.sent: i for i, column in enumerate(columns.keys)}

    def level(self, level: Level) -> str:
        """Return the column of a level."""
        return came_back(level.type, f"{PARTIAL}.k{self._places[level.full_name]}")

    def sort_key(self, level: Level, member: str) -> str:
        """Return the column of the sort key of a level; it is null where there is no `member`."""
        return f"{PARTIAL}.o{self._places[level.full_name]}"

    def measure(self, measure: AggregateMeasure) -> str:
        """Return a measure as SQL over its parts."""
        return self._merged(measure, 0)

    def within(self, measure: AggregateMeasure, context: Sequence[Condition]) -> str:
        """Return a measure over the rows that pass conditions: nodes sent its parts apart."""
        return self._merged(measure, self._contexts[tuple(context)])

    def filtered(self, measure: AggregateMeasure, condition: str) -> tuple[str, int]:
        """Nothing is filtered here: what passes is known where the rows are."""
        raise AssertionError(f"the parts of {measure.name!r} were filtered where the rows are")

    def source(self, joins: Iterable[Path]) -> str:
        """Return what stands after FROM."""
        return f"{self._rows} AS {PARTIAL}"

    def element(self, measure: AggregateMeasure, element: str) -> str:
        """Return the aggregation of what stands at one place of arrays: sums, and of means counts beside them."""
        if measure.aggregation is SUM:
            return f"sum({element})"
        return f"CAST(sum({element}[1]) AS DOUBLE) / nullif(sum({element}[2]), 0)"

    def _merged(self, measure: AggregateMeasure, context: int) -> str:
        columns = [f"{PARTIAL}.{column.name}" for column in self.columns.parts[measure.name, context]]
        if measure.aggregation is AS_IT_IS:  # the arrays of a row, each element with all that is sent of it
            return columns[0] if len(columns) == 1 else f"list_zip({', '.join(columns)})"
        return self.wires[measure.name, context].merged(columns)

    def __str__(self) -> str:
        return "what nodes sent"

    def __repr__(self) -> str:
        return f"<GatheredRows {', '.join(column.sent for column in self.columns.all)}>"


def numbered(table: pa.Table, columns: FrameColumns, wanted: Iterable[str]) -> pa.Table:
    """Return what a node sent with its columns numbered.

    Raises:
        PartialAnswerError: it lacks one that was wanted of it, or has one that nobody knows.
    """
    known = {column.sent: column.name for column in columns.all}
    sent = [name for name in table.column_names if name != ROWS]
    missing = next((name for name in wanted if name not in sent), None)
    if missing is not None:
        raise PartialAnswerError(f"it has no column {missing!r}")
    strange = next((name for name in sent if name not in known), None)
    if strange is not None or len(set(sent)) < len(sent):
        raise PartialAnswerError(f"nobody asked for its column {strange or sent[0]!r}")
    return table.select(sent).rename_columns([known[name] for name in sent])


def wires_of(asked: PartialFrame, measures: Mapping[str, AggregateMeasure]) -> dict[Cell, Wire]:
    """Return how the parts of each cell travel and merge."""
    wires = {}
    for cell in asked.cells:
        wire = wire_of(measures[cell.measure])
        assert wire is not None, f"{cell.measure!r} was refused when the model was made"
        wires[cell.measure, cell.context] = wire
    return wires
