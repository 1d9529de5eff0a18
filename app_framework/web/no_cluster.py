"""What a node without a cluster says about its cluster: that it has none, and how to get one.

>>> NoCluster("corner").view().state
'PASSIVE'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app_framework.cluster.service import ClusterService
from app_framework.cluster.view import ClusterView, Decision, NodeDocument
from app_framework.web.errors import NoClusterError


class NoCluster(ClusterService):
    """A `ClusterService` without members, so that its doors need not ask whether there is a cluster.

    Args:
        node: this node's name.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._view = ClusterView(
            enabled=False,
            cluster_id="",
            node_id=node,
            state="PASSIVE",
            leader_id=None,
            leader_url=None,
            term=0,
            epoch=0,
            tolerates=0,
            nodes=(),
            place="none",
        )

    def view(self) -> ClusterView:
        """Return a view without members."""
        return self._view

    def decisions(self) -> tuple[Decision, ...]:
        """Return nothing: nobody decides."""
        return ()

    def listen(self, listener: Callable[[ClusterView], None]) -> Callable[[], None]:
        """Never call back."""
        return lambda: None

    async def register(self, url: str, *, forward: bool = True) -> NodeDocument:
        """Refuse.

        Raises:
            NoClusterError: always.
        """
        raise NoClusterError(self._node)

    async def deregister(self, node: str, *, forward: bool = True) -> NodeDocument:
        """Refuse.

        Raises:
            NoClusterError: always.
        """
        raise NoClusterError(self._node)

    async def stop_node(self, node: str, *, forward: bool = True) -> NodeDocument:
        """Refuse.

        Raises:
            NoClusterError: always.
        """
        raise NoClusterError(self._node)

    async def peer_call(self, door: str, body: Mapping[str, Any], *, near: bool = True) -> Mapping[str, Any]:
        """Refuse.

        Raises:
            NoClusterError: always.
        """
        raise NoClusterError(self._node)

    def status(self) -> Mapping[str, Any]:
        """Return the same facts in the words of a node's status."""
        return {"enabled": False, "nodeId": self._node, "state": "PASSIVE", "term": 0, "leaderId": None}
