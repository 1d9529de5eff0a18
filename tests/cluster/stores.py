"""Every kind of consensus store, opened the same way, and real servers for those that need them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from app_framework.cluster.errors import ConflictError, NoQuorumError, UnstableError
from app_framework.cluster.jetstream_store import JetStreamConsensusStore
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.remote_store import RemoteConsensusStore, serve_store
from app_framework.cluster.store import Change, ConsensusStore
from app_framework.errors import UserError
from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.nats_bus import NatsBus
from app_framework.messaging.server import NatsServer, free_port
from app_framework.messaging.server_binary import find_binary
from app_framework.messaging.server_config import NatsServerSettings
from tests.messaging.standstill import stand_still

DEADLINE_S = 30.0
FORM_DEADLINE_S = 60.0

NO_REVISION = 1 << 40
"""No stream of a test comes that far."""

Opened = tuple[ConsensusStore, ConsensusStore]
Use = Callable[[ConsensusStore, ConsensusStore], Awaitable[None]]


class StoreKind(Protocol):
    """One implementation."""

    def opened(self) -> contextlib.AbstractAsyncContextManager[Opened]:
        """Open a store of its own, empty, as two nodes reach it."""


class LocalKind:
    """SQLite; both nodes are one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Opened]:
        store = LocalConsensusStore(self._folder / f"{secrets.token_hex(4)}.db" if self._folder else None)
        yield store, store
        await store.close()


class RemoteKind:
    """SQLite on a third node, reached over a network in memory."""

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Opened]:
        network = MemoryNetwork()
        holder = LocalConsensusStore(None)
        async with (
            Messenger(network.bus("holder")) as h,
            Messenger(network.bus("a")) as a,
            Messenger(network.bus("b")) as b,
        ):
            service = await serve_store(holder, h, "h1")
            stores = RemoteConsensusStore(a, "h1"), RemoteConsensusStore(b, "h1")
            yield stores
            for store in stores:
                await store.close()
            await service.unsubscribe()
            await holder.close()


class JetStreamKind:
    """A stream on running servers, reached over two connections."""

    def __init__(self, servers: NatsCluster) -> None:
        self._servers = servers

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Opened]:
        async with self._servers.node(0) as a, self._servers.node(-1) as b:
            name = f"s{secrets.token_hex(4)}"
            stores = tuple(JetStreamConsensusStore(each, stream=name, prefix=f"t.{name}") for each in (a, b))
            await formed(stores[0], len(self._servers.servers))
            yield stores[0], stores[1]
            for store in stores:
                await store.close()
            await a.ask(f"$JS.API.STREAM.DELETE.{name}", timeout_s=5)


class NatsCluster:
    """Servers with JetStream, clustered when there are several."""

    def __init__(self, folder: Path, count: int) -> None:
        credentials, ports = NatsCredentials.generate(), list[int]()
        for _ in range(count):
            ports.append(free_port(ports))
        routes = tuple(f"127.0.0.1:{port}" for port in ports)
        self.servers = [
            NatsServer(
                NatsServerSettings(
                    f"v{number}",
                    folder / f"v{number}",
                    credentials,
                    cluster_name="voters" if count > 1 else None,
                    route_port=port if count > 1 else 0,
                    routes=routes if count > 1 else (),
                    jetstream=True,
                ),
                find_binary(),
            )
            for number, port in enumerate(ports)
        ]

    async def start(self) -> None:
        """Start those that do not run."""
        await asyncio.gather(*(each.start() for each in self.servers if not each.running))

    async def stop(self) -> None:
        """Stop all."""
        for each in self.servers:
            if each.running:
                self.go_on(each)
        await asyncio.gather(*(each.stop() for each in self.servers))

    def by_name(self, name: str) -> NatsServer:
        """Return a server."""
        return next(each for each in self.servers if each.settings.name == name)

    def pause(self, server: NatsServer) -> None:
        """Let a process stand still, as a machine that swaps does."""
        assert server.pid is not None
        stand_still(server.pid)

    def go_on(self, server: NatsServer) -> None:
        """Let it run again."""
        assert server.pid is not None
        os.kill(server.pid, signal.SIGCONT)

    def connection(self, first: int) -> NatsConnection:
        """Return how to connect, to one of them first."""
        one = self.servers[first].connection()
        others = tuple(each.client_url for each in self.servers if each is not self.servers[first])
        return NatsConnection((*one.servers, *others), one.user, one.password)

    @contextlib.asynccontextmanager
    async def node(self, first: int = 0) -> AsyncIterator[Messenger]:
        """Connect a node."""
        async with Messenger(await NatsBus.connect(self.connection(first), name=f"node{first}")) as messenger:
            yield messenger


async def formed(store: JetStreamConsensusStore, replicas: int, first_revision: int = 1) -> None:
    """Make the stream of a store as soon as the servers have elected, and wait until every copy is current.

    A stream that has a leader is not yet reached over every server: the last step is a write that the leader refuses,
    which takes no revision.
    """
    async with asyncio.timeout(FORM_DEADLINE_S):
        while True:
            try:
                await store.create_stream(replicas, first_revision)
                if all((await store.info()).group.values()):
                    await store.update("nobody", b"", NO_REVISION)
            except ConflictError:
                return
            except (NoQuorumError, UnstableError):
                pass
            await asyncio.sleep(0.05)


def run(kind: StoreKind, use: Use) -> None:
    """Use a store of its own."""

    async def whole() -> None:
        async with kind.opened() as (store, other):
            await use(store, other)

    asyncio.run(asyncio.wait_for(whole(), DEADLINE_S))


async def first(changes: AsyncIterator[Change], count: int) -> list[Change]:
    """Return the next changes of a watch, which goes on."""
    return [await anext(changes) for _ in range(count)]


async def won(attempts: Sequence[Awaitable[int]]) -> int:
    """Return how many writes of a race went through; the others must be conflicts."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, UserError):
            raise result
    return sum(isinstance(result, int) for result in results)
