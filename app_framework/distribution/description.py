"""What a query cube tells about itself: the document of ``GET /cubes/{cube}``, with its applications and nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app_framework.distribution.query_cube import DataNode
    from app_framework.distribution.topology import Topology
    from app_framework.distribution.world import World

KIND = "query cube"


def describe(world: World, topology: Topology, nodes: Iterable[DataNode]) -> dict[str, object]:
    """Return what can be asked and who answers; of what is concealed nothing.

    Args:
        world: what can be asked.
        topology: the data cubes that were let in.
        nodes: what is known of each data cube, those that are not let in or have not been heard of included.
    """
    listed = list(nodes)
    return {
        **world.discovery(),
        "kind": KIND,
        "data_overlap": topology.gate.data_overlap,
        "branches": sorted(topology.branches),
        "applications": [
            {
                "name": name,
                "distributing_levels": _levels(topology, name),
                "hierarchies": len(outline.hierarchies) if (outline := topology.outlines.get(name)) else 0,
                "measures": len(outline.measures) if outline else 0,
                "data_cubes": [_data_cube(node) for node in listed if node.application == name],
            }
            for name in topology.gate.applications
        ],
    }


def _levels(topology: Topology, application: str) -> list[str]:
    """Return the full names of distributing levels, or as they are written while nobody says what they mean."""
    known = topology.applications.get(application)
    return list(known.levels if known else topology.gate.applications[application])


def _data_cube(node: DataNode) -> Mapping[str, object]:
    return {
        "node": node.node,
        "cube": node.cube,
        "state": node.state,
        "required": node.required,
        "version": node.version,
        "members": dict(node.members) if node.members is not None else None,
        "refused": node.refused,
    }
