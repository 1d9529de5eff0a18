"""Answering for a part: the frames of a question, read by one node of its own rows in one version.

answer = await PartialAnswerer(cube.model, database).answer(question)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pyarrow as pa

from app_framework.database.errors import EngineError, NoSuchBranchError, VersionGoneError
from app_framework.olap.errors import (
    INVALID_QUERY,
    UNKNOWN_BRANCH,
    UNKNOWN_VERSION,
    MeasureOverflowError,
    QueryError,
    QueryProblem,
)
from app_framework.olap.partial.answer import PartialAnswer
from app_framework.olap.partial.binding import BoundFrame, bind
from app_framework.olap.partial.frame_sql import FrameStatement, write_frame

if TYPE_CHECKING:
    from app_framework.database import Database
    from app_framework.database.duckdb import Cursor
    from app_framework.database.history import DataView
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
    """

    def __init__(self, model: CubeModel, database: Database, *, rows_max: int = ROWS_MAX) -> None:
        self._model = model
        self._database = database
        self._rows_max = rows_max

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

        def read(view: DataView) -> tuple[int, tuple[pa.Table, ...]]:
            nonlocal tree
            tree = self._model.joins.at(view.sources)
            return view.version, tuple(_table(cursor, write_frame(frame, tree, rows_max), rows_max) for frame in frames)

        try:
            version, tables = self._database.read(cursor, read, question.version, question.branch)
        except EngineError as error:
            raise _blamed(cursor, frames, tree, error) from error
        except NoSuchBranchError as error:
            raise QueryError.of([QueryProblem(UNKNOWN_BRANCH, "branch", str(error))]) from error
        except VersionGoneError as error:
            raise QueryError.of([QueryProblem(UNKNOWN_VERSION, "version", str(error))]) from error
        return PartialAnswer(version, tables, (time.perf_counter() - started) * 1000)

    def __repr__(self) -> str:
        return f"<PartialAnswerer of cube {self._model.name!r}>"


def _table(cursor: Cursor, statement: FrameStatement, rows_max: int) -> pa.Table:
    table = cast("pa.Table", cursor.arrow(statement.text, statement.parameters, rows_max))
    return table.rename_columns(list(statement.columns))


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
    statement = write_frame(frame, tree, ROWS_MAX)
    try:
        cursor.arrow(statement.text, statement.parameters)
    except EngineError as error:
        return error.reason
    return None
