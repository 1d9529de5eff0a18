"""What the cubes say of themselves: ``/actuator/health`` and ``/actuator/aggregates``."""

from __future__ import annotations

from app_framework.boot import Endpoint, EndpointRequest, EndpointResponse, Health, HealthIndicator
from app_framework.olap.cube import Cube
from app_framework.olap.manager import Manager


class CubesHealth(HealthIndicator):
    """UP with the names of the cubes: a cube that could not be built would have kept the node from starting."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    async def health(self) -> Health:
        """Say which cubes there are."""
        return Health.up(manager=self._manager.name, cubes=sorted(self._manager.cubes))


class AggregatesEndpoint(Endpoint):
    """Shows what each cube keeps: how many groups, of which version, how often read, and by which advice."""

    id = "aggregates"
    selectors = "cube"

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with all cubes of this node, or with one.

        Raises:
            UnknownCubeError: there is no such cube.
        """
        if request.selector is not None:
            return EndpointResponse(_shown(self._manager.cube(request.selector)))
        return EndpointResponse({"cubes": {name: _shown(cube) for name, cube in self._manager.cubes.items()}})


def _shown(cube: object) -> dict[str, object]:
    if not isinstance(cube, Cube):
        return {}
    flat = {"facts": cube.flat.describe()} if cube.model.keeping.flat else {}
    return {**cube.aggregates.describe(), "tiles": cube.tiles.describe(), **flat}
