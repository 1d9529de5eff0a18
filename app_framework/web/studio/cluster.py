"""`/studio/cluster`: state, term, leader, members and decisions of the cluster, refreshed while it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app_framework.boot import ApplicationContext
from app_framework.cluster.service import ClusterService
from app_framework.web.cluster_verdict import describe_cluster, verdict
from app_framework.web.pages import render, twin
from app_framework.web.studio.routes import describe_node
from app_framework.web.studio.section import StudioItem, StudioSection

PAGE = "/studio/cluster"
DECISIONS_SHOWN = 30
"""The page shows the newest; `/api/cluster/decisions` has all that are kept."""

_PLACES = {
    "sqlite": "SQLite of the founding node",
    "jetstream": "JetStream, replicated among the voters",
    "memory": "memory of this process",
    "none": "nowhere",
}


def cluster_page_router(context: ApplicationContext, find: Callable[[], ClusterService]) -> APIRouter:
    """Return the route of the page and its JSON twin."""
    router = APIRouter(include_in_schema=False)

    @router.get(PAGE)
    async def show_cluster(request: Request, format: str = "html") -> Response:  # noqa: A002
        """The page, or its JSON twin."""
        service = find()
        view, decisions = service.view(), service.decisions()
        if format == "json":
            told = [decision.as_json() for decision in decisions]
            return twin({**describe_node(context), **describe_cluster(view), "decisions": told})
        return render(
            "cluster.html",
            node=describe_node(context),
            view=view,
            verdict=verdict(view),
            place=_PLACES.get(view.place, view.place),
            decisions=decisions[:DECISIONS_SHOWN],
            base_url=str(request.base_url).rstrip("/"),
        )

    return router


class ClusterSection(StudioSection):
    """The cluster on the start page."""

    title = "Cluster"
    order = 105

    def __init__(self, find: Callable[[], ClusterService]) -> None:
        self._find = find

    async def items(self, base_url: str) -> Sequence[StudioItem]:
        """Return the link to the page, with how the cluster is."""
        view = self._find().view()
        return [StudioItem(view.cluster_id or "Cluster", PAGE, verdict(view).summary)]
