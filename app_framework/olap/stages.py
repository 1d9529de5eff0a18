"""Calculated measures as SQL: a chain of named tables, each the one before with more columns.

`cells` are aggregated once for all filters and totals that anything needs. A measure that looks at its neighbours
becomes a window over the cells of its grouping; one that looks at another grouping, at narrower rows or at finer cells
joins them, by members that are the same or both null.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from app_framework.database.sql import quote
from app_framework.olap.aggregation import AS_IT_IS
from app_framework.olap.array_cells import element_cells, join_arrays
from app_framework.olap.calculation import (
    Ancestor,
    Applied,
    At,
    Cumulative,
    DateShift,
    ExtremeMember,
    Filtered,
    Lookup,
    Per,
    Rank,
    Shift,
    Siblings,
)
from app_framework.olap.cells import GROUPING, ROW, indented, key_expressions, listed, select_cells
from app_framework.olap.condition import Condition
from app_framework.olap.facts import Facts
from app_framework.olap.frames import CalculationPlan, Frame, View
from app_framework.olap.joining import (
    cell_join,
    finer_join,
    keys_of,
    lookup_join,
    lookup_table,
    member_joins,
    members_before,
)  # fmt: skip
from app_framework.olap.measure import AggregateMeasure, CalculatedMeasure, FormulaMeasure
from app_framework.olap.sorting import in_level_order, sort_key, sort_key_columns
from app_framework.olap.where import ConditionWriter
from app_framework.olap.windows import cumulative, rank, shift, siblings

Source = Callable[[Frame], tuple[str, list[str]]]
"""Writes what a frame is aggregated from, and the conditions on its rows."""


Between = Callable[[str, Sequence[object], Sequence[CalculatedMeasure]], str]
"""Computes measures of Python: gets the query of the cells with the values bound to it, and returns what has both."""


@dataclass(slots=True)
class Table:
    """A named table of the statement, and how many others read it."""

    name: str
    sql: str
    readers: int = 0

    def __str__(self) -> str:
        once = " MATERIALIZED" if self.readers > 1 else ""
        return f"{self.name} AS{once} (\n{indented(self.sql)}\n)"


class StageWriter:
    """Writes the tables in which the measures of a plan are computed.

    Args:
        plan: what has to be computed.
        where: what writes conditions, and keeps their values in the order of the text.
        facts: the rows that a frame is aggregated from.
        source: their SQL.
        table: what stands for a table of the database.
        taken: the names that tables of the statement may not have, those of the database.
        between: what Python functions are run by; without it the text only says where.
    """

    def __init__(
        self,
        plan: CalculationPlan,
        where: ConditionWriter,
        facts: Callable[[Frame], Facts],
        source: Source,
        table: Callable[[str], str],
        taken: Iterable[str],
        between: Between | None = None,
    ) -> None:
        self._plan = plan
        self._where = where
        self._facts = facts
        self._source = source
        self._table_of = table
        self._lookups: dict[Lookup, str] = {}
        self._between = between
        self._applications = 0
        self._taken = {name.casefold() for name in taken}
        self._contexts = {context: i for i, context in enumerate(plan.contexts)}
        self._tables: dict[str, Table] = {}
        self._cells_of: dict[Frame, str] = {}
        self._ends: dict[View, str] = {}

    def write(self, readers: int) -> tuple[list[str], str]:
        """Return the tables, and the name of the one with the answer, which so many readers read."""
        name = self._end(self._plan.top)
        asked, known = self._plan.asked, self._groupings(self._plan.top)
        if set(known) != asked:
            kept = f"SELECT * FROM {self._read(name)} WHERE {quote(GROUPING)} IN ({_numbers(asked)})"
            name = self._table("answer", kept)
        self._tables[name].readers = readers
        return [str(table) for table in self._tables.values()], name

    def _end(self, view: View) -> str:
        """Write the tables of a view, unless they are there, and return the one with all its measures."""
        if view not in self._ends:
            self._ends[view] = self._last_of(view)
        return self._ends[view]

    def _last_of(self, view: View) -> str:
        name = self._start(view)
        missing = dict(self._plan.views[view])
        while missing:
            ready = {n: m for n, m in missing.items() if not self._waits(view, m, missing)}
            alone = {n: sql for n, m in ready.items() if (sql := self._beside(view, m)) is not None}
            calculated = {n: m for n, m in ready.items() if n not in alone and isinstance(m, CalculatedMeasure)}
            joined = {n: m for n, m in calculated.items() if not isinstance(m.calculation, Applied)}
            done = [*(alone or joined or calculated)]
            if alone:
                columns = [f"{sql} AS {quote(n)}" for n, sql in alone.items()]
                name = self._table("step", f"SELECT{listed(['*', *columns])}\nFROM {self._read(name)}")
            elif joined:
                name = self._joined(view, [*joined.values()], name)
            else:
                name = self._applied(view, [*calculated.values()], name)
            missing = {n: m for n, m in missing.items() if n not in done}
        return name

    def _waits(self, view: View, measure: FormulaMeasure | CalculatedMeasure, missing: Iterable[str]) -> bool:
        """Return whether a measure uses one of its own view that is not there yet."""
        calculation = measure.calculation if isinstance(measure, CalculatedMeasure) else None
        inner = view if calculation is None or isinstance(calculation, Lookup | Applied) else view.of(calculation)
        return inner == view and any(name in missing for name in measure.uses)

    def _start(self, view: View) -> str:
        """Return the table with the aggregates of a view under the names of their measures."""
        cells = self._with_arrays(view.frame)
        if not view.context:
            return cells
        columns = [quote(key.name) for key in view.frame.keys] + [quote(GROUPING)]
        columns += [quote(sort_key(key.name)) for key in view.frame.keys if key.level.order.key]
        # What filters of this view read comes along, under the names that it has among the cells.
        read = dict.fromkeys(self._filtered(view, measure) for measure in self._plan.views[view].values())
        columns += [quote(column) for column in read if column]
        columns += [
            f"{quote(self._column(context, name))} AS {quote(name)}"
            for context, name in self._plan.frames[view.frame].aggregates
            if context == view.context
        ]
        return self._table("filtered", f"SELECT{listed(columns)}\nFROM {self._read(cells)}")

    def _with_arrays(self, frame: Frame) -> str:
        """Write the cells of a frame, those tables included in which arrays are put together."""
        written = frame in self._cells_of
        cells = self._cells(frame)
        needs = self._plan.frames[frame]
        arrays = {key: measure for key, measure in needs.aggregates.items() if measure.by_element}
        if written or not arrays:
            return cells
        facts = self._facts(frame)
        keys, tables = key_expressions(frame.keys, facts), {}
        for (context, name), measure in arrays.items():
            # The array of a row is written as the aggregation that takes it as it is: a filter makes it null.
            value = self._aggregate(replace(measure, aggregation=AS_IT_IS), context, facts)
            sql = element_cells(frame, keys, sorted(needs.groupings), measure, value, self._source(frame), facts)
            tables[self._column(context, name)] = measure, self._read(self._table("elements", sql))
        self._cells_of[frame] = self._table("cells", join_arrays(frame, self._read(cells), tables))
        return self._cells_of[frame]

    def _cells(self, frame: Frame) -> str:
        """Write the cells of a frame, unless they are there, with every aggregate that any view of it needs."""
        if frame in self._cells_of:
            return self._cells_of[frame]
        needs = self._plan.frames[frame]
        facts = self._facts(frame)
        keys = key_expressions(frame.keys, facts)
        sets = sorted(needs.groupings)
        details = sets == [0]
        columns = [f"{sql} AS {quote(key.name)}" for key, sql in zip(frame.keys, keys, strict=True)]
        rolled_up = not details and not facts.grouping
        columns += sort_key_columns([(key.name, key.level) for key in frame.keys], keys, facts, grouped=rolled_up)
        columns += [
            f"{self._aggregate(measure, context, facts)} AS {quote(self._column(context, name))}"
            for (context, name), measure in needs.aggregates.items()
        ]
        if not frame.keys and not needs.aggregates:
            columns.append(f"count(*) AS {quote('#rows')}")  # without aggregates and keys there is still one row
        bits = facts.grouping or ("0" if details else f"GROUPING({', '.join(reversed(keys))})")
        columns.append(f"{bits} AS {quote(GROUPING)}")
        group_by = _grouping_sets(keys, sets) if rolled_up else ", ".join([*keys, *filter(None, [facts.grouping])])
        source, conditions = self._source(frame)
        cells = facts.decoded(frame.keys, select_cells(columns, source, conditions, group_by))
        self._cells_of[frame] = self._table("cells", cells)
        return self._cells_of[frame]

    def _aggregate(self, measure: AggregateMeasure, context: Sequence[Condition], facts: Facts) -> str:
        if not context:
            return facts.measure(measure)
        if (apart := facts.within(measure, context)) is not None:
            return apart
        before, where = len(self._where.parameters), self._where.over(facts)
        condition = " AND ".join(where.write(condition) for condition in context)
        bound = self._where.parameters[before:]
        sql, times = facts.filtered(measure, condition)
        # An aggregation may write its argument several times, and the values are bound as often.
        self._where.parameters[before:] = bound * times
        return sql

    def _column(self, context: tuple[Condition, ...], name: str) -> str:
        return f"#{self._contexts[context]} {name}" if context else name

    def _beside(self, view: View, measure: FormulaMeasure | CalculatedMeasure) -> str | None:
        """Return the SQL of a measure over one table of its view, None when it needs others."""
        if isinstance(measure, FormulaMeasure):
            return measure.sql
        calculation, frame, groupings = measure.calculation, view.frame, self._groupings(view)
        if isinstance(calculation, Lookup):
            return None if keys_of(calculation, frame) else f"CAST(NULL AS {measure.type.sql})"
        if isinstance(calculation, Applied):
            return None
        of = self._plan.measure(calculation.of)
        if isinstance(calculation, Shift | DateShift) and not frame.path(calculation.level):
            return f"CAST(NULL AS {measure.type.sql})"
        if isinstance(calculation, Rank):
            return rank(calculation, of, frame, groupings)
        if isinstance(calculation, Siblings):
            return siblings(calculation, of, measure.type, frame, groupings)
        if isinstance(calculation, Cumulative):
            return cumulative(calculation, of, measure.type, frame, groupings)
        if isinstance(calculation, Shift) and not calculation.strict:
            return shift(calculation, frame, groupings)
        column = self._filtered(view, measure)
        return quote(column) if column else None

    def _filtered(self, view: View, measure: FormulaMeasure | CalculatedMeasure) -> str:
        """Return the column of the cells that a filter over an aggregate is, nothing for other measures."""
        if not isinstance(measure, CalculatedMeasure) or not isinstance(measure.calculation, Filtered):
            return ""
        of = self._plan.measure(measure.calculation.of)
        inner = view.of(measure.calculation).context
        return self._column(inner, of.name) if isinstance(of, AggregateMeasure) else ""

    def _applied(self, view: View, measures: Sequence[CalculatedMeasure], name: str) -> str:
        """Write the table with the measures that Python computes of the cells in another one."""
        terms = [quote(GROUPING), *(t for key in view.frame.keys for t in in_level_order(key.name, key.level))]
        row = f"row_number() OVER (ORDER BY {', '.join(terms)}) AS {quote(ROW)}"
        query = f"SELECT *, {row} FROM {self._read(name)}"
        text = f"WITH {', '.join(map(str, self._tables.values()))}\n{query}"
        self._applications += 1
        applied = quote(f"#applied {self._applications}")
        if self._between is not None:
            applied = self._between(text, [*self._where.parameters], measures)
        return self._table("applied", f"SELECT * FROM {applied}")

    def _joined(self, view: View, measures: Sequence[CalculatedMeasure], name: str) -> str:
        """Write the table with the measures that join others."""
        joins, columns = [], ["c.*"]
        for i, measure in enumerate(measures, 1):
            join, value = self._join(view, measure, name, f"j{i}")
            joins.append(join)
            columns.append(f"{value} AS {quote(measure.name)}")
        source = "\n".join([f"{self._read(name)} AS c", *joins])
        return self._table("step", f"SELECT{listed(columns)}\nFROM {source}")

    def _join(self, view: View, measure: CalculatedMeasure, own: str, alias: str) -> tuple[str, str]:
        """Write the join that brings in what a measure reads, and the measure's value."""
        calculation, frame, groupings = measure.calculation, view.frame, self._groupings(view)
        if isinstance(calculation, Lookup):
            return lookup_join(calculation, measure.type, self._read(self._lookup(calculation)), alias, frame)
        assert not isinstance(calculation, Applied)
        inner = view.of(calculation)
        table = self._read(own if inner == view else self._end(inner))
        if isinstance(calculation, Per | ExtremeMember):
            of = self._plan.measure(calculation.of)
            return finer_join(calculation, of, table, alias, frame, inner.frame, groupings)
        if isinstance(calculation, Shift):
            members = frame.only(frame.path(calculation.level))
            before = self._table("members", members_before(calculation, members, self._read(self._cells(members))))
            return member_joins(calculation, table, self._read(before), alias, frame, members, groupings)
        assert isinstance(calculation, Ancestor | At | DateShift | Filtered)
        join = cell_join(calculation, table, alias, frame, groupings)
        value = f"{alias}.{quote(calculation.of)}"
        if isinstance(calculation, Ancestor) and calculation.share:
            part = f"CAST(c.{quote(calculation.of)} AS DOUBLE)"
            return join, f"{part} / nullif(CAST({value} AS DOUBLE), 0)"
        return join, value

    def _lookup(self, lookup: Lookup) -> str:
        """Write the table of a lookup, unless it is there."""
        if lookup not in self._lookups:
            sql = lookup_table(lookup, self._table_of(lookup.table))
            self._lookups[lookup] = self._table("lookup", sql)
        return self._lookups[lookup]

    def _groupings(self, view: View) -> list[int]:
        return sorted(self._plan.frames[view.frame].groupings)

    def _table(self, name: str, sql: str) -> str:
        unique, number = name, 1
        while unique in self._tables or unique in self._taken:
            number += 1
            unique = f"{name}_{number}"
        self._tables[unique] = Table(unique, sql)
        return unique

    def _read(self, name: str) -> str:
        self._tables[name].readers += 1
        return name


def _grouping_sets(keys: Sequence[str], groupings: Iterable[int]) -> str:
    sets = [", ".join(key for i, key in enumerate(keys) if not grouping >> i & 1) for grouping in groupings]
    return f"GROUPING SETS ({', '.join(f'({one})' for one in sets)})"


def _numbers(groupings: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(groupings)))
