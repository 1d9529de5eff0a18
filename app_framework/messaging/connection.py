"""Where a NATS connection goes, and as whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NatsConnection:
    """The addresses of NATS servers, and the user that may connect to them.

    The password is the user's, or a token when there is no user name; neither appears in any text.

    >>> NatsConnection(("nats://127.0.0.1:4222",), user="app", password="hidden")
    NatsConnection(servers=('nats://127.0.0.1:4222',), user='app')

    Args:
        servers: ``nats://host:port``, tried in this order.
        user: empty for none, or for a token.
        password: of the user; with an empty user it is sent as a token.
    """

    servers: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def token(self) -> str:
        """The token: the password of nobody."""
        return "" if self.user else self.password


class NatsSource(Protocol):
    """Says where the node's NATS connection goes. A component of this type takes the place of ours."""

    async def connection(self) -> NatsConnection:
        """Return addresses and user of servers that run.

        Raises:
            NatsServerError: there is none, or none that can be trusted.
        """

    @property
    def trouble(self) -> str:
        """Why its servers cannot be used now; empty when nothing is known against them."""
