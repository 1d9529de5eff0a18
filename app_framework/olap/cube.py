"""A cube over one database: answers questions by one SQL statement each.

What only a question needs, its plan, its SQL and its answer, is imported with the first one, and not by a start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from app_framework.database.branches import MASTER
from app_framework.database.errors import EngineError, ModelError, ModelProblem
from app_framework.errors import near_matches
from app_framework.olap.aggregation import AGGREGATIONS, Aggregations
from app_framework.olap.errors import (
    INVALID_QUERY,
    UNKNOWN_BRANCH,
    UNKNOWN_VERSION,
    MeasureOverflowError,
    QueryError,
    QueryProblem,
    TooLargeError,
)

if TYPE_CHECKING:
    from app_framework.database import Database, RowStream
    from app_framework.database.duckdb import Cursor
    from app_framework.database.history import DataView
    from app_framework.database.pool import Ticket
    from app_framework.database.rows import Row
    from app_framework.olap.cellset import CellColumn, CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.definition import CubeDefinition
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.model import CubeModel
    from app_framework.olap.plan import QueryPlan
    from app_framework.olap.query import CubeQuery
    from app_framework.olap.rowplan import RowPlan
    from app_framework.olap.rowset import RowSet
    from app_framework.olap.sql import Statement

T = TypeVar("T")
Fetch = Callable[[str, Sequence[object], int | None], T]
ROWS_MAX = 1_000_000
MEMBERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Reading(Generic[T]):
    """What a statement returned, and of which version."""

    version: int
    statement: Statement
    rows: T


class Cube:
    """A cube with data.

    Args:
        model: what it consists of.
        database: where its rows are.
        node: the name under which answers report the data version.
        rows_max: the largest answer, in rows.

    Attributes:
        fingerprint: of the model: the same as long as the same data gives the same answers.
    """

    def __init__(self, model: CubeModel, database: Database, *, node: str = "local", rows_max: int = ROWS_MAX) -> None:
        from app_framework.olap.fingerprint import fingerprint

        self.model = model
        self.node = node
        self.rows_max = rows_max
        self.fingerprint = fingerprint(model)
        self._database = database

    @staticmethod
    def of(definition: CubeDefinition, database: Database) -> Cube:
        """Return one cube, for a script or a test.

        Raises:
            ModelError: the definition does not fit the database.
        """
        return build_cubes([definition], database)[0]

    @property
    def name(self) -> str:
        """What queries and URLs call it."""
        return self.model.name

    def versions(self, query: CubeQuery | None = None) -> Mapping[str, int]:
        """Return the data version of each node that a question would be answered from now."""
        if query is None or query.version is None:
            branch = self._database.branches.get(query.branch) if query else None
            return {self.node: branch.version if branch else self._database.version}
        return {self.node: query.version} if isinstance(query.version, int) else dict(query.version)

    async def query(self, query: CubeQuery) -> CellSet:
        """Answer a question; cancelling the task interrupts the database.

        Raises:
            QueryError: the question cannot be answered.
            TooLargeError, QueryTimeoutError, OverloadedError: it may not, not in time, not now.
        """
        return await self._submitted(query).wait()

    def query_sync(self, query: CubeQuery) -> CellSet:
        """Answer a question in this thread; see `query`."""
        return self._submitted(query).result()

    async def query_arrow(self, query: CubeQuery) -> CellSet:
        """Answer a question whose rows stay in Arrow until somebody asks for them; see `query`."""
        from app_framework.olap.arrow import ArrowCellSet

        started = time.perf_counter()
        plan = self.plan(query)

        def answer(cursor: Cursor) -> CellSet:
            reading = self._read(cursor, plan, query, cursor.arrow, self.rows_max)
            return ArrowCellSet(
                self.name,
                _columns(plan),
                reading.rows,
                grouped=reading.statement.grouped,
                versions={self.node: reading.version},
                elapsed_ms=_milliseconds_since(started),
            )

        return await self._database.submit_job(answer, query.timeout_s).wait()

    async def query_stream(self, query: CubeQuery) -> CellStream:
        """Answer a question in batches of Arrow, the first as soon as it is there; whoever gets it closes it."""
        from app_framework.olap.cellstream import CellStream, read_batches
        from app_framework.olap.rowset import delivered

        started = time.perf_counter()
        plan = self.plan(query)

        def opened(stream: RowStream, view: DataView) -> CellStream:
            return CellStream(
                self.name,
                _columns(plan),
                read_batches(plan.at(view.sources), stream, self.rows_max),
                stream.close,
                grouped=plan.totals != "none" and bool(plan.keys),
                versions={self.node: view.version},
                elapsed_ms=_milliseconds_since(started),
            )

        try:
            opening = self._database.submit_stream(opened, query.timeout_s, self._version_of(query), query.branch)
            return await delivered(opening)
        except EngineError as error:
            failed = error
        raise await self._database.submit_job(lambda cursor: _blamed(cursor, plan, failed)).wait()

    async def explain(self, query: CubeQuery) -> dict[str, object]:
        """Answer a question and return how it was answered."""
        started = time.perf_counter()
        plan = self.plan(query)
        reading = await self._database.submit_job(
            lambda cursor: self._read(cursor, plan, query, cursor.rows), query.timeout_s
        ).wait()
        return {
            "cube": self.name,
            "plan": repr(plan),
            "sql": reading.statement.text,
            "parameters": list(reading.statement.parameters),
            "nodes": [{"node": self.node, "version": reading.version, "rows": len(reading.rows)}],
            "bytes": 0,
            "elapsed_ms": round(_milliseconds_since(started), 3),
        }

    async def members(self, level: str, *, prefix: str | None = None, limit: int = 100) -> tuple[object, ...]:
        """Return the members of a level in order, null last; `prefix` keeps the texts that begin so.

        Raises:
            QueryError: there is no such level, or a prefix is asked of one that is not text.
        """
        from app_framework.olap.cellset import with_utc
        from app_framework.olap.plan import plan_members
        from app_framework.olap.sql import write_members

        if not 0 <= limit <= MEMBERS_MAX:
            problem = QueryProblem(INVALID_QUERY, "limit", f"`limit` is a whole number from 0 to {MEMBERS_MAX:,}.")
            raise QueryError.of([problem])
        plan = plan_members(self.model, level, prefix)
        statement = write_members(plan, limit)
        rows = await self._database.submit(statement.text, statement.parameters).wait()
        zoned = [0] if plan.keys[0].level.type.family == "zoned" else []
        return tuple(row[0] for row in with_utc(rows, zoned))

    async def drillthrough(self, drillthrough: Drillthrough) -> RowSet:
        """Return exactly the rows that ``{count: "*"}`` counts in a cell; whoever gets them closes them.

        Raises:
            QueryError: the question cannot be answered.
            TooLargeError: the cell counts more rows than an answer may hold, and no limit is given.
            QueryTimeoutError, OverloadedError: not in time, not now.
        """
        from app_framework.olap.rowset import delivered

        return await delivered(self._opened(drillthrough))

    def drillthrough_sync(self, drillthrough: Drillthrough) -> RowSet:
        """Return the rows of a cell, waiting in this thread; see `drillthrough`."""
        return self._opened(drillthrough).result()

    def check_drillthrough(
        self, drillthrough: Drillthrough, known: Sequence[QueryProblem] = ()
    ) -> tuple[QueryProblem, ...]:
        """Return everything that is wrong with a drillthrough, what is known of it already included."""
        try:
            self._row_plan(drillthrough, known)
        except QueryError as error:
            return error.problems
        return ()

    def check(self, query: CubeQuery, known: Sequence[QueryProblem] = ()) -> tuple[QueryProblem, ...]:
        """Return everything that is wrong with a question: what is known of it already, and what the cube finds."""
        try:
            self.plan(query, known)
        except QueryError as error:
            return error.problems
        return ()

    def plan(self, query: CubeQuery, known: Sequence[QueryProblem] = ()) -> QueryPlan:
        """Return how a question would be answered, without answering it.

        Args:
            query: the question.
            known: what is wrong with it already, when not all of it could be read.

        Raises:
            QueryError: the question cannot be answered.
        """
        from app_framework.olap.plan import plan_query

        stale = self._state_problems(query)
        try:
            plan = plan_query(self.model, query, known)
        except QueryError as error:
            raise QueryError.of([*error.problems, *stale]) from None
        if stale:
            raise QueryError.of(stale)
        return plan

    def discovery(self) -> dict[str, object]:
        """Describe dimensions, hierarchies, levels and measures."""
        from app_framework.olap.discovery import describe_model

        return describe_model(self.model)

    def _submitted(self, query: CubeQuery) -> Ticket[CellSet]:
        """Put a question in the line of the database, with all the work on its rows: there may be many."""
        started = time.perf_counter()
        plan = self.plan(query)
        return self._database.submit_job(
            lambda cursor: self._answer(plan, self._read(cursor, plan, query, cursor.rows), started), query.timeout_s
        )

    def _opened(self, drillthrough: Drillthrough) -> Ticket[RowSet]:
        plan = self._row_plan(drillthrough)
        return self._database.submit_stream(
            lambda stream, view: self._row_set(plan.at(view.sources), stream, view.version),
            drillthrough.timeout_s,
            self._version_of(drillthrough.query),
            drillthrough.query.branch,
        )

    def _row_plan(self, drillthrough: Drillthrough, known: Sequence[QueryProblem] = ()) -> RowPlan:
        from app_framework.olap.rowplan import plan_rows

        stale = self._state_problems(drillthrough.query)
        try:
            plan = plan_rows(self.model, drillthrough, known)
        except QueryError as error:
            raise QueryError.of([*error.problems, *stale]) from None
        if stale:
            raise QueryError.of(stale)
        return plan

    def _row_set(self, plan: RowPlan, stream: RowStream, version: int) -> RowSet:
        """Count the rows before the first one is read: what is too large is refused, and not broken off."""
        from app_framework.olap.rowplan import write_count, write_rows
        from app_framework.olap.rowset import RowSet, RowSetColumn

        counted = write_count(plan)
        count = int(str(stream.query(counted.text, counted.parameters)[0][0]))
        if min(count, count if plan.limit is None else plan.limit) > self.rows_max:
            raise TooLargeError(self.rows_max)
        return RowSet(
            self.name,
            [RowSetColumn(column.name, column.answered.name) for column in plan.columns],
            count=count,
            versions={self.node: version},
            stream=stream,
            statement=write_rows(plan),
        )

    def _read(
        self, cursor: Cursor, plan: QueryPlan, query: CubeQuery, fetch: Fetch[T], rows_written: int | None = None
    ) -> _Reading[T]:
        """Read the version that is asked for, or else the newest one."""
        from app_framework.olap.sql import write_sql

        seen = plan

        def read(view: DataView) -> _Reading[T]:
            nonlocal seen
            seen = plan.at(view.sources)
            statement = write_sql(seen, rows_written)
            return _Reading(view.version, statement, fetch(statement.text, statement.parameters, self.rows_max))

        try:
            return self._database.read(cursor, read, self._version_of(query), query.branch)
        except EngineError as error:
            raise _blamed(cursor, seen, error) from error

    def _answer(self, plan: QueryPlan, reading: _Reading[list[Row]], started: float) -> CellSet:
        from app_framework.olap.cellset import CellSet, with_utc

        columns, rows = _columns(plan), reading.rows
        grouping = None
        if reading.statement.grouped:
            grouping = [bits for *_, bits in rows if isinstance(bits, int)]
            rows = [row[:-1] for row in rows]
        zoned = [position for position, column in enumerate(columns) if column.type == "timestamp[UTC]"]
        return CellSet(
            self.name,
            columns,
            rows=with_utc(rows, zoned),
            grouping=grouping,
            versions={self.node: reading.version},
            elapsed_ms=_milliseconds_since(started),
        )

    def _version_of(self, query: CubeQuery) -> int | None:
        """Return the version of this node that is asked for."""
        return query.version.get(self.node) if isinstance(query.version, Mapping) else query.version

    def _state_problems(self, query: CubeQuery) -> list[QueryProblem]:
        """Return what is wrong with branch and version; what goes away meanwhile is refused when it is read."""
        problems: list[QueryProblem] = []
        kept, branches = self._database.versions, self._database.branches
        if query.branch in branches:
            kept = (branches[query.branch].version,)
        elif query.branch != MASTER:
            near = near_matches(query.branch, [MASTER, *branches]) or (MASTER,)
            problems.append(QueryProblem(UNKNOWN_BRANCH, "branch", f"there is no branch {query.branch!r}.", near))
        if isinstance(query.version, Mapping):
            for node in query.version.keys() - {self.node}:
                text = f"there is no data of a node {node!r}; there is: {self.node}."
                problems.append(QueryProblem(UNKNOWN_VERSION, f"version.{node}", text, near_matches(node, [self.node])))
        version = self._version_of(query)
        if version is not None and version not in kept:
            several = f"{kept[0]} to {kept[-1]}" if len(kept) > 1 else f"{kept[-1]}"
            text = f"version {version} is not kept by node {self.node!r}; kept: {several} (`database.versions.keep`)."
            problems.append(QueryProblem(UNKNOWN_VERSION, "version", text))
        return problems

    def __repr__(self) -> str:
        hierarchies = len(list(self.model.hierarchies))
        return f"<Cube {self.name!r} {hierarchies} hierarchies, {len(self.model.measures)} measures>"


def build_cubes(
    definitions: Iterable[CubeDefinition],
    database: Database,
    *,
    node: str = "local",
    rows_max: int = ROWS_MAX,
    aggregations: Aggregations = AGGREGATIONS,
    known: Iterable[ModelProblem] = (),
) -> list[Cube]:
    """Return the cubes of a model.

    Problems found before, when the definitions were read, are given as `known` and reported with the new ones.

    Raises:
        ModelError: with every problem of every cube.
    """
    from app_framework.olap.building import ModelBuilder

    builder = ModelBuilder(database, aggregations)
    models = builder.build(definitions)
    problems = [*known, *builder.problems]
    if problems:
        raise ModelError(problems)
    return [Cube(model, database, node=node, rows_max=rows_max) for model in models]


def _blamed(cursor: Cursor, plan: QueryPlan, error: EngineError) -> Exception:
    """Find what cannot be computed: ask for the levels, then for each measure, alone; only done after an error."""
    if error.kind != "value":
        return error
    if (failed := _failure(cursor, plan.only())) is not None:
        return QueryError.of([QueryProblem(INVALID_QUERY, "levels", f"a level cannot be computed: {failed.reason}")])
    for position, measure in enumerate(plan.measures):
        if (failed := _failure(cursor, plan.only(measure))) is not None:
            return MeasureOverflowError(measure.name, f"measures[{position}]", failed.reason)
    return error


def _failure(cursor: Cursor, plan: QueryPlan) -> EngineError | None:
    from app_framework.olap.sql import write_sql

    statement = write_sql(plan)
    try:
        # The hash makes the engine compute every column, and one number is all that comes back.
        cursor.rows(f"SELECT bit_xor(hash(answer)) FROM ({statement}) AS answer", statement.parameters)  # noqa: S608
    except EngineError as error:
        return error
    return None


def _columns(plan: QueryPlan) -> tuple[CellColumn, ...]:
    from app_framework.olap.cellset import CellColumn

    levels = [CellColumn(key.name, "level", key.level.type.answered.name, key.level.format) for key in plan.keys]
    measures = [CellColumn(m.name, "measure", m.type.answered.name, m.format) for m in plan.measures]
    return (*levels, *measures)


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
