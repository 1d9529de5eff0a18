"""What the tests of the room share: a real nats-server, and the two buses that every contract test runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from app_framework.messaging.bus import Bus
from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.direct import DirectStreams
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger, MessengerLimits
from app_framework.messaging.nats_bus import NatsBus
from app_framework.messaging.server import NatsServer
from app_framework.messaging.server_binary import find_binary
from app_framework.messaging.server_config import NatsServerSettings

Talk = Callable[[Messenger, Messenger], Awaitable[None]]
BusTalk = Callable[[Bus, Bus], Awaitable[None]]


class Wire:
    """One kind of bus, and a way to run a conversation of two nodes on it."""

    def __init__(self, server: NatsServer | None) -> None:
        self._server = server
        self._network = MemoryNetwork()

    async def bus(self, name: str) -> Bus:
        """Connect a node."""
        if self._server is None:
            return self._network.bus(name)
        return await NatsBus.connect(self._server.connection(), name=name)

    def run(self, talk: Talk, *, direct: bool = False, limits: MessengerLimits | None = None) -> None:
        """Run a conversation between two messengers and close them."""

        async def converse() -> None:
            async with (
                Messenger(await self.bus("a"), direct=DirectStreams() if direct else None, limits=limits) as a,
                Messenger(await self.bus("b"), direct=DirectStreams() if direct else None, limits=limits) as b,
            ):
                await talk(a, b)

        asyncio.run(asyncio.wait_for(converse(), 30))

    def run_buses(self, talk: BusTalk) -> None:
        """Run a conversation between two bare buses and close them."""

        async def converse() -> None:
            a, b = await self.bus("a"), await self.bus("b")
            try:
                await talk(a, b)
            finally:
                await a.close()
                await b.close()

        asyncio.run(asyncio.wait_for(converse(), 30))


def start_server(folder: Path, name: str, credentials: NatsCredentials | None = None) -> NatsServer:
    """Start a server of its own for one test; whoever starts it ends it."""
    server = NatsServer(NatsServerSettings(name, folder, credentials or NatsCredentials.generate()), find_binary())
    asyncio.run(server.start())
    return server


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One server for all tests that do not break it."""
    server = start_server(tmp_path_factory.mktemp("nats"), "shared")
    yield server
    asyncio.run(server.stop())


@pytest.fixture(params=["in-memory", "nats"])
def wire(request: pytest.FixtureRequest) -> Wire:
    """Each bus in turn."""
    return Wire(None if request.param == "in-memory" else request.getfixturevalue("shared_server"))
