"""What only the assembled application can check of ``management``: names of endpoints and of health indicators."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from app_framework.boot.actuator.registry import Exposure
from app_framework.boot.config.environment import Environment
from app_framework.boot.config.errors import ConfigProblem, ConfigurationError
from app_framework.boot.management.health import HTTP_STATUSES, Status
from app_framework.boot.management.health_service import HealthGroup
from app_framework.boot.management.properties import (
    EndpointsByIdProperties,
    HealthEndpointProperties,
    HealthGroupProperties,
    HealthIndicatorProperties,
    ManagementProperties,
    StatusProperties,
)
from app_framework.errors import near_matches

_log = logging.getLogger(__name__)

PROBES: Mapping[str, str] = {"liveness": "livenessState", "readiness": "readinessState"}
"""The groups that exist without being configured, and the one indicator in each."""


def exposure_of(environment: Environment, settings: ManagementProperties, ids: Iterable[str]) -> Exposure:
    """Return which endpoints are exposed.

    Raises:
        ConfigurationError: when an id is named that does not exist.
    """
    web, known = settings.endpoints.web.exposure, sorted(ids)
    problems = [
        problem
        for kind, names in (("include", web.include), ("exclude", web.exclude))
        for problem in _unknown(
            environment, f"management.endpoints.web.exposure.{kind}", names, known, _unknown_endpoint
        )
    ]
    if problems:
        raise ConfigurationError(problems)
    return Exposure(tuple(web.include), tuple(web.exclude))


def groups_of(
    environment: Environment, settings: HealthEndpointProperties, paths: Iterable[str]
) -> dict[str, HealthGroup]:
    """Return the health groups by name.

    Args:
        environment: knows where a wrong name was written.
        settings: what is configured.
        paths: the indicators that exist.

    Raises:
        ConfigurationError: when a group names an indicator that does not exist.
    """
    found = {name: HealthGroup(include=(PROBES[name],)) for name in PROBES if settings.probes.enabled}
    for name, group in settings.group.items():
        found[name] = _group(name, group, settings.status)
    if settings.validate_group_membership:
        _check_members(environment, settings.group, frozenset(_with_parents(paths)))
    return found


def whole_of(settings: HealthEndpointProperties) -> HealthGroup:
    """Return how the whole adds up."""
    return HealthGroup(status_order=_order(settings.status), http_statuses=_http_statuses(settings.status))


def indicator_settings(
    environment: Environment, settings: Mapping[str, HealthIndicatorProperties], names: Iterable[str]
) -> dict[str, HealthIndicatorProperties]:
    """Return what is configured for the indicators that exist; ``diskspace`` means ``diskSpace``.

    Raises:
        ConfigurationError: when a name is nearly, but not quite, that of an indicator.
    """
    known = {_folded(name): name for name in names}
    found: dict[str, HealthIndicatorProperties] = {}
    problems = []
    for name, value in settings.items():
        if _folded(name) in known:
            found[known[_folded(name)]] = value
        elif near := near_matches(name, known.values()):
            problems.append(_unknown_indicator(environment, f"management.health.{name}", name, near, known.values()))
        else:
            # It may belong to a starter that is off today.
            _log.warning("management.health.%s: there is no health indicator of this name", name)
    if problems:
        raise ConfigurationError(problems)
    return found


def _group(name: str, group: HealthGroupProperties, whole: StatusProperties) -> HealthGroup:
    status = whole if group.status is None else group.status
    include = group.include if group.include is not None else [PROBES.get(name, "*")]
    return HealthGroup(
        include=tuple(include),
        exclude=tuple(group.exclude),
        status_order=_order(status),
        http_statuses=_http_statuses(status),
        show_details=group.show_details,
        show_components=group.show_components,
        roles=None if group.roles is None else frozenset(group.roles),
    )


def _order(status: StatusProperties) -> tuple[Status, ...]:
    return tuple(status.order)


def _http_statuses(status: StatusProperties) -> dict[Status, int]:
    """A status that is not mentioned keeps its usual answer: DOWN must not become 200 by accident."""
    return {**HTTP_STATUSES, **status.http_mapping}


def _check_members(
    environment: Environment, groups: Mapping[str, HealthGroupProperties], known: frozenset[str]
) -> None:
    problems = []
    for name, group in groups.items():
        for kind, members in (("include", group.include or []), ("exclude", group.exclude)):
            key = f"management.endpoint.health.group.{name}.{kind}"
            problems += _unknown(environment, key, members, sorted(known), _unknown_indicator)
    if problems:
        raise ConfigurationError(problems)


Report = Callable[[Environment, str, str, tuple[str, ...], Iterable[str]], ConfigProblem]


def _unknown(
    environment: Environment, key: str, names: Iterable[str], known: list[str], report: Report
) -> list[ConfigProblem]:
    """Report every name in the list at `key` that is neither known nor ``*``."""
    return [
        report(environment, f"{key}[{position}]", name, near_matches(name, known), known)
        for position, name in enumerate(names)
        if name != "*" and name not in known
    ]


def _unknown_endpoint(
    environment: Environment, key: str, name: str, near: tuple[str, ...], known: Iterable[str]
) -> ConfigProblem:
    if name in EndpointsByIdProperties.model_fields:
        action = f"Remove '{name}', or install what it needs: af conditions says why it is off."
        return _problem(environment, key, f"the endpoint '{name}' is off in this application", (), action)
    return _problem(environment, key, f"there is no endpoint '{name}'", near, _advice(name, near, known))


def _unknown_indicator(
    environment: Environment, key: str, name: str, near: tuple[str, ...], known: Iterable[str]
) -> ConfigProblem:
    return _problem(environment, key, f"there is no health indicator '{name}'", near, _advice(name, near, known))


def _problem(environment: Environment, key: str, message: str, near: tuple[str, ...], action: str) -> ConfigProblem:
    where = key.partition("[")[0]
    return ConfigProblem("unknown-name", f"{where}: {message}", environment.origin(key), near, action, key=key)


def _advice(name: str, near: tuple[str, ...], known: Iterable[str]) -> str:
    if near:
        return f"Write '{near[0]}' instead of '{name}'."
    return f"Remove '{name}'; there are: {', '.join(sorted(known))}."


def _with_parents(paths: Iterable[str]) -> list[str]:
    """Return the paths and the composites above them, which may be named as a whole."""
    found = []
    for path in paths:
        steps = path.split("/")
        found += ["/".join(steps[:length]) for length in range(1, len(steps) + 1)]
    return found


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
