"""Cubes over several nodes: data cubes hold rows, query cubes hold none and answer for all of them.

world = World.of("world", {"app": outline_of(cube.model, Concealment(measures=["cost"]))})
plan_query(world.model, CubeQuery(measures=["revenue"], levels=["region"]))

A query cube has a world: a model without rows, made of what its data cubes publish. A question is planned on it, the
cells of the plan are asked of the data cubes that can contribute, and everything else is computed from those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
    from app_framework.distribution.concealment import Concealment
    from app_framework.distribution.contribution import Contribution, DataCubeId
    from app_framework.distribution.data_cube import DataCube
    from app_framework.distribution.definition import DataCubeDefinition, QueryCubeDefinition
    from app_framework.distribution.distribution import Distribution
    from app_framework.distribution.errors import DataNodeUnavailableError, NotDistributedError
    from app_framework.distribution.limits import DistributionLimits
    from app_framework.distribution.masks import MaskReport
    from app_framework.distribution.outline import Outline
    from app_framework.distribution.outlining import outline_of
    from app_framework.distribution.query_cube import DataNode, QueryCube
    from app_framework.distribution.refusals import Refusal
    from app_framework.distribution.topology import Topology
    from app_framework.distribution.world import World

__all__ = [
    "Concealment",
    "Contribution",
    "DataCube",
    "DataCubeDefinition",
    "DataCubeId",
    "DataNode",
    "DataNodeUnavailableError",
    "Distribution",
    "DistributionLimits",
    "MaskReport",
    "NotDistributedError",
    "Outline",
    "QueryCube",
    "QueryCubeDefinition",
    "Refusal",
    "Topology",
    "World",
    "outline_of",
]

_HOME_OF: dict[str, str] = {
    "Concealment": "concealment",
    "Contribution": "contribution",
    "DataCube": "data_cube",
    "DataCubeDefinition": "definition",
    "DataCubeId": "contribution",
    "DataNode": "query_cube",
    "DataNodeUnavailableError": "errors",
    "Distribution": "distribution",
    "DistributionLimits": "limits",
    "MaskReport": "masks",
    "NotDistributedError": "errors",
    "Outline": "outline",
    "QueryCube": "query_cube",
    "QueryCubeDefinition": "definition",
    "Refusal": "refusals",
    "Topology": "topology",
    "World": "world",
    "outline_of": "outlining",
}
"""Where each name lives; a module is loaded when one of its names is first asked for."""

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
