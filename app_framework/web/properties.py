"""What a user may set about the HTTP server: the section ``server``."""

from __future__ import annotations

from typing import Literal

from app_framework.boot import ConfigProperties, DataSize, Duration, Field


class StreamsProperties(ConfigProperties):
    """Continuous queries over WebSocket."""

    max_connections: int = Field(
        default=100, ge=1, description="Most connections at a time; a further one answers 429 OVERLOADED."
    )
    max_queries: int = Field(
        default=32, ge=1, description="Most queries that one connection follows; a further one is OVERLOADED."
    )
    max_message_size: DataSize = Field(
        default="256KB", description="Largest message of a client; a larger one is TOO_LARGE and not read."
    )
    patience: Duration = Field(
        default="30s", description="Time for a client to take a message; one that reads nothing this long is closed."
    )


class ServerProperties(ConfigProperties, prefix="server"):
    """The HTTP server of this node."""

    enabled: bool = Field(
        default=True,
        description="Whether to listen on a port. Without, the application answers in the process only and through "
        "an external ASGI server.",
    )
    address: str = Field(
        default="127.0.0.1",
        description="Address to listen on. Anything but loopback needs users or tokens; without, it is 127.0.0.1.",
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names, as name or name:port, under which this node may be reached, beside loopback names and its "
        "own address. Unsafe requests under other names, or from pages of other origins, answer 403.",
    )
    max_body_size: DataSize = Field(
        default="16MB", description="Largest request body; a larger one answers 413 TOO_LARGE."
    )
    request_timeout: Duration = Field(
        default="2m", description="Time in which an answer must have begun; 504 TIMEOUT after it."
    )
    keep_alive: Duration = Field(default="75s", description="Time an idle connection is kept open.")
    max_requests: int = Field(
        default=1000, ge=1, description="Most requests served at a time; a further one answers 429 OVERLOADED."
    )
    shutdown: Literal["graceful", "immediate"] = Field(
        default="graceful",
        description="Whether requests in flight may finish at stop, as long as app.lifecycle.timeout-per-phase allows.",
    )
    answer_cache: DataSize = Field(
        default="64MB",
        description="Encoded answers to queries that are kept for the next who asks; with 0 only questions asked at "
        "the same time share their answer.",
    )
    access_log: bool = Field(default=True, description="Whether to write one line for each request.")
    telemetry: bool = Field(
        default=False,
        description="Whether FastAPI reports spans and metrics of requests to the OpenTelemetry providers that the "
        "program set.",
    )
    docs: bool = Field(default=True, description="Whether to serve /docs and /openapi.json.")
    streams: StreamsProperties = Field(
        default_factory=StreamsProperties, description="Continuous queries: `WS /cubes/{cube}/stream`."
    )
