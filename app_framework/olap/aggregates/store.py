"""The aggregates of one cube: built beside queries and commits, advanced from what changed, found for a question."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from app_framework.database import Database, OverloadedError
from app_framework.database.errors import EngineError, ResultTooLargeError
from app_framework.database.history import DataView
from app_framework.errors import ServiceUnavailableError
from app_framework.olap.aggregate_limits import AggregateLimits
from app_framework.olap.aggregates.advancing import Step, groups_later, groups_now, step_to, write_step
from app_framework.olap.aggregates.advisor import Advice
from app_framework.olap.aggregates.aggregate import Aggregate, AggregateShape
from app_framework.olap.aggregates.covering import Need, covers, needs_of
from app_framework.olap.aggregates.rewriting import AggregateRows, groups_of_groups, groups_of_rows
from app_framework.olap.aggregates.sizing import Adviser
from app_framework.olap.errors import TooLargeError
from app_framework.olap.frames import Frame
from app_framework.olap.measure import AggregateMeasure
from app_framework.olap.model import CubeModel
from app_framework.olap.plan import QueryPlan, plan_members

if TYPE_CHECKING:
    from app_framework.database.duckdb import Cursor
    from app_framework.database.pool import Ticket
    from app_framework.database.scratch import ScratchTable

REST = 4
"""After aggregates had to be advanced, for so many times as long as that took the next time is not begun."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Kept:
    """An aggregate with those who read it: its table goes when it is retired and nobody does."""

    aggregate: Aggregate
    later: str
    renewed: str
    chosen: bool = False
    hits: int = 0
    readers: int = 0
    retired: bool = False


class _CommitUnderwayError(Exception):
    """What lies between an aggregate and now is not known at this moment; the next question asks again."""


class AggregateStore:
    """The aggregates of one cube.

    A question of the newest version is answered from the smallest aggregate that covers it and is of that version, or
    of an older one since which only rows of the base table came or left: those that came are grouped with it, and where
    some left its exact numbers are read less theirs. What is behind is advanced in the background when a question is
    asked of it. No commit and no question waits for that.

    Of a large cube it remembers which levels are asked for together. Every so many questions that had to read rows it
    chooses anew what to keep, unless the model says what that is.

    Args:
        model: of the cube.
        database: where its rows are.
        limits: what aggregates may cost.

    Attributes:
        refused: what could not be kept, by its levels, and why.
        limits: what aggregates may cost.
        advice: by which it was last chosen what to keep; None where it never was.
    """

    def __init__(self, model: CubeModel, database: Database, limits: AggregateLimits | None = None) -> None:
        self.refused: dict[frozenset[str], str] = {}
        self.advice: Advice | None = None
        self._model = model
        self._database = database
        self.limits = limits or AggregateLimits()
        self._base = model.joins.base.name
        self._measures = tuple(m for m in model.measures.values() if isinstance(m, AggregateMeasure))
        self._adviser = Adviser(model, self.limits)
        self._misses = 0
        self._kept: list[_Kept] = []
        self._retired: list[_Kept] = []
        self._lock = threading.Lock()
        self._advancing = False
        self._choosing = False
        self._rests_until_s = 0.0
        self._closed = False

    def __iter__(self) -> Iterator[Aggregate]:
        return iter([kept.aggregate for kept in self._kept])

    def __len__(self) -> int:
        return len(self._kept)

    def shape(self, levels: Iterable[str]) -> AggregateShape:
        """Return the shape of an aggregate of some levels, with the parts of every measure that has any.

        Raises:
            QueryError: a name is no level, or may be several.
        """
        found = [plan_members(self._model, name, None).keys[0].level for name in levels]
        return AggregateShape.of(dict.fromkeys(found), self._measures)

    def keep_declared(self) -> None:
        """Begin to build what the model says is kept in any case."""
        shapes = [AggregateShape.of(levels, self._measures) for levels in self._model.keeping.levels]
        self._submit(lambda cursor: self._try_build(cursor, shapes, chosen=False))

    def build(self, *shapes: AggregateShape) -> Ticket[None]:
        """Keep aggregates of these shapes; wait for the ticket until they are there.

        Raises:
            OverloadedError: too many jobs wait.
            TooLargeError, EngineError: from the ticket: one of them cannot be kept.
        """
        return self._database.submit_background(lambda cursor: self._build(cursor, shapes))

    def advise(self) -> Ticket[Advice]:
        """Look for what would be worth keeping, by what was asked until now; wait for the ticket."""
        return self._database.submit_background(self._advise)

    def choose(self) -> Ticket[Advice]:
        """Keep what is worth it, by what was asked until now, and no more what was chosen before; wait for it."""
        return self._database.submit_background(self._choose_anew)

    def advance(self) -> Ticket[None]:
        """Bring every aggregate to the newest version; wait for the ticket."""
        return self._database.submit_background(self._advance)

    def drop(self) -> Ticket[None]:
        """Keep no aggregate any more; wait for the ticket until those that nobody reads are gone."""
        with self._lock:
            self._replace(self._kept, [])
        return self._database.submit_background(self._sweep)

    def close(self) -> None:
        """Keep nothing from now on: each aggregate goes with the last question that reads it."""
        with self._lock:
            self._closed = True
            self._replace(self._kept, [])
        self._submit(self._sweep)

    def route(self, plan: QueryPlan, view: DataView) -> Aggregate | None:
        """Return the smallest aggregate that has all that a plan needs, exactly as a version has it."""
        needs = [need for _, need in needs_of(plan)]
        for kept in self._kept:
            aggregate = kept.aggregate
            if self._step(aggregate, view) is Step.NONE and all(covers(aggregate.shape, need) for need in needs):
                return aggregate
        return None

    @contextmanager
    def routed(self, plan: QueryPlan, view: DataView) -> Iterator[QueryPlan]:
        """Put aggregates in the place of rows, frame by frame, while the statement of a plan is made and run."""
        chosen = self._choose(plan, view)
        try:
            yield replace(plan, facts={frame: rows for frame, (_, rows) in chosen.items()}) if chosen else plan
        finally:
            self._release([kept for kept, _ in chosen.values()])

    def note_answered(self, plan: QueryPlan, shape: AggregateShape) -> None:
        """Remember a question that a copy of an aggregate has answered: it is worth as much as one that was read."""
        with self._lock:
            for _, need in needs_of(plan):
                self._note(need, missed=False)
            for kept in self._kept:
                kept.hits += kept.aggregate.shape.names == shape.names

    def _choose(self, plan: QueryPlan, view: DataView) -> dict[Frame, tuple[_Kept, AggregateRows]]:
        chosen: dict[Frame, tuple[_Kept, AggregateRows]] = {}
        due = False
        with self._lock:
            for frame, need in needs_of(plan):
                covering = [kept for kept in self._kept if covers(kept.aggregate.shape, need)]
                self._note(need, missed=not covering)
                for kept in covering:
                    step = self._step(kept.aggregate, view)
                    due |= step.is_due
                    if (rows := _readable(kept, step, need)) is not None:
                        chosen[frame] = kept, rows
                        kept.hits += 1
                        kept.readers += 1
                        break
            reconsider = self._model.keeping.automatic and self._misses >= self.limits.questions
        if due:
            self._advance_soon()
        if reconsider:
            self._choose_soon()
        return chosen

    def _note(self, need: Need, *, missed: bool) -> None:
        """Remember a question, unless no aggregate could ever answer it."""
        self._misses += self._adviser.note(need) and missed

    def _step(self, aggregate: Aggregate, view: DataView) -> Step:
        # What stands for tables is of another version or branch.
        if view.sources:
            return Step.BACK
        versions = self._database.versions
        # Where the versions of the view are not known yet, nor is it what of the past it sees.
        oldest = versions[0] if view.version <= versions[-1] else view.version
        return step_to(view.version, aggregate, self._base, self._database.changes, oldest)

    def _release(self, read: Sequence[_Kept]) -> None:
        with self._lock:
            for kept in read:
                kept.readers -= 1
            over = any(kept.retired and not kept.readers for kept in read)
        if over:
            self._submit(self._sweep)

    def _advance_soon(self) -> None:
        """Advance, unless that was done lately: with a commit every moment it would be done without end."""
        with self._lock:
            if self._advancing or time.monotonic() < self._rests_until_s:
                return
            self._advancing = True
        if not self._submit(self._advance):
            self._advancing = False

    def _choose_soon(self) -> None:
        with self._lock:
            if self._choosing or self._closed:
                return
            self._choosing = True
        if not self._submit(self._choose_in_turn):
            self._choosing = False

    def _submit(self, job: Callable[[Cursor], None]) -> bool:
        """Put a job in the line, unless that is full or closed: a later question asks again."""
        with suppress(OverloadedError, ServiceUnavailableError):
            self._database.submit_background(job)
            return True
        return False

    def _choose_in_turn(self, cursor: Cursor) -> None:
        try:
            if self._adviser.base_rows(cursor) >= self.limits.rows_min:
                self._choose_anew(cursor)
        finally:
            self._choosing = False
            self._misses = 0

    def _advise(self, cursor: Cursor, *, fading: bool = False) -> Advice:
        with self._lock:
            asked = self._adviser.asked(fading=fading)
            declared = [kept.aggregate for kept in self._kept if not kept.chosen]
        return self._adviser.advise(cursor, asked, declared, self.refused.keys())

    def _choose_anew(self, cursor: Cursor) -> Advice:
        advice = self.advice = self._advise(cursor, fading=True)
        wanted = [frozenset(choice.levels) for choice in advice.choices]
        with self._lock:
            self._replace([kept for kept in self._kept if kept.chosen and kept.aggregate.shape.names not in wanted], [])
        shapes = [self.shape(choice.levels) for choice in advice.choices]
        self._try_build(cursor, shapes, chosen=True)
        return advice

    def _try_build(self, cursor: Cursor, shapes: Iterable[AggregateShape], *, chosen: bool) -> None:
        """Build what can be built; why the others cannot is kept."""
        for shape in _finest_first(shapes):
            with self._refusing(shape):
                self._build(cursor, [shape], chosen=chosen)

    @contextmanager
    def _refusing(self, shape: AggregateShape) -> Iterator[None]:
        """Let go of what cannot be kept, and keep the reason."""
        try:
            yield
        except (EngineError, ResultTooLargeError, TooLargeError) as error:
            if isinstance(error, EngineError) and error.kind == "interrupted":
                raise
            with self._lock:
                self.refused[shape.names] = str(error)
                self._replace([kept for kept in self._kept if kept.aggregate.shape.names == shape.names], [])
            _log.warning("aggregate %s of cube %r is not kept: %s", shape, self._model.name, error)

    def _build(self, cursor: Cursor, shapes: Iterable[AggregateShape], *, chosen: bool = False) -> None:
        for shape in _finest_first(shapes):
            same = [kept for kept in self._kept if kept.aggregate.shape.names == shape.names]
            if any(kept.aggregate.shape.covers(shape) for kept in same):
                continue
            made = self._make(cursor, shape, partial(self._of_rows, shape))
            made.chosen = chosen
            with self._lock:
                self._replace(same, [made])
        self._sweep(cursor)

    def _of_rows(self, shape: AggregateShape, _: ScratchTable) -> str:
        return groups_of_rows(shape, self._model.joins)

    def _advance(self, cursor: Cursor) -> None:
        """Bring aggregates to the newest version, the finest first: the others may be made of it."""
        begun_s = time.monotonic()
        try:
            for kept in sorted(self._kept, key=lambda kept: -len(kept.aggregate.shape.levels)):
                with self._refusing(kept.aggregate.shape), suppress(_CommitUnderwayError):
                    self._advance_one(cursor, kept)
            self._sweep(cursor)
        finally:
            self._rests_until_s = time.monotonic() + REST * (time.monotonic() - begun_s)
            self._advancing = False

    def _advance_one(self, cursor: Cursor, kept: _Kept) -> None:
        old, changes = kept.aggregate, self._database.changes
        if not step_to(self._database.version, old, self._base, changes).is_due:
            return

        def source(table: ScratchTable) -> str:
            step = step_to(table.version, old, self._base, changes, table.oldest)
            if step is Step.BACK:
                raise _CommitUnderwayError
            return write_step(step, old, self._model.joins)

        made = self._make(cursor, old.shape, source)
        made.hits, made.chosen = kept.hits, kept.chosen
        with self._lock:
            if kept.retired:
                self._retired.append(made)
            else:
                self._replace([kept], [made])

    def _make(self, cursor: Cursor, shape: AggregateShape, source: Callable[[ScratchTable], str]) -> _Kept:
        """Make an aggregate: of the smallest other that covers it and is of today, or else as `source` says."""
        rows_max = self.limits.rows_max
        with self._database.scratch(cursor) as table:
            finer = self._finer(shape, table.version)
            sql = groups_of_groups(shape, finer.table, finer.shape) if finer else source(table)
            cursor.execute(f"CREATE TABLE {table.name} AS FROM ({sql}) LIMIT {rows_max + 1}")
            rows = int(str(cursor.rows(f"SELECT count(*) FROM {table.name}")[0][0]))
            if rows > rows_max:
                raise TooLargeError(rows_max)
        tables = frozenset(join.table.name for join in self._model.joins.needed(shape.joins))
        made = Aggregate(self._model.name, shape, table.name, table.version, rows, tables)
        return _Kept(made, groups_later(made, self._model.joins), groups_now(made, self._model.joins))

    def _finer(self, shape: AggregateShape, version: int) -> Aggregate | None:
        """Return the smallest aggregate of a version that another can be made of, itself left out."""
        view = DataView(version)
        return next(
            (
                other
                for other in self
                if other.shape.names > shape.names
                and other.shape.covers(shape)
                and self._step(other, view) is Step.NONE
            ),
            None,
        )

    def _replace(self, old: Sequence[_Kept], new: Sequence[_Kept]) -> None:
        """Keep others, the smallest first, under the lock."""
        old = tuple(old)
        gone = [*old, *new] if self._closed else [*old]
        for kept in gone:
            kept.retired = True
        self._retired += gone
        self._kept = sorted(
            [*(kept for kept in (*self._kept, *new) if not kept.retired)], key=lambda k: k.aggregate.rows
        )

    def _sweep(self, cursor: Cursor) -> None:
        """Drop the tables of what was retired and nobody reads."""
        with self._lock:
            gone = [kept for kept in self._retired if not kept.readers]
            self._retired = [kept for kept in self._retired if kept.readers]
        for kept in gone:
            cursor.execute(f"DROP TABLE {kept.aggregate.table}")

    def describe(self) -> dict[str, object]:
        """Return what is kept, with what it costs and how often it was read, as JSON."""
        return {
            "aggregates": [
                {
                    "levels": [level.full_name for level in kept.aggregate.shape.levels],
                    "measures": sorted(kept.aggregate.shape.answers),
                    "rows": kept.aggregate.rows,
                    "version": kept.aggregate.version,
                    "hits": kept.hits,
                    "chosen": kept.chosen,
                }
                for kept in self._kept
            ],
            "advice": self.advice and self.advice.to_json(),
            "refused": [{"levels": sorted(levels), "reason": reason} for levels, reason in self.refused.items()],
        }

    def __repr__(self) -> str:
        return f"<AggregateStore {self._model.name!r} {len(self)} aggregates>"


def _readable(kept: _Kept, step: Step, need: Need) -> AggregateRows | None:
    """Return the groups that a need can be answered from, None where only rows will do."""
    if step.is_readable:
        return AggregateRows(kept.aggregate, kept.later if step is Step.MERGE else "")
    if step is Step.RENEW and all(measure.name in kept.aggregate.shape.exact for measure in need.measures):
        return AggregateRows(kept.aggregate, renewed=kept.renewed)
    return None


def _finest_first(shapes: Iterable[AggregateShape]) -> list[AggregateShape]:
    """A coarser one can be made of a finer one that is there."""
    return sorted(shapes, key=lambda shape: -len(shape.levels))
