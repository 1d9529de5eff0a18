"""`WS /cubes/{cube}/stream` on a real server: what is said, who may, how much, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app_framework.boot import ApplicationContext, Metrics
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap import Manager
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.olap.following import FollowLimits
from app_framework.security.autoconfigure import SecurityAutoConfiguration
from app_framework.testing import ContextRunner
from app_framework.testing.virtual_time import until
from app_framework.web.autoconfigure import WebAutoConfiguration
from app_framework.web.streams import CubeStreams, StreamSettings

PATIENCE_S = 30.0
AUTO = [WebAutoConfiguration, OlapAutoConfiguration, DatabaseAutoConfiguration, SecurityAutoConfiguration]
MODEL = """
database:
  tables:
    sales: {columns: {item: text, price: "decimal(8,2)"}}
schemas:
  Till:
    base: sales
    cubes:
      till:
        dimensions: {Item: [item]}
        measures: {sold: {count: "*"}, revenue: {sum: price}}
"""
QUERY: dict[str, Any] = {"measures": ["sold", "revenue"], "levels": ["item"]}


@pytest.fixture(scope="module")
def till() -> ContextRunner:
    return ContextRunner(AUTO).yaml(MODEL).properties({"server.port": 0})


@pytest.fixture(scope="module")
def node(till: ContextRunner) -> Iterator[ApplicationContext]:
    with till.run() as context:
        yield context


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    """Each test begins with six items, each sold once."""
    if "node" in request.fixturenames:
        context = request.getfixturevalue("node")
        post(context, "/database/tables/sales/delete", {"where": {}})
        sell(context, *"abcdef")


def post(context: ApplicationContext, path: str, body: object) -> dict[str, Any]:
    answer = httpx.post(context.addresses["http"] + path, json=body, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def sell(context: ApplicationContext, *items: str, price: float = 1.5) -> int:
    rows = [{"item": item, "price": price} for item in items]
    return int(post(context, "/database/tables/sales/rows", rows)["version"])


def door(context: ApplicationContext, cube: str = "till") -> str:
    return f"{context.addresses['http'].replace('http', 'ws', 1)}/cubes/{cube}/stream"


async def say(socket: ClientConnection, type: str, id: str = "a", **more: object) -> None:  # noqa: A002
    await socket.send(json.dumps({"type": type, "id": id, **more}))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        return dict(json.loads(await socket.recv()))


def talking(context: ApplicationContext, talk: Callable[[ClientConnection], Awaitable[None]]) -> None:
    async def talked() -> None:
        async with connect(door(context)) as socket:
            await talk(socket)

    asyncio.run(talked())


def test_a_view_and_then_changes(node: ApplicationContext) -> None:
    """The view is what the query door answers; a change names places, before and after."""

    async def talk(socket: ClientConnection) -> None:
        await say(socket, "register", query=QUERY)
        view = await hear(socket)
        asked = post(node, "/cubes/till/query", QUERY)
        same = ("cube", "columns", "rows", "grouping", "versions", "partial")
        assert {key: view[key] for key in same} == {key: asked[key] for key in same}
        assert (view["type"], view["id"], view["revision"]) == ("view", "a", 0)
        version = await asyncio.to_thread(sell, node, "b", "bb")
        changes = await hear(socket)
        assert changes["versions"] == {node.node_name: version}
        assert (changes["type"], changes["removed"], changes["at"]) == ("changes", [1], [1, 2])
        assert changes["rows"] == [["b", 2, 3.0], ["bb", 1, 1.5]]
        assert changes["grouping"] == [0, 0]

    talking(node, talk)


def test_a_version_without_a_change_is_told(node: ApplicationContext) -> None:
    """So that a client knows how fresh its view is."""

    async def talk(socket: ClientConnection) -> None:
        await say(socket, "register", query={**QUERY, "where": {"item": "a"}})
        await hear(socket)
        version = await asyncio.to_thread(sell, node, "b")
        assert await hear(socket) == {
            "type": "seen", "id": "a", "revision": 0, "versions": {node.node_name: version},
        }  # fmt: skip

    talking(node, talk)


def test_pause_resume_update_and_stop(node: ApplicationContext) -> None:
    """Between `paused` and `resumed` nothing comes; an update is a new view under the same id; `stopped` ends it."""

    async def talk(socket: ClientConnection) -> None:
        await say(socket, "register", query=QUERY)
        await hear(socket)
        await say(socket, "pause")
        assert await hear(socket) == {"type": "paused", "id": "a", "revision": 0}
        await asyncio.to_thread(sell, node, "g")
        await say(socket, "resume")
        assert (await hear(socket))["type"] == "resumed"
        assert (await hear(socket))["rows"] == [["g", 1, 1.5]]
        await say(socket, "update", query={"measures": ["sold"]})
        view = await hear(socket)
        assert (view["type"], view["rows"], view["revision"]) == ("view", [[7]], 1)
        await say(socket, "stop")
        assert (await hear(socket))["type"] == "stopped"
        await asyncio.to_thread(sell, node, "h")
        await say(socket, "register", query={"measures": ["sold"]})
        assert (await hear(socket))["rows"] == [[8]]

    talking(node, talk)


BAD: list[tuple[str | bytes, str, str, list[str]]] = [
    ("{", "INVALID_REQUEST", "", []),
    ("[1]", "INVALID_REQUEST", "", []),
    (b"\xff", "INVALID_REQUEST", "", []),
    ('{"type": "register"}', "INVALID_REQUEST", "id", []),
    ('{"type": "regster", "id": "b"}', "INVALID_REQUEST", "type", ["register"]),
    ('{"type": "register", "id": "b"}', "INVALID_REQUEST", "query", []),
    ('{"type": "register", "id": "b", "querry": {}}', "INVALID_REQUEST", "querry", ["query"]),
    ('{"type": "register", "id": "a", "query": {}}', "ALREADY_EXISTS", "id", []),
    ('{"type": "pause", "id": "aa"}', "NOT_FOUND", "id", ["a"]),
    ('{"type": "register", "id": "b", "query": {"measures": ["solt"]}}', "UNKNOWN_MEASURE", "measures[0]", ["sold"]),
    ('{"type": "update", "id": "a", "query": {"measures": ["sold"], "version": 1}}', "INVALID_QUERY", "version", []),
    ("[" + "1," * 150_000 + "1]", "TOO_LARGE", "body", []),
]


def test_a_bad_message_is_told_and_the_connection_goes_on(node: ApplicationContext) -> None:
    """As over HTTP, with the id where it could be read."""

    async def talk(socket: ClientConnection) -> None:
        await say(socket, "register", query=QUERY)
        assert (await hear(socket))["type"] == "view"
        for message, code, field, near in BAD:
            await socket.send(message)
            told = await hear(socket)
            mistake = told["problem"]["errors"][0]
            assert (told["type"], told["problem"]["code"], mistake["field"] or "") == ("problem", code, field), message
            assert mistake["near"][: len(near)] == near
        await say(socket, "stop")
        assert (await hear(socket))["type"] == "stopped"

    talking(node, talk)


def test_so_many_queries_and_connections(till: ContextRunner) -> None:
    """The next one is refused with the property that bounds it."""

    async def ask(context: ApplicationContext) -> None:
        async with connect(door(context)) as socket:
            for name in "abc":
                await say(socket, "register", name, query=QUERY)
            told = [await hear(socket) for _ in "abc"]
            (problem,) = [each["problem"] for each in told if each["type"] == "problem"]
            assert problem["code"] == "OVERLOADED"
            assert "server.streams.max-queries" in problem["detail"]
            with pytest.raises(InvalidStatus) as refused:
                await connect(door(context))
            assert refused.value.response.status_code == 429
            assert b"server.streams.max-connections" in refused.value.response.body

    bounds = {"server.streams.max-queries": 2, "server.streams.max-connections": 1}
    with till.properties(bounds).run() as context:
        asyncio.run(ask(context))


def test_who_may(till: ContextRunner, node: ApplicationContext) -> None:
    """No page of another origin; on a secured node readers; and only cubes that there are."""
    users = {"security.users.ana.password": "ana-ana-ana-ana", "security.users.ana.roles": ["reader"]}
    basic = base64.b64encode(b"ana:ana-ana-ana-ana").decode()

    async def refused(context: ApplicationContext, cube: str = "till", **headers: str) -> int:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(door(context, cube), additional_headers=headers)
        return refusal.value.response.status_code

    async def ask(context: ApplicationContext) -> None:
        assert await refused(context) == 401
        async with connect(door(context), additional_headers={"Authorization": f"Basic {basic}"}) as socket:
            await say(socket, "register", query=QUERY)
            assert (await hear(socket))["type"] == "view"

    assert asyncio.run(refused(node, Origin="http://evil.example")) == 403
    assert asyncio.run(refused(node, "til")) == 404
    with till.properties(users).run() as context:
        asyncio.run(ask(context))


def test_a_node_that_stops_says_so(till: ContextRunner) -> None:
    """With 1001, after which a client comes back."""

    async def ask() -> tuple[int | None, str]:
        async with till.start() as context:
            socket = await connect(door(context))
            await say(socket, "register", query=QUERY)
            await hear(socket)
        await socket.wait_closed()
        return socket.close_code, socket.close_reason or ""

    assert asyncio.run(asyncio.wait_for(ask(), PATIENCE_S)) == (1001, "the node stops")


def test_metrics_say_what_is_followed_and_who_leaves_is_forgotten(node: ApplicationContext) -> None:
    """What nobody follows any more is not asked."""

    async def talk(socket: ClientConnection) -> None:
        await say(socket, "register", query=QUERY)
        await hear(socket)
        streams = node[CubeStreams]
        assert (streams.connections, streams.registered, streams.queries.questions) == (1, 1, 1)
        assert "cube_streams_queries" in node[Metrics].prometheus_text()[0]

    talking(node, talk)
    streams = node[CubeStreams]

    asyncio.run(until(lambda: streams.connections == streams.queries.questions == 0))


def test_a_client_that_reads_nothing_is_closed(till: ContextRunner) -> None:
    """After `server.streams.patience`, with a code that says to come back later; nobody else notices."""

    async def ask(context: ApplicationContext) -> list[dict[str, Any]]:
        streams = CubeStreams(lambda: context[Manager], StreamSettings(patience_s=0.05), FollowLimits)
        inbox: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                await asyncio.Event().wait()
            sent.append(message)

        register = json.dumps({"type": "register", "id": "a", "query": QUERY})
        for message in ({"type": "websocket.connect"}, {"type": "websocket.receive", "text": register}):
            inbox.put_nowait(message)
        websocket = WebSocket({"type": "websocket"}, inbox.get, send)  # type: ignore[arg-type]
        async with asyncio.timeout(PATIENCE_S):
            await streams.serve(websocket, "till")
        await streams.stop()
        return sent

    with till.run() as context:
        accepted, closed = asyncio.run(ask(context))
    assert accepted["type"] == "websocket.accept"
    assert (closed["code"], closed["reason"]) == (1013, "nothing was read for 0.05 s (server.streams.patience)")


def test_what_a_client_does_not_read_does_not_outlive_it(till: ContextRunner) -> None:
    """More than the network takes waits to be sent: the connection is cut, and the node could stop at once."""

    async def ask(context: ApplicationContext) -> None:
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect(("127.0.0.1", int(context.addresses["http"].rpartition(":")[2])))
        async with connect(door(context), sock=narrow, compression=None, max_size=None) as client:
            client.transport.pause_reading()
            with contextlib.suppress(ConnectionClosed):  # on a slow machine it may be over already
                for number in range(30):
                    await say(client, "register", str(number), query=QUERY)
            streams = context[CubeStreams]
            await until(lambda: streams.queries.counts.told)
            await until(lambda: not streams.connections)
            client.transport.resume_reading()
            with pytest.raises(ConnectionClosed) as cut:
                async with asyncio.timeout(PATIENCE_S):
                    await client.recv()
            assert cut.value.rcvd is None, "it could not be told"

    with till.properties({"server.streams.patience": "100ms"}).run() as context:
        sell(context, *(f"{number}{'x' * 9_000}" for number in range(500)))
        asyncio.run(ask(context))
