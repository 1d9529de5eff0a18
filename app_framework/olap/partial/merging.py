"""Merging: the cells of a question, aggregated from what nodes sent, and all that is computed of cells after that.

cells = await CellMerger(world.model, world.database).cells(split, gathered, query)

The statement is the one that a single cube would run, over the parts that arrived in place of rows: so formulas,
shares, ranks, totals, order and limit are those of the whole, by construction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeVar

import pyarrow as pa

from app_framework.database.errors import EngineError
from app_framework.olap.cellreader import ROWS_MAX, blamed
from app_framework.olap.cellset import CellSet, read_rows
from app_framework.olap.frames import Frame
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.partial.gathered import GatheredRows
from app_framework.olap.partial.splitting import Split, contexts_of
from app_framework.olap.sql import Statement, write_sql

if TYPE_CHECKING:
    from app_framework.database import Database
    from app_framework.database.duckdb import Cursor
    from app_framework.olap.model import CubeModel
    from app_framework.olap.plan import QueryPlan
    from app_framework.olap.query import CubeQuery

T = TypeVar("T")
Replication = Literal["on-slicer", "always", "never"]


@dataclass(frozen=True, slots=True)
class ApplicationPart:
    """What the nodes of one application sent.

    Args:
        application: its name.
        knows: the full names of the levels that it has.
        measures: the names of the measures that it has.
        tables: per frame of the split, in its order, what its nodes sent; nothing where none was asked.
        replication: whether its values repeat along hierarchies that it does not have.
        members: of such hierarchies, the paths at which they do.
    """

    application: str
    knows: frozenset[str]
    measures: frozenset[str]
    tables: tuple[tuple[pa.Table, ...], ...]
    replication: Replication = "on-slicer"
    members: Mapping[str, pa.Table] = field(default_factory=dict)


class CellMerger:
    """Merges what nodes sent of the cells of one model.

    Args:
        model: names, types and orders; nothing of it is read.
        database: where the statements run; it holds no rows.
        rows_max: the largest answer, in rows.
    """

    def __init__(self, model: CubeModel, database: Database, rows_max: int = ROWS_MAX) -> None:
        self._model = model
        self._database = database
        self._rows_max = rows_max

    async def cells(self, split: Split, gathered: Sequence[ApplicationPart], query: CubeQuery) -> CellSet:
        """Return the answer of a question from what nodes sent.

        Raises:
            QueryError: a measure cannot be computed of it.
            PartialAnswerError: a node sent what is no part of it.
            TooLargeError, QueryTimeoutError, OverloadedError: it may not, not in time, not now.
        """
        started = time.perf_counter()

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
        return write_sql(_plan(split.plan, rows_of(split)))

    def _read(
        self,
        cursor: Cursor,
        split: Split,
        gathered: Sequence[ApplicationPart],
        fetch: Callable[[str, Sequence[object], int | None], T],
        *,
        bounded: bool = False,
    ) -> tuple[QueryPlan, Statement, T]:
        rows = rows_of(split)
        plan = _plan(split.plan, rows)
        with _offered(cursor, [*rows.values()], gathered):
            statement = write_sql(plan, self._rows_max if bounded else None)
            try:
                return plan, statement, fetch(statement.text, statement.parameters, self._rows_max)
            except EngineError as error:
                raise blamed(cursor, plan, error) from error

    def __repr__(self) -> str:
        return f"<CellMerger of cube {self._model.name!r}>"


def rows_of(split: Split) -> dict[Frame, GatheredRows]:
    """Return what stands for the rows of each frame."""
    plan, rows = split.plan, {}
    for number, (frame, asked) in enumerate(split.frames.items()):
        measures: Mapping[str, AggregateMeasure] = {measure.name: measure for measure in plan.aggregates}
        rows[frame] = GatheredRows(frame, asked, measures, contexts_of(plan, frame), f"#partial {number}")
    return rows


def _plan(plan: QueryPlan, rows: Mapping[Frame, GatheredRows]) -> QueryPlan:
    """Return the plan over what was sent: its conditions were applied where the rows are."""
    return replace(plan, conditions=(), facts=rows)


@contextmanager
def _offered(cursor: Cursor, frames: Sequence[GatheredRows], gathered: Sequence[ApplicationPart]) -> Iterator[None]:
    """Let a cursor read what was sent as tables."""
    with ExitStack() as offers:
        for number, rows in enumerate(frames):
            tables = [table for part in gathered for table in part.tables[number]]
            offers.enter_context(cursor.offering(rows.table, rows.arranged(tables)))
        yield


def _since_ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
