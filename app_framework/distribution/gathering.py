"""Asking the data cubes that can contribute to a question, all at once, and whoever can stand in for one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from app_framework.database.branches import MASTER
from app_framework.database.errors import QueryTimeoutError
from app_framework.distribution.asking import Asker, NodeFailedError
from app_framework.distribution.errors import DataNodeUnavailableError
from app_framework.distribution.routing import Asked, HeldThen, Lacking, Members, Routes, RoutingTable
from app_framework.distribution.view import View, missing_of
from app_framework.olap.condition import levels_of
from app_framework.olap.errors import INVALID_QUERY, QueryError, QueryProblem
from app_framework.olap.partial.arranging import ApplicationPart
from app_framework.olap.partial.dictionaries import KnownDictionaries
from app_framework.olap.partial.projection import Knowledge, Replication, project
from app_framework.olap.partial.question import PartialFrame, PartialQuestion, Restriction

if TYPE_CHECKING:
    from app_framework.distribution.roster import Roster
    from app_framework.olap.dimension import Hierarchy
    from app_framework.olap.partial.answer import PartialAnswer, Table
    from app_framework.olap.partial.splitting import Split
    from app_framework.olap.query import CubeQuery

T = TypeVar("T")


class UnevenVersionsError(Exception):
    """Two data cubes of one node are known in different versions of its data.

    Attributes:
        node: which one.
    """

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


@dataclass(frozen=True, slots=True)
class Share:
    """What one data cube is asked of one frame.

    Args:
        frame: which one, by its place in the split.
        question: the frame as the application is asked for it.
        asked: the data cube, and for which members.
    """

    frame: int
    question: PartialFrame
    asked: Asked

    @property
    def restricted(self) -> PartialFrame:
        """The frame as this data cube is asked for it."""
        own = tuple(Restriction(level, filter_) for level, filter_ in self.asked.conditions)
        return replace(self.question, where=(*self.question.where, *own))


@dataclass(slots=True)
class NodeWork:
    """What one data cube did for a question, to be shown."""

    node: str
    cube: str
    application: str
    version: int
    members: dict[str, list[Members]] = field(default_factory=dict)
    frames: int = 0
    rows: int = 0
    bytes: int = 0
    elapsed_ms: float = 0.0
    round_trips: int = 0


@dataclass(slots=True)
class Gathered:
    """What came for a question.

    Args:
        parts: by application.
        versions: of the nodes that were read.
        missing: what did not come, as an answer lists it.
        reason: why the first of it did not.
        work: what was done where, by data cube.
    """

    parts: list[ApplicationPart] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    missing: list[dict[str, object]] = field(default_factory=list)
    reason: str = ""
    work: dict[str, NodeWork] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is asked what of one application.

    Args:
        frames: of the split, as the application is asked; None where it has nothing to say.
    """

    application: str
    knowledge: Knowledge
    frames: tuple[PartialFrame | None, ...]
    table: RoutingTable
    shares: tuple[Share, ...]
    lacking: tuple[Lacking, ...]


class Gatherer:
    """Asks for one question after the other.

    Args:
        roster: knows the data cubes.
        asker: asks one of them.
        replication: at which members of a hierarchy that an application does not know its values repeat.

    Attributes:
        dictionaries: of texts that data cubes number; what is known of them need not be sent again.
    """

    def __init__(self, roster: Roster, asker: Asker, replication: Replication) -> None:
        self.dictionaries = KnownDictionaries()
        self._roster = roster
        self._asker = asker
        self._replication = replication
        self._turn = 0

    async def gather(self, view: View, split: Split, query: CubeQuery, deadline_s: float) -> Gathered:
        """Return what all data cubes that can contribute have of a question.

        Raises:
            DataNodeUnavailableError: one of them does not answer, no other one has its members, and the answer may not
                be without them.
            VersionMovedError: one of them does not have the version any more that is known here.
            UnevenVersionsError: two of them on one node are known in different versions of its data.
            QueryError, PartTooLargeError, QueryTimeoutError: one of them cannot answer, or may not, or not in time.
        """
        try:
            async with asyncio.timeout_at(deadline_s):
                pinned = await self._pinned(view, query)
        except TimeoutError as error:
            raise QueryTimeoutError(query.timeout_s) from error
        plans = self.plans(view, split, query, pinned)
        _check_even(view, plans, query)
        self._turn += 1
        gathering = _Gathering(self._roster, self._asker, self.dictionaries, view, query, deadline_s)
        return await gathering.run(plans, unheard_of(view, split, plans), _hierarchies(split))

    def plans(self, view: View, split: Split, query: CubeQuery, pinned: Mapping[str, HeldThen]) -> list[Plan]:
        """Return who would be asked now.

        Raises:
            QueryError: on the branch that is asked for, two data cubes hold the same member.
        """
        return [self._plan(view, name, split, query, pinned) for name in view.topology.applications]

    def _plan(
        self,
        view: View,
        application: str,
        split: Split,
        query: CubeQuery,
        pinned: Mapping[str, HeldThen],
    ) -> Plan:
        outline = view.topology.outlines[application]
        knowledge = Knowledge(frozenset(outline.levels), frozenset(outline.measure), self._replication)
        frames = project(split, view.world.model, knowledge, lambda hierarchy: default_of(view, hierarchy))
        table = view.table_with(application, query.branch, pinned) if pinned else view.table(application, query.branch)
        _check_once(table, query, pinned)
        shares: list[Share] = []
        lacking: dict[str, Lacking] = {}
        usable = self._roster.usable & view.published.keys()
        for number, frame in enumerate(frames):
            if frame is None:
                continue
            routes = table.route(frame.where, usable, self._roster.loads, self._turn)
            shares += [Share(number, frame, asked) for asked in routes.asked]
            for each in routes.lacking:
                lacking[each.id] = joined_lacking(lacking.get(each.id), each)
        return Plan(application, knowledge, frames, table, tuple(shares), tuple(lacking.values()))

    async def rows(self, view: View, split: Split, query: CubeQuery) -> list[Plan]:
        """Return who is asked for the rows that a plan without measures means."""
        return self.plans(view, split, query, await self._pinned(view, query))

    def instead(self, view: View, plan: Plan, share: Share, failed: Set[str]) -> Routes:
        """Return who is asked in the place of a data cube that failed, and what nobody else has."""
        usable = (self._roster.usable & view.published.keys()) - failed
        return plan.table.reroute(share.asked, usable, self._roster.loads)

    async def _pinned(self, view: View, query: CubeQuery) -> dict[str, HeldThen]:
        """Return what data cubes held in the versions that are asked for: not what they hold now.

        Of one that cannot be asked that is not known, so it may be needed whatever is filtered.
        """
        found: dict[str, HeldThen] = {}
        wanted = query.version if isinstance(query.version, Mapping) else {}
        for id_ in sorted(view.published) if wanted else ():
            published = view.published[id_]
            contribution = published.contribution
            version = wanted.get(contribution.id.node)
            divided = view.topology.applications[contribution.application].levels
            if version is not None and version != view.version_of(id_, query.branch) and divided:
                branch, usable = view.branch_of(id_, query.branch), id_ in self._roster.usable
                found[id_] = await self._asker.members_at(published, branch, version) if usable else None
        return found


class _Gathering:
    """One question on its way."""

    def __init__(
        self,
        roster: Roster,
        asker: Asker,
        dictionaries: KnownDictionaries,
        view: View,
        query: CubeQuery,
        deadline_s: float,
    ) -> None:
        self._roster = roster
        self._asker = asker
        self._dictionaries = dictionaries
        self._view = view
        self._query = query
        self._deadline_s = deadline_s
        self._gathered = Gathered()
        self._tables: dict[tuple[str, int], list[Table]] = {}
        self._failed: set[str] = set()
        self._running: dict[asyncio.Task[PartialAnswer], tuple[Plan, str, list[Share]]] = {}
        self._lacking: dict[str, Lacking] = {}
        self._refused: Exception | None = None

    async def run(self, plans: Sequence[Plan], unheard: Sequence[Lacking], hierarchies: Set[str]) -> Gathered:
        """Ask all that are planned; return what came, and the members of hierarchies that values may repeat along."""
        for plan in plans:
            self._lack(plan.lacking)
        self._lack(unheard)
        self._check_missing()
        try:
            for plan in plans:
                self._ask(plan, plan.shares)
            while self._running:
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in self._running if task in done]:
                    self._ended(task, *self._running.pop(task))
                self._check_missing()
        finally:
            await self._cancel()
        self._gathered.parts = [self._part(plan, hierarchies) for plan in plans]
        self._gathered.missing = [self._missing(each) for each in self._lacking.values()]
        return self._gathered

    def _ask(self, plan: Plan, shares: Sequence[Share]) -> None:
        """Ask each data cube once for all that is wanted of it."""
        by_cube: dict[str, list[Share]] = {}
        for share in shares:
            by_cube.setdefault(share.asked.id, []).append(share)
        for id_, own in by_cube.items():
            task = asyncio.get_running_loop().create_task(self._answer(id_, own), name=f"question to '{id_}'")
            self._running[task] = (plan, id_, own)

    async def _answer(self, id_: str, shares: Sequence[Share]) -> PartialAnswer:
        view, query = self._view, self._query
        contribution = view.published[id_].contribution
        pinned = query.version if isinstance(query.version, Mapping) else {}
        question = PartialQuestion(
            tuple(share.restricted for share in shares),
            view.branch_of(id_, query.branch),
            pinned.get(contribution.id.node, view.version_of(id_, query.branch)),
            dictionaries=self._dictionaries.lengths(),
        )
        return await self._asker.ask(contribution, question, self._deadline_s)

    def _ended(self, task: asyncio.Task[PartialAnswer], plan: Plan, id_: str, shares: list[Share]) -> None:
        error = task.exception()
        if isinstance(error, NodeFailedError):
            self._failed.add(id_)
            self._reroute(plan, shares, error)
        elif error is not None:
            raise error
        else:
            self._take(plan, id_, shares, task.result())

    def _reroute(self, plan: Plan, shares: Sequence[Share], error: NodeFailedError) -> None:
        """Ask others for the same members; of what nobody else has, nothing is counted."""
        usable = (self._roster.usable & self._view.published.keys()) - self._failed
        again: list[Share] = []
        for share in shares:
            routes = plan.table.reroute(share.asked, usable, self._roster.loads)
            again += [replace(share, asked=asked) for asked in routes.asked]
            self._lack(routes.lacking, error.reason)
        self._refused = self._refused or error.refused
        self._ask(plan, again)

    def _take(self, plan: Plan, id_: str, shares: Sequence[Share], answer: PartialAnswer) -> None:
        contribution = self._view.published[id_].contribution
        for share, table in zip(shares, answer.tables, strict=True):
            self._tables.setdefault((plan.application, share.frame), []).append(table)
        versions = self._gathered.versions
        versions[contribution.id.node] = max(answer.version, versions.get(contribution.id.node, 0))
        work = self._gathered.work.setdefault(
            id_, NodeWork(contribution.id.node, contribution.id.cube, plan.application, answer.version)
        )
        for share in shares:
            for level, members in share.asked.members.items():
                work.members.setdefault(level, []).append(members)
        work.frames += len(shares)
        work.rows += answer.rows
        work.bytes += answer.bytes
        work.elapsed_ms += answer.elapsed_ms
        work.round_trips += 1

    def _part(self, plan: Plan, hierarchies: Set[str]) -> ApplicationPart:
        knowledge, topology = plan.knowledge, self._view.topology
        tables = tuple(tuple(self._tables.get((plan.application, number), ())) for number in range(len(plan.frames)))
        unknown = sorted(hierarchies - topology.outlines[plan.application].hierarchy.keys())
        return ApplicationPart(
            plan.application,
            knowledge.levels,
            knowledge.measures,
            tables,
            knowledge.replication,
            {name: topology.paths(name).table for name in unknown},
        )

    def _lack(self, lacking: Sequence[Lacking], reason: str = "") -> None:
        for each in lacking:
            self._lacking[each.id] = joined_lacking(self._lacking.get(each.id), each)
            self._gathered.reason = self._gathered.reason or reason or self._roster.why_not(each.id)

    def _check_missing(self) -> None:
        if self._lacking and self._query.unavailable == "fail":
            if self._refused is not None:
                raise self._refused
            raise DataNodeUnavailableError(
                [self._missing(each) for each in self._lacking.values()], self._gathered.reason
            )

    def _missing(self, lacking: Lacking) -> dict[str, object]:
        return missing_in(self._view, lacking)

    async def _cancel(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _hierarchies(split: Split) -> frozenset[str]:
    """Return the hierarchies by which cells are grouped, or which conditions are on, by their full names."""
    levels = [key.level for frame in split.frames for key in frame.keys]
    levels += [level for condition in split.plan.conditions for level in levels_of(condition)]
    return frozenset(f"{level.dimension}.{level.hierarchy}" for level in levels)


def unheard_of(view: View, split: Split, plans: Sequence[Plan]) -> list[Lacking]:
    """Return the data cubes nothing came of that a question needs beside those that its plans route to."""
    measures = {cell.measure for frame in split.asked for cell in frame.cells}
    asked = [view.topology.outlines[plan.application] for plan in plans if any(plan.frames)]
    repeated = {name for outline in asked for name in _hierarchies(split) - outline.hierarchy.keys()}
    return view.unheard_with(measures, repeated)


def missing_in(view: View, lacking: Lacking) -> dict[str, object]:
    """Return what an answer or an error says of a data cube that is missing."""
    labels = labels_of(view)
    return missing_of(lacking.node, {labels.get(name, name): members for name, members in lacking.members.items()})


def labels_of(view: View) -> dict[str, str]:
    """Return what the configuration calls the distributing levels, by their full names."""
    return {level.name: level.label for name in view.topology.applications for level in view.table(name).levels}


def joined_lacking(before: Lacking | None, more: Lacking) -> Lacking:
    """Return what is missing of one data cube for several frames."""
    if before is None:
        return more
    levels = {**before.members, **more.members}
    members = {name: before.members.get(name, frozenset()) | more.members.get(name, frozenset()) for name in levels}
    return Lacking(more.id, more.node, members)


def default_of(view: View, hierarchy: Hierarchy) -> object:
    """Return the default member of a slicing hierarchy, over all data cubes."""
    return view.topology.first(hierarchy.levels[0].full_name) if hierarchy.default is None else hierarchy.default


async def all_of(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what several works return; when one fails, the others end."""
    tasks = [asyncio.get_running_loop().create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def left_s(deadline_s: float, timeout_s: float) -> float:
    """Return how long is left until a deadline of the running loop.

    Raises:
        QueryTimeoutError: nothing.
    """
    left = deadline_s - asyncio.get_running_loop().time()
    if left <= 0:
        raise QueryTimeoutError(timeout_s)
    return left


def _check_even(view: View, plans: Sequence[Plan], query: CubeQuery) -> None:
    """Refuse to read two versions of one node: of a commit to both of its cubes, half would be counted."""
    pinned = query.version if isinstance(query.version, Mapping) else {}
    first: dict[str, int] = {}
    for id_ in {share.asked.id for plan in plans for share in plan.shares}:
        node, version = view.published[id_].contribution.id.node, view.version_of(id_, query.branch)
        if node not in pinned and first.setdefault(node, version) != version:
            raise UnevenVersionsError(node)


def _check_once(table: RoutingTable, query: CubeQuery, pinned: Collection[str]) -> None:
    """Refuse what would be counted twice: on a branch, or in versions that never were the newest of all together."""
    # Of master that was looked at when they were let in, and what is not heard of yet refuses by itself.
    if (query.branch == MASTER and not pinned) or table.doubly_held is None:
        return
    level, member, (first, second) = table.doubly_held
    where = "in these versions" if pinned else f"on branch {query.branch!r}"
    text = f"{where} data cubes {first.id!r} and {second.id!r} both hold {member!r} of {level.label!r}."
    raise QueryError.of([QueryProblem(INVALID_QUERY, "version" if pinned else "branch", text)])
