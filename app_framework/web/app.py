"""The application's HTTP face: one ASGI application of the routers that components and starters bring.

context[WebApp]                     # an ASGI application
context[WebApp].api.openapi()       # what it offers
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from app_framework.boot import ApplicationContext
from app_framework.boot.actuator import RouteMapping

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from app_framework.web.edge import EdgeSettings


@dataclass(frozen=True, slots=True, eq=False)
class Later:
    """A router that is made with the first request below some paths, so that no start waits for it.

    Args:
        make: returns the router.
        below: where all of its routes are.
    """

    make: Callable[[], APIRouter]
    below: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Direct:
    """A route that is answered before FastAPI looks for it: that costs a short answer more than the answer itself.

    The router has the same route with the same handler, for the documentation and for all other methods.

    Args:
        method: of the requests.
        path: as the router writes it, with one parameter.
        load: returns the handler, which is given the request and the parameter, with the first request.
    """

    method: str
    path: str
    load: Callable[[], Callable[[Request, str], Awaitable[Response]]]


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """Routes that a starter brings; an application's own are plain `APIRouter`s among its sources.

    Args:
        router: the routes, now or later.
        tag: the group under which the API documentation shows them, with a sentence.
        direct: those of them that are asked so often that they must be short.
    """

    router: APIRouter | Later
    tag: tuple[str, str] | None = None
    direct: tuple[Direct, ...] = ()


class WebApp:
    """An ASGI application that serves the routes of one application context.

    It is made on the event loop that serves its requests. The routes are put together when first needed, which is
    after every component exists.

    Args:
        context: the running application.
        routes: what starters bring; the application's own routers come before them, so that they win.
        settings: bounds and guard of the edge.
        docs: whether to serve ``/docs`` and ``/openapi.json``.
        telemetry: whether FastAPI reports to OpenTelemetry.

    Attributes:
        loop: the event loop that serves its requests.
    """

    def __init__(
        self,
        context: ApplicationContext,
        routes: Sequence[Routes],
        settings: EdgeSettings,
        *,
        docs: bool = True,
        telemetry: bool = False,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._context = context
        self._routes = tuple(routes)
        self._settings = settings
        self._docs = docs
        self._telemetry = telemetry

    @cached_property
    def api(self) -> FastAPI:
        """The FastAPI application."""
        from fastapi import APIRouter

        from app_framework.web.api import build_api

        return build_api(
            self._context,
            [*self._context.all(APIRouter), *(routes.router for routes in self._routes)],
            self._settings,
            direct=[direct for routes in self._routes for direct in routes.direct],
            tags=dict(routes.tag for routes in self._routes if routes.tag),
            docs=self._docs,
            telemetry=self._telemetry,
        )

    @property
    def mappings(self) -> list[RouteMapping]:
        """Every route with its handler, for ``/actuator/mappings``."""
        from app_framework.web.api import describe_routes
        from app_framework.web.later import open_all

        open_all(self.api.routes)
        return list(describe_routes(self.api.routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.api(scope, receive, send)

    def __repr__(self) -> str:
        return f"<WebApp of {self._context.application_name!r}>"
