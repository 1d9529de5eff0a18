"""A cube over one database: answers questions by one SQL statement each.

What only a question needs, its plan, its SQL and its answer, is imported with the first one, and not by a start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from app_framework.database.branches import MASTER
from app_framework.database.errors import EngineError, ModelError, ModelProblem, ResultTooLargeError, VersionGoneError
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
from app_framework.olap.fingerprint import fingerprint

if TYPE_CHECKING:
    from app_framework.database import CommitListener, Database, RowStream
    from app_framework.database.duckdb import Cursor
    from app_framework.database.history import DataView
    from app_framework.database.pool import Ticket
    from app_framework.database.rows import Row
    from app_framework.olap.aggregate_limits import AggregateLimits
    from app_framework.olap.aggregates import Advice, AggregateStore
    from app_framework.olap.bitmaps import DistinctBitmaps
    from app_framework.olap.cellset import CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.definition import CubeDefinition
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.flat import FlatStore
    from app_framework.olap.functions import FunctionRun
    from app_framework.olap.model import CubeModel
    from app_framework.olap.plan import QueryPlan
    from app_framework.olap.query import CubeQuery
    from app_framework.olap.rowplan import RowPlan
    from app_framework.olap.rowset import RowSet
    from app_framework.olap.shelf import TileShelf
    from app_framework.olap.sql import Statement

T = TypeVar("T")
Fetch = Callable[[str, Sequence[object], int | None], T]
ROWS_MAX = 1_000_000
MEMBERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Reading(Generic[T]):
    """What a statement returned, and of which version."""

    version: int
    plan: QueryPlan
    statement: Statement
    rows: T
    before: tuple[tuple[str, tuple[object, ...]], ...] = ()

    @property
    def statements(self) -> tuple[tuple[str, tuple[object, ...]], ...]:
        """The texts that ran, with the values bound to each; several where Python computes something."""
        return (*self.before, (self.statement.text, self.statement.parameters))


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
        self.model = model
        self.node = node
        self.rows_max = rows_max
        self.fingerprint = fingerprint(model)
        self._database = database
        self._bitmaps_from = bitmaps_from
        self._bitmaps: DistinctBitmaps | None = None
        self._limits = limits
        self._aggregates: AggregateStore | None = None
        self._tiles: TileShelf | None = None
        self._flat: FlatStore | None = None
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
        return build_cubes([definition], database, limits=limits)[0]

    @property
    def name(self) -> str:
        """What queries and URLs call it."""
        return self.model.name

    @property
    def aggregates(self) -> AggregateStore:
        """The groups of rows that are kept, so that questions need not read the rows."""
        from app_framework.olap.aggregates import AggregateStore

        if self._aggregates is None:
            self._aggregates = AggregateStore(self.model, self._database, self._limits)
        return self._aggregates

    @property
    def tiles(self) -> TileShelf:
        """Dense copies of small aggregates in memory, from which questions are answered at once."""
        if self._tiles is None:
            from app_framework.olap.shelf import TileShelf

            self._tiles = TileShelf(self.model, self._database, self.aggregates)
        return self._tiles

    @property
    def flat(self) -> FlatStore:
        """The rows with numbers in the place of members, for questions that no aggregate covers."""
        if self._flat is None:
            from app_framework.olap.flat import FlatStore

            self._flat = FlatStore(self.model, self._database, self._limits)
        return self._flat

    @property
    def bitmaps(self) -> DistinctBitmaps:
        """What chooses the distinct counts that bitmaps are for."""
        if self._bitmaps is None:
            from app_framework.olap.bitmaps import BITMAPS_FROM, DistinctBitmaps

            rows_min = BITMAPS_FROM if self._bitmaps_from is None else self._bitmaps_from
            self._bitmaps = DistinctBitmaps(rows_min, threads=self._database.limits.threads)
        return self._bitmaps

    def advise(self) -> Advice:
        """Return which aggregates would be worth keeping, by what was asked until now; waits in this thread."""
        return self.aggregates.advise().result()

    def is_of(self, model: CubeModel) -> bool:
        """Tell whether the cube answers and keeps as a model says."""
        return self.fingerprint == fingerprint(model) and self.model.keeping == model.keeping

    def close(self) -> None:
        """Let go of what is kept for questions; those that run are answered, and so are later ones, from the rows."""
        if self._aggregates is not None:
            self._aggregates.close()
        if self._flat is not None:
            self._flat.close()

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
            reading = self._read(cursor, plan, query, cursor.arrow, self.rows_max)
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
            seen = reading.enter_context(self._seen(plan, view, query.branch))
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
        raise await self._database.submit_job(lambda cursor: _blamed(cursor, plan, failed)).wait()

    async def _whole_stream(self, plan: QueryPlan, query: CubeQuery, started: float) -> CellStream:
        """Answer in batches what is there only as a whole, because Python computes some of it."""
        from app_framework.olap.arrow import table_batches
        from app_framework.olap.cellstream import CellStream

        def answer(cursor: Cursor) -> CellStream:
            reading = self._read(cursor, plan, query, cursor.arrow, self.rows_max)
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
            with self._seen(plan, view, branch) as seen:
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

        return {**describe_model(self.model), "model": self.fingerprint}

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
        if not self._aggregates or query.branch != MASTER or not self._aggregates.limits.tile_bytes:
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
        self, cursor: Cursor, plan: QueryPlan, query: CubeQuery, fetch: Fetch[T], rows_written: int | None = None
    ) -> _Reading[T]:
        """Read the version that is asked for, or else the newest one."""
        from app_framework.olap.bitmaps import hindered_by
        from app_framework.olap.sql import write_sql

        of_rows, bitmaps, counted = plan, True, False

        def read(view: DataView) -> _Reading[T]:
            nonlocal of_rows, counted
            of_rows = plan.at(view.sources)
            with self._seen(plan, view, query.branch) as seen, _running(cursor, seen, self.rows_max) as run:
                of_rows_only = not view.sources and seen.of_rows
                final = self.bitmaps.chosen(seen, cursor, view.version) if bitmaps and of_rows_only else seen
                counted = final is not seen
                statement = write_sql(final, rows_written, between=run)
                rows = fetch(statement.text, statement.parameters, self.rows_max)
            return _Reading(view.version, final, statement, rows, tuple(run.statements) if run else ())

        try:
            try:
                return self._database.read(cursor, read, self._version_of(query), query.branch)
            except (EngineError, ResultTooLargeError) as error:
                if not (counted and hindered_by(error)):
                    raise
            bitmaps = False
            return self._database.read(cursor, read, self._version_of(query), query.branch)
        except EngineError as error:
            raise _blamed(cursor, of_rows, error) from error

    @contextmanager
    def _seen(self, plan: QueryPlan, view: DataView, branch: str) -> Iterator[QueryPlan]:
        """Return the plan over what a reader sees, from what is kept where that covers it, while it is read."""
        seen = plan.at(view.sources)
        with ExitStack() as reading:
            if branch == MASTER and (self._aggregates is not None or self.model.keeping.automatic):
                seen = reading.enter_context(self.aggregates.routed(seen, view))
            if branch == MASTER and self._flat is not None:
                seen = reading.enter_context(self._flat.routed(seen, view))
            yield seen

    def _answer(self, plan: QueryPlan, reading: _Reading[list[Row]], started: float) -> CellSet:
        from app_framework.olap.cellset import CellSet, with_utc

        columns, rows = plan.columns, reading.rows
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
    limits: AggregateLimits | None = None,
    known: Iterable[ModelProblem] = (),
    replaced: Iterable[Cube] = (),
) -> list[Cube]:
    """Return the cubes of a model; from now on commits keep to what it relies on.

    Problems found before, when the definitions were read, are given as `known` and reported with the new ones. Of what
    the cubes rely on whose place these take, nothing has to be true any more that these do not rely on; one of them
    that is as it was stays the same cube, so that whoever holds it goes on with what it knows.

    Raises:
        ModelError: with every problem of every cube.
    """
    from app_framework.olap.building import ModelBuilder

    definitions, known, replaced = tuple(definitions), tuple(known), tuple(replaced)
    old = frozenset(promise for cube in replaced for promise in cube.model.promises)
    while True:
        seen = database.version
        builder = ModelBuilder(database, aggregations)
        models = builder.build(definitions)
        problems = [*known, *builder.problems]
        if problems:
            raise ModelError(problems)
        # A commit may have come meanwhile after which the model is not true; then looking again tells why.
        if database.exchange_promises(old, frozenset(each for model in models for each in model.promises), seen):
            break
    before = {cube.name: cube for cube in replaced}
    return [
        same
        if (same := before.get(model.name)) is not None and same.is_of(model)
        else Cube(model, database, node=node, rows_max=rows_max, limits=limits)
        for model in models
    ]


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

    try:
        with _running(cursor, plan, ROWS_MAX) as run:
            statement = write_sql(plan, between=run)
            # The hash makes the engine compute every column, and one number is all that comes back.
            cursor.rows(f"SELECT bit_xor(hash(answer)) FROM ({statement}) AS answer", statement.parameters)  # noqa: S608
    except EngineError as error:
        return error
    return None


@contextmanager
def _running(cursor: Cursor, plan: QueryPlan, cells_max: int) -> Iterator[FunctionRun | None]:
    """Yield what runs the Python functions of a plan, None where it has none."""
    if plan.calculations is None or not plan.has_functions:
        yield None
        return
    from app_framework.olap.functions import FunctionRun

    run = FunctionRun(cursor, plan.calculations, cells_max)
    try:
        yield run
    finally:
        run.close()


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
