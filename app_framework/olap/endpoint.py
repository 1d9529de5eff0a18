"""What cubes keep, for ``/actuator/aggregates``."""

from __future__ import annotations

from app_framework.boot import Endpoint, EndpointRequest, EndpointResponse
from app_framework.boot.actuator.endpoint import UnknownNameError
from app_framework.olap.cube import Cube
from app_framework.olap.manager import Manager


class AggregatesEndpoint(Endpoint):
    """Shows the aggregates of each cube: rows, version, how often they were read, and what they were chosen for."""

    id = "aggregates"
    selectors = "cube"

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with all cubes of this node, or with one."""
        cubes = {name: cube for name, cube in self._manager.cubes.items() if isinstance(cube, Cube)}
        if request.selector is None:
            return EndpointResponse({"cubes": {name: cube.aggregates.describe() for name, cube in cubes.items()}})
        if request.selector not in cubes:
            raise UnknownNameError("cube", request.selector, cubes)
        return EndpointResponse(cubes[request.selector].aggregates.describe())
