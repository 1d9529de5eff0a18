"""What commands say about a cluster: its members as a table, how it is, and the exit code for that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app_framework.cli.output import Tone, table, toned

View = Mapping[str, Any]
Node = Mapping[str, Any]

HEALTHY, DEGRADED, NO_QUORUM = 0, 1, 2

_HEADS = ("NODE", "URL", "ROLE", "STATUS", "TAG", "TYPE")
_TONES: Mapping[str, Tone] = {"healthy": "green", "degraded": "yellow", "no-quorum": "red", "none": "yellow"}


def status_lines(view: View) -> Iterator[str]:
    """Yield what a person reads about a cluster."""
    health = str(view.get("health", ""))
    yield f"{toned(health, _TONES.get(health, 'yellow'))}: {view.get('summary', '')}"
    if not view.get("enabled"):
        return
    if not view.get("nodes"):
        return
    leader = f"{view['leaderId']} at {view['leaderUrl']}" if view.get("leaderId") else "none"
    yield f"cluster {view['clusterId']} · asked {view['nodeId']} ({view['state']}) · leader {leader}"
    yield f"term {view['term']} · epoch {view['epoch']} · tolerates {view['tolerates']} · decisions in {view['place']}"
    yield ""
    yield nodes_table(view["nodes"])


def nodes_table(nodes: Sequence[Node]) -> str:
    """Return the members, one line for each.

    >>> print(nodes_table([{"_id": "n1", "url": "http://a:1", "role": "LEADER", "status": "ACTIVE", "tag": "A",
    ...                     "type": "voter"}]))
    NODE  URL         ROLE    STATUS  TAG  TYPE
    n1    http://a:1  LEADER  ACTIVE  A    voter
    """
    keys = ("_id", "url", "role", "status", "tag", "type")
    return table(_HEADS, [[str(node.get(key, "")) for key in keys] for node in nodes])


def node_line(node: Node) -> str:
    """Return one member in a line."""
    facts = [f"tag {node['tag']}", str(node["type"]), str(node["role"]), str(node["status"])]
    return f"{node['_id']} {node['url']} · {' · '.join(facts)}"


def health_code(view: View) -> int:
    """Return the exit code of `af cluster status`: 0 healthy, 1 degraded, 2 no quorum.

    >>> health_code({"health": "no-quorum"})
    2
    """
    return {"healthy": HEALTHY, "no-quorum": NO_QUORUM}.get(str(view.get("health")), DEGRADED)
