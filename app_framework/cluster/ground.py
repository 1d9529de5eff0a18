"""What carries a cluster on one node: the servers that it runs, its connection, the store of the voters.

There are three: children of the node (`EmbeddedGround`), servers that somebody else runs (`ExternalGround`), and the
memory of one process (`MemoryGround`). Whoever stands on them cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from app_framework.cluster.store import ConsensusStore

if TYPE_CHECKING:
    from app_framework.cluster.identity import NodeIdentity, OwnServer, Place
    from app_framework.cluster.voters import Observation
    from app_framework.messaging.messenger import Messenger


class QuorumStore(ConsensusStore, Protocol):
    """A store that a group of voting servers keeps."""

    async def create_stream(self, replicas: int, first_revision: int) -> None:
        """Make it, so that its first write has this revision; nothing happens when it is there."""


class Ground(Protocol):
    """What carries a cluster on one node.

    Attributes:
        quorum_place: where decisions live once voters are there.
        starts_with_quorum: whether they live there from the founding on.
        manages_servers: whether the voting servers are the nodes' own.
    """

    quorum_place: Place
    starts_with_quorum: bool
    manages_servers: bool

    @property
    def route(self) -> str:
        """``host:port`` where other nodes' servers reach this node's; empty where there is none."""

    @property
    def messenger(self) -> Messenger:
        """The connection of the membership service."""

    async def enter(self, identity: NodeIdentity, routes: Sequence[str]) -> NodeIdentity:
        """Carry the messages of the identity's cluster from now on, and return the identity with the ports taken.

        Args:
            identity: who the node is, and in which cluster.
            routes: ``host:port`` of the other members' servers.
        """

    async def run_server(self, identity: NodeIdentity, server: OwnServer) -> tuple[NodeIdentity, str]:
        """Run a voting server, unless it runs; returns the identity with its ports, and its route."""

    async def restart_server(self, name: str) -> None:
        """Stop a voting server of this node and start it again; its store stays.

        Raises:
            UnstableError: the disk is too full for it.
        """

    async def drop_servers(self, keep: Sequence[str]) -> None:
        """Stop every voting server but these, and delete the folders of those that do not run."""

    def quorum_store(self, identity: NodeIdentity) -> QuorumStore:
        """Return the store of the voters."""

    async def found(self, identity: NodeIdentity) -> QuorumStore:
        """Make the voters' store of a new cluster, where decisions live there from the founding on."""

    async def observe(self) -> Observation:
        """Return what the voting servers say of themselves.

        Raises:
            NoQuorumError: they do not answer.
        """

    async def scale(self, replicas: int) -> None:
        """Give the voters' store another number of copies.

        Raises:
            UnstableError: the servers are not ready for it; ask again.
        """

    async def evacuate(self, server: str) -> None:
        """Move the store's copy away from a server."""

    async def remove(self, server: str) -> None:
        """Take a server out of the voters' group for good."""

    async def reaches(self, route: str) -> bool:
        """Whether a node's server answers at its route."""

    def listen(self, listener: Callable[[str], None]) -> None:
        """Tell when a server of this node has ended by itself, by its name."""

    async def close(self) -> None:
        """Stop the servers and close the connection."""
