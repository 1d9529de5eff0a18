"""What the application is made of, and why: ``beans`` and ``conditions``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from app_framework.boot.actuator.endpoint import Endpoint, EndpointRequest, EndpointResponse
from app_framework.boot.definition import Definition, describe, type_name
from app_framework.boot.report import ConditionReport


class BeansEndpoint(Endpoint):
    """Shows every component: its type, where it is written, and what it is made from."""

    id = "beans"

    def __init__(
        self,
        application: str,
        definitions: Mapping[str, Definition],
        dependencies: Callable[[str], Sequence[str]],
    ) -> None:
        self._application = application
        self._definitions = definitions
        self._dependencies = dependencies

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with all components by name."""
        beans = {name: self._bean(definition) for name, definition in sorted(self._definitions.items())}
        return EndpointResponse({"contexts": {self._application: {"beans": beans}}})

    def _bean(self, definition: Definition) -> dict[str, object]:
        provides = definition.provides
        return {
            "aliases": [],
            "scope": "singleton" if definition.scope == "application" else definition.scope,
            "type": describe(provides) if isinstance(provides, type) else type_name(provides),
            "resource": str(definition.origin),
            "dependencies": list(self._dependencies(definition.name)),
        }


class ConditionsEndpoint(Endpoint):
    """Shows every decision that was taken at the start, with the sentence that decided."""

    id = "conditions"

    def __init__(self, application: str, report: ConditionReport) -> None:
        self._application = application
        self._report = report

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with the conditions report."""
        return EndpointResponse({"contexts": {self._application: self._report.to_json()}})
