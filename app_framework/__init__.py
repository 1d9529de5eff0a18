"""app-framework: write an `application.yml`, install a starter, and run a node that is wired, observable and tested.

    from app_framework import Application, Autowired, component

    @component
    class Greeter: ...

    app = Application(name="sample", sources=[Greeter])

Names are imported when they are first used, so that a command which needs none of them starts at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from app_framework.boot import (
        Application,
        ApplicationContext,
        ConfigProperties,
        Duration,
        Environment,
        Field,
        Health,
        HealthIndicator,
        Lazy,
        Lifecycle,
        Named,
        SecretStr,
        all_of,
        any_of,
        auto_configuration,
        bean,
        component,
        configuration,
        failure_analyzer,
        none_of,
        on_component,
        on_condition,
        on_distribution,
        on_event,
        on_missing_component,
        on_module,
        on_profile,
        on_property,
        on_resource,
        on_single_candidate,
        runner,
    )
    from app_framework.web import Autowired

_FROM_WEB = frozenset({"Autowired"})

__all__ = [
    "Application",
    "ApplicationContext",
    "Autowired",
    "ConfigProperties",
    "Duration",
    "Environment",
    "Field",
    "Health",
    "HealthIndicator",
    "Lazy",
    "Lifecycle",
    "Named",
    "SecretStr",
    "all_of",
    "any_of",
    "auto_configuration",
    "bean",
    "component",
    "configuration",
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
    "runner",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = importlib.import_module(".web" if name in _FROM_WEB else ".boot", __name__)
    value: object = getattr(room, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
