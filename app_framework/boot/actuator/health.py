"""The ``health`` endpoint: the whole, a group, or one indicator."""

from __future__ import annotations

from app_framework.boot.actuator.endpoint import Endpoint, EndpointRequest, EndpointResponse, Show, UnknownNameError
from app_framework.boot.management.health_service import HealthGroup, HealthReport, HealthService


class HealthEndpoint(Endpoint):
    """Shows the service's answers: the status to everybody, the rest to whom the settings allow.

    Args:
        service: whom to ask.
        show_details: who sees details.
        show_components: who sees the components; like the details when None.
        roles: who is authorized; every caller who is signed in when empty.
    """

    id = "health"
    selectors = "path"

    def __init__(
        self,
        service: HealthService,
        show_details: Show = Show.NEVER,
        show_components: Show | None = None,
        roles: frozenset[str] = frozenset(),
    ) -> None:
        self._service = service
        self._show_details = show_details
        self._show_components = show_components
        self._roles = roles

    async def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer for the whole, or for ``{indicator}``, ``{group}``, ``{group}/{indicator}``."""
        asked = (request.selector or "").strip("/")
        group, path = self._split(asked)
        details, components = self._visible(request, self._service.group(group))
        if path and not components:
            raise UnknownNameError("health component", asked)
        report = await self._service.check(path, group)
        if report is None:
            raise UnknownNameError("health component", asked, (*self._service.groups, *self._service.names))
        return EndpointResponse(_to_json(report, details, components), report.http_status)

    def _split(self, asked: str) -> tuple[str | None, str]:
        head, _, rest = asked.partition("/")
        return (head, rest) if head in self._service.groups else (None, asked)

    def _visible(self, request: EndpointRequest, group: HealthGroup) -> tuple[bool, bool]:
        """Return whether this caller sees details, and components, of this group."""
        roles = self._roles if group.roles is None else group.roles
        show_details = self._show_details if group.show_details is None else Show(group.show_details)
        own_components = self._show_components if group.show_components is None else Show(group.show_components)
        show_components = show_details if own_components is None else own_components
        return request.may_see(show_details, roles), request.may_see(show_components, roles)


def _to_json(report: HealthReport, details: bool, components: bool) -> dict[str, object]:
    found: dict[str, object] = {"status": report.status.value}
    if report.groups:
        found["groups"] = list(report.groups)
    if components and report.components:
        found["components"] = {
            name: _to_json(member, details, components) for name, member in report.components.items()
        }
    if details and report.details:
        found["details"] = dict(report.details)
    return found
