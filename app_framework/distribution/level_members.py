"""The members of a level over all data cubes: as they were brought, or on a branch as they are read there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from app_framework.database.branches import MASTER
from app_framework.distribution.asking import Asker, NodeFailedError
from app_framework.distribution.errors import DataNodeUnavailableError, InvalidContributionError
from app_framework.distribution.gathering import all_of
from app_framework.distribution.publishing import path_levels
from app_framework.distribution.view import View, check_heard, missing_of
from app_framework.olap.cube import MEMBERS_MAX
from app_framework.olap.errors import INVALID_QUERY, QueryError, QueryProblem
from app_framework.olap.partial.paths import Paths, WrongPathsError, members_of
from app_framework.olap.partial.question import PartialFrame, PartialQuestion
from app_framework.olap.plan import plan_members

if TYPE_CHECKING:
    from app_framework.distribution.contribution import Contribution
    from app_framework.distribution.limits import DistributionLimits
    from app_framework.distribution.roster import Roster
    from app_framework.olap.query import CubeQuery


class MemberFinder:
    """See above.

    Args:
        roster: knows the data cubes.
        asker: asks one of them.
        limits: the bounds.
    """

    def __init__(self, roster: Roster, asker: Asker, limits: DistributionLimits) -> None:
        self._roster = roster
        self._asker = asker
        self._limits = limits

    async def find(
        self, view: View, level: str, prefix: str | None, limit: int, branch: str, stale: Sequence[QueryProblem]
    ) -> tuple[object, ...]:
        """Return the members of a level in order.

        Raises:
            QueryError: there is no such level, or what is asked of it makes no sense.
            DataNodeUnavailableError: of a data cube nothing is known, or on a branch it does not answer.
        """
        if not 0 <= limit <= MEMBERS_MAX:
            text = f"`limit` is a whole number from 0 to {MEMBERS_MAX:,}."
            raise QueryError.of([QueryProblem(INVALID_QUERY, "limit", text)])
        known = view.topology.applications
        try:
            name = plan_members(view.world.model, level, prefix).keys[0].level.full_name
        except QueryError as error:
            check_heard([each for each in view.unheard if each.application not in known])
            raise QueryError.of([*error.problems, *stale]) from None
        check_heard([each for each in view.unheard if view.may_know(each, name)])
        if stale:
            raise QueryError.of(stale)
        if branch == MASTER:
            return view.topology.members(name, prefix, limit)
        return await self._found(view, name, prefix, limit, branch, {})

    async def first(self, view: View, level: str, query: CubeQuery) -> object:
        """Return the first member of a level by its full name, where a question looks; None where there is none.

        Raises:
            DataNodeUnavailableError: a data cube that was not heard of may have an earlier one.
        """
        check_heard([each for each in view.unheard if view.may_know(each, level)])
        pinned = query.version if isinstance(query.version, Mapping) else {}
        if query.branch == MASTER and not pinned:
            return view.topology.first(level)
        return next(iter(await self._found(view, level, None, 1, query.branch, pinned)), None)

    async def _found(
        self, view: View, level: str, prefix: str | None, limit: int, branch: str, pinned: Mapping[str, int]
    ) -> tuple[object, ...]:
        knowing = [
            each
            for application in view.topology.applications.values()
            if level in application.outline.levels
            for each in application.cubes
        ]
        deadline_s = asyncio.get_running_loop().time() + self._limits.discovery_timeout_s
        found = await all_of(self._paths(view, each, level, branch, pinned, deadline_s) for each in knowing)
        return members_of(found, level, prefix, limit)

    async def _paths(
        self,
        view: View,
        contribution: Contribution,
        level: str,
        branch: str,
        pinned: Mapping[str, int],
        deadline_s: float,
    ) -> Paths:
        id_, hierarchy = str(contribution.id), contribution.outline.hierarchy_of(level)
        own, known = view.branch_of(id_, branch), view.version_of(id_, branch)
        version = pinned.get(contribution.id.node, known)
        if own == MASTER and version == known:
            return contribution.members[hierarchy.full_name]
        question = PartialQuestion((PartialFrame((level,)),), own, version)
        try:
            answer = await self._asker.ask(contribution, question, deadline_s)
            return Paths.read([each for each in path_levels(hierarchy) if each.name == level], answer.tables)
        except NodeFailedError as error:
            raise DataNodeUnavailableError([missing_of(contribution.id.node, {})], error.reason) from error
        except WrongPathsError as error:
            raise InvalidContributionError(str(error)) from error

    def __repr__(self) -> str:
        return f"<MemberFinder of {self._roster}>"
