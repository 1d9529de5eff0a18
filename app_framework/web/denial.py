"""A WebSocket that is not opened: its request is answered with a problem, as any other request would be."""

from __future__ import annotations

from starlette.websockets import WebSocket

from app_framework.web.problems import problem_of

POLICY = 1008
"""Why a WebSocket is closed where the server cannot answer its request (RFC 6455)."""


async def turn_away(websocket: WebSocket, error: Exception) -> None:
    """Answer the request for a WebSocket with a problem, or where the server cannot do that, close it."""
    problem = problem_of(error)
    if "websocket.http.response" in (websocket.scope.get("extensions") or ()):
        await websocket.send_denial_response(problem.response())
    else:
        await websocket.close(POLICY, problem.code)
