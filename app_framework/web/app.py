"""The application's HTTP face: one FastAPI, made of the routers that components and starters bring.

context[WebApp]                     # an ASGI application
context[WebApp].api.openapi()       # what it offers
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app_framework.boot.actuator import RouteMapping
from app_framework.boot.context import ApplicationContext
from app_framework.boot.definition import describe
from app_framework.errors import near_matches

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from .edge import EdgeSettings

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """Routes that a starter brings; an application's own are plain `APIRouter`s among its sources.

    Args:
        router: the routes.
        tag: the group under which the API documentation shows them, with a sentence.
    """

    router: APIRouter
    tag: tuple[str, str] | None = None


class WebApp:
    """An ASGI application that serves the routes of one application context.

    It is made on the event loop that serves its requests. The routes are put together when first needed, which is
    after every component exists.

    Args:
        context: the running application.
        routes: what starters bring; the application's own routers come before them, so that they win.
        settings: bounds and guard of the edge.
        docs: whether to serve ``/docs`` and ``/openapi.json``.

    Attributes:
        loop: the event loop that serves its requests.
    """

    def __init__(
        self, context: ApplicationContext, routes: Sequence[Routes], settings: EdgeSettings, *, docs: bool = True
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._context = context
        self._routes = tuple(routes)
        self._settings = settings
        self._docs = docs

    @cached_property
    def api(self) -> FastAPI:
        """The FastAPI application."""
        from fastapi import APIRouter

        routers = [*self._context.all(APIRouter), *(routes.router for routes in self._routes)]
        return build_api(self._context, routers, self._settings, tags=self._tags(), docs=self._docs)

    @property
    def mappings(self) -> list[RouteMapping]:
        """Every route, for ``/actuator/mappings``."""
        return list(_mappings(self.api.routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.api(scope, receive, send)

    def _tags(self) -> list[dict[str, str]]:
        tags = (routes.tag for routes in self._routes if routes.tag)
        return [{"name": name, "description": description} for name, description in tags]

    def __repr__(self) -> str:
        return f"<WebApp of {self._context.application_name!r}>"


def build_api(
    context: ApplicationContext,
    routers: Iterable[APIRouter],
    settings: EdgeSettings,
    *,
    tags: list[dict[str, str]] | None = None,
    docs: bool = True,
) -> FastAPI:
    """Return a FastAPI that serves some routers behind the edge, with problems for errors.

    Args:
        context: where `Autowired` looks.
        routers: in the order in which they are asked.
        settings: bounds and guard.
        tags: names and descriptions of the groups in the documentation.
        docs: whether to serve ``/docs`` and ``/openapi.json``.
    """
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.staticfiles import StaticFiles

    from .autowired import HandlerComponents
    from .edge import Edge
    from .routes.docs import docs_router

    api = FastAPI(
        title=context.application_name,
        version=str(context.environment.get("app.version") or "0"),
        telemetry={"tracing": False, "metrics": False, "logs": False},
        openapi_url="/openapi.json" if docs else None,
        docs_url=None,
        redoc_url=None,
        openapi_tags=tags,
        middleware=[Middleware(Edge, settings)],
        exception_handlers={RequestValidationError: _answer, HTTPException: _answer_http},
    )
    api.state.components = HandlerComponents(context)
    # Routes are taken over one by one: FastAPI would match an included router twice for each request.
    for router in [*routers, *([docs_router] if docs else [])]:
        api.router.routes.extend(router.routes)
    api.mount("/assets", StaticFiles(directory=STATIC), name="assets")
    api.openapi = partial(_openapi, api, api.openapi)  # type: ignore[method-assign]
    return api


def _openapi(api: FastAPI, generate: Any) -> dict[str, Any]:
    from .openapi import complete

    if api.openapi_schema is None:
        api.openapi_schema = complete(generate())
    return api.openapi_schema


async def _answer(_request: Request, error: Exception) -> Response:
    from .problems import problem_of

    return problem_of(error).response()


async def _answer_http(request: Request, error: Exception) -> Response:
    """Routing itself raises 404 and 405: say what was asked for, and what was probably meant."""
    from .problems import Mistake, Problem, problem_of

    problem = problem_of(error)
    if problem.status == 404 and "endpoint" not in request.scope:
        path = request.scope["path"]
        near = near_matches(path, _paths(request.app.routes))
        detail = f"There is nothing at {request.method} {path}."
        return Problem("NOT_FOUND", detail, (Mistake("NOT_FOUND", detail, "path", near),)).response()
    if problem.status == 405:
        detail = f"{request.method} is not allowed here; allowed: {problem.headers.get('Allow', 'nothing')}."
        mistake = Mistake(problem.code, detail, "method")
        return Problem(problem.code, detail, (mistake,), headers=problem.headers).response()
    return problem.response()


def _paths(routes: Iterable[BaseRoute]) -> list[str]:
    """The paths without parameters: those that a person can have meant."""
    paths = (str(getattr(route, "path", "")) for route in routes)
    return [path for path in paths if path and "{" not in path]


def _mappings(routes: Iterable[BaseRoute]) -> Iterator[RouteMapping]:
    for route in routes:
        handler = getattr(route, "endpoint", None) or getattr(route, "app", None)
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _mappings(included.routes)
        elif handler is not None:
            methods = tuple(sorted(getattr(route, "methods", None) or ()))
            pattern = getattr(route, "path_format", None) or getattr(route, "path", "")
            yield RouteMapping(methods, str(pattern), describe(handler))
