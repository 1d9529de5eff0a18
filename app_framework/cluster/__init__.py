"""Who is in the cluster, who leads, and where decisions live.

from app_framework.cluster import ClusterService

async def show(cluster: ClusterService) -> None:
    print(cluster.view().state, cluster.view().term)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
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

_HOME_OF: dict[str, str] = {
    "Change": "store",
    "ClusterDataError": "errors",
    "ClusterService": "service",
    "ClusterView": "view",
    "ConflictError": "errors",
    "ConsensusStore": "store",
    "Decision": "view",
    "Entry": "store",
    "EntryExistsError": "errors",
    "NoQuorumError": "errors",
    "NodeDocument": "view",
    "NodeRefusedError": "errors",
    "NotLeaderError": "errors",
    "UnknownNodeError": "errors",
    "UnreachableNodeError": "errors",
}
"""Where each name lives; a module is loaded when one of its names is first asked for."""

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
