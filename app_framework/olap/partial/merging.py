"""Merging: the cells of a question, aggregated from what nodes sent, and all that is computed of cells after that.

cells = await CellMerger(world.model, world.database).cells(split, gathered, query)

The statement is the one that a single cube would run, over the parts that arrived in place of rows: so formulas,
shares, ranks, totals, order and limit are those of the whole, by construction. Small plain ones need no statement.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from app_framework.database.errors import EngineError
from app_framework.olap.cellreader import ROWS_MAX, blamed
from app_framework.olap.cellset import CellSet, read_rows
from app_framework.olap.frames import CalculationPlan, asked_groupings
from app_framework.olap.partial.arranging import ApplicationPart, Arrangement, arrange
from app_framework.olap.partial.dictionaries import KnownDictionaries
from app_framework.olap.partial.quick import ROWS_MAX as QUICK_ROWS
from app_framework.olap.partial.quick import is_quick, quick_cells
from app_framework.olap.partial.repeating import paths_within
from app_framework.olap.partial.splitting import Split
from app_framework.olap.sql import Statement, write_sql

if TYPE_CHECKING:
    from app_framework.database import Database
    from app_framework.database.duckdb import Cursor
    from app_framework.olap.model import CubeModel
    from app_framework.olap.plan import QueryPlan
    from app_framework.olap.query import CubeQuery

T = TypeVar("T")


class CellMerger:
    """Merges what nodes sent of the cells of one model.

    Args:
        model: names, types and orders; nothing of it is read.
        database: where the statements run; it holds no rows.
        rows_max: the largest answer, in rows.
        dictionaries: of texts that nodes number; where questions name their lengths, the ones that they are of.
        quick_rows: how much that was sent is merged on the spot, where no statement is needed for it.
    """

    def __init__(
        self,
        model: CubeModel,
        database: Database,
        rows_max: int = ROWS_MAX,
        *,
        quick_rows: int = QUICK_ROWS,
        dictionaries: KnownDictionaries | None = None,
    ) -> None:
        self._model = model
        self._database = database
        self._rows_max = rows_max
        self._quick_rows = quick_rows
        self._dictionaries = dictionaries or KnownDictionaries()

    async def cells(self, split: Split, gathered: Sequence[ApplicationPart], query: CubeQuery) -> CellSet:
        """Return the answer of a question from what nodes sent.

        Raises:
            QueryError: a measure cannot be computed of it.
            PartialAnswerError: a node sent what is no part of it.
            TooLargeError, QueryTimeoutError, OverloadedError: it may not, not in time, not now.
        """
        started = time.perf_counter()
        if (cells := self._quick(split, gathered)) is not None:
            cells.elapsed_ms = _since_ms(started)
            return cells

        def answer(cursor: Cursor) -> CellSet:
            plan, statement, found = self._read(cursor, split, gathered, cursor.rows)
            rows, grouping = read_rows(plan.columns, found, grouped=statement.grouped)
            return CellSet(self._model.name, plan.columns, rows=rows, grouping=grouping, elapsed_ms=_since_ms(started))

        return await self._database.submit_job(answer, query.timeout_s).wait()

    async def cells_arrow(self, split: Split, gathered: Sequence[ApplicationPart], query: CubeQuery) -> CellSet:
        """Return the same answer, whose rows stay in Arrow until somebody asks for them."""
        from app_framework.olap.arrow import ArrowCellSet

        started = time.perf_counter()

        def answer(cursor: Cursor) -> CellSet:
            plan, statement, table = self._read(cursor, split, gathered, cursor.arrow, bounded=True)
            return ArrowCellSet(
                self._model.name,
                plan.columns,
                table,
                grouped=statement.grouped,
                versions={},
                elapsed_ms=_since_ms(started),
            )

        return await self._database.submit_job(answer, query.timeout_s).wait()

    def statement(self, split: Split, gathered: Sequence[ApplicationPart]) -> Statement:
        """Return the statement that merges, to be shown."""
        return write_sql(self._plan(split, arrange(split, self._model, gathered, self._dictionaries)))

    def _quick(self, split: Split, gathered: Sequence[ApplicationPart]) -> CellSet | None:
        """Return the answer where it is so small and plain that no statement is needed for it."""
        rows = sum(table.num_rows for part in gathered for tables in part.tables for table in tables)
        if rows > self._quick_rows or not is_quick(split.plan):
            return None
        arrangement = arrange(split, self._model, gathered, self._dictionaries)
        return quick_cells(self._model.name, split.plan, arrangement, self._rows_max)

    def _read(
        self,
        cursor: Cursor,
        split: Split,
        gathered: Sequence[ApplicationPart],
        fetch: Callable[[str, Sequence[object], int | None], T],
        *,
        bounded: bool = False,
    ) -> tuple[QueryPlan, Statement, T]:
        arrangement = arrange(split, self._model, gathered, self._dictionaries)
        plan = self._plan(split, arrangement)
        with ExitStack() as offers:
            for name, table in arrangement.tables.items():
                offers.enter_context(cursor.offering(name, table))
            for name, paths in arrangement.paths.items():
                kept = paths_within(cursor, paths, split.plan.conditions)
                offers.enter_context(cursor.offering(name, kept))
            statement = write_sql(plan, self._rows_max if bounded else None)
            try:
                return plan, statement, fetch(statement.text, statement.parameters, self._rows_max)
            except EngineError as error:
                raise blamed(cursor, plan, error) from error

    def _plan(self, split: Split, arrangement: Arrangement) -> QueryPlan:
        """Return the plan over what was sent: its conditions were applied where the rows are."""
        plan = split.plan
        if arrangement.laid_out and plan.calculations is None:
            names = [measure.name for measure in plan.measures]
            asked = asked_groupings(len(plan.keys), plan.totals)
            calculations = CalculationPlan(self._model.measures, plan.keys, asked, names)
            plan = replace(plan, calculations=calculations)
        return replace(plan, conditions=(), facts=arrangement.rows)

    def __repr__(self) -> str:
        return f"<CellMerger of cube {self._model.name!r}>"


def _since_ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
