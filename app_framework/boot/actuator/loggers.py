"""The ``loggers`` endpoint: which levels hold, and a way to change them without a restart."""

from __future__ import annotations

from app_framework.boot.actuator.endpoint import Endpoint, EndpointRequest, EndpointResponse, InvalidBodyError
from app_framework.boot.management.log_format import LEVELS
from app_framework.boot.management.logs import LoggingSystem


class LoggersEndpoint(Endpoint):
    """Shows the levels of this application's loggers and groups."""

    id = "loggers"
    selectors = "name"
    writable = True

    def __init__(self, logging: LoggingSystem) -> None:
        self._logging = logging

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with all loggers, or with one logger or group; a logger exists as soon as it is named."""
        if not request.selector:
            return EndpointResponse(self._logging.describe())
        if request.selector in self._logging.groups:
            return EndpointResponse(self._logging.describe_group(request.selector))
        return EndpointResponse(self._logging.describe_logger(request.selector))

    def write(self, request: EndpointRequest) -> EndpointResponse:
        """Set ``{"configuredLevel": "DEBUG"}``, or clear it with null."""
        if not request.selector:
            raise InvalidBodyError("name a logger: POST …/loggers/{name}")
        body = request.body
        if not isinstance(body, dict) or not body.keys() <= {"configuredLevel"}:
            raise InvalidBodyError('the body is {"configuredLevel": "DEBUG"}, or null for the level')
        level = body.get("configuredLevel")
        if level is not None and not isinstance(level, str):
            raise InvalidBodyError(f"a level is one of {', '.join(LEVELS)}, or null")
        try:
            self._logging.set_level(request.selector, level)
        except ValueError as error:
            raise InvalidBodyError(f"{level!r} {error}") from error
        return EndpointResponse(status=204)
