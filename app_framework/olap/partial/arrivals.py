"""The members of the rows that came since a version: what commits of new rows add to those that were known.

Rows that left, or changed in a table that is referred to, may take members away: then all rows have to be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from app_framework.database.errors import EngineError, VersionGoneError
from app_framework.olap.facts import BaseRows
from app_framework.olap.partial.answer import PartialAnswer
from app_framework.olap.partial.binding import bind
from app_framework.olap.partial.frame_sql import write_frame

if TYPE_CHECKING:
    from app_framework.database import Database
    from app_framework.database.duckdb import Cursor
    from app_framework.database.history import DataView
    from app_framework.olap.model import CubeModel
    from app_framework.olap.partial.question import PartialFrame


async def read_arrivals(
    model: CubeModel, database: Database, frames: Sequence[PartialFrame], since: int, rows_max: int
) -> PartialAnswer | None:
    """Return the groups of the rows that came since a version; None where that is not all that happened.

    Args:
        model: of the cube.
        database: where its rows are.
        frames: levels without conditions and measures.
        since: the version.
        rows_max: the most groups of one frame.
    """
    if not only_arrivals(model, database, since):
        return None
    bound = [bind(model, frame) for frame in frames]
    base = model.joins.base.name

    def read(cursor: Cursor, view: DataView) -> PartialAnswer:
        came = view.sources.get(base)
        if came is None:
            return PartialAnswer(view.version, ())
        # The rows that came, with what they refer to: that stands there as ever, for it did not change.
        tree, tables = model.joins.at({base: came}), []
        for frame in bound:
            statement = write_frame(frame, BaseRows(tree), rows_max)
            table: pa.Table = cursor.arrow(statement.text, statement.parameters, rows_max)
            tables.append(table.rename_columns(list(statement.columns)))
        return PartialAnswer(view.version, tuple(tables))

    try:
        job = database.submit_job(lambda cursor: database.read_changes(cursor, lambda view: read(cursor, view), since))
        found = await job.wait()
    except (VersionGoneError, EngineError):
        return None
    # What left while it was read is not among what came.
    return found if only_arrivals(model, database, since) else None


def only_arrivals(model: CubeModel, database: Database, since: int) -> bool:
    """Whether since a version rows only came, and only into the base table."""
    base = model.joins.base.name
    others = {join.table.name for join in model.joins.joins.values()} - {base}
    return database.changes(base).removed <= since and all(database.changes(name).last <= since for name in others)
