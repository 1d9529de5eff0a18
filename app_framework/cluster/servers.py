"""The nats-servers that one node runs: kept on their ports, started again when they end, stopped with the node."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.errors import NatsServerError
from app_framework.messaging.server import NatsServer, free_port
from app_framework.messaging.server_config import NatsServerSettings

_logger = logging.getLogger(__name__)

RESTARTS_MAX = 5
"""So many ends within `RESTARTS_WITHIN_S` and a server is given up."""
RESTARTS_WITHIN_S = 60.0
RESTART_PAUSE_S = 0.2
_TAKEN = "address already in use"


class ServerSet:
    """The servers of one node.

    Args:
        directory: where each has its folder.
        binary: the nats-server program.
        host: where they listen.
        advertise: under which host other nodes reach them.
        given_up: called with the name of a server that ended too often, and why.
    """

    def __init__(
        self,
        directory: Path,
        binary: Path,
        host: str,
        advertise: str,
        given_up: Callable[[str, str], None],
        ports: Mapping[str, int],
    ) -> None:
        self._directory = directory
        self._binary = binary
        self._host = host
        self._advertise = advertise
        self._given_up = given_up
        self._servers: dict[str, NatsServer] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self.ports = dict(ports)

    def __getitem__(self, slot: str) -> NatsServer:
        return self._servers[slot]

    def __contains__(self, slot: str) -> bool:
        return slot in self._servers

    @property
    def names(self) -> Mapping[str, str]:
        """Slot to the name of the server in it."""
        return {slot: server.settings.name for slot, server in self._servers.items()}

    def route(self, slot: str) -> str:
        """Return ``host:port`` of a slot's route, whether its server runs or not."""
        return f"{self._advertise}:{self._port(f'{slot}.route')}"

    async def run(
        self,
        slot: str,
        name: str,
        *,
        cluster: str,
        credentials: NatsCredentials,
        routes: Collection[str],
        jetstream: bool,
    ) -> NatsServer:
        """Run a server in a slot, unless it runs there; a remembered port that is taken by now is replaced.

        Raises:
            NatsServerError: it does not start.
        """
        there = self._servers.get(slot)
        if there is not None and there.settings.name == name and there.running:
            return there
        await self.stop(slot)
        for last in (False, False, True):
            settings = NatsServerSettings(
                name,
                self._directory / name,
                credentials,
                cluster_name=cluster,
                host=self._host,
                client_port=self._port(f"{slot}.client"),
                route_port=self._port(f"{slot}.route"),
                route_advertise=self.route(slot),  # else the others take the address that a connection came from
                routes=tuple(dict.fromkeys(routes)),
                jetstream=jetstream,
            )
            server = NatsServer(settings, self._binary)
            try:
                await server.start()
            except NatsServerError as error:
                if last or _TAKEN not in error.reason:
                    raise
                _logger.warning("a port of server %s is taken by now, it gets others: %s", name, error.reason)
                for port in ("client", "route"):
                    self.ports.pop(f"{slot}.{port}", None)
            else:
                break
        self._servers[slot] = server
        self._watches[slot] = asyncio.create_task(self._watch(slot, server), name=f"nats-server-{slot}")
        return server

    async def restart(self, slot: str) -> None:
        """Stop the server in a slot and start it again."""
        server = self._servers[slot]
        await self.stop(slot)
        await server.start()
        self._servers[slot] = server
        self._watches[slot] = asyncio.create_task(self._watch(slot, server), name=f"nats-server-{slot}")

    async def stop(self, slot: str) -> None:
        """Stop the server in a slot, when there is one."""
        watch = self._watches.pop(slot, None)
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        server = self._servers.pop(slot, None)
        if server is not None:
            await server.stop()

    async def close(self) -> None:
        """Stop all, those that vote first."""
        for slot in sorted(self._servers, key=lambda slot: slot == "messenger"):
            await self.stop(slot)

    def sweep(self) -> None:
        """Delete the folders of all servers that do not run."""
        keep = {server.settings.name for server in self._servers.values()}
        for folder in self._directory.glob("*") if self._directory.is_dir() else ():
            if folder.name not in keep:
                shutil.rmtree(folder, ignore_errors=True)

    async def _watch(self, slot: str, server: NatsServer) -> None:
        """Start the server again when it ends by itself."""
        loop = asyncio.get_running_loop()
        ends: list[float] = []
        while True:
            await server.exited()
            ends = [*(end for end in ends if loop.time() - end < RESTARTS_WITHIN_S), loop.time()]
            reason = server.reason or "no reason known"
            if len(ends) >= RESTARTS_MAX:
                _logger.error("server %s ended %d times in a minute and is given up: %s", slot, len(ends), reason)
                self._given_up(server.settings.name, reason)
                return
            _logger.warning("server %s ended and is started again: %s", server.settings.name, reason)
            await asyncio.sleep(RESTART_PAUSE_S * 2 ** len(ends))
            with contextlib.suppress(NatsServerError):
                await server.start()

    def _port(self, slot: str) -> int:
        if slot not in self.ports:
            self.ports[slot] = free_port(set(self.ports.values()), self._host)
        return self.ports[slot]
