"""What one nats-server is told: its settings, and the configuration file that says the same.

The file is JSON, which nats-server reads: so a name with quotes or braces stays a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app_framework.messaging.credentials import NatsCredentials

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):(\d{1,5})\Z")
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 what to connect to when a server listens everywhere


@dataclass(frozen=True, slots=True)
class NatsServerSettings:
    """One nats-server: who it is, where it listens and stores, with whom it is clustered.

    Args:
        name: of the server; of a server with JetStream never given to another one later.
        directory: its own folder, for its configuration, its log, its lock and its store.
        credentials: of every server of the cluster.
        cluster_name: None for a server without routes.
        host: where clients and routes are accepted.
        client_port: for clients; 0 takes a free one at the first start and keeps it.
        route_port: for the other servers of the cluster.
        routes: ``host:port`` of other servers; with JetStream their number decides the size of the first quorum.
        route_host: where routes are accepted, when other than clients.
        route_advertise: ``host:port`` told to other servers, when they cannot use the one where routes are accepted.
        jetstream: whether it keeps streams.
        tags: words that placements may ask for.
        message_bytes_max: the largest message, payload and headers together.
        pending_bytes_max: what may wait for one slow client before it is disconnected.
        store_bytes_max: what streams may take on disk.
        memory_bytes_max: what streams may take in memory.
        connections_max: how many clients.
    """

    name: str
    directory: Path
    credentials: NatsCredentials
    cluster_name: str | None = None
    host: str = "127.0.0.1"
    client_port: int = 0
    route_port: int = 0
    routes: tuple[str, ...] = ()
    route_host: str = ""
    route_advertise: str = ""
    jetstream: bool = False
    tags: tuple[str, ...] = ()
    message_bytes_max: int = 1 << 20
    pending_bytes_max: int = 128 << 20
    store_bytes_max: int = 2 << 30
    memory_bytes_max: int = 64 << 20
    connections_max: int = 1024

    def __post_init__(self) -> None:
        for word in (self.name, *([] if self.cluster_name is None else [self.cluster_name])):
            if not _NAME.match(word):
                raise ValueError(f"{word!r} cannot name a server or a cluster: letters, digits, '.', '-' and '_'")
        for address in (*self.routes, *([self.route_advertise] if self.route_advertise else [])):
            if not is_address(address):
                raise ValueError(f"{address!r} is not host:port")
        if self.cluster_name is not None and not self.route_port:
            raise ValueError("a clustered server needs a route_port")
        if self.cluster_name is None and (self.routes or self.route_port):
            raise ValueError("a server with routes needs a cluster_name")

    @property
    def route(self) -> str:
        """Where other servers reach this one: ``host:port``."""
        return self.route_advertise or f"{_reachable(self.route_host or self.host)}:{self.route_port}"

    def client_url(self, port: int) -> str:
        """Return the URL for clients on this machine."""
        return f"nats://{_reachable(self.host)}:{port}"


def is_address(text: str) -> bool:
    """Whether a text is ``host:port``.

    >>> is_address("[::1]:6222"), is_address("node-a"), is_address("a:99999")
    (True, False, False)
    """
    match = _ADDRESS.match(text)
    return match is not None and 0 < int(match[2]) < 65536


def configuration(settings: NatsServerSettings) -> str:
    """Return the configuration file of a server.

    Every write of a stream is synced: with the default of two minutes a power cut loses all that was acknowledged
    in that time. `no_advertise` keeps clients where they are: else they learn other nodes' addresses and stay there.
    An account has JetStream also on a server without, so that its clients reach the servers that keep streams.
    """
    directory, credentials = settings.directory, settings.credentials
    document: dict[str, Any] = {
        "server_name": settings.name,
        "listen": f"{_bracketed(settings.host)}:{settings.client_port}",
        "ports_file_dir": str(directory),
        "pid_file": str(directory / "nats.pid"),
        "log_file": str(directory / "nats.log"),
        "logfile_size_limit": 8 << 20,
        "logfile_max_num": 2,
        "server_tags": list(settings.tags),
        "max_payload": settings.message_bytes_max,
        "max_pending": settings.pending_bytes_max,
        "max_connections": settings.connections_max,
        "write_deadline": "10s",
        "lame_duck_duration": "30s",
        "lame_duck_grace_period": "2s",
        "system_account": "$SYS",
        "accounts": {
            "$SYS": {"users": [{"user": credentials.system.name, "password": credentials.system.password}]},
            "APP": {
                "jetstream": "enabled",
                "users": [{"user": credentials.app.name, "password": credentials.app.password}],
            },
        },
    }
    if settings.jetstream:
        document["jetstream"] = _jetstream(settings)
    if settings.cluster_name is not None:
        document["cluster"] = _cluster(settings)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _jetstream(settings: NatsServerSettings) -> Mapping[str, Any]:
    """The store is the server's by name: one that comes back under another name never finds this one's streams."""
    return {
        "store_dir": str(settings.directory / "store" / settings.name),
        "max_memory_store": settings.memory_bytes_max,
        "max_file_store": settings.store_bytes_max,
        "sync_interval": "always",
    }


def _cluster(settings: NatsServerSettings) -> Mapping[str, Any]:
    route = settings.credentials.route
    document: dict[str, Any] = {
        "name": settings.cluster_name,
        "listen": f"{_bracketed(settings.route_host or settings.host)}:{settings.route_port}",
        "no_advertise": True,
        # A silent server is noticed within 15 seconds instead of one and a half minutes.
        "ping_interval": "5s",
        "ping_max": 2,
        "authorization": {"user": route.name, "password": route.password, "timeout": 5},
        "routes": [f"nats-route://{route.name}:{route.password}@{address}" for address in settings.routes],
    }
    if settings.route_advertise:
        document["cluster_advertise"] = settings.route_advertise
    return document


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _reachable(host: str) -> str:
    return _ANY_ADDRESS.get(host.strip("[]"), _bracketed(host))
