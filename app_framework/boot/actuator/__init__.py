"""The actuator: what a running application shows of itself, in Spring Boot's shapes.

registry = context[EndpointRegistry]
answer = await registry.read("health", EndpointRequest(selector="readiness"))
answer.status, answer.body          # 200, {"status": "UP"}
"""

from __future__ import annotations

from app_framework.boot.actuator.endpoint import (
    ACTUATOR_JSON,
    Access,
    Endpoint,
    EndpointError,
    EndpointRequest,
    EndpointResponse,
    InvalidBodyError,
    Show,
    UnknownNameError,
    WriteRefusedError,
)
from app_framework.boot.actuator.info import InfoContributor
from app_framework.boot.actuator.mappings import RouteMapping, RouteMappings
from app_framework.boot.actuator.registry import AccessRules, EndpointRegistry, Exposure

__all__ = [
    "ACTUATOR_JSON",
    "Access",
    "AccessRules",
    "Endpoint",
    "EndpointError",
    "EndpointRegistry",
    "EndpointRequest",
    "EndpointResponse",
    "Exposure",
    "InfoContributor",
    "InvalidBodyError",
    "RouteMapping",
    "RouteMappings",
    "Show",
    "UnknownNameError",
    "WriteRefusedError",
]
