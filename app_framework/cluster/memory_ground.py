"""A cluster in the memory of one process: for tests, and for several nodes that live together.

It behaves as servers would: a node that cannot see the majority of the voters cannot write, a copy is current as soon
as its node is there, and what a node sends to another goes through the network's faults.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from app_framework.cluster.errors import NoQuorumError
from app_framework.cluster.ground import QuorumStore
from app_framework.cluster.identity import NodeIdentity, OwnServer, Place
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.store import Change, Entry
from app_framework.cluster.voters import Observation
from app_framework.messaging.memory import MemoryNetwork
from app_framework.messaging.messenger import Messenger

WATCH_RETRY_S = 0.05


@dataclass
class MemoryQuorum:
    """The voters' group of one cluster, as its servers would keep it.

    Args:
        store: what they agree on.
        servers: the name of each server to the node that runs it.
        up: those that run.
        group: those that have a copy.
        replicas: how many copies there should be.
    """

    store: LocalConsensusStore = field(default_factory=lambda: LocalConsensusStore(None))
    servers: dict[str, str] = field(default_factory=dict)
    up: set[str] = field(default_factory=set)
    group: list[str] = field(default_factory=list)
    replicas: int = 0
    created: bool = False

    def fill(self) -> None:
        """Give copies to servers that run until there are enough."""
        for name in sorted(self.servers):
            if len(self.group) < self.replicas and name in self.up and name not in self.group:
                self.group.append(name)


class MemoryHub:
    """What the nodes of one process share: the network, and the voters' groups of their clusters.

    Args:
        network: what carries their messages.
    """

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network
        self.quorums: dict[str, MemoryQuorum] = {}

    def quorum(self, cluster_uid: str) -> MemoryQuorum:
        """Return the group of a cluster."""
        return self.quorums.setdefault(cluster_uid, MemoryQuorum())


class MemoryGround:
    """What carries a cluster on one node of a process.

    Args:
        hub: what the nodes share.
        node: this node's end of the links.
    """

    quorum_place: Place = "memory"
    starts_with_quorum = False
    manages_servers = True

    def __init__(self, hub: MemoryHub, node: str) -> None:
        self._hub = hub
        self._node = node
        self._messenger: Messenger | None = None
        self._cluster = ""
        self._own: set[str] = set()

    @property
    def route(self) -> str:
        """The node's end of the links."""
        return self._node

    @property
    def messenger(self) -> Messenger:
        """The connection of the membership service."""
        assert self._messenger is not None, "the ground was not entered"
        return self._messenger

    async def enter(self, identity: NodeIdentity, routes: Sequence[str]) -> NodeIdentity:
        """Connect to the network."""
        if self._messenger is None:
            self._messenger = Messenger(self._hub.network.bus(self._node))
        self._cluster = identity.cluster_uid
        return identity

    async def run_server(self, identity: NodeIdentity, server: OwnServer) -> tuple[NodeIdentity, str]:
        """Add a server to the group."""
        quorum = self._hub.quorum(self._cluster)
        quorum.servers[server.name] = self._node
        quorum.up.add(server.name)
        self._own.add(server.name)
        return identity, f"{self._node}/{server.name}"

    async def restart_server(self, name: str) -> None:
        """Nothing gets stuck here."""

    async def drop_servers(self, keep: Sequence[str]) -> None:
        """Stop servers of this node."""
        for name in self._own - set(keep):
            self._hub.quorum(self._cluster).up.discard(name)
            self._own.discard(name)

    def quorum_store(self, identity: NodeIdentity) -> QuorumStore:
        """Return the voters' store as this node reaches it."""
        return _QuorumDoor(self._hub.quorum(identity.cluster_uid), self._check)

    async def found(self, identity: NodeIdentity) -> QuorumStore:
        """Return the voters' store; a cluster is founded on SQLite here."""
        return self.quorum_store(identity)

    async def observe(self) -> Observation:
        """Look at the group from here."""
        self._check()
        quorum = self._hub.quorum(self._cluster)
        quorum.fill()
        return Observation(
            {name: self._sees(name) for name in quorum.servers},
            {name: self._sees(name) for name in quorum.group},
            quorum.replicas,
        )

    async def scale(self, replicas: int) -> None:
        """Change the number of copies."""
        quorum = self._hub.quorum(self._cluster)
        quorum.replicas = replicas
        del quorum.group[replicas:]
        quorum.fill()

    async def evacuate(self, server: str) -> None:
        """Move a copy to another server that runs."""
        quorum = self._hub.quorum(self._cluster)
        others = [name for name in sorted(quorum.up) if name not in quorum.group and name != server]
        if server in quorum.group and others:
            quorum.group[quorum.group.index(server)] = others[0]

    async def remove(self, server: str) -> None:
        """Take a server out of the group."""
        quorum = self._hub.quorum(self._cluster)
        quorum.servers.pop(server, None)
        quorum.up.discard(server)
        if server in quorum.group:
            quorum.group.remove(server)

    async def reaches(self, route: str) -> bool:
        """Whether the link to a node works."""
        return self._hub.network.reaches(self._node, route)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Nothing ends by itself here."""

    async def close(self) -> None:
        """Stop the servers and leave the network."""
        await self.drop_servers(())
        if self._messenger is not None:
            await self._messenger.close()
            self._messenger = None

    def _sees(self, server: str) -> bool:
        quorum = self._hub.quorum(self._cluster)
        node = quorum.servers.get(server)
        if node is None or server not in quorum.up:
            return False
        return node == self._node or self._hub.network.reaches(self._node, node)

    def _check(self) -> None:
        """Let nothing be decided where the majority of the copies cannot be seen."""
        quorum = self._hub.quorum(self._cluster)
        seen = sum(self._sees(name) for name in quorum.group)
        if seen < max(len(quorum.group), quorum.replicas) // 2 + 1:
            raise NoQuorumError(f"{seen} of {len(quorum.group)} voting servers can be reached")


class _QuorumDoor:
    """The voters' store through the eyes of one node: nothing is decided while it does not see their majority."""

    def __init__(self, quorum: MemoryQuorum, check: Callable[[], None]) -> None:
        self._quorum = quorum
        self._check = check
        self._closed = False

    async def create_stream(self, replicas: int, first_revision: int) -> None:
        """Make the store."""
        if not self._quorum.created:
            self._quorum.store = LocalConsensusStore(None, first_revision=first_revision)
            self._quorum.replicas = replicas
            self._quorum.created = True
            self._quorum.fill()
        self._check()

    async def get(self, key: str) -> Entry | None:
        """See `ConsensusStore`."""
        return await self._store().get(key)

    async def create(self, key: str, value: bytes, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._store().create(key, value, op_id=op_id)

    async def update(self, key: str, value: bytes, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._store().update(key, value, revision, op_id=op_id)

    async def delete(self, key: str, revision: int, *, op_id: str = "") -> int:
        """See `ConsensusStore`."""
        return await self._store().delete(key, revision, op_id=op_id)

    async def entries(self, prefix: str = "") -> tuple[Entry, ...]:
        """See `ConsensusStore`."""
        return await self._store().entries(prefix)

    async def watch(self, prefix: str = "", *, after: int = 0) -> AsyncIterator[Change]:
        """See `ConsensusStore`; what happens behind a split is told when it has healed."""
        async with contextlib.aclosing(self._quorum.store.watch(prefix, after=after)) as changes:
            async for change in changes:
                while not self._closed and not self._sees_majority():  # noqa: ASYNC110 (a split tells nobody that it heals)
                    await asyncio.sleep(WATCH_RETRY_S)
                yield change

    async def barrier(self) -> int:
        """See `ConsensusStore`."""
        return await self._store().barrier()

    async def read(self, keys: Sequence[str]) -> tuple[Entry | None, ...]:
        """See `ConsensusStore`."""
        return await self._store().read(keys)

    async def close(self) -> None:
        """Look no more; the store is everybody's."""
        self._closed = True

    def _store(self) -> LocalConsensusStore:
        self._check()
        return self._quorum.store

    def _sees_majority(self) -> bool:
        try:
            self._check()
        except NoQuorumError:
            return False
        return True
