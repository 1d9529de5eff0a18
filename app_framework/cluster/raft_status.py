"""What `GET /raft/rpc/status` shows: term, leader, state, and how far the log is (J5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app_framework.cluster.registry import Registry
from app_framework.cluster.view import ClusterView


def raft_status(view: ClusterView, registry: Registry | None) -> Mapping[str, Any]:
    """Return the status of a node."""
    servers = registry.servers if registry is not None else ()
    return {
        "nodeId": view.node_id,
        "state": view.state,
        "term": view.term,
        "leaderId": view.leader_id,
        "leaderUrl": view.leader_url,
        "epoch": view.epoch,
        "place": view.place,
        "tolerates": view.tolerates,
        "log": {"revision": view.revision, "leaderRevision": view.leader_revision, "lag": view.lag},
        "servers": [
            {"name": each.name, "node": each.node, "kind": each.kind, "here": each.node == view.node_id}
            for each in servers
        ],
        "nodes": [node.as_json() for node in view.nodes],
    }
