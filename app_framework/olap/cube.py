"""A cube over one database: answers questions by one SQL statement each.

What only a question needs, its plan, its SQL and its answer, is imported with the first one, and not by a start.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from app_framework.database.branches import MASTER
from app_framework.database.errors import EngineError, VersionGoneError
from app_framework.errors import near_matches
from app_framework.olap.cellreader import ROWS_MAX, CellReader, Fetch, Reading, blamed
from app_framework.olap.errors import (
    INVALID_QUERY,
    UNKNOWN_BRANCH,
    UNKNOWN_VERSION,
    QueryError,
    QueryProblem,
    TooLargeError,
)

if TYPE_CHECKING:
    from app_framework.database import CommitListener, Database, RowStream
    from app_framework.database.duckdb import Cursor
    from app_framework.database.history import DataView
    from app_framework.database.pool import Ticket
    from app_framework.database.rows import Row
    from app_framework.olap.aggregate_limits import AggregateLimits
    from app_framework.olap.aggregates import Advice, AggregateStore
    from app_framework.olap.cellset import CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.definition import CubeDefinition
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.flat import FlatStore
    from app_framework.olap.model import CubeModel
    from app_framework.olap.plan import QueryPlan
    from app_framework.olap.query import CubeQuery
    from app_framework.olap.rowplan import RowPlan
    from app_framework.olap.rowset import RowSet
    from app_framework.olap.shelf import TileShelf

T = TypeVar("T")
MEMBERS_MAX = 10_000


class Cube:
    """A cube with data.

    Args:
        model: what it consists of.
        database: where its rows are.
        node: the name under which answers report the data version.
        rows_max: the largest answer, in rows.
        bitmaps_from: from how many rows of the base table on distinct integers are counted in bitmaps.
        limits: what its aggregates may cost.

    Attributes:
        fingerprint: of the model: the same as long as the same data gives the same answers.
    """

    def __init__(
        self,
        model: CubeModel,
        database: Database,
        *,
        node: str = "local",
        rows_max: int = ROWS_MAX,
        bitmaps_from: int | None = None,
        limits: AggregateLimits | None = None,
    ) -> None:
        from app_framework.olap.fingerprint import fingerprint

        self.model = model
        self.node = node
        self.rows_max = rows_max
        self.fingerprint = fingerprint(model)
        self._database = database
        self._reader = CellReader(model, database, rows_max=rows_max, bitmaps_from=bitmaps_from, limits=limits)
        if model.keeping.levels:
            self.aggregates.keep_declared()
        if model.keeping.flat:
            self.flat.keep()

    @staticmethod
    def of(definition: CubeDefinition, database: Database, *, limits: AggregateLimits | None = None) -> Cube:
        """Return one cube, for a script or a test.

        Raises:
            ModelError: the definition does not fit the database.
        """
        from app_framework.olap.modeler import build_cubes

        return build_cubes([definition], database, limits=limits)[0]

    @property
    def name(self) -> str:
        """What queries and URLs call it."""
        return self.model.name

    @property
    def aggregates(self) -> AggregateStore:
        """The groups of rows that are kept, so that questions need not read the rows."""
        return self._reader.aggregates

    @property
    def tiles(self) -> TileShelf:
        """Dense copies of small aggregates in memory, from which questions are answered at once."""
        return self._reader.tiles

    @property
    def flat(self) -> FlatStore:
        """The rows with numbers in the place of members, for questions that no aggregate covers."""
        return self._reader.flat

    def advise(self) -> Advice:
        """Return which aggregates would be worth keeping, by what was asked until now; waits in this thread."""
        return self.aggregates.advise().result()

    def is_of(self, model: CubeModel) -> bool:
        """Tell whether the cube answers and keeps as a model says."""
        from app_framework.olap.fingerprint import fingerprint

        return self.fingerprint == fingerprint(model) and self.model.keeping == model.keeping

    def close(self) -> None:
        """Let go of what is kept for questions; those that run are answered, and so are later ones, from the rows."""
        self._reader.close()

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
        started = time.perf_counter()
        plan = self.plan(query)
        found = self._from_tile(plan, query, started)
        return await self._submitted(plan, query, started).wait() if found is None else found

    def query_sync(self, query: CubeQuery) -> CellSet:
        """Answer a question in this thread; see `query`."""
        started = time.perf_counter()
        plan = self.plan(query)
        found = self._from_tile(plan, query, started)
        return self._submitted(plan, query, started).result() if found is None else found

    async def query_arrow(self, query: CubeQuery) -> CellSet:
        """Answer a question whose rows stay in Arrow until somebody asks for them; see `query`."""
        from app_framework.olap.arrow import ArrowCellSet

        started = time.perf_counter()
        plan = self.plan(query)

        def answer(cursor: Cursor) -> CellSet:
            reading = self._read(cursor, plan, query, cursor.arrow, bounded=True)
            return ArrowCellSet(
                self.name,
                plan.columns,
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
        if plan.has_functions:
            return await self._whole_stream(plan, query, started)

        def opened(stream: RowStream, view: DataView) -> CellStream:
            reading = ExitStack()
            stream.when_closed(reading.close)
            seen = reading.enter_context(self._reader.seen(plan, view, query.branch))
            return CellStream(
                self.name,
                plan.columns,
                read_batches(seen, stream, self.rows_max),
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
        raise await self._database.submit_job(lambda cursor: blamed(cursor, plan, failed)).wait()

    async def _whole_stream(self, plan: QueryPlan, query: CubeQuery, started: float) -> CellStream:
        """Answer in batches what is there only as a whole, because Python computes some of it."""
        from app_framework.olap.arrow import table_batches
        from app_framework.olap.cellstream import CellStream

        def answer(cursor: Cursor) -> CellStream:
            reading = self._read(cursor, plan, query, cursor.arrow, bounded=True)
            return CellStream(
                self.name,
                plan.columns,
                table_batches(reading.rows),
                lambda: None,
                grouped=reading.statement.grouped,
                versions={self.node: reading.version},
                elapsed_ms=_milliseconds_since(started),
            )

        return await self._database.submit_job(answer, query.timeout_s).wait()

    async def explain(self, query: CubeQuery) -> dict[str, object]:
        """Answer a question by its statement and return how; `tile` is there where no statement would be needed."""
        started = time.perf_counter()
        plan = self.plan(query)
        version = self._tiled_version(query)
        tile = None if version is None else self.tiles.tile_for(plan, version, self.rows_max)
        reading = await self._database.submit_job(
            lambda cursor: self._read(cursor, plan, query, cursor.rows), query.timeout_s
        ).wait()
        return {
            "cube": self.name,
            "plan": repr(reading.plan),
            "sql": ";\n\n".join(text for text, _ in reading.statements),
            "parameters": [value for _, parameters in reading.statements for value in parameters],
            "nodes": [{"node": self.node, "version": reading.version, "rows": len(reading.rows)}],
            "bytes": 0,
            "elapsed_ms": round(_milliseconds_since(started), 3),
            **({"tile": str(tile)} if tile else {}),
        }

    async def members(
        self,
        level: str,
        *,
        prefix: str | None = None,
        limit: int = 100,
        branch: str = MASTER,
        version: int | None = None,
    ) -> tuple[object, ...]:
        """Return the members of a level in order, null last; `prefix` keeps the texts that begin so.

        Raises:
            QueryError: there is no such level, branch or version, or a prefix is asked of one that is not text.
        """
        from app_framework.olap.cellset import with_utc
        from app_framework.olap.plan import plan_members
        from app_framework.olap.query import CubeQuery
        from app_framework.olap.sql import write_members

        if not 0 <= limit <= MEMBERS_MAX:
            problem = QueryProblem(INVALID_QUERY, "limit", f"`limit` is a whole number from 0 to {MEMBERS_MAX:,}.")
            raise QueryError.of([problem])
        stale = self._state_problems(CubeQuery(measures=("-",), branch=branch, version=version))
        try:
            plan = plan_members(self.model, level, prefix)
        except QueryError as error:
            raise QueryError.of([*error.problems, *stale]) from None
        if stale:
            raise QueryError.of(stale)

        def read(cursor: Cursor, view: DataView) -> list[Row]:
            with self._reader.seen(plan, view, branch) as seen:
                statement = write_members(seen, limit)
                return cursor.rows(statement.text, statement.parameters)

        rows = await self._database.submit_job(
            lambda cursor: self._database.read(cursor, partial(read, cursor), version, branch)
        ).wait()
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

    def listen(self) -> CommitListener:
        """Return what is told of every commit to the data of this cube."""
        return self._database.listen()

    def tables(self, query: CubeQuery) -> frozenset[str]:
        """Return the tables whose rows the answer to a question may depend on."""
        from app_framework.olap.impact import tables_read

        return tables_read(self.plan(query))

    async def untouched(self, query: CubeQuery, since: int, changed: frozenset[str]) -> int | None:
        """Return a later version in which the answer to a question is the same as in an earlier one, if it can be seen
        from the rows that came and left; None where only asking again tells.

        Args:
            query: the question.
            since: the earlier version.
            changed: tables that changed since then.
        """
        from app_framework.olap.impact import may_be_untouched, write_touched

        plan = self.plan(query)
        if query.branch != MASTER or not may_be_untouched(plan, changed):
            return None

        def look(cursor: Cursor) -> int | None:
            def seen(rows: DataView) -> int | None:
                statement = write_touched(plan, rows.sources)
                touched = cursor.rows(statement.text, statement.parameters)[0][0]
                return None if touched else rows.version

            return self._database.read_changes(cursor, seen, since)

        try:
            return await self._database.submit_job(look, query.timeout_s).wait()
        except (VersionGoneError, EngineError):
            return None

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

        return {**describe_model(self.model), "model": self.fingerprint, "kind": "cube"}

    def _submitted(self, plan: QueryPlan, query: CubeQuery, started: float) -> Ticket[CellSet]:
        """Put a question in the line of the database, with all the work on its rows: there may be many."""
        return self._database.submit_job(
            lambda cursor: self._answer(plan, self._read(cursor, plan, query, cursor.rows), started), query.timeout_s
        )

    def _from_tile(self, plan: QueryPlan, query: CubeQuery, started: float) -> CellSet | None:
        """Return the answer where dense arrays in memory have it: nothing waits for that, and nothing interrupts it."""
        version = self._tiled_version(query)
        answer = self.tiles.answer(plan, version, self.rows_max) if version is not None else None
        if answer is not None:
            answer.versions = {self.node: version or 0}
            answer.elapsed_ms = _milliseconds_since(started)
        return answer

    def _tiled_version(self, query: CubeQuery) -> int | None:
        """Return the newest version, where it is asked for and there may be tiles of it."""
        if query.branch != MASTER or not self._reader.has_tiles:
            return None
        newest = self._database.version
        return newest if self._version_of(query) in (None, newest) else None

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
        self, cursor: Cursor, plan: QueryPlan, query: CubeQuery, fetch: Fetch[T], *, bounded: bool = False
    ) -> Reading[T]:
        """Read the version that is asked for, or else the newest one."""
        return self._reader.read(cursor, plan, fetch, self._version_of(query), query.branch, bounded=bounded)

    def _answer(self, plan: QueryPlan, reading: Reading[list[Row]], started: float) -> CellSet:
        from app_framework.olap.cellset import CellSet, read_rows

        rows, grouping = read_rows(plan.columns, reading.rows, grouped=reading.statement.grouped)
        return CellSet(
            self.name,
            plan.columns,
            rows=rows,
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


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
