"""Handlers get components by type, from the application that serves the request and from no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, WebSocket
from starlette.requests import Request
from starlette.responses import StreamingResponse

from app_framework.boot import Named, bean, component
from app_framework.testing import AsyncClient, Client, ContextRunner
from app_framework.web import Autowired, WebApp, autowired_types


class Greeter:
    """What handlers ask for."""

    def __init__(self, word: str = "hello") -> None:
        self.word = word


class Journal(list[str]):
    """What the request's components did."""


@component(scope="request")
class Visit:
    """A component of one request."""

    def __init__(self, journal: Journal) -> None:
        journal.append("visit")


class Connection:
    """A component of one request that must be closed."""


@bean(scope="request")
async def connection(journal: Journal) -> AsyncIterator[Connection]:
    journal.append("open")
    yield Connection()
    journal.append("close")


router = APIRouter()


@router.get("/greet/{name}")
async def greet(name: str, greeter: Autowired[Greeter]) -> str:
    return f"{greeter.word} {name}"


@router.get("/sync")
def greet_in_a_thread(greeter: Autowired[Greeter]) -> str:
    return greeter.word


async def shout(greeter: Autowired[Greeter]) -> str:
    return greeter.word.upper()


@router.get("/shout")
async def greet_loudly(word: Annotated[str, Depends(shout)]) -> str:
    return word


@router.get("/named")
async def greet_by_name(greeter: Autowired[Annotated[Greeter, Named("second")]]) -> str:
    return greeter.word


@router.websocket("/ws")
async def converse(socket: WebSocket, greeter: Autowired[Greeter]) -> None:
    await socket.accept()
    await socket.send_text(greeter.word)
    await socket.close()


@router.get("/visit")
async def visit(first: Autowired[Visit], again: Autowired[Visit], journal: Autowired[Journal]) -> bool:
    journal.append("handled")
    return first is again


@router.get("/stream")
async def stream(connection: Autowired[Connection], journal: Autowired[Journal]) -> StreamingResponse:
    def rows() -> Iterator[str]:
        journal.append("row")
        yield "row"

    return StreamingResponse(rows())


def test_a_handler_gets_the_component_of_its_type(web: ContextRunner) -> None:
    """In a coroutine, in a thread, and below another dependency."""
    with web.sources(Greeter("hi"), router).override(Journal, Journal()).sources(Visit, connection).run() as context:
        client = Client(context)
        assert client.get("/greet/ada").json() == "hi ada"
        assert client.get("/sync").json() == "hi"
        assert client.get("/shout").json() == "HI"


def test_openapi_does_not_know_of_components(web: ContextRunner) -> None:
    """A component is no parameter of the client's."""
    only = APIRouter()
    only.add_api_route("/greet/{name}", greet)
    with web.sources(Greeter(), only).run() as context:
        operation = context[WebApp].api.openapi()["paths"]["/greet/{name}"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["name"]
    assert "requestBody" not in operation


def test_a_websocket_gets_components_too(web: ContextRunner) -> None:
    """Through the same edge, with its guard."""
    only = APIRouter()
    only.add_api_websocket_route("/ws", converse)

    async def talk(origin: bytes) -> list[object]:
        async with web.sources(Greeter("hi"), only).start() as context:
            sent: list[object] = []
            scope = {
                "type": "websocket", "path": "/ws", "raw_path": b"/ws", "query_string": b"", "scheme": "ws",
                "headers": [(b"host", b"127.0.0.1:80"), (b"origin", origin)], "server": ("127.0.0.1", 80),
                "client": ("127.0.0.1", 1), "root_path": "", "subprotocols": [],
            }  # fmt: skip

            async def receive() -> dict[str, object]:
                return {"type": "websocket.connect"}

            async def send(message: dict[str, object]) -> None:
                sent.append(message.get("text", message["type"]))

            await context[WebApp](scope, receive, send)
            return sent

    assert asyncio.run(talk(b"http://127.0.0.1")) == ["websocket.accept", "hi", "websocket.close"]
    assert asyncio.run(talk(b"http://evil.example")) == ["websocket.close"]


def test_a_component_of_the_request_is_made_once_and_closed_after_the_answer(web: ContextRunner) -> None:
    """Also when the answer is streamed: the scope ends after the last byte."""
    journal = Journal()
    only = APIRouter()
    only.add_api_route("/visit", visit)
    only.add_api_route("/stream", stream)
    with web.sources(only, Visit, connection).override(Journal, journal).run() as context:
        client = Client(context)
        assert client.get("/visit").json() is True
        assert client.get("/stream").text == "row"
        assert client.get("/visit").json() is True
    assert journal == ["visit", "handled", "open", "row", "close", "visit", "handled"]


def test_fa3_handlers_without_their_components_are_reported_before_anything_is_created(web: ContextRunner) -> None:
    """Each with its handler and where that is written, together with what else is wrong."""

    class Restless:
        def __init__(self, greeter: Greeter) -> None:
            raise AssertionError("nothing may be created")

    failure = web.sources(router, Restless).fails()
    for asker in ("test_autowired.greet ", "greet_loudly", "visit", "'restless'"):
        assert asker in failure.description
    assert "test_autowired.py:" in failure.description


def test_what_handlers_ask_for_can_be_read_from_routers() -> None:
    """Routers inside routers included."""
    outer = APIRouter()
    outer.include_router(router, prefix="/v1")
    found = {handler.rpartition(".")[2]: wanted for wanted, handler, _ in autowired_types([outer])}
    assert found["greet"] is Greeter
    assert found["greet_loudly"] is Greeter
    assert found["converse"] is Greeter


def test_fa7_one_router_serves_two_applications_in_one_loop(web: ContextRunner) -> None:
    """Each answers with its own component, also when requests overlap."""
    only = APIRouter()
    only.add_api_route("/greet/{name}", greet)

    async def ask() -> list[str]:
        async with (
            web.sources(Greeter("hello"), only).start() as first,
            web.sources(Greeter("bonjour"), only).start() as second,
        ):
            clients = [AsyncClient(first), AsyncClient(second)] * 20
            answers = await asyncio.gather(*(client.get("/greet/ada") for client in clients))
            return [answer.json() for answer in answers]

    assert asyncio.run(ask()) == ["hello ada", "bonjour ada"] * 20


def test_the_routes_of_the_user_come_before_those_of_starters(web: ContextRunner) -> None:
    """An application may answer `/` itself."""
    own = APIRouter()

    @own.get("/")
    async def home(request: Request) -> str:
        return "mine"

    with web.sources(own).run() as context:
        assert Client(context).get("/").json() == "mine"
