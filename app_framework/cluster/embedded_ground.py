"""A cluster on servers of its own: each node runs a messenger, and those that vote a second one with JetStream.

The messenger is never restarted while the cluster grows, so nobody's connection is lost. Its credentials come from the
cluster's key; a node that enters another cluster restarts it under that cluster's name.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app_framework.cluster.errors import NoQuorumError, UnstableError
from app_framework.cluster.ground import QuorumStore
from app_framework.cluster.identity import NodeIdentity, OwnServer, Place
from app_framework.cluster.jetstream_store import JetStreamConsensusStore
from app_framework.cluster.servers import ServerSet
from app_framework.cluster.voters import Observation
from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.errors import DeadlineExceededError, DisconnectedError, MessengerError, NoRespondersError
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.nats_bus import NatsBus

_logger = logging.getLogger(__name__)

ADMIN_TIMEOUT_S = 2.0
PROBE_TIMEOUT_S = 0.5
REMOVE_TIMEOUT_S = 0.5
REMOVE_ATTEMPTS = 8
FREE_BYTES_MIN = 64 << 20


class EmbeddedGround:
    """The servers that this node runs, and its connection to them.

    Args:
        directory: where each server has its folder.
        binary: the nats-server program.
        host: where the servers listen.
        advertise: under which host other nodes reach them; `host` unless given.
    """

    quorum_place: Place = "jetstream"
    starts_with_quorum = False
    manages_servers = True

    def __init__(self, directory: Path, binary: Path, host: str = "127.0.0.1", advertise: str = "") -> None:
        self._directory = directory
        self._binary = binary
        self._host = host
        self._advertise = advertise or host
        self._servers: ServerSet | None = None
        self._bus: NatsBus | None = None
        self._messenger: Messenger | None = None
        self._system: Messenger | None = None
        self._admin: JetStreamConsensusStore | None = None
        self._cluster = ""
        self._listeners: list[Callable[[str], None]] = []

    @property
    def route(self) -> str:
        """``host:port`` of this node's messenger."""
        return self._servers.route("messenger") if self._servers else ""

    @property
    def messenger(self) -> Messenger:
        """The connection of the membership service."""
        assert self._messenger is not None, "the ground was not entered"
        return self._messenger

    def connection(self) -> NatsConnection:
        """Return how others of this process connect to the messenger."""
        assert self._servers is not None, "the ground was not entered"
        return self._servers["messenger"].connection()

    async def enter(self, identity: NodeIdentity, routes: Sequence[str]) -> NodeIdentity:
        """Run the messenger of the identity's cluster and connect to it."""
        if self._servers is None:
            self._servers = ServerSet(
                self._directory, self._binary, self._host, self._advertise, self._given_up, identity.ports
            )
        elif self._cluster != identity.cluster_uid:
            await self._leave()
        self._cluster = identity.cluster_uid
        server = await self._servers.run(
            "messenger",
            f"m-{identity.uid}",
            cluster=self._name(identity),
            credentials=credentials(identity),
            routes=routes,
            jetstream=False,
        )
        if self._bus is None:
            self._bus = await NatsBus.connect(server.connection(), name=f"{identity.name}-cluster")
            self._messenger = Messenger(self._bus)
        else:
            await self._bus.move(server.connection())
        return replace(identity, ports=dict(self._servers.ports))

    async def run_server(self, identity: NodeIdentity, server: OwnServer) -> tuple[NodeIdentity, str]:
        """Run a voting server beside the messenger."""
        servers = self._running()
        sibling = "witness" if server.kind == "voter" else "voter"
        routes = [servers.route("messenger"), *server.routes]
        if not server.routes:
            routes.append(servers.route(sibling))  # the founding pair: each is told of the other
        await servers.run(
            server.kind,
            server.name,
            cluster=self._name(identity),
            credentials=credentials(identity),
            routes=routes,
            jetstream=True,
        )
        return replace(identity, ports=dict(servers.ports)), servers.route(server.kind)

    async def restart_server(self, name: str) -> None:
        """A server that ran out of disk does not write again until it is started anew, also when there is room."""
        if shutil.disk_usage(self._directory).free < FREE_BYTES_MIN:
            raise UnstableError(f"the disk of {self._directory} is too full to start {name} again")
        servers = self._running()
        slot = next((slot for slot, known in servers.names.items() if known == name), None)
        if slot is not None:
            await servers.restart(slot)

    async def drop_servers(self, keep: Sequence[str]) -> None:
        """Stop the voting servers but these, and delete what they left."""
        servers = self._running()
        for slot, name in tuple(servers.names.items()):
            if slot != "messenger" and name not in keep:
                await servers.stop(slot)
        servers.sweep()

    def quorum_store(self, identity: NodeIdentity) -> QuorumStore:
        """Return the stream of the voters."""
        return JetStreamConsensusStore(self.messenger)

    async def found(self, identity: NodeIdentity) -> QuorumStore:
        """Return the voters' store; a cluster is founded on SQLite here."""
        return self.quorum_store(identity)

    async def observe(self) -> Observation:
        """Ask the leaders of the groups; only they know who is current."""
        answer = await self._ask_system("$SYS.REQ.SERVER.PING.JSZ", {"leader_only": True, "raft": True})
        meta = answer.get("data", {}).get("meta_cluster") or {}
        if not meta.get("leader"):
            raise NoQuorumError("the voting servers have no leader")
        peers = {str(meta["leader"]): True}
        peers |= {str(each["name"]): _is_up(each) for each in meta.get("replicas") or () if each.get("name")}
        stream = await self._admin_store().info()
        return Observation(peers, stream.group, stream.replicas, stream.leader)

    async def scale(self, replicas: int) -> None:
        """Give the stream another number of copies."""
        await self._admin_store().scale(replicas)

    async def evacuate(self, server: str) -> None:
        """Move the stream's copy away from a server."""
        await self._ask_system("$JS.API.SERVER.EVACUATE", {"peer": server})

    async def remove(self, server: str) -> None:
        """Take a server out of the meta group; the request is lost while that elects, so it is repeated."""
        for _ in range(REMOVE_ATTEMPTS):
            with contextlib.suppress(NoQuorumError):
                await self._ask_system("$JS.API.SERVER.REMOVE", {"peer": server}, timeout_s=REMOVE_TIMEOUT_S)
                return
        raise UnstableError(f"server {server} could not be removed yet")

    async def reaches(self, route: str) -> bool:
        """Whether something accepts connections at a route."""
        host, _, port = route.rpartition(":")
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, ValueError, TimeoutError):
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    def listen(self, listener: Callable[[str], None]) -> None:
        """Tell when a server has ended too often."""
        self._listeners.append(listener)

    async def close(self) -> None:
        """Close the connections, then stop the servers."""
        for messenger in (self._system, self._messenger):
            if messenger is not None:
                await messenger.close()
        self._system = self._messenger = self._bus = self._admin = None
        if self._servers is not None:
            await self._servers.close()

    def _running(self) -> ServerSet:
        assert self._servers is not None, "the ground was not entered"
        return self._servers

    async def _leave(self) -> None:
        if self._system is not None:
            await self._system.close()
        self._system = self._admin = None
        servers = self._running()
        for slot in ("voter", "witness", "messenger"):
            await servers.stop(slot)
        servers.sweep()

    def _name(self, identity: NodeIdentity) -> str:
        return f"af-{identity.cluster_uid[:16]}"

    def _admin_store(self) -> JetStreamConsensusStore:
        if self._admin is None:
            self._admin = JetStreamConsensusStore(self.messenger)
        return self._admin

    async def _ask_system(
        self, subject: str, body: Mapping[str, Any], *, timeout_s: float = ADMIN_TIMEOUT_S
    ) -> Mapping[str, Any]:
        try:
            if self._system is None:
                connection = self._running()["messenger"].system_connection()
                self._system = Messenger(await NatsBus.connect(connection, name="cluster-system"))
            answer = await self._system.ask(subject, json.dumps(body).encode(), timeout_s=timeout_s)
            content: Mapping[str, Any] = json.loads(answer.data)
        except (NoRespondersError, DeadlineExceededError, DisconnectedError, MessengerError) as error:
            raise NoQuorumError("the voting servers do not answer") from error
        failure = content.get("error")
        if failure:
            raise UnstableError(str(failure.get("description", failure)))
        return content

    def _given_up(self, name: str, reason: str) -> None:
        for listener in self._listeners:
            listener(f"{name}: {reason}")

    def __repr__(self) -> str:
        return f"<EmbeddedGround {', '.join(self._servers.names.values()) if self._servers else 'not entered'}>"


def credentials(identity: NodeIdentity) -> NatsCredentials:
    """Return the users of the cluster's servers."""
    return NatsCredentials.derive(bytes.fromhex(identity.key))


def _is_up(replica: Mapping[str, Any]) -> bool:
    return bool(replica.get("current")) and not replica.get("offline")
