"""A cluster on NATS servers that somebody runs already: the decisions live in their JetStream from the founding on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from app_framework.cluster.errors import JetStreamMissingError, NoQuorumError, UnstableError
from app_framework.cluster.ground import QuorumStore
from app_framework.cluster.identity import NodeIdentity, OwnServer, Place
from app_framework.cluster.jetstream_store import JetStreamConsensusStore
from app_framework.cluster.voters import Observation
from app_framework.errors import FrameworkError
from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.messenger import Messenger
from app_framework.messaging.nats_bus import NatsBus
from app_framework.messaging.nats_source import ExternalNats

REPLICAS = (3, 1)
"""Three copies where there are three servers with JetStream, else one."""


class ExternalGround:
    """The connection of one node to servers that are not its own.

    Several clusters may share the servers: each has its own subjects and its own stream.

    Args:
        connection: where they are, and as whom.
    """

    quorum_place: Place = "jetstream"
    starts_with_quorum = True
    manages_servers = False

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._messenger: Messenger | None = None
        self._cluster_uid = ""

    @property
    def route(self) -> str:
        """A node has no server of its own here."""
        return ""

    @property
    def messenger(self) -> Messenger:
        """The connection of the membership service."""
        assert self._messenger is not None, "the ground was not entered"
        return self._messenger

    def connection(self) -> NatsConnection:
        """Return how others of this process connect."""
        return self._connection

    async def enter(self, identity: NodeIdentity, routes: Sequence[str]) -> NodeIdentity:
        """Connect."""
        if self._messenger is None:
            await ExternalNats(self._connection).connection()  # they answer, let us in, and are not too old
            self._messenger = Messenger(await NatsBus.connect(self._connection, name=f"{identity.name}-cluster"))
        self._cluster_uid = identity.cluster_uid
        return identity

    async def run_server(self, identity: NodeIdentity, server: OwnServer) -> tuple[NodeIdentity, str]:
        """Refuse: nobody's servers are run here."""
        raise UnstableError(f"server {server.name} is not this node's to run")

    async def restart_server(self, name: str) -> None:
        """Nothing gets stuck here."""

    async def drop_servers(self, keep: Sequence[str]) -> None:
        """There are none."""

    def quorum_store(self, identity: NodeIdentity) -> QuorumStore:
        """Return the stream of the cluster."""
        return JetStreamConsensusStore(
            self.messenger,
            stream=f"af_{identity.cluster_uid[:16]}",
            prefix=f"af.{identity.cluster_uid[:16]}.store",
        )

    async def observe(self) -> Observation:
        """Ask for the stream's copies."""
        store = self.quorum_store(NodeIdentity("", "", cluster_uid=self._cluster_uid))
        info = await store.info()  # type: ignore[attr-defined]
        return Observation(info.group, info.group, info.replicas, info.leader)

    async def found(self, identity: NodeIdentity) -> QuorumStore:
        """Make the stream of a new cluster, with as many copies as the servers can have.

        Raises:
            JetStreamMissingError: the servers have no JetStream.
        """
        store = self.quorum_store(identity)
        failure: FrameworkError | None = None
        for replicas in REPLICAS:
            try:
                await store.create_stream(replicas, 1)
            except (UnstableError, NoQuorumError) as error:
                failure = error
            else:
                return store
        raise JetStreamMissingError(self._connection.servers) from failure

    async def scale(self, replicas: int) -> None:
        """Leave the copies to whoever runs the servers."""

    async def evacuate(self, server: str) -> None:
        """Leave the servers alone."""

    async def remove(self, server: str) -> None:
        """Leave the servers alone."""

    async def reaches(self, route: str) -> bool:
        """Nothing can be told of a node but its pulse."""
        return await asyncio.sleep(0, result=False)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Nothing ends by itself here."""

    async def close(self) -> None:
        """Close the connection."""
        if self._messenger is not None:
            await self._messenger.close()
            self._messenger = None
