"""What nodes sent of one frame, as rows that a statement can aggregate: columns are numbered, conditions are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from app_framework.database.sql import quote
from app_framework.olap.condition import Condition
from app_framework.olap.dimension import Level
from app_framework.olap.facts import Facts
from app_framework.olap.frames import Frame
from app_framework.olap.join import Path
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.partial.answer import PartialAnswerError
from app_framework.olap.partial.question import PartialFrame
from app_framework.olap.partial.wire import Wire, came_back, column_name, order_name, wire_of

PARTIAL = "partial"
"""What the rows of a frame are called in a statement."""

Context = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the rows of a frame.

    Args:
        name: in the statement: ``k0``, ``o0``, ``p0_0``.
        sent: what it was called when it travelled.
        type: its type as SQL, for rows that nobody sent.
    """

    name: str
    sent: str
    type: str


class GatheredRows(Facts):
    """The rows of one frame: groups of rows as nodes made them, with parts of measures.

    Args:
        frame: whose cells are made of them.
        asked: the frame as nodes were asked for it.
        measures: those of its cells, by name.
        contexts: the number of each context of the plan.
        table: the name under which a statement finds them.
    """

    of_rows = False

    def __init__(
        self,
        frame: Frame,
        asked: PartialFrame,
        measures: Mapping[str, AggregateMeasure],
        contexts: Mapping[Context, int],
        table: str,
    ) -> None:
        self.table = table
        self._keys = {key.level.full_name: i for i, key in enumerate(frame.keys)}
        self._levels = [key.level for key in frame.keys]
        self._contexts = contexts
        self._places = {(cell.measure, cell.context): i for i, cell in enumerate(asked.cells)}
        self._wires = {name: _wire(measure) for name, measure in measures.items()}
        self.columns = (*self._key_columns(), *self._part_columns(asked))

    def level(self, level: Level) -> str:
        """Return the column of a level."""
        return came_back(level.type, f"{PARTIAL}.k{self._keys[level.full_name]}")

    def sort_key(self, level: Level, member: str) -> str:
        """Return the column of the sort key of a level; it is null where there is no `member`."""
        return f"{PARTIAL}.o{self._keys[level.full_name]}"

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
        return f"{quote(self.table)} AS {PARTIAL}"

    def arranged(self, tables: Sequence[pa.Table]) -> pa.Table:
        """Return the rows of several nodes as one table.

        Raises:
            PartialAnswerError: a node sent other columns.
        """
        sent = [column.sent for column in self.columns]
        names = [column.name for column in self.columns]
        try:
            if not self.columns:
                return pa.concat_tables(tables)
            return pa.concat_tables([table.select(sent).rename_columns(names) for table in tables])
        except (KeyError, pa.ArrowException) as error:
            raise PartialAnswerError(str(error).partition("\n")[0]) from error

    @property
    def nothing(self) -> str:
        """The query that yields no row with the columns of the frame."""
        columns = [f"CAST(NULL AS {column.type}) AS {column.name}" for column in self.columns]
        return f"SELECT {', '.join(columns or ['1'])} WHERE false"

    def _merged(self, measure: AggregateMeasure, context: int) -> str:
        place, wire = self._places[measure.name, context], self._wires[measure.name]
        return wire.merged([f"{PARTIAL}.p{place}_{i}" for i in range(len(wire.each))])

    def _key_columns(self) -> list[Column]:
        keys = [Column(f"k{i}", level.full_name, level.type.sql) for i, level in enumerate(self._levels)]
        return keys + [
            Column(f"o{i}", order_name(level.full_name), "BIGINT")
            for i, level in enumerate(self._levels)
            if level.order.key
        ]

    def _part_columns(self, asked: PartialFrame) -> list[Column]:
        return [
            Column(f"p{place}_{i}", column_name(cell.context, i, cell.measure), part.empty)
            for place, cell in enumerate(asked.cells)
            for i, part in enumerate(self._wires[cell.measure].each)
        ]

    def __str__(self) -> str:
        return "what nodes sent"

    def __repr__(self) -> str:
        return f"<GatheredRows {self.table}: {', '.join(column.sent for column in self.columns)}>"


def _wire(measure: AggregateMeasure) -> Wire:
    wire = wire_of(measure)
    assert wire is not None, f"{measure.name!r} was refused when the model was made"
    return wire
