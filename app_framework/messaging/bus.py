"""The least that a messenger must be able to do: two implementations, in memory and on NATS, have this face.

Delivery is at most once and asynchronous, first in first out per publisher and subscription. Nothing is stored.
Whatever has deadlines, answers, streams or back-pressure stands above it, once, in `Rpc`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

EventKind = Literal["disconnected", "reconnected", "slow-consumer", "lame-duck", "closed", "error"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it arrives.

    Args:
        subject: where it was sent.
        data: the payload.
        headers: names to values, both text.
        reply: the subject on which the sender waits for an answer; empty when it waits for none.
    """

    subject: str
    data: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    reply: str = ""


@dataclass(frozen=True, slots=True)
class BusEvent:
    """Something that happened to a connection.

    Args:
        kind: what.
        detail: the subject of a slow consumer, the text of an error.
    """

    kind: EventKind
    detail: str = ""


Handler = Callable[[Message], Awaitable[None]]


class Subscription(Protocol):
    """Interest in a subject, until it is given up."""

    async def unsubscribe(self) -> None:
        """Give it up; a message that is being handled is finished."""


class Bus(Protocol):
    """One connection of one node.

    Attributes:
        name: of the connection, for people.
        message_bytes_max: the largest message, payload and headers together.
    """

    name: str

    @property
    def message_bytes_max(self) -> int:
        """The largest message, payload and headers together."""

    @property
    def connected(self) -> bool:
        """Whether messages get anywhere now."""

    async def publish(
        self, subject: str, data: bytes = b"", *, reply: str = "", headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Send a message; that it was sent does not mean that it arrives.

        With a reply subject and without anybody who listens, a message with the header ``Status: 503`` comes back.

        Raises:
            InvalidSubjectError: the subject has wildcards, spaces or empty words.
            PayloadTooLargeError: payload and headers exceed the limit.
            DisconnectedError: the connection is closed, or its buffer is full while it is away.
        """

    async def subscribe(
        self, subject: str, handler: Handler, *, queue: str = "", pending_max: int = 65_536
    ) -> Subscription:
        """Call a handler with every message of a subject, one after the other.

        Args:
            subject: ``*`` stands for one word, a last ``>`` for the rest.
            handler: what it raises becomes an ``error`` event.
            queue: of the subscriptions with the same queue, one gets each message.
            pending_max: how many may wait; what comes beyond is dropped, and a ``slow-consumer`` event says so.

        Raises:
            InvalidSubjectError: it is not a subject.
            DisconnectedError: the connection is closed.
        """

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Wait until the server has everything that was sent; says nothing about other servers.

        Raises:
            DisconnectedError: there is no connection.
            DeadlineExceededError: the server does not answer.
        """

    def new_inbox(self) -> str:
        """Return a subject that nobody else uses."""

    def listen(self, listener: Callable[[BusEvent], None]) -> None:
        """Tell what happens to the connection."""

    async def drain(self, timeout_s: float = 5.0) -> None:
        """Take no new messages, handle those that wait, send what is buffered, close."""

    async def close(self) -> None:
        """Close at once."""
