"""Health: what an indicator is, and what it says.

    class DatabaseHealth(HealthIndicator):
        def health(self) -> Health:
            return Health.up(tables=len(self.database.tables))

A plain ``def health`` runs on a thread of its own, so it may block; an ``async def`` runs on the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Status(StrEnum):
    """How a part of the application is."""

    DOWN = "DOWN"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    UP = "UP"
    UNKNOWN = "UNKNOWN"


STATUS_ORDER = tuple(Status)
"""The most severe first: the whole is as bad as its worst part."""

HTTP_STATUSES: Mapping[Status, int] = {Status.DOWN: 503, Status.OUT_OF_SERVICE: 503}
"""What a status answers over HTTP; 200 where it is not listed."""


@dataclass(frozen=True, slots=True)
class Health:
    """What one indicator says.

    >>> Health.up(tables=3)
    Health(status=<Status.UP: 'UP'>, details={'tables': 3})
    >>> Health.down(TimeoutError("no answer")).details
    {'error': 'TimeoutError: no answer'}
    """

    status: Status
    details: Mapping[str, object] = field(default_factory=dict)

    @staticmethod
    def up(**details: object) -> Health:
        """It works."""
        return Health(Status.UP, details)

    @staticmethod
    def down(reason: str | BaseException, **details: object) -> Health:
        """It does not work, and why: a sentence, or the error that says so."""
        if isinstance(reason, BaseException):
            return Health(Status.DOWN, {"error": _error_text(reason), **details})
        return Health(Status.DOWN, {"reason": reason, **details})

    @staticmethod
    def out_of_service(reason: str | None = None, **details: object) -> Health:
        """It works but must not be used now."""
        return Health(Status.OUT_OF_SERVICE, {"reason": reason, **details} if reason else details)

    @staticmethod
    def unknown(**details: object) -> Health:
        """Nobody can tell, which is not held against it."""
        return Health(Status.UNKNOWN, details)


@runtime_checkable
class HealthIndicator(Protocol):
    """A component that says how it is. Name the class (or component) after its subject: `DatabaseHealth`."""

    def health(self) -> Health | Awaitable[Health]:
        """Return how it is now. Called often: keep it cheap, and free of side effects."""


@runtime_checkable
class CompositeHealth(Protocol):
    """A component that stands for several named indicators, such as one for each data source."""

    def contributors(self) -> Mapping[str, HealthContributor]:
        """Return the members by name; asked once, when the health service is made."""


HealthContributor = HealthIndicator | CompositeHealth


def contributor_name(component_name: str) -> str:
    """Return what an indicator's component is called in the report.

    >>> contributor_name("database_health"), contributor_name("DiskSpaceHealthIndicator")
    ('database', 'diskSpace')
    """
    for suffix in (
        "_health_indicator",
        "_health_contributor",
        "_health",
        "HealthIndicator",
        "HealthContributor",
        "Health",
    ):
        if component_name.endswith(suffix) and component_name != suffix:
            component_name = component_name.removesuffix(suffix)
            break
    head, *tail = component_name.split("_")
    return head[:1].lower() + head[1:] + "".join(word.capitalize() for word in tail)


def _error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
