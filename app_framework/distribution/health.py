"""What distributed cubes say of themselves: ``/actuator/health`` and ``/actuator/distribution``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from app_framework.boot import Endpoint, EndpointRequest, EndpointResponse, Health, HealthIndicator

if TYPE_CHECKING:
    from app_framework.distribution.data_cube import DataCube
    from app_framework.distribution.distribution import Distribution
    from app_framework.distribution.query_cube import DataNode, QueryCube


class DistributionHealth(HealthIndicator):
    """UP while every data cube that a query cube of this node needs is active.

    UNKNOWN while one is not, or nothing can be decided: a restart would not mend it, and other questions are answered.
    OUT_OF_SERVICE when a query cube was told to stop. DOWN when a cube of this node cannot take part as it is declared.
    A data cube that was not let in, or was told to stop, is told and changes nothing.

    Args:
        distribution: the cubes of the node.
    """

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution

    def health(self) -> Health:
        """Say who takes part, who is needed, and who is missing."""
        distribution = self._distribution
        details: dict[str, object] = {
            "dataCubes": {name: _data_cube(cube) for name, cube in distribution.data_cubes.items()},
            "queryCubes": {name: _counts(cube) for name, cube in distribution.query_cubes.items()},
        }
        troubles = [f"{name}: {reason}" for name, reason in sorted(distribution.troubles.items())]
        if distribution.troubles.keys() - distribution.waiting:
            return Health.down("; ".join(troubles), **details)
        if troubles:
            return Health.unknown(reason="; ".join(troubles), **details)
        stopped = sorted(name for name, cube in distribution.query_cubes.items() if cube.state == "stopped")
        if stopped:
            return Health.out_of_service(reason=f"stopped: {', '.join(stopped)}", **details)
        missing = sorted({node for cube in distribution.query_cubes.values() for node in _missing(cube)})
        if missing:
            return Health.unknown(reason=f"not heard of: {', '.join(missing)}", **details)
        return Health.up(**details)


class DistributionEndpoint(Endpoint):
    """Shows the data cubes and query cubes of this node, and what a query cube knows of each data cube."""

    id = "distribution"
    selectors = "cube"

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with all of them, or with one.

        Raises:
            NotDistributedError: it is neither.
        """
        if request.selector is not None:
            return EndpointResponse(self._distribution.describe(request.selector))
        return EndpointResponse({"cubes": {name: self._distribution.describe(name) for name in self._distribution}})


def _data_cube(cube: DataCube) -> dict[str, object]:
    return {"application": cube.application, "state": cube.state}


def _counts(cube: QueryCube) -> dict[str, object]:
    told: dict[str, object] = {
        "state": cube.state,
        "required": sum(node.required for node in cube.nodes),
        "active": sum(node.state == "active" for node in cube.nodes),
    }
    if missing := list(_missing(cube)):
        told["missing"] = missing
    if cube.problems:
        told["problems"] = list(cube.problems)
    if refused := {_name(node): node.refused for node in cube.nodes if node.refused}:
        told["refused"] = refused
    return told


def _missing(cube: QueryCube) -> Iterator[str]:
    """Yield who is needed and cannot be asked."""
    return (_name(node) for node in cube.nodes if node.required and node.state != "active")


def _name(node: DataNode) -> str:
    return f"{node.node}/{node.cube}"
