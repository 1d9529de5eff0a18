"""The framework core: configuration, conditions, auto-configuration, the graph of components, and their life.

from app_framework.boot import ConfigProperties, auto_configuration, bean, on_missing_component

@auto_configuration(properties=[GreetingProperties])
class GreetingAutoConfiguration:
    @bean(on_missing_component(Greeter))
    def greeter(self, properties: GreetingProperties) -> Greeter: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_framework.menu import open_menu

if TYPE_CHECKING:
    from app_framework.boot.actuator import Endpoint, EndpointRegistry, EndpointRequest, EndpointResponse
    from app_framework.boot.application import Application
    from app_framework.boot.conditions import (
        Condition,
        ConditionContext,
        Outcome,
        all_of,
        any_of,
        none_of,
        on_component,
        on_condition,
        on_distribution,
        on_missing_component,
        on_module,
        on_profile,
        on_property,
        on_resource,
        on_single_candidate,
    )
    from app_framework.boot.config.environment import Environment
    from app_framework.boot.config.errors import ConfigProblem, ConfigurationError
    from app_framework.boot.config.properties import (
        ConfigGlob,
        ConfigPath,
        ConfigProperties,
        DataSize,
        Deprecated,
        Duration,
        Field,
        SecretStr,
    )
    from app_framework.boot.context import ApplicationContext
    from app_framework.boot.decorators import (
        auto_configuration,
        bean,
        component,
        configuration,
        configuration_check,
        failure_analyzer,
        on_event,
        requirement_reader,
        runner,
    )
    from app_framework.boot.definition import Definition
    from app_framework.boot.events import AddressBound, Events, Ready, Started, Stopping
    from app_framework.boot.failure import FailureAnalysis, FailureReport
    from app_framework.boot.injection import Lazy, Named
    from app_framework.boot.launch import Launch
    from app_framework.boot.lifecycle import ComponentCreationError, Lifecycle, StartTimeoutError
    from app_framework.boot.management.availability import Availability
    from app_framework.boot.management.health import Health, HealthIndicator, Status
    from app_framework.boot.management.metrics import Metrics
    from app_framework.boot.origin import Origin
    from app_framework.boot.report import ConditionReport
    from app_framework.boot.request_scope import RequestScope
    from app_framework.boot.starters import StarterError
    from app_framework.boot.wiring import NoSuchComponentError, Requirement
    from app_framework.boot.wiring_problems import WiringError

_HOMES = {
    "actuator": ("Endpoint", "EndpointRegistry", "EndpointRequest", "EndpointResponse"),
    "application": ("Application",),
    "management.availability": ("Availability",),
    "conditions": (
        "Condition",
        "ConditionContext",
        "Outcome",
        "all_of",
        "any_of",
        "none_of",
        "on_component",
        "on_condition",
        "on_distribution",
        "on_missing_component",
        "on_module",
        "on_profile",
        "on_property",
        "on_resource",
        "on_single_candidate",
    ),
    "config.errors": ("ConfigProblem", "ConfigurationError"),
    "context": ("ApplicationContext",),
    "decorators": (
        "auto_configuration",
        "bean",
        "component",
        "configuration",
        "configuration_check",
        "failure_analyzer",
        "on_event",
        "requirement_reader",
        "runner",
    ),
    "definition": ("Definition",),
    "config.environment": ("Environment",),
    "events": ("AddressBound", "Events", "Ready", "Started", "Stopping"),
    "failure": ("FailureAnalysis", "FailureReport"),
    "management.health": ("Health", "HealthIndicator", "Status"),
    "injection": ("Lazy", "Named"),
    "launch": ("Launch",),
    "lifecycle": ("ComponentCreationError", "Lifecycle", "StartTimeoutError"),
    "management.metrics": ("Metrics",),
    "origin": ("Origin",),
    "config.properties": (
        "ConfigGlob",
        "ConfigPath",
        "ConfigProperties",
        "DataSize",
        "Deprecated",
        "Duration",
        "Field",
        "SecretStr",
    ),
    "report": ("ConditionReport",),
    "request_scope": ("RequestScope",),
    "starters": ("StarterError",),
    "wiring": ("NoSuchComponentError", "Requirement"),
    "wiring_problems": ("WiringError",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AddressBound",
    "Application",
    "ApplicationContext",
    "Availability",
    "ComponentCreationError",
    "Condition",
    "ConditionContext",
    "ConditionReport",
    "ConfigGlob",
    "ConfigPath",
    "ConfigProblem",
    "ConfigProperties",
    "ConfigurationError",
    "DataSize",
    "Definition",
    "Deprecated",
    "Duration",
    "Endpoint",
    "EndpointRegistry",
    "EndpointRequest",
    "EndpointResponse",
    "Environment",
    "Events",
    "FailureAnalysis",
    "FailureReport",
    "Field",
    "Health",
    "HealthIndicator",
    "Launch",
    "Lazy",
    "Lifecycle",
    "Metrics",
    "Named",
    "NoSuchComponentError",
    "Origin",
    "Outcome",
    "Ready",
    "RequestScope",
    "Requirement",
    "SecretStr",
    "StartTimeoutError",
    "Started",
    "StarterError",
    "Status",
    "Stopping",
    "WiringError",
    "all_of",
    "any_of",
    "auto_configuration",
    "bean",
    "component",
    "configuration",
    "configuration_check",
    "failure_analyzer",
    "none_of",
    "on_component",
    "on_condition",
    "on_distribution",
    "on_event",
    "on_missing_component",
    "on_module",
    "on_profile",
    "on_property",
    "on_resource",
    "on_single_candidate",
    "requirement_reader",
    "runner",
]

__getattr__, __dir__ = open_menu(__name__, _HOME_OF)
