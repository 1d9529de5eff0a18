"""What the cluster adds to the node's health."""

from __future__ import annotations

from app_framework.boot import Health, HealthIndicator
from app_framework.cluster.node import ClusterNode


class ClusterHealth(HealthIndicator):
    """Health of the membership: UP while the node is ACTIVE and somebody leads.

    A node that cannot see a majority is UNKNOWN and not DOWN: a restart would not mend it, it serves what it can alone,
    and the reason says so.

    Args:
        node: this node.
    """

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    def health(self) -> Health:
        """Return the health now."""
        view = self._node.view()
        details = {
            "cluster": view.cluster_id,
            "state": view.state,
            "leader": view.leader_id or "",
            "term": view.term,
            "epoch": view.epoch,
            "tolerates": view.tolerates,
            "nodes": len(view.nodes),
            "active": sum(node.status == "ACTIVE" for node in view.nodes),
            "store": view.place,
            "lag": view.lag,
        }
        reason = self._node.ready_reason()
        if reason is None:
            return Health.up(**details)
        return Health.unknown(reason=reason, **details)

    def __repr__(self) -> str:
        return f"<ClusterHealth of {self._node!r}>"
