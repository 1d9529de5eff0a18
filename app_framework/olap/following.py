"""Continuous queries: a question that is followed is answered at once, and again whenever a commit changes its answer.

queries = ContinuousQueries(manager)
follow = queries.follow("till", CubeQuery(measures=["revenue"], levels=["item"]), inbox.append)
inbox[0].cells                                  # a `Told`; after `follow.delivered()` come the changes

Equal questions are asked once, whoever follows them. Everything here runs on one event loop.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from app_framework.database.listening import CommitListener, CommitNews
from app_framework.errors import ServiceUnavailableError, UserError
from app_framework.olap.cellset import CellSet
from app_framework.olap.changes import CellChanges, changes_between, settled
from app_framework.olap.continuous import (
    Answered,
    Ask,
    Committed,
    Delivered,
    Due,
    Effect,
    Event,
    Failed,
    Joined,
    Left,
    Paused,
    Resumed,
    Skip,
    Tell,
    Untouched,
    Wake,
    Watch,
    step,
)
from app_framework.olap.errors import INVALID_QUERY, QueryError, QueryProblem
from app_framework.olap.manager import Manager
from app_framework.olap.modeler import ModelChange
from app_framework.olap.query import CubeQuery

_logger = logging.getLogger(__name__)

ABREAST = 4
"""So many questions are with the database at a time after a commit: the line is for others too."""

LISTEN_AGAIN_S = 0.5

ROWS_FEW = 1_000
"""So many rows are compared faster than a thread is asked to."""

PASSING = frozenset({"OVERLOADED", "TIMEOUT"})
"""Codes of failures after which the same question may be answered."""


@dataclass(frozen=True, slots=True)
class FollowLimits:
    """The bounds of continuous queries.

    Args:
        rows_max: rows of an answer that is followed.
        pace_s: the least time between two answers to one question.
    """

    rows_max: int = 50_000
    pace_s: float = 0.1


class FollowedTooLargeError(UserError):
    """An answer has too many rows to be followed.

    Attributes:
        limit: how many it may have.
    """

    code = "TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"An answer of more than {self.limit:,} rows is not followed (`olap.follow.max-rows`). Filter it."


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Told:
    """What a follower is told: a view, or what changed in it, or that nothing did.

    Args:
        cells: the whole answer.
        version: of which it is true.
        fresh: whether the follower takes all of it; else it is what the follower has, with `changes`.
        changes: from what the follower has; None where nothing is different.
    """

    cells: CellSet
    version: int
    fresh: bool
    changes: CellChanges | None = None

    @property
    def versions(self) -> dict[str, int]:
        """The data version of each node of which the answer is true."""
        several = len(self.cells.versions) > 1
        return dict(self.cells.versions) if several else dict.fromkeys(self.cells.versions, self.version)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a follower is told where there is no newer answer.

    Args:
        error: why.
        passing: whether the question is asked again by itself; else the next commit is waited for.
    """

    error: Exception
    passing: bool


Inbox = Callable[[Told | Trouble], None]


@dataclass(slots=True)
class FollowCounts:
    """What was done so far."""

    asked: int = 0
    skipped: int = 0
    told: int = 0


class Follow:
    """One who follows a question. Nothing more is told until what was told before is `delivered`."""

    def __init__(self, happened: Callable[[Event], None], name: str) -> None:
        self._happened = happened
        self.name = name

    def delivered(self) -> None:
        """Say that the last message has gone: the next one may come."""
        self._happened(Delivered(self.name))

    def pause(self) -> None:
        """Be told nothing until `resume`."""
        self._happened(Paused(self.name))

    def resume(self) -> None:
        """Be told again: what is different by then, if anything."""
        self._happened(Resumed(self.name))

    def stop(self) -> None:
        """Follow no more."""
        self._happened(Left(self.name))

    def __repr__(self) -> str:
        return f"<Follow {self.name}>"


@dataclass(slots=True, eq=False)
class _Question:
    """A question that is followed, with what is going on for it."""

    cube: str
    query: CubeQuery
    key: str
    watch: Watch
    inboxes: dict[str, Inbox] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    alarm: asyncio.TimerHandle | None = None
    told: list[tuple[Tell, asyncio.Task[Told]]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Source:
    """A cube of which questions are followed, and what tells of its commits."""

    listener: CommitListener
    task: asyncio.Task[None]
    questions: dict[str, _Question] = field(default_factory=dict)


class ContinuousQueries:
    """The questions of a node that are followed.

    Args:
        manager: asks the cubes.
        limits: the bounds.

    Attributes:
        counts: what was done so far.
    """

    def __init__(self, manager: Manager, limits: FollowLimits | None = None) -> None:
        self.limits = limits or FollowLimits()
        self.counts = FollowCounts()
        self._manager = manager
        self._sources: dict[str, _Source] = {}
        self._names = map(str, itertools.count(1))
        self._abreast = asyncio.Semaphore(ABREAST)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def questions(self) -> int:
        """How many different questions are followed."""
        return sum(len(source.questions) for source in self._sources.values())

    def check(self, cube: str, query: CubeQuery, known: Iterable[QueryProblem] = ()) -> tuple[QueryProblem, ...]:
        """Return everything that is wrong with a question that is to be followed."""
        problems = self._manager.cube(cube).check(replace(query, version=None), tuple(known))
        if query.version is None:
            return problems
        text = "what is followed is always the newest version; leave `version` out."
        return (*problems, QueryProblem(INVALID_QUERY, "version", text))

    def follow(self, cube: str, query: CubeQuery, inbox: Inbox) -> Follow:
        """Follow a question.

        Args:
            cube: which is asked.
            query: the question.
            inbox: is called with a view, later with changes, on this event loop.

        Raises:
            UnknownCubeError: there is no such cube.
            QueryError: the question cannot be answered; every problem is told.
        """
        if problems := self.check(cube, query):
            raise QueryError.of(problems)
        question = self._question(cube, query)
        follow = Follow(lambda event: self._happened(question, event), next(self._names))
        question.inboxes[follow.name] = inbox
        self._happened(question, Joined(follow.name))
        return follow

    async def close(self) -> None:
        """End everything; nobody is told any more."""
        sources, self._sources = list(self._sources.values()), {}
        for source in sources:
            source.listener.close()
        tasks = [source.task for source in sources]
        for question in [question for source in sources for question in source.questions.values()]:
            tasks += _ended(question)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _question(self, cube: str, query: CubeQuery) -> _Question:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._manager.listen(self._model_changed)
        source = self._sources.get(cube)
        if source is None:
            listener = self._manager.cube(cube).listen()
            source = self._sources[cube] = _Source(listener, asyncio.create_task(self._listen(cube, listener)))
        key = json.dumps(query.to_dict(), sort_keys=True, default=repr)
        if key not in source.questions:
            source.questions[key] = _Question(cube, query, key, Watch(pace_s=self.limits.pace_s))
        return source.questions[key]

    async def _listen(self, cube: str, listener: CommitListener) -> None:
        while True:
            while news := await listener.wait():
                by_branch = {each.branch: each for each in news}
                source = self._sources.get(cube)
                for question in tuple(source.questions.values()) if source else ():
                    if (told := by_branch.get(question.query.branch)) is not None:
                        self._happened(question, Committed(told))
            source = self._sources.get(cube)
            if source is None or source.listener is not listener:
                return
            # A cube over several nodes was stopped: who follows it is told so, and goes on when it is started.
            self._ask_anew((cube,))
            again = await self._listen_again(cube, source)
            if again is None:
                return
            listener = source.listener = again
            self._ask_anew((cube,))

    async def _listen_again(self, cube: str, source: _Source) -> CommitListener | None:
        """Return a new listener as soon as there can be one; None when nobody follows the cube any more."""
        while self._sources.get(cube) is source:
            with suppress(ServiceUnavailableError, UserError):
                return self._manager.cube(cube).listen()
            await asyncio.sleep(LISTEN_AGAIN_S)
        return None

    def _model_changed(self, change: ModelChange) -> None:
        """Take note, in the thread that changed it, that cubes answer otherwise."""
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody follows there any more
            self._loop.call_soon_threadsafe(self._ask_anew, (*change.added, *change.changed, *change.removed))

    def _ask_anew(self, cubes: Iterable[str]) -> None:
        for name in cubes:
            source = self._sources.get(name)
            for question in tuple(source.questions.values()) if source else ():
                self._happened(question, Committed(CommitNews(question.query.branch, question.watch.version, None)))

    def _happened(self, question: _Question, event: Event) -> None:
        question.watch, effects = step(question.watch, event, asyncio.get_running_loop().time())
        for effect in effects:
            self._do(question, effect)
        if isinstance(event, Left):
            question.inboxes.pop(event.follower, None)
            if not question.watch.followers:
                self._forget(question)

    def _do(self, question: _Question, effect: Effect) -> None:
        if isinstance(effect, Ask):
            self._begin(question, self._ask(question, effect))
        elif isinstance(effect, Wake):
            if question.alarm is not None:
                question.alarm.cancel()
            loop = asyncio.get_running_loop()
            question.alarm = loop.call_at(effect.at_s, lambda: self._happened(question, Due()))
        elif isinstance(effect, Skip):
            self.counts.skipped += 1
        elif isinstance(effect, Tell):
            self._begin(question, self._tell(question, effect))
        else:
            self._deliver(question, effect.follower, Trouble(effect.error, effect.passing))

    def _begin(self, question: _Question, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        question.tasks.add(task)
        task.add_done_callback(question.tasks.discard)

    def _forget(self, question: _Question) -> None:
        """Nobody follows it any more: what goes on for it ends, and with the last question of a cube its listener."""
        _ended(question)
        source = self._sources.get(question.cube)
        if source is None or source.questions.get(question.key) is not question:
            return
        del source.questions[question.key]
        if not source.questions:
            del self._sources[question.cube]
            source.listener.close()

    async def _ask(self, question: _Question, ask: Ask) -> None:
        try:
            async with self._abreast:
                event: Event = await self._asked(question, ask)
        except Exception as error:
            passing = _is_passing(error)
            if not passing and not isinstance(error, UserError):
                _logger.exception("a question to cube %r that is followed could not be answered", question.cube)
            event = Failed(error, passing)
        self._happened(question, event)

    async def _asked(self, question: _Question, ask: Ask) -> Answered | Untouched:
        cube, query = self._manager.cube(question.cube), question.query
        if ask.since is not None and ask.tables is not None:
            version = await cube.untouched(query, ask.since, ask.tables)
            if version is not None:
                return Untouched(version)
        self.counts.asked += 1
        most = self.limits.rows_max
        bounded = query if query.limit is not None and query.limit <= most else replace(query, limit=most + 1)
        cells = await self._manager.query(question.cube, bounded)
        if len(cells) > most:
            raise FollowedTooLargeError(most)
        tables, version = cube.tables(query), max(cells.versions.values(), default=0)
        if question.watch.answer is not None:
            versions = cells.versions
            cells = await asyncio.to_thread(settled, question.watch.answer, cells)
            cells.versions = versions  # the answer before is true of these, too
        return Answered(cells, version, tables)

    async def _tell(self, question: _Question, tell: Tell) -> None:
        self._deliver(question, tell.follower, await asyncio.shield(self._finding(question, tell)))

    def _finding(self, question: _Question, tell: Tell) -> asyncio.Task[Told]:
        """Find what is different once for all who have the same answer."""
        question.told = [(known, task) for known, task in question.told if known.after is tell.after]
        for known, task in question.told:
            if known.before is tell.before and known.version == tell.version:
                return task
        task = asyncio.create_task(_found(tell))
        question.told.append((tell, task))
        return task

    def _deliver(self, question: _Question, follower: str, message: Told | Trouble) -> None:
        inbox = question.inboxes.get(follower)
        if inbox is not None:
            self.counts.told += 1
            inbox(message)

    def __repr__(self) -> str:
        return f"<ContinuousQueries {self.questions} questions to {len(self._sources)} cubes>"


async def _found(tell: Tell) -> Told:
    """Find what is different; where that is most of it, the whole answer is told."""
    if tell.before is tell.after:
        return Told(tell.after, tell.version, fresh=False)
    if tell.before is None:
        return Told(tell.after, tell.version, fresh=True)
    if len(tell.after) < ROWS_FEW:
        changes = changes_between(tell.before, tell.after)
    else:
        changes = await asyncio.to_thread(changes_between, tell.before, tell.after)
    return Told(tell.after, tell.version, fresh=changes is None, changes=changes)


def _ended(question: _Question) -> list[asyncio.Task[None]]:
    if question.alarm is not None:
        question.alarm.cancel()
    tasks = list(question.tasks)
    for task in tasks:
        task.cancel()
    return tasks


def _is_passing(error: Exception) -> bool:
    return isinstance(error, ServiceUnavailableError) or getattr(error, "code", "") in PASSING
