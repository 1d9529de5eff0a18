"""What one node knows of its cluster, as everybody is shown it: `GET /api/cluster`, the shell, the Studio, the client.

>>> node = NodeDocument("node1", "http://127.0.0.1:8080", "LEADER", "ACTIVE", "A", "voter", 1)
>>> node.as_json()["role"]
'LEADER'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NodeRole = Literal["LEADER", "FOLLOWER", "CANDIDATE"]
NodeStatus = Literal["ACTIVE", "INACTIVE"]
NodeType = Literal["voter", "watcher", "witness"]
NodeState = Literal["LEADER", "FOLLOWER", "CANDIDATE", "PASSIVE"]

NODE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
"""What a node may be called: its name stands in subjects, file names and URLs."""

COLLECTION = "_system._clusternodes"
"""The collection of the membership documents (J11)."""

UNTAGGED = "?"
"""The tag of a node before the first operation of its cluster (R15)."""


@dataclass(frozen=True, slots=True)
class NodeDocument:
    """One member, as the collection `_system._clusternodes` has it (J12).

    Args:
        id: the node's name, which it keeps for life.
        url: where it is reached over HTTP.
        role: LEADER for one of them, FOLLOWER or CANDIDATE for the others.
        status: ACTIVE, or INACTIVE while it is stopped or does not answer.
        tag: A, B, C …; ``?`` before the first operation of the cluster.
        type: whether it votes now: voter, watcher or witness.
        epoch: the routing epoch in which it last changed.
    """

    id: str
    url: str
    role: NodeRole
    status: NodeStatus
    tag: str
    type: NodeType
    epoch: int

    def as_json(self) -> dict[str, object]:
        """Return the document as it is sent."""
        return {
            "_id": self.id,
            "url": self.url,
            "role": self.role,
            "status": self.status,
            "tag": self.tag,
            "type": self.type,
            "epoch": self.epoch,
        }


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The cluster as one node sees it.

    Args:
        enabled: False on a node without a cluster.
        cluster_id: the cluster's name.
        node_id: this node.
        state: what this node is: LEADER, FOLLOWER, CANDIDATE while it looks for a leader, PASSIVE when it is no member.
        leader_id: the leader where one is known.
        leader_url: its URL.
        term: grows with every leader; 0 before the first.
        epoch: grows with every change of the members, their URLs and states; every data message carries it.
        tolerates: how many more voting nodes may die before the cluster cannot decide any more.
        nodes: the members in the order of their tags.
        place: where decisions live now: ``sqlite`` or ``jetstream``, or ``memory`` in tests.
        revision: the newest write of the store that this node has seen.
        leader_revision: the newest that the leader has told of.
        elections: how many changes of the leader this node has seen.
        reason: why this node is no member, or does not lead though it may, where more is known; for people.
    """

    enabled: bool
    cluster_id: str
    node_id: str
    state: NodeState
    leader_id: str | None
    leader_url: str | None
    term: int
    epoch: int
    tolerates: int
    nodes: tuple[NodeDocument, ...]
    place: str = "sqlite"
    revision: int = 0
    leader_revision: int = 0
    elections: int = 0
    reason: str = ""

    @property
    def lag(self) -> int:
        """How many writes the leader is ahead of this node, as far as it told."""
        return max(0, self.leader_revision - self.revision)

    @property
    def has_quorum(self) -> bool:
        """Whether the cluster can decide as far as this node knows: it has a leader."""
        return self.leader_id is not None

    def as_json(self) -> dict[str, object]:
        """Return the body of `GET /api/cluster`."""
        return {
            "enabled": self.enabled,
            "clusterId": self.cluster_id,
            "nodeId": self.node_id,
            "state": self.state,
            "leaderId": self.leader_id,
            "leaderUrl": self.leader_url,
            "term": self.term,
            "epoch": self.epoch,
            "tolerates": self.tolerates,
            "place": self.place,
            "nodes": [node.as_json() for node in self.nodes],
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing that the leader decided, with the reason for people.

    Args:
        time: when, in ISO 8601 with a zone.
        term: of the leader that decided.
        node: that leader.
        command: ``cluster_register``, ``cluster_update_node``, ``promote``, ``move_store`` ….
        subject: the node or server that it is about.
        reason: a sentence.
    """

    time: str
    term: int
    node: str
    command: str
    subject: str
    reason: str

    def as_json(self) -> dict[str, object]:
        """Return the decision as it is sent."""
        return {
            "time": self.time,
            "term": self.term,
            "node": self.node,
            "command": self.command,
            "subject": self.subject,
            "reason": self.reason,
        }
