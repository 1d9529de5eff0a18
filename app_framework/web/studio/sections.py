"""The sections that the framework itself brings: cubes, the API, and the actuator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app_framework.boot import EndpointRegistry
from app_framework.web.cube_listing import widest_first
from app_framework.web.studio.section import CubePages, StudioItem, StudioSection

if TYPE_CHECKING:
    from app_framework.olap import Manager

_ENDPOINTS = {
    "health": "Whether this node and its parts work",
    "info": "Versions of the application and its surroundings",
    "beans": "Every component, where it is written, what it needs",
    "conditions": "Why each piece is on or off",
    "configprops": "Bound configuration, with the origin of each value",
    "env": "Every source of configuration",
    "loggers": "Log levels, to read and to change",
    "metrics": "What is counted and timed",
    "prometheus": "The same for Prometheus",
    "mappings": "Every route with its handler",
    "startup": "What the start was spent on",
    "tasks": "Running tasks and threads",
}


class CubesSection(StudioSection):
    """The cubes of this node, each with its dimensions, its measures and a query to copy."""

    title = "Cubes"
    lead = "Ask them by HTTP, as JSON, Arrow or CSV."
    order = 10

    def __init__(self, manager: Callable[[], Manager], pages: CubePages | None = None) -> None:
        self._manager = manager
        self._pages = pages or CubePages(_discovery_url)

    async def items(self, base_url: str) -> Sequence[StudioItem]:
        """Return one item for each cube."""
        manager = self._manager()
        names = widest_first(manager)
        return [_cube_item(name, manager.describe(name), base_url, self._pages.url(name)) for name in names]


class ApiSection(StudioSection):
    """Where the API is described."""

    title = "API"
    order = 110

    async def items(self, base_url: str) -> Sequence[StudioItem]:
        """Return the links."""
        return [
            StudioItem("API documentation", "/docs", "Try every route in the browser"),
            StudioItem("openapi.json", "/openapi.json", "The same for programs"),
        ]


class ActuatorSection(StudioSection):
    """The actuator's endpoints, as far as they are exposed."""

    title = "Operations"
    order = 120

    def __init__(self, registry: EndpointRegistry) -> None:
        self._registry = registry

    async def items(self, base_url: str) -> Sequence[StudioItem]:
        """Return one item for each exposed endpoint."""
        base = self._registry.base_path
        return [
            StudioItem(endpoint.id.capitalize(), f"{base}/{endpoint.id}", _ENDPOINTS.get(endpoint.id, ""))
            for endpoint in sorted(self._registry.exposed, key=lambda each: (each.id != "health", each.id))
        ]


def _discovery_url(cube: str) -> str:
    """Without the pivot, a cube's page is its description."""
    return f"/cubes/{quote(cube, safe='')}"


def _cube_item(name: str, cube: Mapping[str, Any], base_url: str, url: str) -> StudioItem:
    dimensions = [_dimension(dimension) for dimension in cube.get("dimensions", ())]
    measures = [str(measure["name"]) for measure in cube.get("measures", ())]
    others = list(_data_cubes(cube))
    counts = f"{_count(len(dimensions), 'dimension')} · {_count(len(measures), 'measure')}"
    return StudioItem(
        name=name,
        url=url,
        text=" · ".join([counts, *_part(cube)]),
        parts={"Dimensions": dimensions, "Measures": measures, **({"Data cubes": others} if others else {})},
        example=_example(name, list(_levels(cube)), measures, base_url),
    )


def _part(cube: Mapping[str, Any]) -> Iterator[str]:
    """``data cube of flights, joined``: which part it has in distributed cubes."""
    if cube.get("kind") == "data cube":
        yield f"data cube of {cube['application']}, {cube['state']}"
    elif cube.get("kind") == "query cube":
        yield f"query cube of {', '.join(str(each['name']) for each in cube['applications'])}, {cube['state']}"


def _data_cubes(cube: Mapping[str, Any]) -> Iterator[str]:
    """``node1/flights: active, version 7``: what a query cube knows of each."""
    for application in cube.get("applications", ()):
        for each in application["data_cubes"]:
            version = f", version {each['version']}" if each.get("version") is not None else ""
            refused = f", {each['refused']}" if each.get("refused") else ""
            yield f"{each['node']}/{each['cube']}: {each['state']}{version}{refused}"


def _dimension(dimension: Mapping[str, Any]) -> str:
    """``Date: year → month``, or with each hierarchy's name where there are several."""
    hierarchies = dimension.get("hierarchies", ())
    paths = [" → ".join(str(level["name"]) for level in hierarchy.get("levels", ())) for hierarchy in hierarchies]
    return f"{dimension['name']}: {' · '.join(paths)}"


def _levels(cube: Mapping[str, Any]) -> Iterator[str]:
    for dimension in cube.get("dimensions", ()):
        for hierarchy in dimension.get("hierarchies", ()):
            yield from (str(level["name"]) for level in hierarchy.get("levels", ()))


def _example(name: str, levels: Sequence[str], measures: Sequence[str], base_url: str) -> str:
    """A command for a shell; single quotes inside JSON are written as JSON escapes, so that none ends the argument."""
    query = json.dumps({"measures": list(measures[:2]), "levels": list(levels[:1]), "limit": 10}).replace(
        "'", "\\u0027"
    )
    return f"curl {base_url}/cubes/{quote(name, safe='')}/query -d '{query}'"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
