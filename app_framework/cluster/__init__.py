"""Who is in the cluster, who leads, and where decisions live.

from app_framework.cluster import ClusterService

async def show(cluster: ClusterService) -> None:
    print(cluster.view().state, cluster.view().term)
"""

from __future__ import annotations

from app_framework.cluster.errors import (
    ClusterDataError,
    ConflictError,
    EntryExistsError,
    NodeRefusedError,
    NoQuorumError,
    NotLeaderError,
    UnknownNodeError,
    UnreachableNodeError,
)
from app_framework.cluster.service import ClusterService
from app_framework.cluster.store import Change, ConsensusStore, Entry
from app_framework.cluster.view import ClusterView, Decision, NodeDocument

__all__ = [
    "Change",
    "ClusterDataError",
    "ClusterService",
    "ClusterView",
    "ConflictError",
    "ConsensusStore",
    "Decision",
    "Entry",
    "EntryExistsError",
    "NoQuorumError",
    "NodeDocument",
    "NodeRefusedError",
    "NotLeaderError",
    "UnknownNodeError",
    "UnreachableNodeError",
]
