"""What query nodes have to hear yet: a test goes on when nothing of it is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app_framework.distribution.query_cube import DataNode as KnownNode
    from app_framework.messaging.memory import MemoryNetwork
    from app_framework.testing.distribution_nodes import DataNode, QueryNode


def unheard(queries: Iterable[QueryNode], data: Iterable[DataNode], network: MemoryNetwork) -> Iterator[str]:
    """Yield what somebody has to hear yet and can, in sentences."""
    listed = tuple(data)
    for query in queries:
        if not query.alive or query.state != "started":
            continue
        known = {(each.node, each.cube): each for each in query.distributed.nodes}
        for node in listed:
            if _meet(query, node, network):
                yield from _of(query, node, known.get((node.name, node.cube_name)))


def refusals(queries: Iterable[QueryNode], node: DataNode) -> Iterator[str]:
    """Yield why query nodes do not let a data node in."""
    for query in queries:
        if query.alive:
            for known in query.distributed.nodes:
                if (known.node, known.cube) == (node.name, node.cube_name) and known.refused:
                    yield known.refused


def _meet(query: QueryNode, node: DataNode, network: MemoryNetwork) -> bool:
    return (
        node.alive
        and network.reaches(query.name, node.name)
        and network.reaches(node.name, query.name)
        and node.setting.cluster == query.setting.cluster
        and node.application in query.setting.applications
    )


def _of(query: QueryNode, node: DataNode, known: KnownNode | None) -> Iterator[str]:
    if node.state == "stopped":
        if known is not None and (known.required or known.state == "active"):
            yield f"{query.name} counts on {node.name}, which stopped"
    elif known is None:
        yield f"{query.name} has not heard of {node.name}"
    elif known.state != "refused" and (known.state != "active" or (known.version or 0) < node.version):
        yield f"{query.name} sees {node.name} {known.state} at version {known.version} of {node.version}"
