"""A FastAPI put together from routers: behind the edge, with problems for errors and its documentation on board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.staticfiles import StaticFiles

from app_framework.boot import ApplicationContext
from app_framework.boot.actuator import RouteMapping
from app_framework.boot.definition import describe
from app_framework.errors import near_matches
from app_framework.security import Gate
from app_framework.security.doors import WEBSOCKET
from app_framework.web.app import Direct, Later
from app_framework.web.autowired import HandlerComponents
from app_framework.web.edge import Edge, EdgeSettings
from app_framework.web.later import LaterRoutes, open_all
from app_framework.web.problems import Mistake, Problem, problem_of
from app_framework.web.shortcut import Shortcut, usable

STATIC = Path(__file__).parent / "static"
UNVERSIONED = "unversioned"
"""What the API documentation, which must name a version, says where `app.version` is not set."""


def build_api(
    context: ApplicationContext,
    routers: Iterable[APIRouter | Later],
    settings: EdgeSettings,
    *,
    direct: Sequence[Direct] = (),
    tags: Mapping[str, str] | None = None,
    docs: bool = True,
    telemetry: bool = False,
) -> FastAPI:
    """Return a FastAPI that serves some routers.

    Args:
        context: where `Autowired` looks.
        routers: in the order in which they are asked, some of them made later.
        settings: bounds and guard.
        direct: routes that are answered before FastAPI looks for them.
        tags: the groups in the documentation, each with a sentence.
        docs: whether to serve ``/docs`` and ``/openapi.json``.
        telemetry: whether FastAPI reports to OpenTelemetry.
    """
    routers = list(routers)
    shortcuts = [] if telemetry else usable(direct, routers)  # FastAPI tells OpenTelemetry what it routes itself
    api = FastAPI(
        title=context.application_name,
        version=str(context.environment.get("app.version") or UNVERSIONED),
        telemetry={"tracing": telemetry, "metrics": telemetry, "logs": False},
        openapi_url="/openapi.json" if docs else None,
        docs_url=None,
        redoc_url=None,
        openapi_tags=[{"name": name, "description": description} for name, description in (tags or {}).items()],
        middleware=[Middleware(Edge, settings), *([Middleware(Shortcut, shortcuts)] if shortcuts else [])],
        exception_handlers={RequestValidationError: _answer, HTTPException: _answer_http},
    )
    api.state.components = HandlerComponents(context)
    # Routes are taken over one by one: FastAPI would match an included router twice for each request.
    for router in [*routers, *([Later(_docs_router, ("/docs",))] if docs else [])]:
        if isinstance(router, Later):
            api.router.routes.append(LaterRoutes(api.router.routes, router))
        else:
            api.router.routes.extend(router.routes)
    api.mount("/assets", StaticFiles(directory=STATIC), name="assets")
    api.openapi = partial(_openapi, api, api.openapi, settings.gate)  # type: ignore[method-assign]
    return api


def _docs_router() -> APIRouter:
    from app_framework.web.routes.docs import docs_router

    return docs_router


def describe_routes(routes: Iterable[BaseRoute]) -> Iterator[RouteMapping]:
    """Yield every route with its handler, those of included routers too."""
    for route in routes:
        handler = getattr(route, "endpoint", None) or getattr(route, "app", None)
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from describe_routes(included.routes)
        elif handler is not None:
            methods = tuple(sorted(getattr(route, "methods", None) or ()))
            if isinstance(route, WebSocketRoute):
                methods = (WEBSOCKET,)
            pattern = getattr(route, "path_format", None) or getattr(route, "path", "")
            yield RouteMapping(methods, str(pattern), describe(handler))


def _openapi(api: FastAPI, generate: Any, gate: Gate | None) -> dict[str, Any]:
    if api.openapi_schema is None:
        from app_framework.web.openapi import complete

        open_all(api.routes)
        api.openapi_schema = complete(generate(), gate.doors if gate else None)
    return api.openapi_schema


async def _answer(_request: Request, error: Exception) -> Response:
    return problem_of(error).response()


async def _answer_http(request: Request, error: Exception) -> Response:
    """Routing itself raises 404 and 405: say what was asked for, and what was probably meant."""
    problem = problem_of(error)
    if problem.status == 404 and "endpoint" not in request.scope:
        path = request.scope["path"]
        detail = f"There is nothing at {request.method} {path}."
        open_all(request.app.routes)
        near = near_matches(path, _plain_paths(request.app.routes))
        return Problem("NOT_FOUND", detail, (Mistake("NOT_FOUND", detail, "path", near),)).response()
    if problem.status == 405:
        detail = f"{request.method} is not allowed here; allowed: {problem.headers.get('Allow', 'nothing')}."
        mistake = Mistake(problem.code, detail, "method")
        return Problem(problem.code, detail, (mistake,), headers=problem.headers).response()
    return problem.response()


def _plain_paths(routes: Iterable[BaseRoute]) -> list[str]:
    """The paths without parameters: those that a person can have meant."""
    paths = (str(getattr(route, "path", "")) for route in routes)
    return [path for path in paths if path and "{" not in path]
