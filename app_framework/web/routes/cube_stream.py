"""`WS /cubes/{cube}/stream`: continuous queries."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.websockets import WebSocket

from app_framework.web.streams import CubeStreams


def cube_stream_router(streams: CubeStreams) -> APIRouter:
    """Return the route; what is said over it is in `app_framework.web.stream_messages`."""
    router = APIRouter()

    @router.websocket("/cubes/{cube}/stream")
    async def follow_cube(websocket: WebSocket, cube: str) -> None:
        """Follow queries: a view of each, then what changes in it."""
        await streams.serve(websocket, cube)

    return router
