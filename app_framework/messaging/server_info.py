"""What a nats-server that somebody runs says of itself, and whether it lets a user in; asked without a client."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.errors import DisconnectedError, NatsServerError

DEFAULT_PORT = 4222
INFO_BYTES_MAX = 64 * 1024

_NO_SERVER = "what answers there is no nats-server; correct nats.servers"
_QUOTED = " '\r\n"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a nats-server says of itself to everybody who connects.

    Args:
        name: of the server.
        version: of its program.
        jetstream: whether it keeps streams.
        message_bytes_max: the largest message.
    """

    name: str
    version: str
    jetstream: bool
    message_bytes_max: int


async def server_info(url: str, timeout_s: float = 5.0, *, login: NatsConnection | None = None) -> ServerInfo:
    """Ask a server who it is, and whether it lets a user in.

    Args:
        url: its address.
        timeout_s: how long to wait for its answers.
        login: the user to log in with; without, and with servers that want TLS first, nobody logs in.

    Raises:
        NatsServerError: nobody answers there in time, or not as a nats-server.
        DisconnectedError: it refuses the user.
    """
    try:
        async with asyncio.timeout(timeout_s), _connected(url) as (reader, writer):
            info, wants_tls = _info(url, await reader.readline())
            if login is not None and not wants_tls:
                writer.write(_hello(login))
                refusal = await reader.readline()
                if refusal.startswith(b"-ERR"):
                    raise DisconnectedError("nats", f"{url} refuses the user: {refusal[4:].decode().strip(_QUOTED)}")
            return info
    except TimeoutError:
        raise NatsServerError(url, f"nobody answers there within {timeout_s:g} s") from None
    except OSError as error:
        raise NatsServerError(url, f"nobody answers there: {error.strerror or error}") from error
    except ValueError as error:  # a line without an end
        raise NatsServerError(url, _NO_SERVER) from error


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or DEFAULT_PORT, limit=INFO_BYTES_MAX)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _info(url: str, line: bytes) -> tuple[ServerInfo, bool]:
    """Read what a server says first, and whether it wants TLS before anything else."""
    try:
        word, _, rest = line.partition(b" ")
        said: dict[str, Any] = json.loads(rest) if word == b"INFO" else {}
        info = ServerInfo(
            name=str(said.get("server_name", "")),
            version=str(said["version"]),
            jetstream=bool(said.get("jetstream", False)),
            message_bytes_max=int(said["max_payload"]),
        )
    except (ValueError, LookupError, TypeError) as error:
        raise NatsServerError(url, _NO_SERVER) from error
    return info, url.startswith("tls://") or bool(said.get("tls_required", False))


def _hello(login: NatsConnection) -> bytes:
    """Log in and ask for an answer. More than this in one go, and a refusal may be lost when the server hangs up."""
    words: dict[str, Any] = {"verbose": True, "pedantic": False, "lang": "python", "version": "1", "protocol": 1}
    if login.user:
        words |= {"user": login.user, "pass": login.password}
    elif login.token:
        words["auth_token"] = login.token
    return b"CONNECT " + json.dumps(words).encode() + b"\r\n"
