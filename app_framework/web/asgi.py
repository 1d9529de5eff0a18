"""The door for external ASGI servers: `uvicorn --factory shop.main:app.asgi` runs an application in its own loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from app_framework.boot import ApplicationContext
from app_framework.errors import FrameworkError
from app_framework.web.app import WebApp

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from app_framework.boot import Application


class AsgiDoor:
    """An ASGI application whose lifespan is that of an application context.

    The server that runs it owns port and signals, so the context opens none.

    Args:
        context: makes the context, which must not open a port: ``server.enabled`` is false.
    """

    def __init__(self, context: Callable[[], ApplicationContext]) -> None:
        self._make_context = context
        self._context: ApplicationContext | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and stop with the lifespan; serve requests in between."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if self._context is None:
            raise FrameworkError("the server must run the ASGI lifespan: nothing has started the application")
        await self._context[WebApp](scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Enter and leave the context in the task of the lifespan, which is one task from start to stop."""
        await receive()
        async with contextlib.AsyncExitStack() as exits:
            context = self._make_context()
            try:
                self._context = await exits.enter_async_context(context)
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": context.failure(error).to_text()})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._context = None
        await send({"type": "lifespan.shutdown.complete"})

    def __repr__(self) -> str:
        return f"<AsgiDoor of {self._context!r}>"


def asgi_app(application: Application) -> AsgiDoor:
    """Return an ASGI application for a server that the framework does not own."""
    return AsgiDoor(lambda: application.context(properties={"server.enabled": False}))
