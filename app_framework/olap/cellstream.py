"""An answer as Arrow whose first rows are there while the others are still with the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice

from app_framework.database.rows import ArrowBatch
from app_framework.database.stream import RowStream
from app_framework.olap.cellset import CellColumn
from app_framework.olap.errors import TooLargeError
from app_framework.olap.plan import QueryPlan
from app_framework.olap.sql import write_sql

BATCH_ROWS = 65_536


class CellStream:
    """The answer to a `CubeQuery` in batches of Arrow; read it once, or close it.

    Args:
        cube: that was asked.
        columns: of the answer.
        batches: the engine's own, in its types: the columns, and where there are totals the grouping bits.
        close: lets go of what was not read.
        grouped: whether there are grouping bits.
        versions: the data version that each node answered from.
        partial: whether something is missing.
        missing: of a partial answer, what is not in it.
        elapsed_ms: until the first rows were there.

    Attributes:
        complete: whether nothing is left with the engine: the answer is small.
    """

    def __init__(
        self,
        cube: str,
        columns: Sequence[CellColumn],
        batches: Iterator[ArrowBatch],
        close: Callable[[], None],
        *,
        grouped: bool,
        versions: Mapping[str, int],
        partial: bool = False,
        missing: Sequence[Mapping[str, object]] = (),
        elapsed_ms: float = 0.0,
    ) -> None:
        begun = list(islice(batches, 2))
        self.cube = cube
        self.columns = tuple(columns)
        self.complete = len(begun) < 2
        self.grouped = grouped
        self.versions = dict(versions)
        self.partial = partial
        self.missing = tuple(missing)
        self.elapsed_ms = elapsed_ms
        self.close = close
        self._batches = chain(begun, batches)

    def __iter__(self) -> Iterator[ArrowBatch]:
        return self._batches

    def __repr__(self) -> str:
        return f"<CellStream of cube {self.cube!r}, {len(self.columns)} columns>"


def read_batches(plan: QueryPlan, stream: RowStream, rows_max: int) -> Iterator[ArrowBatch]:
    """Yield the batches of an answer.

    The engine counts the cells where it sorts them, so that an answer that is too large is refused whole.

    Raises:
        TooLargeError: before the first batch.
    """
    statement = write_sql(plan, rows_max, counted=True)
    for position, batch in enumerate(stream.arrow(statement.text, statement.parameters, BATCH_ROWS)):
        if position == 0 and _rows(plan, batch) > rows_max:
            raise TooLargeError(rows_max)
        yield batch


def _rows(plan: QueryPlan, batch: ArrowBatch) -> int:
    """Return how many rows the whole answer has, from the count that stands in each of them."""
    if not batch.num_rows:
        return 0
    cells = int(str(batch.column(batch.num_columns - 1)[0]))
    if not plan.bounded or plan.totals != "none":
        return cells
    left = max(0, cells - plan.offset)
    return left if plan.limit is None else min(left, plan.limit)
