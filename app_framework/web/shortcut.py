"""The short way to the routes that are asked most: inside the edge, past FastAPI's routing and its dependencies.

Whatever is not exactly one of them goes on to FastAPI, which has them too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app_framework.web.app import Direct, Later
from app_framework.web.edge import routed_path


class Shortcut:
    """Answers some routes itself.

    Args:
        app: what answers all others.
        direct: the routes.
    """

    def __init__(self, app: ASGIApp, direct: Iterable[Direct]) -> None:
        self._app = app
        self._ways = [_Way(each) for each in direct]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            for way in self._ways:
                if (value := way.leads(scope)) is not None:
                    response = await way.answer(scope, receive, value)
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)


class _Way:
    """One route; in the scope it stands for the route that FastAPI would have put there."""

    def __init__(self, direct: Direct) -> None:
        self.path = direct.path
        self._method = direct.method
        self._load = direct.load
        self._before, self._name, self._after = split(direct.path)
        self._shortest = len(self._before) + len(self._after)
        self._handler: Callable[[Request, str], Awaitable[Response]] | None = None

    def leads(self, scope: Scope) -> str | None:
        """Return the value of the parameter where a request is for this route."""
        if scope["method"] != self._method:
            return None
        path = routed_path(scope)
        if not (path.startswith(self._before) and path.endswith(self._after)) or len(path) <= self._shortest:
            return None
        value = path[len(self._before) : len(path) - len(self._after)]
        return None if "/" in value else value

    async def answer(self, scope: Scope, receive: Receive, value: str) -> Response:
        """Return the handler's answer."""
        if self._handler is None:
            self._handler = self._load()
        scope["route"], scope["endpoint"], scope["path_params"] = self, self._handler, {self._name: value}
        return await self._handler(Request(scope, receive), value)


def usable(direct: Iterable[Direct], routers: Sequence[APIRouter | Later]) -> list[Direct]:
    """Return the routes that no route of the application, which would come first, could be meant by."""
    own = [getattr(route, "path", "") for router in routers if isinstance(router, APIRouter) for route in router.routes]
    return [each for each in direct if not any(_may_hide(path, each.path) for path in own)]


def split(path: str) -> tuple[str, str, str]:
    """Return what is before, in and behind the parameter of a path.

    >>> split("/cubes/{cube}/query")
    ('/cubes/', 'cube', '/query')
    """
    before, _, rest = path.partition("{")
    name, _, after = rest.partition("}")
    return before, name, after


def _may_hide(own: str, path: str) -> bool:
    """Tell whether two paths may begin with the same step; a mount at the root has none.

    >>> _may_hide("/ops/worst", "/cubes/{cube}/query"), _may_hide("/{name}", "/cubes/{cube}/query"), _may_hide("", "/x")
    (False, True, True)
    """
    first = own.partition("/")[2].partition("/")[0]
    return first == "" or "{" in first or first == path.partition("/")[2].partition("/")[0]
