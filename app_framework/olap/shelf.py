"""The tiles of one cube: made of its aggregates beside queries and commits, and kept as new as the rows are.

What a tile is made by is imported by the background that makes the first one: no question waits for numpy.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app_framework.database import Database, DatabaseError, OverloadedError, ResultTooLargeError
from app_framework.database.history import DataView, rows_since
from app_framework.database.rows import ArrowTable
from app_framework.errors import ServiceUnavailableError
from app_framework.olap.aggregates import Aggregate, AggregateShape, AggregateStore, covers, needs_of
from app_framework.olap.aggregates.advancing import Step, groups_later, step_to
from app_framework.olap.aggregates.covering import Need
from app_framework.olap.aggregates.rewriting import AggregateRows
from app_framework.olap.cellset import CellSet
from app_framework.olap.frames import Frame
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.model import CubeModel
from app_framework.olap.plan import QueryPlan
from app_framework.olap.sql import write_sql

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor
    from app_framework.database.pool import Ticket
    from app_framework.olap.tiles import Tile

REST = 4
"""After a tile had to be made or renewed, for so many times as long as that took it is left as it is."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Shelved:
    """What became of an aggregate's shape.

    Args:
        version: the data version of the tile.
        tile: None where the shape makes none.
        tables: the tables that it is made of.
        rests_until_s: when it may be renewed, on the monotonic clock.
    """

    shape: AggregateShape
    version: int
    tile: Tile | None
    tables: frozenset[str]
    rests_until_s: float = 0.0


class TileShelf:
    """The tiles of one cube.

    A question of the newest version is answered at once, in the thread that asks, where a tile has all that it needs
    and is exactly of that version. Otherwise the tile is made or renewed in the background, and the question goes on
    to the tables.

    Args:
        model: of the cube.
        database: where its rows are.
        aggregates: what tiles are made of; the tile of one that is kept no more is not kept either.
    """

    def __init__(self, model: CubeModel, database: Database, aggregates: AggregateStore) -> None:
        self._model = model
        self._database = database
        self._aggregates = aggregates
        self._limits = aggregates.limits
        self._measures = tuple(m for m in model.measures.values() if isinstance(m, AggregateMeasure))
        self._shelved: dict[frozenset[str], _Shelved] = {}
        self._making: set[frozenset[str]] = set()
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Tile]:
        return iter([shelved.tile for shelved in self._shelved.values() if shelved.tile is not None])

    @property
    def nbytes(self) -> int:
        """The memory that all tiles take."""
        return sum(tile.nbytes for tile in self)

    def answer(self, plan: QueryPlan, version: int, rows_max: int) -> CellSet | None:
        """Return the answer of a plan in the newest version, None where it has to be read from tables."""
        need = _need(plan)
        if need is None:
            return None
        found = self._found(plan, need, version, rows_max)
        if found is None:
            self._make_soon(need, version)
            return None
        shelved, answer = found
        self._aggregates.note_answered(plan, shelved.shape)
        return answer

    def renew(self) -> Ticket[None]:
        """Make the tile of every aggregate that may have one, of the newest version; wait for the ticket."""
        shapes = [kept.shape for kept in self._aggregates if kept.rows <= self._limits.tile_cells]

        def make(cursor: Cursor) -> None:
            for shape in shapes:
                self._make(cursor, shape)

        return self._database.submit_background(make)

    def tile_for(self, plan: QueryPlan, version: int, rows_max: int) -> Tile | None:
        """Return the tile that a plan would be answered from."""
        need = _need(plan)
        found = need and self._found(plan, need, version, rows_max)
        return found[0].tile if found else None

    def _found(self, plan: QueryPlan, need: Need, version: int, rows_max: int) -> tuple[_Shelved, CellSet] | None:
        for shelved in self._shelved.values():
            if shelved.tile is None or not shelved.shape.names >= need.levels or not self._is_of(shelved, version):
                continue
            answer = shelved.tile.answer(plan, rows_max)
            if answer is not None:
                return shelved, answer
        return None

    def _is_of(self, shelved: _Shelved, version: int) -> bool:
        """Return whether a tile is what it would be, were it made of this version, the newest."""
        changes = self._database.changes
        return shelved.version <= version and all(changes(t).last <= shelved.version for t in shelved.tables)

    def _make_soon(self, need: Need, version: int) -> None:
        """Make or renew, in the background, the tile of the smallest aggregate that covers a need."""
        kept = {aggregate.shape.names: aggregate for aggregate in self._aggregates}
        with self._lock:
            self._keep({names: shelved for names, shelved in self._shelved.items() if names in kept})
            aggregate = next((a for a in kept.values() if self._is_due(a, need, version)), None)
            if aggregate is None or aggregate.shape.names in self._making:
                return
            self._making.add(aggregate.shape.names)
        with suppress(OverloadedError, ServiceUnavailableError):
            self._database.submit_background(lambda cursor: self._make(cursor, aggregate.shape))
            return
        self._making.discard(aggregate.shape.names)

    def _is_due(self, aggregate: Aggregate, need: Need, version: int) -> bool:
        if aggregate.rows > self._limits.tile_cells or not covers(aggregate.shape, need):
            return False
        shelved = self._shelved.get(aggregate.shape.names)
        if shelved is None:
            return True
        return time.monotonic() >= shelved.rests_until_s and not self._is_of(shelved, version)

    def _make(self, cursor: Cursor, shape: AggregateShape) -> None:
        begun_s = time.monotonic()
        try:
            made = self._database.read(cursor, lambda view: self._made(cursor, shape, view))
        except (DatabaseError, ResultTooLargeError, ValueError, OverflowError) as error:
            # Memory was short, or Python has no such date; whoever wanted the tile was answered from tables.
            _log.debug("tile %s of cube %r is not made: %s", shape, self._model.name, error)
            made = _Shelved(shape, self._database.version, None, frozenset({self._model.joins.base.name}))
        finally:
            self._making.discard(shape.names)
        if made is not None:
            now_s = time.monotonic()
            rested = replace(made, rests_until_s=now_s + REST * (now_s - begun_s))
            with self._lock:
                self._keep({**self._shelved, shape.names: rested})

    def _made(self, cursor: Cursor, shape: AggregateShape, view: DataView) -> _Shelved | None:
        """Return the tile of a shape in a version; None where its aggregate has to be advanced first."""
        aggregate = next((kept for kept in self._aggregates if kept.shape.names == shape.names), None)
        if aggregate is None:
            return None
        tables = frozenset({self._model.joins.base.name, *aggregate.tables})
        old = self._shelved.get(shape.names)
        later = self._later(cursor, old) if old else None
        if old and old.tile and later:
            tile = old.tile.plus(later)
            if tile:
                return _Shelved(shape, view.version, tile, tables)
        groups = self._groups(aggregate, view)
        if groups is None:
            return None

        def read(plan: QueryPlan) -> ArrowTable:
            return _arrow(cursor, replace(plan, facts={Frame(plan.keys): groups}))

        from app_framework.olap.tiles import build_tile

        limits, others = self._limits, [tile for tile in self if not old or tile is not old.tile]
        left = limits.tile_bytes - sum(tile.nbytes for tile in others)
        measures = [measure for measure in self._measures if measure.name in shape.answers]
        tile = build_tile(self._model, shape.levels, measures, read, cells_max=limits.tile_cells, bytes_max=left)
        return _Shelved(shape, view.version, tile, tables)

    def _later(self, cursor: Cursor, old: _Shelved) -> Tile | None:
        """Return the tile of the rows that came after an older one was made, None where others left or moved."""
        from app_framework.olap.tiles import later_tile

        tree, changes = self._model.joins, self._database.changes
        base = changes(tree.base.name)
        moved = any(changes(table).last > old.version for table in old.tables - {tree.base.name})
        # A row that came may tell the sort key of a member that had none.
        moved |= old.tile is not None and any(axis.level.order.key for axis in old.tile.axes)
        if old.tile is None or moved or base.removed > old.version or base.added <= old.version:
            return None
        came = {tree.base.name: rows_since(tree.base, old.version)}
        return later_tile(self._model, old.tile, lambda plan: _arrow(cursor, plan.at(came)))

    def _groups(self, aggregate: Aggregate, view: DataView) -> AggregateRows | None:
        """Return the groups that a tile of a version is made of."""
        tree = self._model.joins
        step = step_to(view.version, aggregate, tree.base.name, self._database.changes)
        if not step.is_readable:
            return None
        return AggregateRows(aggregate, groups_later(aggregate, tree) if step is Step.MERGE else "")

    def describe(self) -> list[dict[str, object]]:
        """Return the tiles with what they cost, as JSON."""
        return [
            {
                "levels": [axis.level.full_name for axis in shelved.tile.axes],
                "cells": shelved.tile.cells,
                "bytes": shelved.tile.nbytes,
                "version": shelved.version,
            }
            for shelved in self._shelved.values()
            if shelved.tile is not None
        ]

    def _keep(self, shelved: Mapping[frozenset[str], _Shelved]) -> None:
        """Keep others, the smallest first, under the lock; who reads goes on with what there was."""
        self._shelved = dict(sorted(shelved.items(), key=lambda each: each[1].tile.cells if each[1].tile else 0))

    def __repr__(self) -> str:
        return f"<TileShelf {self._model.name!r} {len([*self])} tiles, {self.nbytes:,} bytes>"


def _need(plan: QueryPlan) -> Need | None:
    """Return what a plan needs, None where a tile never has it: measures over other cells."""
    return None if plan.calculations is not None else next(need for _, need in needs_of(plan))


def _arrow(cursor: Cursor, plan: QueryPlan) -> ArrowTable:
    statement = write_sql(plan)
    return cursor.arrow(statement.text, statement.parameters)
