"""How a cluster is, in one word for scripts and one sentence for people; every door says the same.

>>> verdict(alone("node1")).summary
'node1 is the whole cluster: it decides alone.'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app_framework.cluster.view import ClusterView, NodeDocument

Level = Literal["healthy", "degraded", "no-quorum", "none"]

NAMES_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a cluster is.

    Args:
        level: healthy; degraded when something is missing and decisions are still made; no-quorum when none can be
            made; none where there is no cluster.
        summary: the sentence.
    """

    level: Level
    summary: str

    def as_json(self) -> dict[str, object]:
        """Return what the answers of the doors add to a view."""
        return {"health": self.level, "summary": self.summary}


def verdict(view: ClusterView) -> Verdict:
    """Return how the cluster of a view is, as far as the node knows."""
    if not view.enabled:
        return Verdict("none", f"{view.node_id} runs without a cluster.")
    if view.state == "PASSIVE":
        why = f": {view.reason}" if view.reason else ""
        return Verdict(
            "degraded",
            f"{view.node_id} is no member of a cluster{why}. Register its URL at one of the members to let it in.",
        )
    missing = [node.id for node in view.nodes if node.status != "ACTIVE"]
    if not view.has_quorum:
        return Verdict("no-quorum", _without_leader(missing, view.reason))
    if missing:
        return Verdict("degraded", f"{_are(missing, 'not active')}. {_leads(view)} {_tolerates(view)}")
    if len(view.nodes) == 1:
        return Verdict("healthy", f"{view.leader_id} is the whole cluster: it decides alone.")
    everyone = "Both nodes" if len(view.nodes) == 2 else f"All {len(view.nodes)} nodes"
    return Verdict("healthy", f"{everyone} are active. {_leads(view)} {_tolerates(view)}")


def describe_cluster(view: ClusterView) -> dict[str, object]:
    """Return a view as the doors show it: with how it is, and how far behind the leader this node is."""
    return {**view.as_json(), **verdict(view).as_json(), "lag": view.lag, "elections": view.elections}


def alone(node: str) -> ClusterView:
    """Return the view of a node that has just founded its cluster."""
    document = NodeDocument(node, "http://127.0.0.1:8080", "LEADER", "ACTIVE", "A", "voter", 1)
    return ClusterView(
        enabled=True,
        cluster_id="Cluster",
        node_id=node,
        state="LEADER",
        leader_id=node,
        leader_url=document.url,
        term=1,
        epoch=1,
        tolerates=0,
        nodes=(document,),
    )


def _without_leader(missing: Sequence[str], reason: str) -> str:
    seen = f" {_are(missing, 'not active')}." if missing else ""
    if reason:
        return (
            f"This node should lead and cannot, so nothing can be decided and changes answer NO_QUORUM: {reason}. "
            "It goes on by itself after that."
        )
    return (
        f"No node leads now, so nothing can be decided: no node joins or leaves, and changes answer NO_QUORUM.{seen} "
        "It goes on by itself when a majority of the voting nodes can be reached again."
    )


def _leads(view: ClusterView) -> str:
    return f"{view.leader_id} leads in term {view.term}."


def _tolerates(view: ClusterView) -> str:
    if view.tolerates == 0:
        return "The death of one more voting node would stop decisions."
    more = "one more voting node" if view.tolerates == 1 else f"{view.tolerates} more voting nodes"
    return f"It survives the death of {more}."


def _are(names: Sequence[str], what: str) -> str:
    """``node2 is not active``; many are counted."""
    if len(names) > NAMES_SHOWN_MAX:
        return f"{len(names)} nodes are {what}"
    if len(names) == 1:
        return f"{names[0]} is {what}"
    return f"{', '.join(names[:-1])} and {names[-1]} are {what}"
