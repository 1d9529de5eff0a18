"""Answering the questions to a query cube: planned on its world, asked of its data cubes, merged in its world.

plan → defaults → split → route → ask → merge; a question sees one view from its beginning to its end, and begins again
with a newer one where a data cube no longer has the version that the view knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

from app_framework.database.branches import MASTER
from app_framework.database.errors import QueryTimeoutError
from app_framework.distribution.asking import Asker, NodeFailedError, VersionMovedError
from app_framework.distribution.errors import DataNodeUnavailableError
from app_framework.distribution.gathering import (
    Gathered,
    Gatherer,
    UnevenVersionsError,
    labels_of,
    left_s,
    missing_in,
    unheard_of,
)
from app_framework.distribution.level_members import MemberFinder
from app_framework.distribution.routing import Members
from app_framework.distribution.row_gathering import RowGatherer
from app_framework.distribution.view import View, check_heard, missing_of, missing_record
from app_framework.errors import near_matches
from app_framework.olap.errors import (
    INVALID_QUERY,
    UNKNOWN_BRANCH,
    UNKNOWN_LEVEL,
    UNKNOWN_MEASURE,
    UNKNOWN_VERSION,
    QueryError,
    QueryProblem,
)
from app_framework.olap.partial.merging import CellMerger
from app_framework.olap.partial.splitting import Split, resolve_defaults, split
from app_framework.olap.plan import QueryPlan, plan_cell, plan_query

if TYPE_CHECKING:
    from app_framework.distribution.limits import DistributionLimits
    from app_framework.distribution.roster import Roster
    from app_framework.distribution.tracing import Tracing
    from app_framework.olap.cellset import CellSet
    from app_framework.olap.cellstream import CellStream
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.partial.projection import Replication
    from app_framework.olap.query import CubeQuery
    from app_framework.olap.rowset import RowSet

T = TypeVar("T")
MEMBERS_SHOWN_MAX = 20
QUESTIONS_KEPT = 256
"""Of so many questions it is remembered who would be asked, as long as nothing changes."""


class Answering:
    """See above.

    Args:
        name: of the query cube.
        roster: knows the data cubes.
        asker: asks one of them.
        replication: at which members of a hierarchy that an application does not know its values repeat.
        limits: the bounds.
        model: stands for what the query cube declares itself.
        tracing: makes a span of each question.
    """

    def __init__(
        self,
        name: str,
        roster: Roster,
        asker: Asker,
        replication: Replication,
        limits: DistributionLimits,
        model: str,
        tracing: Tracing,
    ) -> None:
        self._name = name
        self._roster = roster
        self._limits = limits
        self._model = model
        self._tracing = tracing
        self._asker = asker
        self._gatherer = Gatherer(roster, asker, replication)
        self._rows = RowGatherer(roster, self._gatherer, asker, limits)
        self._members = MemberFinder(roster, asker, limits)
        self._told: dict[CubeQuery, dict[str, int]] = {}
        self._told_of: tuple[int, frozenset[str]] = (-1, frozenset())

    @property
    def fingerprint(self) -> str:
        """What stands for the model and for who answers."""
        view = self._roster.view
        told = [self._model, *(f"{name} {outline.digest}" for name, outline in view.topology.outlines.items())]
        told += [f"{id_} {published.turn} {published.masks_version}" for id_, published in view.published.items()]
        return blake2b("\n".join(told).encode(), digest_size=16).hexdigest()

    def versions(self, query: CubeQuery | None) -> dict[str, int]:
        """Return the versions that a question would be answered from now."""
        view, usable = self._roster.view, self._roster.usable
        if query is None:
            return self._all_versions(view, usable)
        if self._told_of != (view.serial, usable) or len(self._told) >= QUESTIONS_KEPT:
            self._told, self._told_of = {}, (view.serial, usable)
        if query not in self._told:
            found = self._versions_of(view, query)
            if view.topology.gate.data_overlap:
                return found  # the next question may go to another replica
            self._told[query] = found
        return self._told[query]

    def _all_versions(self, view: View, usable: frozenset[str]) -> dict[str, int]:
        missing = [
            missing_of(published.contribution.id.node, {})
            for id_, published in view.published.items()
            if id_ not in usable
        ]
        missing += map(missing_record, view.unheard)
        if missing:
            raise DataNodeUnavailableError(missing)
        return {each.contribution.id.node: each.contribution.version for each in view.published.values()}

    def _versions_of(self, view: View, query: CubeQuery) -> dict[str, int]:
        resolved = resolve_defaults(self._plan(view, query), lambda level: view.topology.first(level.full_name))
        asked_for = split(resolved)
        plans = self._gatherer.plans(view, asked_for, query, {})
        lacking = [*(each for plan in plans for each in plan.lacking), *unheard_of(view, asked_for, plans)]
        if lacking and query.unavailable == "fail":
            missing = [missing_in(view, each) for each in lacking]
            raise DataNodeUnavailableError(missing, self._roster.why_not(lacking[0].id))
        pinned = query.version if isinstance(query.version, Mapping) else {}
        asked = sorted({share.asked.id for plan in plans for share in plan.shares})
        found = {view.published[id_].contribution.id.node: view.version_of(id_, query.branch) for id_ in asked}
        return {node: pinned.get(node, version) for node, version in found.items()}

    def check(self, query: CubeQuery, known: Sequence[QueryProblem] = ()) -> tuple[QueryProblem, ...]:
        """Return everything that is wrong with a question."""
        try:
            self._plan(self._roster.view, query, known)
        except QueryError as error:
            return error.problems
        return ()

    def check_drillthrough(
        self, drillthrough: Drillthrough, known: Sequence[QueryProblem] = ()
    ) -> tuple[QueryProblem, ...]:
        """Return everything that is wrong with a question for rows, as far as it is known here."""
        try:
            self._cell_plan(self._roster.view, drillthrough, known)
        except QueryError as error:
            return error.problems
        return ()

    def tables(self, query: CubeQuery) -> frozenset[str]:
        """Return what stands for all rows."""
        return self._plan(self._roster.view, query).tables

    def discovery(self) -> dict[str, object]:
        """Describe what can be asked."""
        return {**self._roster.view.world.discovery(), "model": self.fingerprint}

    async def cells(self, query: CubeQuery, *, arrow: bool = False) -> CellSet:
        """Answer a question."""
        return (await self._answered(query, arrow=arrow))[0]

    async def stream(self, query: CubeQuery) -> CellStream:
        """Answer a question in batches of Arrow."""
        from app_framework.olap.arrow import cell_stream

        return cell_stream(await self.cells(query, arrow=True))

    async def explain(self, query: CubeQuery) -> dict[str, object]:
        """Answer a question and return how."""
        started = time.perf_counter()
        cells, asked, gathered, view = await self._answered(query)
        statement = self._merger(view).statement(asked, gathered.parts)
        work = [gathered.work[id_] for id_ in sorted(gathered.work)]
        labels = labels_of(view)
        return {
            "cube": self._name,
            "plan": repr(asked.plan),
            "sql": statement.text,
            "parameters": list(statement.parameters),
            "nodes": [
                {
                    "node": each.node,
                    "cube": each.cube,
                    "application": each.application,
                    "version": each.version,
                    "members": {labels[level]: _clipped(members) for level, members in each.members.items()},
                    "frames": each.frames,
                    "rows": each.rows,
                    "bytes": each.bytes,
                    "elapsed_ms": round(each.elapsed_ms, 3),
                    "round_trips": each.round_trips,
                }
                for each in work
            ],
            "bytes": sum(each.bytes for each in work),
            "round_trips": max((each.round_trips for each in work), default=0),
            "partial": cells.partial,
            **({"missing": list(cells.missing)} if cells.partial else {}),
            "elapsed_ms": round((time.perf_counter() - started) * 1000, 3),
        }

    async def rows(self, drillthrough: Drillthrough) -> RowSet:
        """Return the rows of a cell."""

        async def gathered(view: View, deadline_s: float) -> RowSet:
            plan = await self._with_defaults(view, self._cell_plan(view, drillthrough), drillthrough.query)
            return await self._rows.gather(view, plan, drillthrough, self._name, deadline_s)

        with self._tracing.question(self._name, "drillthrough"):
            return await self._renewed(drillthrough.query, gathered)

    async def members(
        self, level: str, *, prefix: str | None, limit: int, branch: str, version: int | None
    ) -> tuple[object, ...]:
        """Return the members of a level."""
        view = self._roster.view
        if version is not None:
            raise QueryError.of([_no_number("version")])
        stale = self._branch_problems(view, branch)
        with self._tracing.question(self._name, "members"):
            return await self._members.find(view, level, prefix, limit, branch, stale)

    def _merger(self, view: View) -> CellMerger:
        world, known = view.world, self._gatherer.dictionaries
        return CellMerger(world.model, world.database, self._limits.rows_max, dictionaries=known)

    # -- one question ------------------------------------------------------------------------------------------------

    async def _answered(self, query: CubeQuery, *, arrow: bool = False) -> tuple[CellSet, Split, Gathered, View]:
        started = time.perf_counter()

        async def answered(view: View, deadline_s: float) -> tuple[CellSet, Split, Gathered, View]:
            asked = split(await self._with_defaults(view, self._plan(view, query), query))
            gathered = await self._gatherer.gather(view, asked, query, deadline_s)
            merger = self._merger(view)
            left = replace(query, timeout=left_s(deadline_s, query.timeout_s))
            merge = merger.cells_arrow if arrow else merger.cells
            cells = await merge(asked, gathered.parts, left)
            cells.cube = self._name
            cells.versions = dict(sorted(gathered.versions.items()))
            cells.partial = bool(gathered.missing)
            cells.missing = tuple(gathered.missing)
            cells.elapsed_ms = (time.perf_counter() - started) * 1000
            return cells, asked, gathered, view

        with self._tracing.question(self._name, "query"):
            return await self._renewed(query, answered)

    async def _renewed(self, query: CubeQuery, work: Callable[[View, float], Awaitable[T]]) -> T:
        """Do what a question needs with what is known now, and again where a data cube has something newer."""
        deadline_s = asyncio.get_running_loop().time() + query.timeout_s
        moves = 0
        while True:
            with self._roster.reading() as view:
                try:
                    return await work(view, deadline_s)
                except (VersionMovedError, UnevenVersionsError) as error:
                    moved = error
                except QueryTimeoutError as error:
                    raise QueryTimeoutError(query.timeout_s) from error
                except NodeFailedError as failed:
                    raise DataNodeUnavailableError([missing_of(failed.node, {})], failed.reason) from failed
            if isinstance(moved, UnevenVersionsError):
                await self._even(view, query, deadline_s, moved.node)
                continue
            await self._newer(view, query, deadline_s, moved)
            moves += 1
            if moves > self._limits.failures_max:
                node = view.published[moved.data_cube].contribution.id.node
                reason = "its data change faster than they can be asked for"
                raise DataNodeUnavailableError([missing_of(node, {})], reason) from moved

    async def _even(self, view: View, query: CubeQuery, deadline_s: float, node: str) -> None:
        """Wait until all cubes of a node may be known in one version."""
        wait_s = min(left_s(deadline_s, query.timeout_s), self._limits.announcement_s)
        if not await self._roster.later_than(view, wait_s):
            reason = "one of its cubes does not say what its last commit changed"
            raise DataNodeUnavailableError([missing_of(node, {})], reason)

    async def _newer(self, view: View, query: CubeQuery, deadline_s: float, moved: VersionMovedError) -> None:
        contribution = view.published[moved.data_cube].contribution
        if isinstance(query.version, Mapping) and contribution.id.node in query.version:
            node, text = contribution.id.node, moved.told.detail.removeprefix("version: ")
            raise QueryError.of([QueryProblem(UNKNOWN_VERSION, f"version.{node}", f"node {node!r}: {text}")])
        wait_s = min(left_s(deadline_s, query.timeout_s), self._limits.announcement_s)
        if not await self._roster.later_than(view, wait_s):
            peer = self._roster.peers.get(moved.data_cube)
            reason = (peer.refused if peer else None) or "the members of its newest version are not known here"
            raise DataNodeUnavailableError([missing_of(contribution.id.node, {})], reason) from moved

    # -- planning ----------------------------------------------------------------------------------------------------

    def _plan(self, view: View, query: CubeQuery, known: Sequence[QueryProblem] = ()) -> QueryPlan:
        stale = self._state_problems(view, query)
        try:
            plan = plan_query(view.world.model, query, known)
        except QueryError as error:
            self._check_unheard(view, error)
            raise QueryError.of([*error.problems, *stale]) from None
        if stale:
            raise QueryError.of(stale)
        return plan

    def _cell_plan(self, view: View, drillthrough: Drillthrough, known: Sequence[QueryProblem] = ()) -> QueryPlan:
        stale = self._state_problems(view, drillthrough.query)
        try:
            plan = plan_cell(view.world.model, drillthrough.coordinates, drillthrough.query, known)
        except QueryError as error:
            self._check_unheard(view, error)
            raise QueryError.of([*error.problems, *stale]) from None
        if stale:
            raise QueryError.of(stale)
        return plan

    async def _with_defaults(self, view: View, plan: QueryPlan, query: CubeQuery) -> QueryPlan:
        """Return a plan that names the members by which it fixes slicing hierarchies: the first ones of all nodes."""
        wanted: dict[str, object] = {}
        resolve_defaults(plan, lambda level: wanted.setdefault(level.full_name))
        if not wanted:
            return plan
        found = {level: await self._members.first(view, level, query) for level in wanted}
        return resolve_defaults(plan, lambda level: found[level.full_name])

    def _check_unheard(self, view: View, error: QueryError) -> None:
        """Refuse to call a name unknown that a data cube may know which has not been heard of."""
        names = {UNKNOWN_MEASURE, UNKNOWN_LEVEL}
        unheard = [each for each in view.unheard if each.application not in view.topology.applications]
        if any(problem.code in names for problem in error.problems):
            check_heard(unheard)

    def _state_problems(self, view: View, query: CubeQuery) -> list[QueryProblem]:
        problems = self._branch_problems(view, query.branch)
        if isinstance(query.version, int):
            problems.append(_no_number("version"))
        elif query.version is not None:
            nodes = sorted({each.contribution.id.node for each in view.published.values()})
            check_heard(each for each in view.unheard if each.node in query.version)
            for node in query.version.keys() - set(nodes):
                text = f"there is no data of a node {node!r}; there is: {', '.join(nodes) or 'none'}."
                problems.append(QueryProblem(UNKNOWN_VERSION, f"version.{node}", text, near_matches(node, nodes)))
        return problems

    def _branch_problems(self, view: View, branch: str) -> list[QueryProblem]:
        if branch == MASTER or branch in view.topology.branches:
            return []
        check_heard(view.unheard)
        near = near_matches(branch, [MASTER, *view.topology.branches]) or (MASTER,)
        return [QueryProblem(UNKNOWN_BRANCH, "branch", f"there is no branch {branch!r}.", near)]

    def __repr__(self) -> str:
        return f"<Answering for {self._name!r}>"


def _no_number(field: str) -> QueryProblem:
    text = "every node counts its own versions; write `version` as {node: number}."
    return QueryProblem(INVALID_QUERY, field, text)


def _clipped(several: Sequence[Members]) -> list[object]:
    listed = sorted(frozenset[object]().union(*several), key=lambda member: (member is None, str(member)))
    more = len(listed) - MEMBERS_SHOWN_MAX
    return listed if more <= 0 else [*listed[:MEMBERS_SHOWN_MAX], f"… {more:,} more"]
