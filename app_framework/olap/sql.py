"""From a plan to one SQL statement and its parameters; pure, so that golden files can hold it."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app_framework.database.datatype import DataType
from app_framework.database.sql import quote
from app_framework.olap.cells import GROUPING, indented, key_expressions, listed, select_cells
from app_framework.olap.frames import Frame
from app_framework.olap.measure import FormulaMeasure, Measure
from app_framework.olap.plan import QueryPlan, TopPerGroup
from app_framework.olap.sorting import in_level_order, sort_key_columns
from app_framework.olap.stages import Between, StageWriter
from app_framework.olap.where import ConditionWriter

ROWS = "#rows"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text, the values bound to it, and whether its last column holds the grouping bits."""

    text: str
    parameters: tuple[object, ...]
    grouped: bool

    def __str__(self) -> str:
        return self.text


def write_sql(
    plan: QueryPlan, rows_max: int | None = None, *, counted: bool = False, between: Between | None = None
) -> Statement:
    """Return the statement that answers a plan.

    The cells are aggregated in one pass, totals by GROUPING SETS; around it stands only what the question needs:
    formulas, order, and a limit that leaves totals alone. With `rows_max` it yields one row more at most, so that
    an answer that is too large is known without being made; with `counted` each row says as its last column how many
    there are before limit and offset, so that it is known from the first. Python's measures are computed `between`.
    """
    writer = _Writer(plan, rows_max, counted, between)
    return Statement(writer.statement(), tuple(writer.parameters), writer.grouped)


def write_members(plan: QueryPlan, limit: int) -> Statement:
    """Return the statement that lists the members of the plan's one level, in order."""
    return write_sql(replace(plan, limit=limit))


class _Writer:
    """One plan on its way to SQL."""

    def __init__(self, plan: QueryPlan, rows_max: int | None, counted: bool, between: Between | None) -> None:
        self._where = ConditionWriter(plan.facts_of(Frame(plan.keys)))
        self.grouped = plan.totals != "none" and bool(plan.keys)
        self._plan = plan
        self._rows_max = rows_max
        self._counted = counted
        self._between = between
        self._source = "cells"

    @property
    def parameters(self) -> list[object]:
        return self._where.parameters

    def statement(self) -> str:
        # Details and totals are read from the cells one after the other; they are aggregated once.
        twice = self.grouped and (self._plan.bounded or self._plan.top is not None)
        if self._plan.calculations is None:
            return f"WITH cells AS{' MATERIALIZED' if twice else ''} (\n{indented(self._cells())}\n)\n{self._outer()}"
        beside = [lookup.table for lookup in self._plan.calculations.lookups]
        taken = [*(join.table.name for join in self._plan.tree.joins.values()), *beside]
        stages = StageWriter(
            self._plan.calculations,
            self._where,
            self._plan.facts_of,
            self._source_of,
            self._plan.tree.source,
            taken,
            between=self._between,
        )
        tables, self._source = stages.write(2 if twice else 1)
        return f"WITH {', '.join(tables)}\n{self._outer()}"

    def _cells(self) -> str:
        """Write the aggregation: one row per combination of members, and per total."""
        plan = self._plan
        frame = Frame(plan.keys)
        facts = plan.facts_of(frame)
        keys = key_expressions(plan.keys, facts)
        columns = [f"{sql} AS {quote(key.name)}" for key, sql in zip(plan.keys, keys, strict=True)]
        columns += sort_key_columns([(key.name, key.level) for key in plan.keys], keys, facts, grouped=self.grouped)
        columns += [f"{facts.measure(aggregate)} AS {quote(aggregate.name)}" for aggregate in plan.aggregates]
        if self.grouped:
            # GROUPING reads its arguments from the highest bit down; bit i of an answer is level i.
            columns.append(f"GROUPING({', '.join(reversed(keys))}) AS {quote(GROUPING)}")
        if not plan.keys and not plan.aggregates:
            columns.append(f"count(*) AS {quote(ROWS)}")  # a formula over constants still has its one row
        source, conditions = self._source_of(frame)
        cells = select_cells(columns, source, conditions, self._grouping_sets(keys) if keys else "")
        return facts.decoded(plan.keys, cells)

    def _source_of(self, frame: Frame) -> tuple[str, list[str]]:
        """Write what a frame is aggregated from: only the tables that it reads itself."""
        plan, facts = self._plan, self._plan.facts_of(frame)
        where = self._where.over(facts)
        conditions = [] if frame.everything else [where.write(condition) for condition in plan.conditions]
        return facts.source(join.path for join in plan.joins_of(frame)), conditions

    def _grouping_sets(self, keys: Sequence[str]) -> str:
        if self._plan.totals == "all":
            return f"ROLLUP ({', '.join(keys)})"
        if self._plan.totals == "grand":
            return f"GROUPING SETS (({', '.join(keys)}), ())"
        return ", ".join(keys)

    def _outer(self) -> str:
        plan = self._plan
        columns = [self._output(key.shown, quote(key.name), key.level.type) for key in plan.keys]
        columns += [self._measure(measure) for measure in plan.measures]
        if self.grouped:
            columns.append(quote(GROUPING))
        if self._counted:
            columns.append(f"count(*) OVER () AS {quote(ROWS)}")
        select = f"SELECT{listed(columns or ['*'])}"
        if not plan.keys:
            return f"{select}\nFROM {self._source}"
        order, limit = self._order(), self._limit(plan.limit, plan.offset)
        if not self.grouped:
            source = self._source if plan.top is None else f"(\n{indented(self._best(plan.top))}\n) AS best"
            return f"{select}\nFROM {source}\nORDER BY {order}{limit}"
        if not plan.bounded and plan.top is None:
            return f"{select}\nFROM {self._source}\nORDER BY {order}{limit}"
        details = f"SELECT * FROM {self._source} WHERE {quote(GROUPING)} = 0"
        details = f"{details if plan.top is None else self._best(plan.top)}\nORDER BY {order}{limit}"
        totals = f"SELECT * FROM {self._source} WHERE {quote(GROUPING)} <> 0"
        # The limit counts detail rows; totals stand beside it.
        kept = f"(\n{indented(f'({details})')}\n  UNION ALL\n{indented(f'({totals})')}\n) AS kept"
        return f"{select}\nFROM {kept}\nORDER BY {self._order()}{self._limit(None, 0)}"

    def _best(self, top: TopPerGroup) -> str:
        """Write the detail rows that come first of each combination of members."""
        details = f"\nWHERE {quote(GROUPING)} = 0" if self.grouped else ""
        per = ", ".join(quote(key.name) for key in top.keys)
        place = f"row_number() OVER (PARTITION BY {per} ORDER BY {self._order()})"
        return f"SELECT * FROM {self._source}{details}\nQUALIFY {place} <= {top.count}"

    def _order(self) -> str:
        """Write the order: details before totals, as asked, then by level; null last both ways."""
        plan = self._plan
        parts = [quote(GROUPING)] if self.grouped else []
        keys = {key.shown: key for key in plan.keys}
        # A number after ORDER BY would be the place of a column; what is the same everywhere sorts nothing.
        constants = {formula.name for formula in plan.formulas if not formula.uses}
        for order in plan.order:
            if order.by in keys:
                parts += in_level_order(keys[order.by].name, keys[order.by].level, reverse=order.descending)
            elif order.by not in constants:
                parts.append(f"{self._sorted_by(order.by)}{' DESC' if order.descending else ''} NULLS LAST")
        parts += [term for key in plan.keys for term in in_level_order(key.name, key.level)]
        return ", ".join(parts)

    def _sorted_by(self, name: str) -> str:
        """Write the measure that is sorted by; a double that JSON can only write as null is sorted as null."""
        for measure in self._plan.measures:
            if measure.name == name:
                sql = self._value(measure)
                return f"CASE WHEN isfinite({sql}) THEN {sql} END" if measure.type.family == "float" else sql
        return quote(name)

    def _limit(self, limit: int | None, offset: int) -> str:
        bounds = [bound for bound in (limit, self._rows_max and self._rows_max + 1) if bound is not None]
        return (f"\nLIMIT {min(bounds)}" if bounds else "") + (f"\nOFFSET {offset}" if offset else "")

    def _measure(self, measure: Measure) -> str:
        return self._output(measure.name, self._value(measure), measure.type)

    def _value(self, measure: Measure) -> str:
        """Write a measure over the cells: its column, or a formula where no table has computed it before."""
        if isinstance(measure, FormulaMeasure) and self._plan.calculations is None:
            return measure.sql
        return quote(measure.name)

    def _output(self, name: str, sql: str, kind: DataType) -> str:
        if kind.family == "zoned":
            # A time with a zone leaves as UTC without one: Python needs no zone library to receive it.
            return f"CAST({sql} AS TIMESTAMP) AS {quote(name)}"
        if kind.answered != kind:
            return f"CAST({sql} AS {kind.answered.sql}) AS {quote(name)}"
        return sql if sql == quote(name) else f"{sql} AS {quote(name)}"
