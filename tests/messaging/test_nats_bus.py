"""What only the NATS bus can meet: servers that go, come back, refuse, hang, or lie elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app_framework.messaging.bus import BusEvent, Message
from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.errors import DeadlineExceededError, DisconnectedError
from app_framework.messaging.messenger import Call, Messenger
from app_framework.messaging.nats_bus import NatsBus
from app_framework.messaging.server import NatsServer, free_port
from app_framework.testing.virtual_time import until
from tests.messaging.conftest import start_server
from tests.messaging.standstill import stand_still


async def echo(call: Call) -> bytes:
    return call.data


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that a test may ill-treat."""
    server = start_server(tmp_path / "own", "own")
    yield server
    server.kill()


def test_after_a_restart_of_the_server_everything_goes_on(server: NatsServer) -> None:
    """Subscriptions are as before, and the events tell what happened."""

    async def talk() -> None:
        events: list[BusEvent] = []
        a = Messenger(await NatsBus.connect(server.connection(), name="a"))
        b = Messenger(await NatsBus.connect(server.connection(), name="b"))
        async with a, b:
            a.listen(events.append)
            await b.serve("echo", echo)
            await b.flush()
            await a.request("echo", timeout_s=5)
            server.kill()
            await until(lambda: not a.connected)
            with pytest.raises(DisconnectedError):
                await a.request("echo", timeout_s=60)
            with pytest.raises(DisconnectedError):
                await a.flush()
            await server.start()
            await until(lambda: a.connected and b.connected)
            await b.flush()
            assert (await a.request("echo", b"again", timeout_s=5)).data == b"again"
            kinds = [event.kind for event in events if event.kind != "error"]
            assert kinds == ["disconnected", "reconnected"]

    asyncio.run(talk())


def test_a_bus_moves_to_other_servers_with_other_credentials(server: NatsServer, tmp_path: Path) -> None:
    """As a node does that leaves its own cluster for another; requests and services go on there."""
    other = start_server(tmp_path / "other", "other", NatsCredentials.generate())

    async def talk() -> None:
        events: list[BusEvent] = []
        bus = await NatsBus.connect(server.connection(), name="a")
        async with Messenger(bus) as a, Messenger(await NatsBus.connect(other.connection(), name="b")) as b:
            a.listen(events.append)
            await b.serve("echo.b", echo)
            await a.serve("echo.a", echo)
            await a.request("echo.a", timeout_s=5)
            await bus.move(other.connection())
            server.kill()
            assert (await a.request("echo.b", b"here", timeout_s=5)).data == b"here"
            assert (await b.request("echo.a", b"there", timeout_s=5)).data == b"there"
            assert [event.kind for event in events] == ["disconnected", "reconnected"]
            assert bus.connection == other.connection()

    try:
        asyncio.run(talk())
    finally:
        other.kill()


def test_a_bus_that_cannot_move_stays_where_it_is(server: NatsServer) -> None:
    async def talk() -> None:
        bus = await NatsBus.connect(server.connection(), name="a")
        async with Messenger(bus) as a:
            await a.serve("echo", echo)
            nowhere = NatsConnection((f"nats://127.0.0.1:{free_port()}",))
            with pytest.raises(DisconnectedError):
                await bus.move(nowhere, timeout_s=0.3)
            assert (await a.request("echo", b"still", timeout_s=5)).data == b"still"

    asyncio.run(talk())


def test_refused_credentials_are_told_at_once_and_without_the_password(shared_server: NatsServer) -> None:
    async def talk() -> None:
        wrong = NatsConnection(shared_server.connection().servers, user="app", password="hunter2")
        with pytest.raises(DisconnectedError) as refused:
            await NatsBus.connect(wrong, name="a", timeout_s=60)
        assert "authorization violation" in str(refused.value).lower()
        assert "hunter2" not in str(refused.value)

    asyncio.run(asyncio.wait_for(talk(), 10))


def test_a_server_that_is_not_there_is_given_up_in_time() -> None:
    async def talk() -> None:
        nowhere = NatsConnection((f"nats://127.0.0.1:{free_port()}",))
        with pytest.raises(DisconnectedError, match=r"127\.0\.0\.1:\d+"):
            await NatsBus.connect(nowhere, name="a", timeout_s=0.3)

    asyncio.run(talk())


def test_the_second_server_is_tried_when_the_first_is_not_there(shared_server: NatsServer) -> None:
    async def talk() -> None:
        good = shared_server.connection()
        servers = (f"nats://127.0.0.1:{free_port()}", *good.servers)
        bus = await NatsBus.connect(NatsConnection(servers, good.user, good.password), name="a")
        assert bus.connected
        await bus.close()

    asyncio.run(talk())


def test_a_connection_that_the_server_ends_for_good_is_built_anew(server: NatsServer) -> None:
    """nats-py never comes back from a payload that the server calls too large; the bus does."""

    async def talk() -> None:
        events: list[BusEvent] = []
        heard: list[bytes] = []

        async def hear(message: Message) -> None:
            heard.append(message.data)

        bus = await NatsBus.connect(server.connection(), name="a")
        bus.listen(events.append)
        await bus.subscribe("news", hear)
        assert bus._client is not None
        await bus._client.publish("news", bytes(bus.message_bytes_max), headers={"Too": "large"})
        await until(lambda: "reconnected" in [event.kind for event in events])
        await bus.publish("news", b"again")
        await until(lambda: heard == [b"again"])
        await bus.close()

    asyncio.run(talk())


def test_a_server_that_hangs_for_a_while_costs_time_but_not_the_connection(server: NatsServer) -> None:
    """A flush that nobody waits for any more must not end nats-py's reader when its answer comes."""

    async def talk() -> None:
        events: list[BusEvent] = []
        bus = await NatsBus.connect(server.connection(), name="a")
        async with Messenger(bus) as a:
            a.listen(events.append)
            await a.serve("echo", echo)
            assert server.pid is not None
            stand_still(server.pid)
            try:
                with pytest.raises(DeadlineExceededError):
                    await a.flush(0.1)
                with pytest.raises(DeadlineExceededError):
                    await a.request("echo", timeout_s=0.1)
                cancelled = asyncio.ensure_future(a.flush(60))
                await asyncio.sleep(0)
                cancelled.cancel()
            finally:
                os.kill(server.pid, signal.SIGCONT)
            assert (await a.request("echo", b"awake", timeout_s=5)).data == b"awake"
            await a.flush(5)
            assert events == []

    asyncio.run(talk())


class Desk:
    """Stands where a nats-server should be, and counts who is on the line."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self.calls = self.open = 0

    def listen(self, port: int = 0) -> Awaitable[asyncio.Server]:
        return asyncio.start_server(self._talk, "127.0.0.1", port)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls, self.open = self.calls + 1, self.open + 1
        with suppress(OSError):
            writer.write(self._greeting)
            while line := await reader.readline():
                if line.startswith(b"PING"):
                    writer.write(b"PONG\r\n")
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        self.open -= 1


def test_an_attempt_to_come_back_that_fails_leaves_no_connection_open(server: NatsServer) -> None:
    """Each would cost a descriptor while a server hangs, or somebody else has its port."""

    async def talk() -> None:
        bus = await NatsBus.connect(server.connection(), name="a")
        server.kill()
        await until(lambda: not bus.connected)
        desk = Desk(b"HELLO\r\n")
        async with await desk.listen(server.client_port):
            await until(lambda: desk.calls >= 4)
            assert desk.open <= 2  # the last one, and one that is just hanging up
            await bus.close()
            await until(lambda: desk.open == 0)

    asyncio.run(talk())


def test_a_connection_that_is_not_wanted_any_more_is_not_left_open() -> None:
    """Wherever the wait for it ends; nats-py may connect all the same."""

    async def talk() -> None:
        desk = Desk(b'INFO {"max_payload": 1048576}\r\n')
        async with await desk.listen() as listening:
            there = NatsConnection((f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}",))
            for steps in range(40):
                connecting = asyncio.ensure_future(NatsBus.connect(there, name="a"))
                for _ in range(steps):
                    await asyncio.sleep(0)
                connecting.cancel()
                await asyncio.wait({connecting})
                if not connecting.cancelled():
                    await connecting.result().close()
                await until(lambda: desk.open == 0)
            assert desk.calls > 10

    asyncio.run(talk())


def test_closing_while_it_moves_leaves_no_connection_open(server: NatsServer) -> None:
    async def talk() -> None:
        desk = Desk(b'INFO {"max_payload": 1048576}\r\n')
        async with await desk.listen() as listening:
            there = NatsConnection((f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}",))
            bus = await NatsBus.connect(server.connection(), name="a")
            moving = asyncio.ensure_future(bus.move(there))
            await asyncio.sleep(0)
            await bus.close()
            with pytest.raises(DisconnectedError, match="closed meanwhile"):
                await moving
            await until(lambda: desk.open == 0)

    asyncio.run(talk())


def test_closing_and_draining_a_bus_whose_server_is_dead_does_not_hang(server: NatsServer) -> None:
    async def talk() -> None:
        closing = Messenger(await NatsBus.connect(server.connection(), name="closing"))
        draining = Messenger(await NatsBus.connect(server.connection(), name="draining"))
        for messenger in (closing, draining):
            await messenger.serve("echo", echo)
        server.kill()
        await until(lambda: not closing.connected and not draining.connected)
        await closing.close()
        await draining.drain(2)

    asyncio.run(asyncio.wait_for(talk(), 10))


def test_a_bus_shows_its_state_and_no_password(shared_server: NatsServer) -> None:
    async def talk() -> None:
        connection = shared_server.connection()
        bus = await NatsBus.connect(connection, name="a")
        await bus.subscribe("x", echo_message)
        assert repr(bus) == f"<NatsBus 'a' connected to {connection.servers[0]}, 1 subscriptions>"
        await bus.close()
        assert "closed" in repr(bus)

    async def echo_message(message: Message) -> None:
        pass

    asyncio.run(talk())
