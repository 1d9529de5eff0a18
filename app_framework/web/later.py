"""Routes that are put together with the first request below their paths: what nobody asks for costs a start nothing.

api.router.routes.append(LaterRoutes(api.router.routes, Later(make_router, below=("/cubes",))))
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from app_framework.errors import FrameworkError
from app_framework.web.app import Later
from app_framework.web.edge import routed_path


class LaterRoutes(BaseRoute):
    """Holds the place of a router among routes, and puts the router's behind itself when one of them is asked for.

    Args:
        routes: the list that it stands in.
        later: what makes the router, and below which paths all of its routes are.
    """

    def __init__(self, routes: list[BaseRoute], later: Later) -> None:
        self._routes = routes
        self._later: Later | None = later
        self._opening = threading.Lock()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match nothing; who goes through the list comes to the routes that are new in it next."""
        if self._later is not None and covers(self._later.below, routed_path(scope)):
            self.open()
        return Match.NONE, {}

    def open(self) -> None:
        """Put the router's routes behind this one.

        Raises:
            FrameworkError: a route lies elsewhere, and would be found or not by chance.
        """
        with self._opening:
            if self._later is None:
                return
            made = self._later.make().routes
            for route in made:
                path = getattr(route, "path", "")
                if not covers(self._later.below, path):
                    raise FrameworkError(f"the route {path!r} is not below {', '.join(self._later.below)}")
            place = self._routes.index(self) + 1
            self._routes[place:place] = made
            self._later = None

    def __repr__(self) -> str:
        return f"<LaterRoutes {'open' if self._later is None else 'below ' + ', '.join(self._later.below)}>"


def open_all(routes: Iterable[BaseRoute]) -> None:
    """Put every router together: whoever describes the routes needs all of them."""
    for route in list(routes):
        if isinstance(route, LaterRoutes):
            route.open()


def covers(below: Iterable[str], path: str) -> bool:
    """Tell whether a path is one of some paths or below one.

    >>> covers(["/cubes"], "/cubes/flights/query"), covers(["/cubes", "/"], "/cubesque")
    (True, False)
    """
    return any(path == each or path.startswith(f"{each}/") for each in below)
