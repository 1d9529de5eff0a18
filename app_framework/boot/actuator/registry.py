"""The endpoints of one application, and which of them are exposed over HTTP with which access."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app_framework.boot.actuator.endpoint import (
    Access,
    Endpoint,
    EndpointRequest,
    EndpointResponse,
    UnknownNameError,
    WriteRefusedError,
)
from app_framework.boot.management.redaction import Redactor
from app_framework.errors import FrameworkError


@dataclass(frozen=True, slots=True)
class Exposure:
    """Which endpoints are reached over HTTP; an exclusion wins.

    >>> Exposure(include=("*",), exclude=("env",)).exposes("env")
    False
    """

    include: tuple[str, ...] = ("health",)
    exclude: tuple[str, ...] = ()

    def exposes(self, id: str) -> bool:  # noqa: A002
        """Tell whether the endpoint of this id is exposed."""
        return _names(self.include, id) and not _names(self.exclude, id)


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Which access each endpoint has.

    Args:
        default: where nothing else is said.
        max_permitted: the most that any endpoint gets.
        by_id: what is said of single endpoints.
    """

    default: Access = Access.UNRESTRICTED
    max_permitted: Access = Access.UNRESTRICTED
    by_id: Mapping[str, Access] = field(default_factory=dict)

    def of(self, id: str) -> Access:  # noqa: A002
        """Return the access to the endpoint of this id."""
        return self.by_id.get(id, self.default).capped(self.max_permitted)


class DuplicateEndpointError(FrameworkError):
    """Two endpoints have one id.

    Attributes:
        id: the id.
        endpoints: both.
    """

    def __init__(self, first: Endpoint, second: Endpoint) -> None:
        self.id = first.id
        self.endpoints = (first, second)
        super().__init__(first.id)

    def __str__(self) -> str:
        names = " and ".join(f"{type(each).__module__}.{type(each).__qualname__}" for each in self.endpoints)
        return f"two endpoints have the id {self.id!r}: {names}. Give one of them another id"


class EndpointRegistry:
    """All endpoints of one application.

    Args:
        endpoints: all that exist.
        base_path: where they are mounted; empty for the root.
        exposure: which are reached over HTTP.
        access: what may be done with them.
        additional_paths: paths outside the base that lead to an endpoint and selector, such as ``/livez``.
        redactor: blanks known secrets out of every answer.

    Raises:
        DuplicateEndpointError: when two endpoints have one id.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        *,
        base_path: str = "/actuator",
        exposure: Exposure | None = None,
        access: AccessRules | None = None,
        additional_paths: Mapping[str, tuple[str, str]] | None = None,
        redactor: Redactor | None = None,
    ) -> None:
        self.base_path = "/" + base_path.strip("/") if base_path.strip("/") else ""
        self.endpoints: Mapping[str, Endpoint] = MappingProxyType(_by_id(endpoints))
        self._exposure = exposure or Exposure()
        self._access = access or AccessRules()
        self._additional_paths = dict(additional_paths or {})
        self._redactor = redactor or Redactor()

    @property
    def exposed(self) -> tuple[Endpoint, ...]:
        """The endpoints that are reached over HTTP, by id."""
        return tuple(self.endpoints[id] for id in sorted(self.endpoints) if self._is_exposed(id))  # noqa: A001

    @property
    def additional_paths(self) -> Mapping[str, tuple[str, str]]:
        """Paths outside the base path: ``{"/livez": ("health", "liveness")}``."""
        return self._additional_paths if self._is_exposed("health") else {}

    def can_write(self, id: str) -> bool:  # noqa: A002
        """Tell whether a POST to this endpoint is allowed."""
        return self._is_exposed(id) and self.endpoints[id].writable and self._access.of(id) is Access.UNRESTRICTED

    def links(self, base_url: str) -> EndpointResponse:
        """Return the discovery page.

        Args:
            base_url: where the base path is reached, ``http://127.0.0.1:8080/actuator``.
        """
        base_url = base_url.rstrip("/")
        found: dict[str, object] = {"self": {"href": base_url, "templated": False}}
        for endpoint in self.exposed:
            url = f"{base_url}/{endpoint.id}"
            found[endpoint.id] = {"href": url, "templated": False}
            if endpoint.selectors:
                templated = f"{url}/{{{endpoint.selectors}}}"
                found[f"{endpoint.id}-{endpoint.selectors}"] = {"href": templated, "templated": True}
        return EndpointResponse({"_links": found})

    async def read(self, id: str, request: EndpointRequest | None = None) -> EndpointResponse:  # noqa: A002
        """Return what the endpoint shows.

        Raises:
            EndpointError: when it is not exposed, or holds nothing of what the request selects.
        """
        endpoint, request = self._exposed(id), request or EndpointRequest()
        if request.selector and endpoint.selectors is None:
            raise UnknownNameError("endpoint", f"{id}/{request.selector}", self.endpoints)
        answer = endpoint.read(request)
        return self._masked(await answer if inspect.isawaitable(answer) else answer)

    async def write(self, id: str, request: EndpointRequest) -> EndpointResponse:  # noqa: A002
        """Do what the request says.

        Raises:
            EndpointError: when the endpoint may not be written to, or the request makes no sense.
        """
        endpoint = self._exposed(id)
        if not self.can_write(id):
            raise WriteRefusedError(f"the endpoint {id!r} is read-only here (management.endpoint.{id}.access)")
        answer = endpoint.write(request)
        return self._masked(await answer if inspect.isawaitable(answer) else answer)

    def summary(self) -> str:
        """Return base path and exposed ids for the start-up summary: ``/actuator [health, info]``."""
        ids = ", ".join(endpoint.id for endpoint in self.exposed)
        return f"{self.base_path or '/'} [{ids}]" if ids else ""

    def _exposed(self, id: str) -> Endpoint:  # noqa: A002
        if not self._is_exposed(id):
            raise UnknownNameError("endpoint", id, (endpoint.id for endpoint in self.exposed))
        return self.endpoints[id]

    def _is_exposed(self, id: str) -> bool:  # noqa: A002
        return id in self.endpoints and self._exposure.exposes(id) and self._access.of(id) is not Access.NONE

    def _masked(self, answer: EndpointResponse) -> EndpointResponse:
        """Blank out known secrets: the last line of defence, whatever an endpoint does (FA9)."""
        text = None if answer.text is None else self._redactor.mask(answer.text)
        return EndpointResponse(self._redactor.mask_value(answer.body), answer.status, text, answer.media_type)

    def __repr__(self) -> str:
        return f"<EndpointRegistry {len(self.endpoints)} endpoints, exposed {self.summary() or 'none'}>"


def _by_id(endpoints: Iterable[Endpoint]) -> dict[str, Endpoint]:
    found: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        if endpoint.id in found:
            raise DuplicateEndpointError(found[endpoint.id], endpoint)
        found[endpoint.id] = endpoint
    return found


def _names(patterns: tuple[str, ...], id: str) -> bool:  # noqa: A002
    return "*" in patterns or id in patterns
