"""The bus over NATS: nats-py with the settings and precautions that were found by measuring, and nothing above it.

The connection never ends by itself: it reconnects for ever, and where nats-py gives up it is built anew with all
subscriptions. Everything is at most once; a publish that returned has not arrived.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from app_framework.messaging.bus import NO_HEADERS, BusEvent, EventKind, Handler
from app_framework.messaging.connection import NatsConnection
from app_framework.messaging.errors import DeadlineExceededError, DisconnectedError, PayloadTooLargeError
from app_framework.messaging.nats_subscription import NatsSubscription
from app_framework.messaging.subject import (
    check_header_name,
    check_pattern,
    check_queue,
    check_subject,
    headers_size,
)

if TYPE_CHECKING:
    from nats.aio.client import Client

    from app_framework.messaging.nats_client import NatsClient

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
PING_INTERVAL_S = 2
"""With two unanswered pings a silent server is noticed after at most 6 s; nats-py's own setting needs 4 minutes."""
RECONNECT_WAIT_S = 0.1
REVIVE_WAIT_S_MAX = 5.0
SEND_BUFFER_BYTES = 8 << 20
SEND_WAIT_S_MAX = 2.0
CLOSE_TIMEOUT_S = 5.0


class NatsBus:
    """One connection to NATS; get one from `NatsBus.connect`."""

    protocol: ClassVar[str] = "nats"

    def __init__(self, connection: NatsConnection, *, name: str) -> None:
        self.name = name
        self._connection = connection
        self._client: NatsClient | None = None
        self._subscriptions: set[NatsSubscription] = set()
        self._listeners: list[Callable[[BusEvent], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._flushes: set[asyncio.Task[None]] = set()
        self._inbox_prefix = f"_INBOX.{secrets.token_hex(8)}"
        self._inboxes = 0
        self._closed = False
        self._last_error = ""

    @classmethod
    async def connect(cls, connection: NatsConnection, *, name: str, timeout_s: float = CONNECT_TIMEOUT_S) -> NatsBus:
        """Connect to the first server that answers.

        Args:
            connection: where to, and as whom.
            name: of the connection, shown by the server.
            timeout_s: how long to try before giving up; later disconnections are never given up.

        Raises:
            DisconnectedError: no server answers in time, or it refuses the credentials.
        """
        bus = cls(connection, name=name)
        bus._client = await bus._connect(connection, timeout_s)
        return bus

    @property
    def client(self) -> Client | None:
        """The connection of nats-py that is in use now; another one after a move."""
        return self._client

    @property
    def connection_errors(self) -> tuple[type[Exception], ...]:
        """What nats-py raises when a connection is closed, refused or broken."""
        from nats.errors import Error

        return (Error, OSError)

    @property
    def connection(self) -> NatsConnection:
        """Where it is connected to, and as whom."""
        return self._connection

    @property
    def last_error(self) -> str:
        """What the last failed attempt to connect or to stay connected was told; empty while all is well."""
        return "" if self.connected else self._last_error

    @property
    def message_bytes_max(self) -> int:
        """The largest message, payload and headers together, as the server says."""
        return self._client.max_payload if self._client is not None else 1 << 20

    @property
    def connected(self) -> bool:
        """Whether messages get anywhere now."""
        return not self._closed and self._client is not None and self._client.is_connected

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Send a message, as `Bus.publish` says.

        nats-py looks at the payload only; a server that finds payload and headers too large cuts the connection for
        good, so both are measured here.
        """
        check_subject(subject)
        client = self._client
        if client is None or self._closed:
            raise DisconnectedError(self.name, "it is closed" if self._closed else self._last_error)
        size = len(data) + headers_size(headers)
        if size > client.max_payload:
            raise PayloadTooLargeError(size, client.max_payload)
        for header in headers:
            check_header_name(header)  # nats-py leaves out an empty one; values it makes one line, as we do in memory
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task is not None else 0
        try:
            await client.publish(subject, data, reply, dict(headers) if headers else None)
        except self.connection_errors as error:
            raise DisconnectedError(self.name, str(error) or type(error).__name__) from error
        if task is not None and task.cancelling() > cancelled_before:
            raise asyncio.CancelledError  # nats-py swallows it while it waits for its buffer

    async def subscribe(
        self, subject: str, handler: Handler, *, queue: str = "", pending_max: int = 65_536
    ) -> NatsSubscription:
        """Call a handler with every message of a subject, as `Bus.subscribe` says."""
        check_pattern(subject)
        check_queue(queue)
        if self._client is None or self._closed:
            raise DisconnectedError(self.name, "it is closed" if self._closed else self._last_error)
        subscription = NatsSubscription(self, subject, handler, queue, pending_max)
        try:
            await subscription.attach(self._client)
        except self.connection_errors as error:
            raise DisconnectedError(self.name, str(error) or type(error).__name__) from error
        self._subscriptions.add(subscription)
        return subscription

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Wait until the server has everything that was sent, as `Bus.flush` says.

        The round trip goes on when the caller stops waiting: nats-py's reader dies of an answer that nobody awaits.
        """
        client = self._client
        if client is None or not self.connected:
            raise DisconnectedError(self.name, "it is closed" if self._closed else self._last_error)
        task = asyncio.get_running_loop().create_task(_flush(client))
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        if not done:
            raise DeadlineExceededError("flush", timeout_s)
        if task.cancelled() or task.exception() is not None or not self.connected:
            raise DisconnectedError(self.name, "it was lost while it waited for the server")

    def new_inbox(self) -> str:
        """Return a subject that nobody else uses."""
        self._inboxes += 1
        return f"{self._inbox_prefix}.{self._inboxes}"

    def listen(self, listener: Callable[[BusEvent], None]) -> None:
        """Tell what happens to the connection."""
        self._listeners.append(listener)

    async def move(self, connection: NatsConnection, *, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Leave the servers for others, with other credentials; subscriptions are kept, what is under way is lost.

        Args:
            connection: the new servers and user.
            timeout_s: how long to try.

        Raises:
            DisconnectedError: the new servers do not answer; the bus stays where it was.
        """
        if self._closed:
            raise DisconnectedError(self.name, "it is closed")
        client = await self._connect(connection, timeout_s)
        old, self._client, self._connection = self._client, client, connection
        try:
            self._tell("disconnected", "it moves to other servers")
            await self._resubscribe(client)
            self._tell("reconnected")
        finally:
            if old is not None:
                await _close(old)

    async def drain(self, timeout_s: float = 5.0) -> None:
        """Take no new messages, handle those that wait for as long as the time allows, close.

        Raises:
            DeadlineExceededError: handlers were still busy and were cancelled.
        """
        ends = [asyncio.ensure_future(each.unsubscribe()) for each in tuple(self._subscriptions)]
        try:
            if ends:
                _, busy = await asyncio.wait(ends, timeout=timeout_s)
                if busy:
                    raise DeadlineExceededError("drain", timeout_s)
            if self.connected:
                with suppress(DisconnectedError):
                    await self.flush(timeout_s)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close at once; handlers are cancelled."""
        if self._closed:
            return
        self._closed = True
        left = {*self._tasks, *self._flushes} - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if self._client is not None:
            await _close(self._client)
        if left:
            await asyncio.wait(left, timeout=CLOSE_TIMEOUT_S)  # one of them may just have connected again
        self._subscriptions.clear()
        self._tell("closed")

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self.connected else "disconnected"
        servers = ", ".join(self._connection.servers)
        return f"<NatsBus {self.name!r} {state} to {servers}, {len(self._subscriptions)} subscriptions>"

    async def _connect(self, connection: NatsConnection, timeout_s: float) -> NatsClient:
        """Build a client that is connected: nats-py would try for ever, so the time and a refusal end it here."""
        from app_framework.messaging.nats_client import NatsClient

        client = NatsClient()
        refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def on_error(error: Exception) -> None:
            self._last_error = str(error) or type(error).__name__
            if _is_refusal(error) and not refused.done():
                refused.set_result(self._last_error)
            if self._client is client:
                self._report(error)

        attempt = asyncio.ensure_future(client.connect(**self._options(client, connection, on_error)))
        connected = False
        try:
            waited: set[asyncio.Future[Any]] = {attempt, refused}
            await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not attempt.done():
                reason = refused.result() if refused.done() else self._last_error or "no server answered"
                raise DisconnectedError(self.name, f"{', '.join(connection.servers)}: {reason}")
            attempt.result()
            if self._closed:
                raise DisconnectedError(self.name, "it was closed meanwhile")
            connected = True
        except self.connection_errors as error:
            raise DisconnectedError(self.name, str(error)) from error
        finally:
            if not connected:
                await _give_up(client, attempt)
        return client

    def _options(
        self, client: NatsClient, connection: NatsConnection, on_error: Callable[[Exception], Awaitable[None]]
    ) -> dict[str, Any]:
        """The settings of a client; untyped, because nats-py's annotations know no fractions of seconds."""

        async def on_disconnected() -> None:
            for task in tuple(self._flushes):
                task.cancel()
            if self._client is client and not self._closed:
                self._tell("disconnected", self._last_error)

        async def on_reconnected() -> None:
            if self._client is client:
                self._tell("reconnected")

        async def on_lame_duck() -> None:
            if self._client is client:
                self._tell("lame-duck")

        async def on_closed() -> None:
            client.end()
            if self._client is client and not self._closed:
                self._spawn(self._revive())

        return {
            "servers": list(connection.servers),
            "user": connection.user or None,
            "password": connection.password if connection.user else None,
            "token": connection.token or None,
            "name": self.name,
            "error_cb": on_error,
            "disconnected_cb": on_disconnected,
            "reconnected_cb": on_reconnected,
            "closed_cb": on_closed,
            "lame_duck_mode_cb": on_lame_duck,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": RECONNECT_WAIT_S,
            "connect_timeout": 2,
            "ping_interval": PING_INTERVAL_S,
            "max_outstanding_pings": 2,
            "dont_randomize": True,
            "pending_size": SEND_BUFFER_BYTES,
            "flush_timeout": SEND_WAIT_S_MAX,
            "skip_subject_validation": True,  # ours is stricter, and each message is checked once
        }

    async def _revive(self) -> None:
        """Build the connection anew after the server ended it for good; nats-py does not come back from that."""
        ended, wait_s = self._client, RECONNECT_WAIT_S
        while not self._closed and self._client is ended:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, REVIVE_WAIT_S_MAX)
            try:
                client = await self._connect(self._connection, CONNECT_TIMEOUT_S)
            except DisconnectedError as error:
                logger.warning("%s cannot connect again: %s", self.name, error.reason)
                continue
            if self._client is not ended:  # it has moved meanwhile
                await _close(client)
                return
            self._client = client
            await self._resubscribe(client)
            self._tell("reconnected")

    async def _resubscribe(self, client: Client) -> None:
        with suppress(*self.connection_errors):
            for subscription in tuple(self._subscriptions):
                await subscription.attach(client)

    def _report(self, error: Exception) -> None:
        from nats.errors import SlowConsumerError

        if isinstance(error, SlowConsumerError):
            self._tell("slow-consumer", error.sub.subject)
        else:
            self._tell("error", str(error) or type(error).__name__)

    def _tell(self, kind: EventKind, detail: str = "") -> None:
        event = BusEvent(kind, detail)
        for listener in tuple(self._listeners):
            listener(event)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _flush(client: Client) -> None:
    await client.flush(3600)


async def _give_up(client: NatsClient, attempt: asyncio.Task[None]) -> None:
    """End an attempt to connect; it may come to its goal all the same, and must not stay there."""
    client.end()
    attempt.cancel()
    attempt.add_done_callback(_told)
    await asyncio.wait({attempt}, timeout=CLOSE_TIMEOUT_S)
    await _close(client)


async def _close(client: NatsClient) -> None:
    """Close a client whatever state it is in; a broken socket may raise, a dead one may hang."""
    closing = asyncio.ensure_future(client.close())
    closing.add_done_callback(_told)
    try:
        await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT_S)
    finally:
        client.end()
        closing.cancel()


def _told(end: asyncio.Future[None]) -> None:
    if not end.cancelled() and (error := end.exception()) is not None:
        logger.debug("a NATS connection did not close cleanly: %s", error)


def _is_refusal(error: Exception) -> bool:
    text = str(error).lower()
    return "authorization violation" in text or "authentication" in text
