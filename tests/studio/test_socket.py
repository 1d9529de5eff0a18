"""The WebSocket of a pivot: who may open it, how much it takes, and that nobody waits for what nobody sees."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app_framework.boot import ApplicationContext
from app_framework.database.autoconfigure import DatabaseAutoConfiguration
from app_framework.olap import CellSet, CubeQuery, Manager
from app_framework.olap.autoconfigure import OlapAutoConfiguration
from app_framework.security.autoconfigure import SecurityAutoConfiguration
from app_framework.testing import ContextRunner
from app_framework.web.autoconfigure import WebAutoConfiguration
from app_framework.web.pivot.wire import FAILURE, read_envelope
from app_framework.web.studio.autoconfigure import StudioAutoConfiguration
from tests.studio.shop import MODEL, ROWS

AUTO = [
    WebAutoConfiguration,
    OlapAutoConfiguration,
    DatabaseAutoConfiguration,
    StudioAutoConfiguration,
    SecurityAutoConfiguration,
]
FEATURES = b"\x08\x01\x1a\x00"
"""Message 1: what can you do?"""

MAKE_VIEW = b"\x08\x02\x12\x05sales\x32\x10\x0a\x01v\x12\x0b\x1a\x09\x12\x07\x0a\x05lines"
"""Message 2: a view `v` of the table `sales` with the column `lines`."""


@pytest.fixture
def shop(tmp_path: Path) -> ContextRunner:
    (tmp_path / "sales.csv").write_text(ROWS)
    (tmp_path / "application.yml").write_text(MODEL)
    return ContextRunner(AUTO).directory(tmp_path).properties({"server.port": 0})


@pytest.fixture
def node(shop: ContextRunner) -> Iterator[ApplicationContext]:
    with shop.run() as context:
        yield context


def door(context: ApplicationContext, cube: str = "sales") -> str:
    return f"{context.addresses['http'].replace('http', 'ws', 1)}/studio/cubes/{cube}/pivot"


def test_a_browser_asks_and_is_answered(node: ApplicationContext) -> None:
    """In order; after a view our page is told how large it is and how long it took."""

    async def ask() -> None:
        async with connect(door(node)) as socket:
            await socket.send(FEATURES)
            await socket.send(MAKE_VIEW)
            first, second, told = [await socket.recv() for _ in range(3)]
        assert isinstance(first, bytes)
        assert isinstance(second, bytes)
        assert [read_envelope(each).number for each in (first, second)] == [1, 2]
        assert json.loads(told) == {
            "problem": None,
            "rows": 1,
            "columns": 1,
            "version": node[Manager].cube("sales").versions()["test"],
            "elapsed_ms": json.loads(told)["elapsed_ms"],
        }

    asyncio.run(ask())


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null"])
def test_pages_of_other_origins_are_refused(node: ApplicationContext, origin: str) -> None:
    """Any page may open a WebSocket to this machine; only ours may look."""

    async def ask() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(door(node), additional_headers={"Origin": origin})
        assert refused.value.response.status_code == 403

    asyncio.run(ask())


def test_an_unknown_cube_is_told(node: ApplicationContext) -> None:
    """With what was probably meant, as over HTTP."""

    async def ask() -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(door(node, "sails"))
        assert refused.value.response.status_code == 404
        assert json.loads(refused.value.response.body)["errors"][0]["near"] == ["sales"]

    asyncio.run(ask())


def test_on_a_secured_node_a_reader_may_look(shop: ContextRunner) -> None:
    """Without credentials it is 401; a reader needs no more than that, because nothing is changed."""
    users = {"security.users.ana.password": "ana-ana-ana-ana", "security.users.ana.roles": ["reader"]}

    async def ask(context: ApplicationContext) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(door(context))
        assert refused.value.response.status_code == 401
        basic = base64.b64encode(b"ana:ana-ana-ana-ana").decode()
        async with connect(door(context), additional_headers={"Authorization": f"Basic {basic}"}) as socket:
            await socket.send(FEATURES)
            assert await socket.recv()

    with shop.properties(users).run() as context:
        asyncio.run(ask(context))


@pytest.mark.parametrize(
    ("message", "code"), [(b"\x08", 1007), ("text", 1003), (b"\x0a\x80\x80\x01" + b"x" * 16384, 1009)]
)
def test_what_is_no_message_ends_the_connection(shop: ContextRunner, message: bytes | str, code: int) -> None:
    """Noise, texts, and what is larger than studio.max-message-size."""

    async def ask(context: ApplicationContext) -> None:
        async with connect(door(context)) as socket:
            await socket.send(message)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code

    with shop.properties({"studio.max-message-size": "16KB"}).run() as context:
        asyncio.run(ask(context))


def test_so_many_windows_and_no_more(shop: ContextRunner) -> None:
    """The next one is told to wait; when one goes, another may come."""

    async def ask(context: ApplicationContext) -> None:
        async with connect(door(context)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(door(context))
            assert refused.value.response.status_code == 429
            assert refused.value.response.headers["Retry-After"] == "1"
        for _ in range(100):
            try:
                async with connect(door(context)) as socket:
                    await socket.send(FEATURES)
                    assert await socket.recv()
                return
            except InvalidStatus:
                await asyncio.sleep(0.02)
        raise AssertionError("the place is not given back")

    with shop.properties({"studio.max-connections": 1}).run() as context:
        asyncio.run(ask(context))


class SlowManager(Manager):
    """Asks cubes that never answer, and knows when somebody stopped waiting."""

    def __init__(self, manager: Manager) -> None:
        super().__init__(manager.catalogs.values())
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def query(self, cube: str, query: CubeQuery) -> CellSet:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        raise AssertionError


def test_a_query_ends_when_its_browser_leaves(shop: ContextRunner) -> None:
    """A window that is closed does not keep the database busy, and a node that stops does not wait for it."""
    from starlette.websockets import WebSocket

    from app_framework.web.pivot.socket import PivotSockets, SocketSettings

    async def ask(context: ApplicationContext) -> None:
        manager = SlowManager(context[Manager])
        sockets = PivotSockets(manager, SocketSettings())
        inbox: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        sent: list[str] = []

        async def send(message: object) -> None:
            assert isinstance(message, dict)
            sent.append(str(message["type"]))

        for message in ({"type": "websocket.connect"}, {"type": "websocket.receive", "bytes": MAKE_VIEW}):
            inbox.put_nowait(message)
        talk = asyncio.create_task(sockets.serve(WebSocket({"type": "websocket"}, inbox.get, send), "sales"))  # type: ignore[arg-type]
        await manager.asked.wait()
        inbox.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(manager.left.wait(), 5)
        await asyncio.wait_for(talk, 5)
        assert sent == ["websocket.accept"]
        sockets.close()

    with shop.run() as context:
        asyncio.run(ask(context))


def test_a_node_with_an_open_pivot_stops_at_once(shop: ContextRunner) -> None:
    """The window is told that the node goes away, and not waited for."""

    async def ask() -> int:
        async with shop.start() as context:
            socket = await connect(door(context))
            await socket.send(FEATURES)
            await socket.recv()
        await socket.wait_closed()
        assert socket.close_code is not None
        return socket.close_code

    assert asyncio.run(asyncio.wait_for(ask(), 20)) in {1001, 1006, 1012}


def test_a_refusal_inside_is_an_answer(node: ApplicationContext) -> None:
    """A view of another table is refused in Perspective's own words, and the conversation goes on."""

    async def ask() -> None:
        async with connect(door(node)) as socket:
            await socket.send(MAKE_VIEW.replace(b"sales", b"other"))
            refusal = await socket.recv()
            assert isinstance(refusal, bytes)
            assert read_envelope(refusal).kind == FAILURE

    asyncio.run(ask())
