"""How the pivot is wired: its sockets, its pages; each can be replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from app_framework.boot import (
    ApplicationContext,
    auto_configuration,
    bean,
    on_component,
    on_missing_component,
    on_module,
)
from app_framework.olap import Manager
from app_framework.web.app import Later, Routes
from app_framework.web.pivot.address import PERSPECTIVE
from app_framework.web.studio.properties import StudioProperties
from app_framework.web.studio.section import CubePages

if TYPE_CHECKING:
    from fastapi import APIRouter

MANAGER = "app_framework.olap:Manager"


@auto_configuration(
    on_module("perspective"),
    on_module("fastapi"),
    on_component(MANAGER),
    properties=[StudioProperties],
    after=["olap"],
    before=["web"],
)
class StudioAutoConfiguration:
    """Serves `/studio/cubes`: a pivot and charts over every cube."""

    @bean(on_missing_component(CubePages))
    def cube_pages(self) -> CubePages:
        """Where the Studio's start page leads from a cube."""
        from app_framework.web.pivot.address import pivot_url

        return CubePages(pivot_url)

    @bean
    def pivot_routes(
        self, context: ApplicationContext, manager: Manager, properties: StudioProperties
    ) -> Iterator[Routes]:
        """`/studio/cubes`."""
        with ExitStack() as opened:
            yield Routes(Later(lambda: _pivot(context, manager, properties, opened), ("/studio/cubes", PERSPECTIVE)))


def _pivot(context: ApplicationContext, manager: Manager, properties: StudioProperties, opened: ExitStack) -> APIRouter:
    """Return the pages and their sockets, which are closed with what is open."""
    from app_framework.web.pivot.frame import Bounds
    from app_framework.web.pivot.page import pivot_router
    from app_framework.web.pivot.socket import PivotSockets, SocketSettings

    settings = SocketSettings(
        bounds=Bounds(properties.max_cells, properties.max_columns),
        connections_max=properties.max_connections,
        message_bytes_max=properties.max_message_size,
        query_timeout_s=properties.query_timeout.total_seconds(),
        workers=properties.workers,
    )
    sockets = PivotSockets(manager, settings)
    opened.callback(sockets.close)
    return pivot_router(context, manager, sockets)
