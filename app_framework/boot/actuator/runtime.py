"""What happened at the start and what happens now: ``startup`` and ``tasks``."""

from __future__ import annotations

from app_framework.boot.actuator.endpoint import Endpoint, EndpointRequest, EndpointResponse
from app_framework.boot.management.startup import StartupSteps
from app_framework.boot.management.tasks import describe_tasks, describe_threads


class StartupEndpoint(Endpoint):
    """Shows the timed steps of the start."""

    id = "startup"

    def __init__(self, steps: StartupSteps, framework_version: str) -> None:
        self._steps = steps
        self._framework_version = framework_version

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with the timeline."""
        return EndpointResponse({"frameworkVersion": self._framework_version, "timeline": self._steps.to_json()})


class TasksEndpoint(Endpoint):
    """Shows the asyncio tasks and threads of the process with their stacks."""

    id = "tasks"

    async def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer from the event loop, which is the one whose tasks are shown."""
        return EndpointResponse({**describe_tasks(), **describe_threads()})
