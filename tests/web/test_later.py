"""Routers are put together with the first request below their paths, and nobody can tell."""

from __future__ import annotations

import pytest
from fastapi import APIRouter

from app_framework.boot import ApplicationContext, bean
from app_framework.errors import FrameworkError
from app_framework.testing import Client, ContextRunner
from app_framework.web import Later, Routes, WebApp
from app_framework.web.later import LaterRoutes

MODEL = """
database: {tables: {sales: {columns: {city: string}}}}
schemas: {Shop: {base: sales, cubes: {sales: auto}}}
"""
made: list[str] = []


def make_notes() -> APIRouter:
    """Return a router, and remember that it was made."""
    made.append("notes")
    router = APIRouter()

    @router.get("/notes/{name}")
    async def read_note(name: str) -> str:
        return f"note {name}"

    return router


@bean
def notes() -> Routes:
    """What a starter brings."""
    return Routes(Later(make_notes, ("/notes",)), ("notes", "What somebody wrote."))


@pytest.fixture
def running(web: ContextRunner) -> ContextRunner:
    made.clear()
    return web.sources(notes)


def waiting(context: ApplicationContext) -> list[str]:
    """Return the routers that nobody has asked for yet."""
    routes = [repr(route) for route in context[WebApp].api.routes if isinstance(route, LaterRoutes)]
    return [text for text in routes if "open" not in text]


def test_a_router_is_made_once_with_the_first_request_for_it(running: ContextRunner) -> None:
    with running.run() as context:
        client = Client(context)
        assert client.get("/actuator/health").status_code == 200
        assert made == []
        assert [client.get(f"/notes/{name}").json() for name in "ab"] == ["note a", "note b"]
        assert made == ["notes"]


@pytest.mark.parametrize("path", ["/openapi.json", "/actuator/mappings", "/nothing"])
def test_who_describes_the_routes_sees_all_of_them(running: ContextRunner, path: str) -> None:
    """The API documentation, the mappings, and a 404 that looks for what was probably meant."""
    with running.properties({"management.endpoints.web.exposure.include": "*"}).run() as context:
        text = Client(context).get(path).text
        assert (made, waiting(context)) == (["notes"], [])
        assert path == "/nothing" or "/notes/{name}" in text


def test_a_wrong_method_and_a_slash_too_many_are_told_as_ever(running: ContextRunner) -> None:
    with running.run() as context:
        client = Client(context)
        assert client.get("/notes/a/").headers["location"].endswith("/notes/a")
        assert client.delete("/notes/a").headers["allow"] == "GET"


def test_the_applications_own_routes_come_first(running: ContextRunner) -> None:
    own = APIRouter()

    @own.get("/notes/mine")
    async def read_mine() -> str:
        return "my own"

    with running.sources(own).run() as context:
        client = Client(context)
        assert [client.get(f"/notes/{name}").json() for name in ("mine", "a")] == ["my own", "note a"]


def test_a_route_that_lies_elsewhere_is_refused() -> None:
    """Its path would be found only after another one was asked for."""
    later = LaterRoutes([], Later(make_notes, ("/note",)))
    with pytest.raises(FrameworkError, match=r"the route '/notes/{name}' is not below /note"):
        later.open()


def test_every_router_of_the_framework_is_below_its_paths() -> None:
    """Opened all at once, none of them is refused."""
    with ContextRunner().installed().yaml(MODEL).properties({"server.port": 0}).run() as context:
        assert len(waiting(context)) == 8
        assert context[WebApp].mappings
        assert waiting(context) == []
