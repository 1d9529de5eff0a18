"""How cells are read: from what answers a plan soonest, all of one version.

reader = CellReader(model, database)
reading = database.submit_job(lambda cursor: reader.read(cursor, plan, cursor.rows)).result()

Groups that are kept come first, then flat rows, then the tables, with distinct counts in bitmaps where those fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from app_framework.database.branches import MASTER
from app_framework.database.errors import EngineError, ResultTooLargeError
from app_framework.olap.errors import INVALID_QUERY, MeasureOverflowError, QueryError, QueryProblem

if TYPE_CHECKING:
    from app_framework.database import Database
    from app_framework.database.duckdb import Cursor
    from app_framework.database.history import DataView
    from app_framework.olap.aggregate_limits import AggregateLimits
    from app_framework.olap.aggregates import AggregateStore
    from app_framework.olap.bitmaps import DistinctBitmaps
    from app_framework.olap.flat import FlatStore
    from app_framework.olap.functions import FunctionRun
    from app_framework.olap.model import CubeModel
    from app_framework.olap.plan import QueryPlan
    from app_framework.olap.shelf import TileShelf
    from app_framework.olap.sql import Statement

T = TypeVar("T")
Fetch = Callable[[str, Sequence[object], int | None], T]
ROWS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
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


class CellReader:
    """Reads the cells of one cube.

    Args:
        model: of the cube.
        database: where its rows are.
        rows_max: the largest answer, in rows.
        bitmaps_from: from how many rows of the base table on distinct integers are counted in bitmaps.
        limits: what its aggregates may cost.
    """

    def __init__(
        self,
        model: CubeModel,
        database: Database,
        *,
        rows_max: int = ROWS_MAX,
        bitmaps_from: int | None = None,
        limits: AggregateLimits | None = None,
    ) -> None:
        self._model = model
        self._database = database
        self._rows_max = rows_max
        self._bitmaps_from = bitmaps_from
        self._bitmaps: DistinctBitmaps | None = None
        self._limits = limits
        self._aggregates: AggregateStore | None = None
        self._tiles: TileShelf | None = None
        self._flat: FlatStore | None = None

    def read(
        self,
        cursor: Cursor,
        plan: QueryPlan,
        fetch: Fetch[T],
        version: int | None = None,
        branch: str = MASTER,
        *,
        bounded: bool = False,
    ) -> Reading[T]:
        """Answer a plan by one statement.

        Args:
            cursor: runs it.
            plan: what is asked.
            fetch: runs a statement with its values, and returns its rows up to a number.
            version: of the data; the newest unless given.
            branch: where.
            bounded: whether the statement itself ends after one row too many.

        Raises:
            QueryError: a level or a measure cannot be computed.
            TooLargeError, QueryTimeoutError: the answer is too large, or takes too long.
        """
        from app_framework.olap.bitmaps import hindered_by
        from app_framework.olap.sql import write_sql

        of_rows, bitmaps, counted = plan, True, False

        def read(view: DataView) -> Reading[T]:
            nonlocal of_rows, counted
            of_rows = plan.at(view.sources)
            with self.seen(plan, view, branch) as seen, _running(cursor, seen, self._rows_max) as run:
                of_rows_only = not view.sources and seen.of_rows
                final = self.bitmaps.chosen(seen, cursor, view.version) if bitmaps and of_rows_only else seen
                counted = final is not seen
                statement = write_sql(final, self._rows_max if bounded else None, between=run)
                rows = fetch(statement.text, statement.parameters, self._rows_max)
            return Reading(view.version, final, statement, rows, tuple(run.statements) if run else ())

        try:
            try:
                return self._database.read(cursor, read, version, branch)
            except (EngineError, ResultTooLargeError) as error:
                if not (counted and hindered_by(error)):
                    raise
            bitmaps = False
            return self._database.read(cursor, read, version, branch)
        except EngineError as error:
            raise blamed(cursor, of_rows, error) from error

    @contextmanager
    def seen(self, plan: QueryPlan, view: DataView, branch: str) -> Iterator[QueryPlan]:
        """Return the plan over what a reader sees, from what is kept where that covers it, while it is read."""
        seen = plan.at(view.sources)
        with ExitStack() as reading:
            if branch == MASTER and (self._aggregates is not None or self._model.keeping.automatic):
                seen = reading.enter_context(self.aggregates.routed(seen, view))
            if branch == MASTER and self._flat is not None:
                seen = reading.enter_context(self._flat.routed(seen, view))
            yield seen

    @property
    def aggregates(self) -> AggregateStore:
        """The groups of rows that are kept, so that questions need not read the rows."""
        from app_framework.olap.aggregates import AggregateStore

        if self._aggregates is None:
            self._aggregates = AggregateStore(self._model, self._database, self._limits)
        return self._aggregates

    @property
    def tiles(self) -> TileShelf:
        """Dense copies of small aggregates in memory, from which questions are answered at once."""
        if self._tiles is None:
            from app_framework.olap.shelf import TileShelf

            self._tiles = TileShelf(self._model, self._database, self.aggregates)
        return self._tiles

    @property
    def flat(self) -> FlatStore:
        """The rows with numbers in the place of members, for questions that no aggregate covers."""
        if self._flat is None:
            from app_framework.olap.flat import FlatStore

            self._flat = FlatStore(self._model, self._database, self._limits)
        return self._flat

    @property
    def bitmaps(self) -> DistinctBitmaps:
        """What chooses the distinct counts that bitmaps are for."""
        if self._bitmaps is None:
            from app_framework.olap.bitmaps import BITMAPS_FROM, DistinctBitmaps

            rows_min = BITMAPS_FROM if self._bitmaps_from is None else self._bitmaps_from
            self._bitmaps = DistinctBitmaps(rows_min, threads=self._database.limits.threads)
        return self._bitmaps

    @property
    def has_tiles(self) -> bool:
        """Whether there may be tiles: there are aggregates, and memory for them."""
        return self._aggregates is not None and len(self._aggregates) > 0 and self._aggregates.limits.tile_bytes > 0

    def close(self) -> None:
        """Let go of what is kept."""
        if self._aggregates is not None:
            self._aggregates.close()
        if self._flat is not None:
            self._flat.close()

    def __repr__(self) -> str:
        return f"<CellReader {self._model.name!r}>"


def blamed(cursor: Cursor, plan: QueryPlan, error: EngineError) -> Exception:
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
