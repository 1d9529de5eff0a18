"""Where a NATS connection goes, and as whom."""

from __future__ import annotations

from dataclasses import dataclass, field


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
