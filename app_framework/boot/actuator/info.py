"""The ``info`` endpoint: what runs here, for people and for tools that list applications."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from app_framework.boot.actuator.endpoint import Endpoint, EndpointRequest, EndpointResponse


@runtime_checkable
class InfoContributor(Protocol):
    """A component that adds a section to the ``info`` endpoint."""

    def info(self) -> Mapping[str, object]:
        """Return sections by name."""


class InfoEndpoint(Endpoint):
    """Shows application, framework, Python, machine and process, then what ``info.*`` and contributors add.

    Args:
        application: name and version, and the node's name.
        framework_version: ours.
        starters: those that are installed, as JSON.
        configured: the values below ``info``.
        contributors: components that add sections; the later wins.
    """

    id = "info"

    def __init__(
        self,
        application: Mapping[str, object],
        framework_version: str,
        starters: Iterable[Mapping[str, object]] = (),
        configured: Mapping[str, object] | None = None,
        contributors: Iterable[InfoContributor] = (),
    ) -> None:
        self._application = application
        self._framework_version = framework_version
        self._starters = [dict(starter) for starter in starters]
        self._configured = dict(configured or {})
        self._contributors = tuple(contributors)

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with all sections."""
        sections: dict[str, object] = {
            "app": dict(self._application),
            "framework": {"name": "app-framework", "version": self._framework_version},
            "python": {"version": platform.python_version(), "implementation": sys.implementation.name},
            "os": {"name": platform.system(), "version": platform.release(), "arch": platform.machine()},
            "process": {"pid": os.getpid(), "parentPid": os.getppid(), "cpus": os.cpu_count()},
            "starters": self._starters,
            **self._configured,
        }
        for contributor in self._contributors:
            sections.update(contributor.info())
        return EndpointResponse(sections)
