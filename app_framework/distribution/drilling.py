"""The rows behind a cell, as one data cube reads them for query cubes: without the columns of what is concealed."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from app_framework.database.errors import NoSuchBranchError, VersionGoneError
from app_framework.olap.drillthrough import Drillthrough
from app_framework.olap.errors import UNKNOWN_BRANCH, UNKNOWN_VERSION, QueryError, QueryProblem, TooLargeError
from app_framework.olap.model import CubeModel, Keeping
from app_framework.olap.partial.binding import bind
from app_framework.olap.partial.question import PartialFrame
from app_framework.olap.rowplan import RowPlan, plan_rows, write_count, write_rows
from app_framework.olap.rowset import RowSet, RowSetColumn, delivered

if TYPE_CHECKING:
    from app_framework.database import Database
    from app_framework.database.history import DataView
    from app_framework.database.stream import RowStream
    from app_framework.distribution.concealment import Concealed
    from app_framework.distribution.rows_question import RowsQuestion
    from app_framework.olap.join import JoinTree


class RowReader:
    """Reads rows of one cube.

    Args:
        model: of the cube.
        concealed: what is not shown of it.
        database: where its rows are.
        rows_max: how many leave at once.
    """

    def __init__(self, model: CubeModel, concealed: Concealed, database: Database, rows_max: int) -> None:
        self._model = drillable(model, concealed)
        self._database = database
        self._rows_max = rows_max

    async def read(self, question: RowsQuestion) -> RowSet:
        """Return the rows that a question means; whoever gets them closes them.

        Raises:
            QueryError: there is no such level, column, branch or version.
            TooLargeError: they are more than may leave, and no limit is given.
            QueryTimeoutError, OverloadedError: not in time, not now.
        """
        plan = self._plan(question)
        try:
            return await delivered(
                self._database.submit_stream(
                    lambda stream, view: self._opened(plan, stream, view),
                    question.timeout_s,
                    question.version,
                    question.branch,
                )
            )
        except NoSuchBranchError as error:
            raise QueryError.of([QueryProblem(UNKNOWN_BRANCH, "branch", str(error))]) from error
        except VersionGoneError as error:
            raise QueryError.of([QueryProblem(UNKNOWN_VERSION, "version", str(error))]) from error

    def _plan(self, question: RowsQuestion) -> RowPlan:
        bound = bind(self._model, PartialFrame(where=question.where))
        plan = plan_rows(self._model, Drillthrough(columns=question.columns, limit=question.limit))
        # The conditions are those of the question only: defaults of slicing hierarchies are among them already.
        cell = replace(plan.cell, conditions=bound.where, joins=self._model.joins.needed(bound.joins))
        wanted = {join.path for join in cell.joins} | {column.path for column in plan.columns}
        return replace(plan, cell=cell, joins=self._model.joins.needed(wanted))

    def _opened(self, plan: RowPlan, stream: RowStream, view: DataView) -> RowSet:
        """Count the rows before the first one is read: what is too large is refused, and not broken off."""
        plan = plan.at(view.sources)
        counted = write_count(plan)
        count = int(str(stream.query(counted.text, counted.parameters)[0][0]))
        if min(count, count if plan.limit is None else plan.limit) > self._rows_max:
            raise TooLargeError(self._rows_max)
        columns = [RowSetColumn(column.name, column.answered.name) for column in plan.columns]
        return RowSet(
            self._model.name,
            columns,
            count=count,
            versions={"": view.version},
            stream=stream,
            statement=write_rows(plan),
        )

    def __repr__(self) -> str:
        return f"<RowReader of cube {self._model.name!r}>"


def drillable(model: CubeModel, concealed: Concealed) -> CubeModel:
    """Return a model without what is concealed, in which the columns that only concealed levels read are unknown."""
    visible = concealed.visible(model)
    shown = {name for level in visible.levels for name in level.expression.names}
    hidden = {
        name
        for hierarchy in model.hierarchies
        if hierarchy.full_name in concealed.hierarchies
        for level in hierarchy.levels
        for name in level.expression.names
    }
    return replace(visible, joins=_without(model.joins, frozenset(hidden - shown)), keeping=Keeping(automatic=False))


def _without(tree: JoinTree, hidden: frozenset[object]) -> JoinTree:
    """Return a tree whose tables lack some columns, each a path and a name; the SQL of levels needs no tree."""
    bare = copy(tree)
    bare.joins = {
        path: replace(
            join,
            table=replace(
                join.table,
                columns=MappingProxyType(
                    {name: column for name, column in join.table.columns.items() if (path, name) not in hidden}
                ),
            ),
        )
        for path, join in tree.joins.items()
    }
    bare.base = bare.joins[()].table
    return bare
