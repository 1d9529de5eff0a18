"""The rows behind a cell of a query cube: those of its data cubes, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from app_framework.distribution.asking import Asker, NodeFailedError
from app_framework.distribution.errors import DataNodeUnavailableError
from app_framework.distribution.gathering import Gatherer, Plan, Share, all_of, left_s, missing_in, unheard_of
from app_framework.distribution.rows_question import RowsQuestion
from app_framework.olap.arrow import ArrowRows
from app_framework.olap.errors import INVALID_QUERY, QueryError, QueryProblem, TooLargeError
from app_framework.olap.partial.question import Restriction
from app_framework.olap.partial.splitting import split
from app_framework.olap.rowset import RowSet
from app_framework.olap.sql import Statement

if TYPE_CHECKING:
    from app_framework.distribution.limits import DistributionLimits
    from app_framework.distribution.roster import Roster
    from app_framework.distribution.view import View
    from app_framework.olap.drillthrough import Drillthrough
    from app_framework.olap.plan import QueryPlan

Came = tuple[str, int, ArrowRows]
"""Of a data cube: its node, its version, and its rows."""


class RowGatherer:
    """See above.

    Args:
        roster: knows the data cubes.
        gatherer: knows who is asked for what.
        asker: asks one of them.
        limits: the bounds.
    """

    def __init__(self, roster: Roster, gatherer: Gatherer, asker: Asker, limits: DistributionLimits) -> None:
        self._roster = roster
        self._gatherer = gatherer
        self._asker = asker
        self._limits = limits

    async def gather(
        self, view: View, cell: QueryPlan, drillthrough: Drillthrough, name: str, deadline_s: float
    ) -> RowSet:
        """Return the rows that a cell counts.

        Raises:
            DataNodeUnavailableError, VersionMovedError, QueryError, TooLargeError, QueryTimeoutError: as for cells.
        """
        asked_for = split(cell)
        plans = await self._gatherer.rows(view, asked_for, drillthrough.query)
        lacking = [*(each for plan in plans for each in plan.lacking), *unheard_of(view, asked_for, plans)]
        if lacking:
            missing = [missing_in(view, each) for each in lacking]
            raise DataNodeUnavailableError(missing, self._roster.why_not(lacking[0].id))
        failed: set[str] = set()
        coming = [
            self._came(view, plan, share, drillthrough, deadline_s, failed) for plan in plans for share in plan.shares
        ]
        came = [each for several in await all_of(coming) for each in several]
        return self._together(name, came, drillthrough)

    async def _came(
        self,
        view: View,
        plan: Plan,
        share: Share,
        drillthrough: Drillthrough,
        deadline_s: float,
        failed: set[str],
    ) -> list[Came]:
        """Return the rows of a data cube, or those of the ones that stand in for it."""
        try:
            return [await self._ask(view, share, drillthrough, deadline_s)]
        except NodeFailedError as error:
            failed.add(share.asked.id)
            routes = self._gatherer.instead(view, plan, share, failed)
            if routes.lacking:
                missing = [missing_in(view, each) for each in routes.lacking]
                raise (error.refused or DataNodeUnavailableError(missing, error.reason)) from error
            others = [Share(0, share.question, asked) for asked in routes.asked]
            found = [await self._came(view, plan, other, drillthrough, deadline_s, failed) for other in others]
            return [each for several in found for each in several]

    async def _ask(self, view: View, share: Share, drillthrough: Drillthrough, deadline_s: float) -> Came:
        contribution = view.published[share.asked.id].contribution
        query = drillthrough.query
        pinned = query.version if isinstance(query.version, Mapping) else {}
        own = tuple(Restriction(level, filter_) for level, filter_ in share.asked.conditions)
        question = RowsQuestion(
            (*share.question.where, *own),
            tuple(drillthrough.columns),
            query.limit,
            view.branch_of(share.asked.id, query.branch),
            pinned.get(contribution.id.node, view.version_of(share.asked.id, query.branch)),
            left_s(deadline_s, query.timeout_s),
        )
        rows = await self._asker.rows(contribution, question)
        return contribution.id.node, rows.versions.get("", 0), rows

    def _together(self, name: str, came: list[Came], drillthrough: Drillthrough) -> RowSet:
        came.sort(key=lambda each: each[0])
        limit = drillthrough.query.limit
        columns = came[0][2].columns if came else ()
        for node, _, rows in came:
            if rows.columns != columns:
                theirs = ", ".join(column.name for column in rows.columns)
                mine = ", ".join(column.name for column in columns)
                other = f"rows have other columns on node {node!r} ({theirs}) than on {came[0][0]!r} ({mine})"
                text = f"{other}: name some that all have in `columns`."
                raise QueryError.of([QueryProblem(INVALID_QUERY, "columns", text)])
        rows = ArrowRows.together([each for _, _, each in came], limit)
        if len(rows) > self._limits.rows_max:
            raise TooLargeError(self._limits.rows_max)
        versions = {node: version for node, version, _ in came}
        return RowSet(
            name,
            columns,
            count=sum(each.count for _, _, each in came),
            versions=versions,
            stream=rows,
            statement=Statement("", (), grouped=False),
        )

    def __repr__(self) -> str:
        return f"<RowGatherer of {self._roster}>"
