"""`/studio`: the start page that links what the node has; `/` leads there."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Sequence
from importlib.metadata import version

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app_framework.boot import ApplicationContext
from app_framework.boot.management.availability import ReadinessState
from app_framework.web.pages import render, twin
from app_framework.web.studio.section import StudioSection

SIDE_ORDER = 100
"""Sections from this order on stand in the side column."""


def studio_router(context: ApplicationContext, sections: Sequence[StudioSection]) -> APIRouter:
    """Return the Studio's routes."""
    router = APIRouter(include_in_schema=False)
    ordered = sorted(sections, key=lambda section: section.order)

    @router.get("/")
    async def root() -> Response:
        """Lead to the start page."""
        return RedirectResponse("/studio", 307)

    @router.get("/studio")
    async def start(request: Request, format: str = "html") -> Response:  # noqa: A002
        """The start page, or its JSON twin."""
        base_url = str(request.base_url).rstrip("/")
        if format == "json":
            shown = await asyncio.gather(*(section.as_json(base_url) for section in ordered))
            return twin({**describe_node(context), "sections": shown})
        items = await asyncio.gather(*(section.items(base_url) for section in ordered))
        shown_sections = list(zip(ordered, items, strict=True))
        return render(
            "start.html",
            node=describe_node(context),
            main=[each for each in shown_sections if each[0].order < SIDE_ORDER],
            side=[each for each in shown_sections if each[0].order >= SIDE_ORDER],
        )

    return router


def describe_node(context: ApplicationContext) -> dict[str, object]:
    """Return what the head of every page says: who this is, and whether it is ready."""
    readiness = context.availability.readiness
    return {
        "application": context.application_name,
        "node": context.node_name,
        "ready": readiness.state is ReadinessState.ACCEPTING_TRAFFIC,
        "reasons": list(readiness.reasons.values()),
        "versions": {
            "application": str(context.environment.get("app.version") or ""),
            "app-framework": version("app-framework"),
            "Python": platform.python_version(),
        },
    }
