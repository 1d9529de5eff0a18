"""The ``mappings`` endpoint: which route leads to which handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app_framework.boot.actuator.endpoint import Endpoint, EndpointRequest, EndpointResponse


@dataclass(frozen=True, slots=True)
class RouteMapping:
    """One route.

    Args:
        methods: ``("GET",)``; empty for a WebSocket or a mounted application.
        pattern: ``/cubes/{cube}``.
        handler: the function, ``app_framework.web.cubes.list_cubes``.
        produces: media types.
    """

    methods: tuple[str, ...]
    pattern: str
    handler: str
    produces: tuple[str, ...] = ()


class RouteMappings:
    """Where the web server leaves a way to list its routes, once it has them."""

    def __init__(self) -> None:
        self._describe: Callable[[], Sequence[RouteMapping]] = tuple

    def describe_with(self, describe: Callable[[], Sequence[RouteMapping]]) -> None:
        """Ask `describe` for the routes whenever somebody looks."""
        self._describe = describe

    def routes(self) -> Sequence[RouteMapping]:
        """Return the routes; none while no web server runs."""
        return self._describe()


class MappingsEndpoint(Endpoint):
    """Shows the routes of the web server."""

    id = "mappings"

    def __init__(self, application: str, mappings: RouteMappings) -> None:
        self._application = application
        self._mappings = mappings

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with all routes."""
        handlers = [_to_json(mapping) for mapping in self._mappings.routes()]
        mappings = {"dispatcherHandlers": {"webHandler": handlers}}
        return EndpointResponse({"contexts": {self._application: {"mappings": mappings}}})


def _to_json(mapping: RouteMapping) -> dict[str, object]:
    module, _, name = mapping.handler.rpartition(".")
    methods = " ".join(mapping.methods)
    return {
        "predicate": f"{{{methods} {mapping.pattern}}}" if methods else f"{{{mapping.pattern}}}",
        "handler": mapping.handler,
        "details": {
            "handlerMethod": {"className": module, "name": name},
            "requestMappingConditions": {
                "methods": list(mapping.methods),
                "patterns": [mapping.pattern],
                "produces": [{"mediaType": media_type, "negated": False} for media_type in mapping.produces],
            },
        },
    }
