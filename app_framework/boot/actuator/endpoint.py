"""What an actuator endpoint is: an id, a read, sometimes a write; of HTTP it knows the status."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from app_framework.errors import UserError, did_you_mean, near_matches

ACTUATOR_JSON = "application/vnd.spring-boot.actuator.v3+json"


class Access(StrEnum):
    """What may be done with an endpoint, from nothing to everything."""

    NONE = "none"
    READ_ONLY = "read-only"
    UNRESTRICTED = "unrestricted"

    def capped(self, most: Access) -> Access:
        """Return this access, or `most` where that is less.

        >>> Access.UNRESTRICTED.capped(Access.READ_ONLY)
        <Access.READ_ONLY: 'read-only'>
        """
        levels = list(Access)
        return min(self, most, key=levels.index)


class Show(StrEnum):
    """Who sees what is not for everybody."""

    NEVER = "never"
    WHEN_AUTHORIZED = "when-authorized"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """What a caller asks of an endpoint.

    Args:
        selector: what follows the id in the path, None when nothing does.
        query: the query's parameters.
        body: the parsed JSON of a write.
        roles: the caller's roles; None when nobody is signed in.
    """

    selector: str | None = None
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    body: object = None
    roles: frozenset[str] | None = None

    def may_see(self, show: Show, roles: frozenset[str] = frozenset()) -> bool:
        """Tell whether `show` lets this caller see more.

        Args:
            show: the setting.
            roles: any of which the caller must have; empty for every caller who is signed in.
        """
        if show is not Show.WHEN_AUTHORIZED:
            return show is Show.ALWAYS
        return self.roles is not None and (not roles or not roles.isdisjoint(self.roles))


@dataclass(frozen=True, slots=True)
class EndpointResponse:
    """What an endpoint answers.

    Args:
        body: a JSON value; ignored when there is a text.
        status: the HTTP status.
        text: an answer that is not JSON.
        media_type: of the answer.
    """

    body: object = None
    status: int = 200
    text: str | None = None
    media_type: str = ACTUATOR_JSON


class EndpointError(UserError):
    """A caller's mistake: no such endpoint, nothing of that name, a body that makes no sense.

    Attributes:
        status: the HTTP status.
        detail: the sentence.
        near: what was probably meant.
    """

    code = "NOT_FOUND"
    status = 404

    def __init__(self, detail: str, near: Iterable[str] = ()) -> None:
        self.detail = detail
        self.near = tuple(near)
        super().__init__(detail)

    def __str__(self) -> str:
        return f"{self.detail}. {did_you_mean(self.near)}".rstrip(". ") if self.near else self.detail


class UnknownNameError(EndpointError):
    """The endpoint, or what was selected in it, does not exist."""

    def __init__(self, what: str, name: str, known: Iterable[str] = ()) -> None:
        super().__init__(f"there is no {what} {name!r}", near_matches(name, known))


class InvalidBodyError(EndpointError):
    """The body of a write makes no sense."""

    code = "INVALID_REQUEST"
    status = 400


class WriteRefusedError(EndpointError):
    """The endpoint cannot be written to, or not with the configured access."""

    code = "METHOD_NOT_ALLOWED"
    status = 405


class Endpoint(ABC):
    """One endpoint of the actuator; a component of this type joins the others.

    Attributes:
        id: its name in paths and properties.
        selectors: what may follow the id in the path, by its name there (``name``); None when nothing may.
        writable: whether it has a write operation.
    """

    id: ClassVar[str]
    selectors: ClassVar[str | None] = None
    writable: ClassVar[bool] = False

    @abstractmethod
    def read(self, request: EndpointRequest) -> EndpointResponse | Awaitable[EndpointResponse]:
        """Answer a GET."""

    def write(self, request: EndpointRequest) -> EndpointResponse | Awaitable[EndpointResponse]:
        """Answer a POST."""
        raise WriteRefusedError(f"the endpoint {self.id!r} cannot be written to")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r}>"
