"""Answering for a part: the frames of a question, read by one node of its own rows in one version.

answer = await PartialAnswerer(cube.model, database).answer(question)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from app_framework.database.branches import MASTER
from app_framework.database.errors import EngineError, NoSuchBranchError, VersionGoneError
from app_framework.olap.aggregates.rewriting import AggregateRows
from app_framework.olap.aggregation import COUNT_DISTINCT
from app_framework.olap.bitmaps import BITMAPS_FROM, DistinctBitmaps, hindered_by
from app_framework.olap.errors import (
    INVALID_QUERY,
    UNKNOWN_BRANCH,
    UNKNOWN_VERSION,
    MeasureOverflowError,
    QueryError,
    QueryProblem,
    TooLargeError,
)
from app_framework.olap.facts import BaseRows
from app_framework.olap.frames import Frame, Key
from app_framework.olap.partial.answer import PartialAnswer
from app_framework.olap.partial.binding import BoundFrame, bind
from app_framework.olap.partial.dictionaries import NUMBERED_FROM, OwnDictionaries
from app_framework.olap.partial.distinct import Span, marked
from app_framework.olap.partial.frame_sql import FrameStatement, write_frame
from app_framework.olap.partial.wire import column_name
from app_framework.olap.plan import QueryPlan

if TYPE_CHECKING:
    from app_framework.database import Database
    from app_framework.database.duckdb import Cursor
    from app_framework.database.history import DataView
    from app_framework.olap.aggregates import AggregateStore
    from app_framework.olap.join import JoinTree
    from app_framework.olap.model import CubeModel
    from app_framework.olap.partial.question import PartialQuestion

ROWS_MAX = 1_000_000


class PartialAnswerer:
    """Answers for the rows of one cube.

    Args:
        model: of the cube.
        database: where its rows are.
        rows_max: the most rows of one frame, whatever a question allows.
        bitmaps_from: from how many rows of the base table on distinct integers are sent as bitmaps.
        texts_from: from how many distinct texts on they are sent as numbers.
        aggregates: the groups of rows that its cube keeps, asked for with the first question; none unless given.
    """

    def __init__(
        self,
        model: CubeModel,
        database: Database,
        *,
        rows_max: int = ROWS_MAX,
        bitmaps_from: int | None = None,
        texts_from: int | None = None,
        aggregates: Callable[[], AggregateStore] | None = None,
    ) -> None:
        self._model = model
        self._database = database
        self._rows_max = rows_max
        rows_min = BITMAPS_FROM if bitmaps_from is None else bitmaps_from
        self._aggregates = aggregates
        self._dictionaries = OwnDictionaries(NUMBERED_FROM if texts_from is None else texts_from)
        self._bitmaps = DistinctBitmaps(rows_min, threads=database.limits.threads)

    async def answer(self, question: PartialQuestion) -> PartialAnswer:
        """Answer for this node; cancelling the task interrupts the database.

        Raises:
            QueryError: the cube has no such level, measure, branch or version, or cannot compute it.
            TooLargeError, QueryTimeoutError, OverloadedError: it may not, not in time, not now.
        """
        frames = [bind(self._model, frame) for frame in question.frames]
        ticket = self._database.submit_job(lambda cursor: self._read(cursor, question, frames), question.timeout_s)
        return await ticket.wait()

    def _read(self, cursor: Cursor, question: PartialQuestion, frames: Sequence[BoundFrame]) -> PartialAnswer:
        """Read all frames of one version."""
        started = time.perf_counter()
        tree, rows_max = self._model.joins, min(question.rows_max, self._rows_max)
        bitmaps, counted = True, False

        def read(view: DataView) -> tuple[int, tuple[pa.Table, ...]]:
            nonlocal tree, counted
            tree = self._model.joins.at(view.sources)
            tables = []
            for frame in frames:
                plan = self._plan(frame, tree)
                with self._facts(plan, view, question.branch) as facts:
                    of_rows = isinstance(facts, BaseRows) and not view.sources
                    spans = self._spans(cursor, plan, frame, view.version) if bitmaps and of_rows else {}
                    counted |= bool(spans)
                    table = _table(cursor, write_frame(frame, facts, rows_max, spans), rows_max)
                tables.append(self._numbered(table, frame, question.dictionaries))
            return view.version, tuple(tables)

        try:
            try:
                version, tables = self._database.read(cursor, read, question.version, question.branch)
            except (EngineError, TooLargeError) as error:
                if not (counted and hindered_by(error)):
                    raise
                bitmaps = False
                version, tables = self._database.read(cursor, read, question.version, question.branch)
        except EngineError as error:
            raise _blamed(cursor, frames, tree, error) from error
        except NoSuchBranchError as error:
            raise QueryError.of([QueryProblem(UNKNOWN_BRANCH, "branch", str(error))]) from error
        except VersionGoneError as error:
            raise QueryError.of([QueryProblem(UNKNOWN_VERSION, "version", str(error))]) from error
        return PartialAnswer(version, tables, (time.perf_counter() - started) * 1000)

    def _numbered(self, table: pa.Table, frame: BoundFrame, known: Mapping[str, int]) -> pa.Table:
        """Return what was read with many texts as numbers."""
        for cell in frame.cells:
            if cell.measure.aggregation is COUNT_DISTINCT and cell.measure.arguments[0].type.family == "text":
                place = table.column_names.index(column_name(cell.context, 0, cell.measure.name))
                column = table.column(place).combine_chunks()
                if isinstance(column, pa.Array):
                    of = cell.measure.arguments[0].sql
                    column, field = self._dictionaries.numbered(of, column, table.field(place), known)
                    table = table.set_column(place, field, column)
        return table

    def _plan(self, frame: BoundFrame, tree: JoinTree) -> QueryPlan:
        """Return what a frame needs as the plan of a question: its levels, all of its conditions, its measures."""
        keys = tuple(Key(level.full_name, level) for level in frame.levels)
        conditions = tuple(condition for context in (frame.where, *frame.contexts) for condition in context)
        measures = tuple({cell.measure.name: cell.measure for cell in frame.cells}.values())
        joins = tree.needed(frame.joins)
        return QueryPlan(self._model.name, tree, joins, conditions, keys, "none", measures, (), (), None, 0)

    @contextmanager
    def _facts(self, plan: QueryPlan, view: DataView, branch: str) -> Iterator[BaseRows | AggregateRows]:
        """Return what a frame is read from while it is: the rows, or what is kept of them."""
        if self._aggregates is None or branch != MASTER:
            yield BaseRows(plan.tree)
            return
        with self._aggregates().routed(plan, view) as seen:
            facts = seen.facts_of(Frame(plan.keys))
            yield facts if isinstance(facts, AggregateRows) else BaseRows(plan.tree)

    def _spans(self, cursor: Cursor, plan: QueryPlan, frame: BoundFrame, version: int) -> Mapping[str, Span]:
        """Return the measures whose distinct values are sent as bitmaps."""
        if all(measure.aggregation is not COUNT_DISTINCT for measure in plan.aggregates):
            return {}
        return self._bitmaps.spans(plan, cursor, version, len(frame.contexts))

    def __repr__(self) -> str:
        return f"<PartialAnswerer of cube {self._model.name!r}>"


def _table(cursor: Cursor, statement: FrameStatement, rows_max: int) -> pa.Table:
    table = cast("pa.Table", cursor.arrow(statement.text, statement.parameters, rows_max))
    table = table.rename_columns(list(statement.columns))
    if not statement.bitmaps:
        return table
    spans = statement.bitmaps
    fields = [marked(field, spans[field.name]) if field.name in spans else field for field in table.schema]
    return table.cast(pa.schema(fields))


def _blamed(cursor: Cursor, frames: Sequence[BoundFrame], tree: JoinTree, error: EngineError) -> Exception:
    """Find what cannot be computed: ask for the levels, then for each measure, alone; only done after an error."""
    if error.kind != "value":
        return error
    for frame in frames:
        if (reason := _failure(cursor, replace(frame, cells=()), tree)) is not None:
            return QueryError.of([QueryProblem(INVALID_QUERY, "levels", f"a level cannot be computed: {reason}")])
        for cell in frame.cells:
            if (reason := _failure(cursor, replace(frame, cells=(cell,)), tree)) is not None:
                return MeasureOverflowError(cell.measure.name, "measures", reason)
    return error


def _failure(cursor: Cursor, frame: BoundFrame, tree: JoinTree) -> str | None:
    statement = write_frame(frame, BaseRows(tree), ROWS_MAX)
    try:
        cursor.arrow(statement.text, statement.parameters)
    except EngineError as error:
        return error.reason
    return None
