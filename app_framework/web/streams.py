"""`WS /cubes/{cube}/stream`: who is connected, and the continuous queries that all of them share.

Nothing is made before the first connection: a node where nobody follows anything pays nothing for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app_framework.boot import Lifecycle, Metrics
from app_framework.errors import UserError
from app_framework.web.errors import TooManyFollowedError
from app_framework.web.server import PHASE as SERVER_PHASE

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from app_framework.olap import Manager
    from app_framework.olap.following import ContinuousQueries, FollowLimits
    from app_framework.web.stream_messages import Encoder
    from app_framework.web.stream_socket import StreamSocket

STOP_S = 2.0
"""How long clients may take to say goodbye when the node stops."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """The bounds of connections.

    Args:
        connections_max: open at a time.
        queries_max: that one of them follows.
        message_bytes_max: the largest message of a client.
        patience_s: for a client to take a message.
    """

    connections_max: int = 100
    queries_max: int = 32
    message_bytes_max: int = 256 * 1024
    patience_s: float = 30.0


class CubeStreams(Lifecycle):
    """Serves the continuous queries of a node.

    Args:
        manager: returns what asks the cubes, when it is needed.
        settings: the bounds of connections.
        limits: returns the bounds of what is followed, when it is needed.
    """

    phase = SERVER_PHASE + 1
    """Stops before the server, so that clients are told why."""

    def __init__(
        self, manager: Callable[[], Manager], settings: StreamSettings, limits: Callable[[], FollowLimits]
    ) -> None:
        self._manager = manager
        self._settings = settings
        self._limits = limits
        self._queries: ContinuousQueries | None = None
        self._encoder: Encoder | None = None
        self._sockets: set[StreamSocket] = set()
        self._stopping = False

    @property
    def queries(self) -> ContinuousQueries:
        """The queries that are followed."""
        if self._queries is None:
            from app_framework.olap.following import ContinuousQueries

            self._queries = ContinuousQueries(self._manager(), self._limits())
        return self._queries

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._sockets)

    @property
    def registered(self) -> int:
        """How many queries they follow; equal ones of several clients count for each."""
        return sum(len(socket) for socket in self._sockets)

    async def serve(self, websocket: WebSocket, cube: str) -> None:
        """Talk to one client about one cube until it leaves."""
        from app_framework.web.denial import turn_away
        from app_framework.web.stream_messages import Encoder
        from app_framework.web.stream_socket import StreamSocket

        try:
            manager = self._manager()
            manager.cube(cube)
            if self._stopping or len(self._sockets) >= self._settings.connections_max:
                most = self._settings.connections_max
                raise TooManyFollowedError("connections", most, "server.streams.max-connections")
        except (UserError, TooManyFollowedError) as error:
            await turn_away(websocket, error)
            return
        if self._encoder is None:
            self._encoder = Encoder()
        socket = StreamSocket(websocket, cube, manager, self.queries, self._settings, self._encoder)
        self._sockets.add(socket)
        try:
            await socket.hold()
        finally:
            self._sockets.discard(socket)

    async def start(self) -> None:
        """Nothing is to be begun before somebody comes."""
        self._stopping = False

    async def stop(self) -> None:
        """Tell everybody that the node goes away."""
        self._stopping = True
        if self._sockets:
            leaving = [asyncio.ensure_future(socket.go_away()) for socket in self._sockets]
            await asyncio.wait(leaving, timeout=STOP_S)
        if self._queries is not None:
            await self._queries.close()
            self._queries = None

    def show(self, metrics: Metrics) -> None:
        """Show among the metrics what is followed and what that costs."""
        told: dict[str, tuple[str, Callable[[], float]]] = {
            "cube.streams.connections": ("Clients that follow queries.", lambda: self.connections),
            "cube.streams.queries": ("Queries that they follow.", lambda: self.registered),
            "cube.streams.asked": ("How often a followed query was asked.", lambda: self._count("asked")),
            "cube.streams.skipped": ("Commits that changed no answer.", lambda: self._count("skipped")),
            "cube.streams.sent": ("Views, changes and versions that were told.", lambda: self._count("told")),
        }
        for name, (description, value) in told.items():
            metrics.gauge(name, value, description)

    def _count(self, name: str) -> int:
        return getattr(self._queries.counts, name) if self._queries is not None else 0

    def __repr__(self) -> str:
        return f"<CubeStreams {self.connections} connections, {self.registered} queries>"
