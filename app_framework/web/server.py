"""The HTTP server of a node: uvicorn, owned.

The framework binds the socket, so that a taken port is an error of ours and port 0 is known before anything says
"ready"; it keeps the signal handlers, because uvicorn raises SIGTERM again when it is done and no finalizer would
run; and it starts and awaits the one task that serves.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from app_framework.boot import AddressBound, Events, Lifecycle
from app_framework.web.errors import PortInUseError
from app_framework.web.guard import is_loopback
from app_framework.web.port_owner import owner_of_port

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from app_framework.web.owned_uvicorn import OwnedUvicorn

_logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
PHASE = 1000
CANCEL_WAIT_S = 1.0
"""How long cancelled requests may take to unwind before the components that they use are closed."""


class WebServer(Lifecycle):
    """Serves an ASGI application on one port, from the start of the application to its stop.

    Args:
        app: what to serve; called when the server starts, so that it may need every component.
        events: where the address is published.
        address: where to listen.
        port: 0 takes any free one.
        keep_alive_s: how long an idle connection is kept.
        drain_s: how long requests in flight may finish at stop.

    Attributes:
        url: where it is reached, None while it does not listen.
    """

    phase = PHASE

    def __init__(
        self,
        app: Callable[[], ASGIApp],
        events: Events,
        *,
        address: str = LOOPBACK,
        port: int = 8080,
        keep_alive_s: float = 75.0,
        drain_s: float = 30.0,
    ) -> None:
        self.url: str | None = None
        self._app = app
        self._events = events
        self._address = address
        self._port = port
        self._keep_alive_s = keep_alive_s
        self._drain_s = drain_s
        self._server: OwnedUvicorn | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port: the real one once it listens."""
        return self._port

    async def start(self) -> None:
        """Listen, and return when requests are answered.

        Raises:
            PortInUseError: another process listens there.
        """
        from app_framework.web.owned_uvicorn import owned

        listener = bind(self._address, self._port)
        try:
            self._server = owned(self._app(), keep_alive_s=self._keep_alive_s, drain_s=self._drain_s)
            self._serving = asyncio.create_task(self._server.serve([listener]), name="web-server")
            await _first(self._server.listening.wait, self._serving)
        except BaseException:
            if self._serving is not None and not self._serving.done():
                await self.stop()  # the start was interrupted
            self._server = self._serving = None
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        self.url = f"http://{_in_url(self._address)}:{self._port}"
        await self._events.publish(AddressBound("http", self.url, self._address))

    async def stop(self) -> None:
        """Stop accepting, let requests in flight finish for a while, close what is left."""
        if self._server is None or self._serving is None:
            return
        # uvicorn closes its listeners only when it got as far as to serve.
        await _first(self._server.listening.wait, self._serving)
        self._server.should_exit = True
        await self._serving
        requests = self._server.server_state.tasks
        if requests:
            await asyncio.wait(requests, timeout=CANCEL_WAIT_S)
        self._server = self._serving = self.url = None

    def __repr__(self) -> str:
        return f"<WebServer {self.url or 'not listening'}>"


def bind(address: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        PortInUseError: the port is taken; the error names by whom, where that may be known.
        OSError: the address is not this machine's, or the port is reserved.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        pid, process = owner_of_port(port)
        raise PortInUseError(address, port, pid, process) from None
    # asyncio switches Nagle's delay (40 ms on a kept connection) off only where the socket says that it is TCP.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def safe_address(address: str, where: str, *, secured: bool = False) -> str:
    """Return the address to listen on: loopback, whatever is configured, as long as nobody has to log in.

    Args:
        address: the configured one.
        where: where it is configured, for the line in the log.
        secured: whether requests need credentials.
    """
    if is_loopback(address):
        return address
    if secured:
        _logger.warning(
            "server.address %s (%s): this server speaks HTTP, so passwords and data can be read on their way. Keep it "
            "in a network that you trust, or put a proxy with TLS in front of it",
            address,
            where,
        )
        return address
    _logger.warning(
        "server.address %s (%s) is not used: without security a node listens on %s only. To reach it from other "
        "machines, give it users (security.users) or tokens, or put a proxy that authenticates in front of it",
        address,
        where,
        LOOPBACK,
    )
    return LOOPBACK


async def _first(wait: Callable[[], Awaitable[object]], task: asyncio.Task[None]) -> None:
    """Wait for a sign of life of a task, or for its failure."""
    sign = asyncio.ensure_future(wait())
    try:
        await asyncio.wait({sign, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
    finally:
        sign.cancel()
        await asyncio.gather(sign, return_exceptions=True)


def _in_url(address: str) -> str:
    """An IPv6 address stands in brackets; "all addresses" is no address to go to.

    >>> _in_url("::1"), _in_url("0.0.0.0"), _in_url("localhost")
    ('[::1]', '127.0.0.1', 'localhost')
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.is_unspecified:
        return LOOPBACK if parsed.version == 4 else "[::1]"
    return f"[{address}]" if parsed.version == 6 else address
