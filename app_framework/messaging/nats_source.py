"""Where the NATS servers of a node come from: one of its own, or those that somebody runs already."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.credentials import NatsCredentials
from app_framework.messaging.errors import NatsServerError
from app_framework.messaging.server import NatsServer, free_port
from app_framework.messaging.server_binary import check_version
from app_framework.messaging.server_config import NatsServerSettings
from app_framework.messaging.server_info import ServerInfo, server_info

_logger = logging.getLogger(__name__)

RESTARTS_MAX = 5
"""So many ends within `RESTARTS_WITHIN_S`, and a server is not started again."""
RESTARTS_WITHIN_S = 60.0
RESTART_PAUSE_S = 0.1


_KEY_BYTES = 32


class EmbeddedNats:
    """A nats-server of the node's own: started with it, started again when it ends, stopped with it.

    Port and credentials are made once and remembered in the folder.

    Args:
        directory: of the server and of what is remembered.
        binary: the nats-server program.
        name: of the server.
        port: for clients; 0 takes a free one and keeps it.
        message_bytes_max: the largest message.
    """

    def __init__(
        self, directory: Path, binary: Path, *, name: str, port: int = 0, message_bytes_max: int = 1 << 20
    ) -> None:
        self._directory = directory
        self._binary = binary
        self._name = name
        self._port = port
        self._message_bytes_max = message_bytes_max
        self._server: NatsServer | None = None
        self._watch: asyncio.Task[None] | None = None
        self._given_up = ""

    async def start(self, timeout_s: float = 20.0) -> None:
        """Start the server; a remembered port that somebody else has by now is replaced.

        Raises:
            NatsServerError: it does not start.
        """
        memory = _Memory.read(self._directory / "embedded.json")
        port = self._port or memory.port or free_port()
        try:
            self._server = await self._started(memory, port, timeout_s)
        except NatsServerError as error:
            if self._port or "address already in use" not in error.reason:
                raise
            _logger.warning("port %d of the nats-server is in use by now, it gets another", port)
            self._server = await self._started(memory, free_port({port}), timeout_s)
        self._watch = asyncio.create_task(self._keep(self._server), name=f"keep nats-server {self._name}")

    async def stop(self) -> None:
        """Stop the server."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if self._server is not None:
            await self._server.stop()

    async def connection(self) -> NatsConnection:
        """Return how to connect to the server."""
        return self._running().connection()

    @property
    def server(self) -> NatsServer:
        """The server.

        Raises:
            NatsServerError: it was not started.
        """
        return self._running()

    @property
    def trouble(self) -> str:
        """Why the server does not run; empty when it does."""
        if self._server is None or self._server.running:
            return ""
        return self._given_up or f"the nats-server has ended and is started again: {self._server.reason}"

    def __repr__(self) -> str:
        return f"<EmbeddedNats {self._server!r}>" if self._server else f"<EmbeddedNats {self._name!r} not started>"

    def _running(self) -> NatsServer:
        if self._server is None:
            raise NatsServerError(self._name, "it was not started")
        return self._server

    async def _started(self, memory: _Memory, port: int, timeout_s: float) -> NatsServer:
        settings = NatsServerSettings(
            self._name,
            self._directory / "server",
            NatsCredentials.derive(memory.key),
            client_port=port,
            message_bytes_max=self._message_bytes_max,
        )
        server = NatsServer(settings, self._binary)
        await server.start(timeout_s)
        _Memory(memory.key, port).write(self._directory / "embedded.json")
        return server

    async def _keep(self, server: NatsServer) -> None:
        """Start the server again whenever it ends by itself, unless that happens again and again."""
        now_s = asyncio.get_running_loop().time
        ends: list[float] = []
        while True:
            await server.exited()
            ends = [*(end for end in ends if now_s() - end < RESTARTS_WITHIN_S), now_s()]
            if len(ends) >= RESTARTS_MAX:
                self._given_up = f"the nats-server ended {len(ends)} times in a minute: {server.reason}"
                _logger.error("%s; it is not started again", self._given_up)
                return
            _logger.warning("the nats-server has ended and is started again: %s", server.reason)
            await asyncio.sleep(RESTART_PAUSE_S * 2 ** (len(ends) - 1))
            with contextlib.suppress(NatsServerError):  # its exit counts as one more
                await server.start()


class ExternalNats:
    """Servers that somebody else runs.

    Args:
        connection: their addresses, and the user.
        timeout_s: how long to wait for an answer before the node gives up its start.
    """

    def __init__(self, connection: NatsConnection, *, timeout_s: float = 10.0) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    async def connection(self) -> NatsConnection:
        """Return the addresses, after at least one has let the user in and none that answers is too old.

        Raises:
            NatsServerTooOldError: the version of one cannot be trusted with decisions.
            NatsServerError: nobody answers.
            DisconnectedError: those that answer refuse the user.
        """
        answers = await asyncio.gather(
            *(server_info(url, self._timeout_s, login=self._connection) for url in self._connection.servers),
            return_exceptions=True,
        )
        for url, answer in zip(self._connection.servers, answers, strict=True):
            if isinstance(answer, ServerInfo):
                check_version(answer.version, name=url)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if len(failures) == len(answers):
            raise failures[0]
        for failure in failures:
            _logger.warning("%s", failure)
        return self._connection

    @property
    def servers(self) -> tuple[str, ...]:
        """Their addresses."""
        return self._connection.servers

    @property
    def trouble(self) -> str:
        """Nothing: what is wrong with others' servers shows at the connection."""
        return ""

    def __repr__(self) -> str:
        return f"<ExternalNats {', '.join(self._connection.servers)}>"


@dataclass(frozen=True, slots=True)
class _Memory:
    """What an embedded server keeps from one start to the next."""

    key: bytes
    port: int = 0

    @classmethod
    def read(cls, path: Path) -> _Memory:
        """Nothing but this server's own clients needs it, so a damaged file is simply made anew."""
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return cls(bytes.fromhex(kept["key"]), int(kept["client-port"]))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError) as error:
            _logger.warning("%s cannot be read and is made anew: %s", path, error)
        return cls(secrets.token_bytes(_KEY_BYTES))

    def write(self, path: Path) -> None:
        """Replace the file as a whole; it holds a secret."""
        written = path.with_suffix(".new")
        written.unlink(missing_ok=True)
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"key": self.key.hex(), "client-port": self.port}, file)
        written.replace(path)
