"""The flat facts of one cube: made beside queries and commits, read by questions that no aggregate covers."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app_framework.database import Database, OverloadedError
from app_framework.database.errors import EngineError, ResultTooLargeError
from app_framework.database.history import DataView, rows_since
from app_framework.errors import ServiceUnavailableError
from app_framework.olap.aggregate_limits import AggregateLimits
from app_framework.olap.aggregates.advancing import Step, step_to
from app_framework.olap.aggregates.covering import needs_of
from app_framework.olap.facts import Facts
from app_framework.olap.flat.making import FlatRefusedError, make_flat
from app_framework.olap.flat.rows import FlatRows
from app_framework.olap.flat.shape import FlatFacts, FlatShape
from app_framework.olap.frames import Frame
from app_framework.olap.model import CubeModel
from app_framework.olap.plan import QueryPlan

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor
    from app_framework.database.pool import Ticket

LATER_SHARE = 0.02
LATER_ROWS = 10_000
"""So many rows that came later are read beside flat facts, and that part of theirs; for more they are made anew."""
REST = 4
"""After they had to be made, for so many times as long as that took they are not made again."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Kept:
    """Flat facts with those who read them: their tables go when they are retired and nobody does."""

    flat: FlatFacts
    hits: int = 0
    readers: int = 0


class FlatStore:
    """The flat facts of one cube.

    A question of the newest version is answered from them where they are of that version, or where only rows of the
    base table came since: those are read with them. Where rows left, or a referred table changed, rows are read until
    they have been made anew, in the background. No commit and no question waits for that.

    Args:
        model: of the cube.
        database: where its rows are.
        limits: what they may cost.

    Attributes:
        refused: why there are none, nothing where there are or may be.
    """

    def __init__(self, model: CubeModel, database: Database, limits: AggregateLimits | None = None) -> None:
        self.refused = ""
        self._model = model
        self._database = database
        self._limits = limits or AggregateLimits()
        self._shape = FlatShape.of(model)
        self._base = model.joins.base
        self._kept: _Kept | None = None
        self._retired: list[_Kept] = []
        self._lock = threading.Lock()
        self._making = False
        self._looked_at = -1
        self._rests_until_s = 0.0
        self._closed = False

    def keep(self) -> None:
        """Begin to make them."""
        self._submit(self._make)

    def build(self) -> Ticket[None]:
        """Make them of the newest version, unless they are of it; wait for the ticket until they are there.

        Raises:
            OverloadedError: too many jobs wait.
        """
        return self._database.submit_background(self._make)

    def close(self) -> None:
        """Keep nothing from now on: what is kept goes with the last question that reads it."""
        with self._lock:
            self._closed = True
            self._replace(None)
        self._submit(self._sweep)

    @contextmanager
    def routed(self, plan: QueryPlan, view: DataView) -> Iterator[QueryPlan]:
        """Put flat facts in the place of rows, where no aggregate is, while the statement of a plan is made and run."""
        kept, facts = self._chosen(plan, view)
        try:
            yield replace(plan, facts={**(plan.facts or {}), **facts}) if facts else plan
        finally:
            if kept is not None:
                self._release(kept)

    def _chosen(self, plan: QueryPlan, view: DataView) -> tuple[_Kept | None, dict[Frame, Facts]]:
        needs = {frame: need for frame, need in needs_of(plan) if frame not in (plan.facts or {})}
        needs = {frame: need for frame, need in needs.items() if self._shape.covers(need)}
        with self._lock:
            kept = self._kept
            if not needs:
                return None, {}
            # Where there are none, the last commit may have taken away what hindered it.
            step = self._step(kept.flat, view) if kept else Step.BACK if view.sources else Step.REBUILD
            if kept is not None and step.is_readable:
                kept.hits += 1
                kept.readers += 1
        if step.is_due:
            self._make_soon(view.version)
        if kept is None or not step.is_readable:
            return None, {}
        later = self._model.joins if step is Step.MERGE else None
        return kept, {frame: FlatRows(kept.flat, need, later) for frame, need in needs.items()}

    def _step(self, flat: FlatFacts, view: DataView) -> Step:
        # What stands for tables is of another version or branch.
        if view.sources:
            return Step.BACK
        return step_to(view.version, flat, self._base.name, self._database.changes)

    def _release(self, kept: _Kept) -> None:
        with self._lock:
            kept.readers -= 1
            over = kept in self._retired and not kept.readers
        if over:
            self._submit(self._sweep)

    def _make_soon(self, version: int) -> None:
        """Look at what came once for each version, unless they were made lately."""
        with self._lock:
            if self._making or self._looked_at == version or time.monotonic() < self._rests_until_s:
                return
            self._making, self._looked_at = True, version
        if not self._submit(self._make_in_turn):
            self._making = False

    def _submit(self, job: Callable[[Cursor], None]) -> bool:
        """Put a job in the line, unless that is full or closed: a later question asks again."""
        with suppress(OverloadedError, ServiceUnavailableError):
            self._database.submit_background(job)
            return True
        return False

    def _make_in_turn(self, cursor: Cursor) -> None:
        begun_s = time.monotonic()
        try:
            if self._is_worth_it(cursor):
                self._make(cursor)
        finally:
            self._rests_until_s = time.monotonic() + REST * (time.monotonic() - begun_s)
            self._making = False

    def _is_worth_it(self, cursor: Cursor) -> bool:
        """Return whether so much came later that it should be among them."""
        kept = self._kept
        if kept is None or self._step(kept.flat, DataView(self._database.version)) is not Step.MERGE:
            return True
        came = cursor.rows(f"SELECT count(*) FROM {rows_since(self._base, kept.flat.version)}")[0][0]
        return int(str(came)) > max(LATER_ROWS, int(LATER_SHARE * kept.flat.rows))

    def _make(self, cursor: Cursor) -> None:
        """Make them, or say why not."""
        kept = self._kept
        if self._closed or (kept is not None and self._step(kept.flat, DataView(self._database.version)) is Step.NONE):
            return
        made = None
        try:
            with self._database.scratch(cursor) as table:
                made = _Kept(make_flat(cursor, self._model, self._shape, table, self._limits))
            self.refused = ""
        except (EngineError, ResultTooLargeError, FlatRefusedError) as error:
            if isinstance(error, EngineError) and error.kind == "interrupted":
                raise
            self.refused = str(error)
            _log.warning("flat facts of cube %r are not kept: %s", self._model.name, error)
        with self._lock:
            if made is not None and kept is not None:
                made.hits = kept.hits
            self._replace(made)
        self._sweep(cursor)

    def _replace(self, made: _Kept | None) -> None:
        """Keep others, or none, under the lock."""
        gone = [self._kept, made] if self._closed else [self._kept]
        self._retired += [kept for kept in gone if kept is not None]
        self._kept = None if self._closed else made

    def _sweep(self, cursor: Cursor) -> None:
        """Drop the tables of what was retired and nobody reads."""
        with self._lock:
            gone = [kept for kept in self._retired if not kept.readers]
            self._retired = [kept for kept in self._retired if kept.readers]
        for kept in gone:
            for table in (kept.flat.table, *kept.flat.dictionaries.values()):
                cursor.execute(f"DROP TABLE {table}")

    def describe(self) -> dict[str, object]:
        """Return what is kept, with what it costs and how often it was read, as JSON."""
        kept = self._kept
        found: dict[str, object] = {"refused": self.refused or None}
        if kept is not None:
            flat = kept.flat
            found |= {"rows": flat.rows, "bytes": flat.bytes, "version": flat.version, "hits": kept.hits}
        return found

    def __repr__(self) -> str:
        return f"<FlatStore {self._model.name!r} {self._kept.flat if self._kept else 'nothing'}>"
