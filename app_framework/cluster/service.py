"""The face of the membership service: what doors may ask of it, whatever runs behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from app_framework.cluster.view import ClusterView, Decision, NodeDocument


class ClusterService(Protocol):
    """What a node knows and may ask of its cluster; every call may come from any thread's event loop."""

    def view(self) -> ClusterView:
        """Return what this node knows now; from memory, without waiting."""

    def decisions(self) -> tuple[Decision, ...]:
        """Return the last decisions of the leaders, the newest first."""

    def listen(self, listener: Callable[[ClusterView], None]) -> Callable[[], None]:
        """Call back on the listener's own loop with every new view; returns the function that ends it."""

    async def register(self, url: str, *, forward: bool = True) -> NodeDocument:
        """Make the node at a URL a member and return its document; a member already is returned as it is.

        Raises:
            UnreachableNodeError: nothing answers there.
            NodeRefusedError: it cannot become one.
            NotLeaderError: this node does not lead, and `forward` is off or no leader is known.
            NoQuorumError: no majority.
        """

    async def deregister(self, node: str, *, forward: bool = True) -> NodeDocument:
        """Remove a member, by URL or id, and return its last document.

        Raises:
            UnknownNodeError: there is no such member.
            NotLeaderError: as for `register`.
            NoQuorumError: no majority.
        """

    async def stop_node(self, node: str, *, forward: bool = True) -> NodeDocument:
        """Send a member, by URL or id, the signal to stop and mark it INACTIVE.

        Raises:
            UnknownNodeError: there is no such member.
            NotLeaderError: as for `register`.
            NoQuorumError: no majority.
        """

    async def peer_call(self, door: str, body: Mapping[str, Any], *, near: bool = True) -> Mapping[str, Any]:
        """Answer another node's call on `POST /api/cluster/peer/{door}`; a door of the nodes, not of users.

        Args:
            door: ``join``, ``invite`` or ``hello``.
            body: the call.
            near: whether it comes from this machine; without a secret nobody else is let in.

        Raises:
            UserError: the call is refused.
        """

    def status(self) -> Mapping[str, Any]:
        """Return what `GET /raft/rpc/status` shows: term, leader, state, log position, servers."""
