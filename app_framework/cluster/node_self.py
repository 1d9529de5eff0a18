"""What a node is, for whoever works for it."""

from __future__ import annotations

import secrets

from app_framework.cluster.identity import NodeFolder, NodeIdentity
from app_framework.cluster.local_store import LocalConsensusStore
from app_framework.cluster.view import NodeType


class NodeSelf:
    """What this node is, for whoever works for it.

    Args:
        folder: where it keeps that.
        identity: what it kept.
        wants: voter, watcher or witness.

    Attributes:
        url: where it is reached over HTTP; empty until the server listens.
        nonce: of this process.
        local: its own SQLite.
    """

    def __init__(self, folder: NodeFolder, identity: NodeIdentity, wants: NodeType, local: LocalConsensusStore) -> None:
        self.folder = folder
        self.identity = identity
        self.wants: NodeType = wants
        self.local = local
        self.url = ""
        self.nonce = secrets.token_hex(8)

    @classmethod
    def opened(cls, folder: NodeFolder, name: str | None, default_name: str, wants: NodeType) -> NodeSelf:
        """Return who lives in a folder, with its store; the folder is free again when that fails.

        Raises:
            ClusterDataError: the folder is another node's, or damaged.
        """
        try:
            return cls(folder, folder.identity(name, default_name), wants, LocalConsensusStore(folder.store_path))
        except BaseException:
            folder.close()
            raise

    def remember(self, identity: NodeIdentity) -> None:
        """Keep who the node is, durably."""
        if identity != self.identity:
            self.identity = self.folder.remember(identity)
